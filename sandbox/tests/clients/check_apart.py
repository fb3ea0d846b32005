"""Accounts and regions are apart: whatever one session makes, no other sees. The access key names the account."""

import itertools
import sys
import unittest

import boto3
from botocore.config import Config

import sandbox
from sandbox import URL, WATCH

ACCOUNTS = {"111111111111": "111111111111", "222222222222": "222222222222", "AKIAEXAMPLE": "123456789012"}
PARTITIONS = {"us-east-1": "aws", "eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}


class Place:
    """One access key in one region."""

    def __init__(self, key, region):
        self.session = boto3.session.Session(
            aws_access_key_id=key, aws_secret_access_key="any", region_name=region
        )
        self.key, self.region, self.account = key, region, ACCOUNTS[key]
        self.partition = PARTITIONS[region]
        self.secrets = self.client("secretsmanager")
        self.elasticache = self.client("elasticache")

    def client(self, service):
        return WATCH.over(
            self.session.client(service, endpoint_url=URL, config=Config(retries={"total_max_attempts": 1}))
        )

    def arn(self, service, rest):
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    def fill(self):
        """Makes the same things in each place."""
        value = f"{self.account} {self.region}"
        self.secret = self.secrets.create_secret(Name="same", SecretString=value)["ARN"]
        self.elasticache.create_user(
            UserId="same", UserName="same", Engine="redis", AccessString="on", Passwords=[value]
        )
        self.elasticache.create_user_group(UserGroupId="same", Engine="redis", UserIds=["default", "same"])
        return value

    def users(self):
        return {user["UserId"]: user["ARN"] for user in self.elasticache.describe_users()["Users"]}

    def secret_arns(self):
        return [secret["ARN"] for secret in self.secrets.list_secrets()["SecretList"]]


PLACES = [Place(key, region) for key, region in itertools.product(ACCOUNTS, PARTITIONS)]


class Apart(unittest.TestCase):
    def setUp(self):
        sandbox.control("POST", "reset")
        WATCH.findings.clear()

    def tearDown(self):
        self.assertEqual(WATCH.findings, [])

    def test_each_place_has_its_own_things_under_its_own_arns(self):
        filled = [(place, place.fill()) for place in PLACES]
        for place, value in filled:
            prefix = place.arn("secretsmanager", "secret:same-")
            self.assertEqual([arn[: len(prefix)] for arn in place.secret_arns()], [prefix])
            self.assertEqual(place.secrets.get_secret_value(SecretId="same")["SecretString"], value)
            self.assertEqual(
                place.users(), {name: place.arn("elasticache", f"user:{name}") for name in ("default", "same")}
            )
            groups = place.elasticache.describe_user_groups()["UserGroups"]
            self.assertEqual([group["ARN"] for group in groups], [place.arn("elasticache", "usergroup:same")])

    def test_a_place_without_anything_sees_nothing_of_the_others(self):
        one, *others = PLACES
        one.fill()
        for other in others:
            self.assertEqual(other.secret_arns(), [])
            self.assertEqual(list(other.users()), ["default"])
            self.assertEqual(other.elasticache.describe_user_groups()["UserGroups"], [])
            for secret in ("same", one.secret):
                with self.assertRaises(other.secrets.exceptions.ResourceNotFoundException):
                    other.secrets.get_secret_value(SecretId=secret)
            with self.assertRaises(other.elasticache.exceptions.UserNotFoundFault):
                other.elasticache.modify_user(UserId="same", NoPasswordRequired=True)

    def test_what_is_deleted_in_one_place_stays_in_the_others(self):
        one, *others = PLACES
        for place in [one, *others]:
            place.fill()
        one.secrets.delete_secret(SecretId="same", ForceDeleteWithoutRecovery=True)
        one.elasticache.delete_user_group(UserGroupId="same")
        self.assertEqual(one.secret_arns(), [])
        for other in others:
            self.assertEqual(len(other.secret_arns()), 1)
            self.assertEqual(len(other.elasticache.describe_user_groups()["UserGroups"]), 1)

    def test_the_log_says_whose_call_it_was(self):
        for place in PLACES:
            place.secrets.list_secrets()
        logged = [(call["access_key"], call["account"], call["region"]) for call in sandbox.control("GET", "log")]
        self.assertEqual(logged, [(place.key, place.account, place.region) for place in PLACES])

    def test_sts_says_who_an_access_key_is(self):
        for place in PLACES:
            found = place.client("sts").get_caller_identity()
            self.assertEqual(found["Account"], place.account)
            self.assertEqual(found["Arn"], f"arn:{place.partition}:iam::{place.account}:user/{place.key}")
            self.assertTrue(found["UserId"])


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])
