"""A rotation function in AWS's four steps, unchanged but for the endpoint, against a sandbox with real redis.

What AWS would do around it is done here: it is called step by step with the version that RotateSecret made, and from
the first step again whenever a step fails. A step fails, as a function does that crashes, because one of its calls is
refused, or because the call was applied and its reply lost.
"""

import json
import os
import sys
import unittest

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sandbox import CA_FILE, URL, Case, control

os.environ |= {
    "AWS_ENDPOINT_URL": URL,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_MAX_ATTEMPTS": "1",
    "PATIENCE_SECONDS": "60",
    "POLL_SECONDS": "0.02",
}

from four_steps import rotation  # noqa: E402 (it reads the environment)

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
FIRST = "first password of user1"

# Every call that the function makes in a rotation: where it can crash.
CALLS = {
    "createSecret": ["DescribeSecret", "GetSecretValue", "GetRandomPassword", "PutSecretValue"],
    "setSecret": ["GetSecretValue", "DescribeUsers", "ModifyUser"],
    "testSecret": ["GetSecretValue", "DescribeUsers"],
    "finishSecret": ["DescribeSecret", "UpdateSecretVersionStage"],
}
CHANGES = {"PutSecretValue", "ModifyUser", "UpdateSecretVersionStage"}


class FourSteps(Case):
    def setUp(self):
        super().setUp()
        made = self.user("user1", FIRST)
        self.elasticache.create_user_group(UserGroupId="orders", Engine="redis", UserIds=["default", "user1"])
        cache = self.cache("cache1", "orders", nodes=2)
        members = cache["NodeGroups"][0]["NodeGroupMembers"]
        self.endpoints = [member["ReadEndpoint"] for member in members]
        document = {"username": "user1", "user_arn": made["ARN"], "password": FIRST}
        self.secret = self.secrets.create_secret(Name="user1", SecretString=json.dumps(document))["ARN"]

    def begin(self, **more):
        """Begins a rotation as anybody does, and gives the version that the function will meet."""
        begun = self.secrets.rotate_secret(SecretId=self.secret, RotationLambdaARN=FUNCTION, **more)
        return begun["VersionId"]

    def step(self, name, token):
        rotation.lambda_handler({"Step": name, "SecretId": self.secret, "ClientRequestToken": token}, None)

    def attempt(self, token):
        for name in STEPS:
            self.step(name, token)

    def password(self, **version):
        read = self.secrets.get_secret_value(SecretId=self.secret, **version)
        return json.loads(read["SecretString"])["password"]

    def labels(self):
        return self.secrets.describe_secret(SecretId=self.secret)["VersionIdsToStages"]

    def logs_in(self, password):
        """Whether every node lets the user in; they have to agree."""
        answers = set()
        for endpoint in self.endpoints:
            address = {"host": endpoint["Address"], "port": endpoint["Port"]}
            # A refused login is an answer; redis-py would try it again.
            login = {"username": "user1", "password": password, "retry": Retry(NoBackoff(), 0)}
            with redis.Redis(**address, **login, ssl=True, ssl_ca_certs=CA_FILE) as connection:
                try:
                    connection.get("keys:1")
                    answers.add(True)
                except redis.exceptions.AuthenticationError:
                    answers.add(False)
        self.assertEqual(len(answers), 1, f"the nodes do not agree about {password}")
        return answers.pop()

    def is_rotated(self, token, before):
        """What holds once a rotation is over: the new password is current, and logs in beside the one before."""
        labels = self.labels()
        self.assertEqual(labels[token], ["AWSCURRENT"])
        self.assertNotIn(["AWSPENDING"], list(labels.values()))
        self.assertNotEqual(self.password(), before)
        self.assertEqual(self.password(VersionStage="AWSPREVIOUS"), before)
        self.assertTrue(self.logs_in(self.password()))
        self.assertTrue(self.logs_in(before))

    def test_the_function_meets_a_version_without_a_value_and_fills_it(self):
        token = self.begin(RotationRules={"AutomaticallyAfterDays": 30})
        self.assertEqual(self.labels()[token], ["AWSPENDING"])
        pending = {"SecretId": self.secret, "VersionId": token, "VersionStage": "AWSPENDING"}
        missing = self.secrets.exceptions.ResourceNotFoundException
        self.refused(missing, self.secrets.get_secret_value, **pending)
        self.step("createSecret", token)
        new = self.password(VersionId=token)
        self.assertFalse(self.logs_in(new))
        self.step("setSecret", token)
        self.step("testSecret", token)
        self.assertTrue(self.logs_in(new))
        self.assertEqual(self.password(), FIRST)
        self.step("finishSecret", token)
        self.is_rotated(token, FIRST)
        found = self.secrets.describe_secret(SecretId=self.secret)
        self.assertLess(found["LastRotatedDate"], found["NextRotationDate"])

    def test_a_rotation_outlives_a_crash_at_each_of_its_calls(self):
        passwords = [FIRST]
        for step, calls in CALLS.items():
            for operation in calls:
                # What reads is as it was either way.
                for kind in ("error", "reply_lost") if operation in CHANGES else ("error",):
                    with self.subTest(step, operation=operation, kind=kind):
                        token = self.begin()
                        self.crash(token, step, {"operation": operation, "kind": kind})
                        self.attempt(token)
                        self.is_rotated(token, passwords[-1])
                        passwords.append(self.password())
        # The one before the last was retired by the last rotation.
        self.assertFalse(self.logs_in(passwords[-3]))

    def crash(self, token, step, fault):
        """Takes the steps up to one that ends at its call."""
        for name in STEPS[: STEPS.index(step)]:
            self.step(name, token)
        control("PUT", "faults", [fault])
        with self.assertRaises(Exception):
            self.step(step, token)
        (armed,) = control("GET", "faults")
        self.assertEqual(armed["fired"], 1)
        control("PUT", "faults", [])

    def test_the_function_refuses_a_version_that_is_not_its_own(self):
        token = self.begin()
        with self.assertRaises(ValueError):
            self.step("createSecret", "0" * 32)
        busy = self.refused(self.secrets.exceptions.InvalidRequestException, self.begin)
        self.assertEqual(busy, "A previous rotation isn't complete. That rotation will be reattempted.")
        self.secrets.cancel_rotate_secret(SecretId=self.secret)
        with self.assertRaises(ValueError):
            self.step("createSecret", token)
        self.assertTrue(self.logs_in(FIRST))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
