"""The sandbox under test: its clients, its control paths, and the case that all tests derive from."""

import json
import os
import time
import unittest
import urllib.request

import boto3
from botocore.config import Config

from strict import Watch

URL = os.environ["SANDBOX_URL"]
CA_FILE = os.environ["SANDBOX_CA_FILE"]
# Long enough for a machine that does other things as well.
PATIENCE = 60

WATCH = Watch()


def client(service, url=URL, region="us-east-1", validates=True):
    """A boto3 client whose errors are not retried away."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=validates),
    )


def control(method, path, body=None):
    """A call to a control path, and its reply."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/_sandbox/{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        return json.load(reply)


def until(what, probe):
    """Waits until `probe` gives something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.05)
    return found


def quick(waiter):
    """A waiter that asks as often as a test can afford; AWS's wait for seconds."""
    waiter.config.delay = 0.05
    waiter.config.max_attempts = int(PATIENCE / waiter.config.delay)
    return waiter


def token_pages(call, **arguments):
    """All pages of an operation that botocore itself does not page."""
    pages, more = [], {}
    while not pages or "NextToken" in pages[-1]:
        pages.append(call(**arguments, **more))
        more = {"NextToken": pages[-1].get("NextToken")}
    return pages


class Case(unittest.TestCase):
    """Begins with an empty sandbox, and fails over any reply that the service model does not allow."""

    def setUp(self):
        control("POST", "reset")
        self.elasticache = WATCH.over(client("elasticache"))
        self.secrets = WATCH.over(client("secretsmanager"))
        WATCH.findings.clear()

    def tearDown(self):
        self.assertEqual(WATCH.findings, [])

    def refused(self, errors, call, **arguments):
        """Makes a call that fails with one of the client's modelled exceptions, and gives its text."""
        with self.assertRaises(errors) as caught:
            call(**arguments)
        return caught.exception.response["Error"]["Message"]

    def refused_with(self, code, call, **arguments):
        """Makes a call that fails with a code that the model does not list."""
        with self.assertRaises(call.__self__.exceptions.ClientError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)

    def user(self, name, password=None, **more):
        """Makes a user: with a password and on, or like the AWS guide's."""
        access = {"AccessString": "on ~* -@all +get", "Passwords": [password]}
        if password is None:
            access = {"AccessString": "off ~* -@all +get", "NoPasswordRequired": True}
        arguments = {"UserId": name, "UserName": name, "Engine": "redis"} | access | more
        return self.elasticache.create_user(**arguments)

    def user_is_active(self, name):
        """Waits until a user has settled, and gives it."""

        def active():
            found = self.elasticache.describe_users(UserId=name)["Users"][0]
            return found if found["Status"] == "active" else None

        return until(f"{name} is active", active)

    def cache(self, name, group, nodes=1, **more):
        """Makes a replication group with TLS and waits until it is available."""
        self.elasticache.create_replication_group(
            ReplicationGroupId=name,
            ReplicationGroupDescription="for tests",
            Engine="redis",
            CacheNodeType="cache.t4g.micro",
            NumCacheClusters=nodes,
            TransitEncryptionEnabled=True,
            UserGroupIds=[group],
            **more,
        )

        def available():
            found = self.elasticache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]
            return found if found["Status"] == "available" else None

        return until(f"{name} is available", available)
