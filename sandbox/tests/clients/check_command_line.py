"""The real `aws` command line against a sandbox: what goes in, and the JSON that comes out.

Most of it runs inside this process, by the command line's own driver; what is about a process runs the program.
"""

import json
import os
import subprocess
import sys
import unittest

import command_line
import sandbox
from command_line import elasticache, secrets_manager
from sandbox import URL, until

# The parts that call every operation of their services.
PARTS = {"secretsmanager": secrets_manager, "elasticache": elasticache}

ACCOUNT = "us-east-1:123456789012"
DOCUMENT = {"user_arn": f"arn:aws:elasticache:{ACCOUNT}:user:user1", "username": "user1"}


def run(*arguments):
    """Runs `aws`, and gives its exit code, output and errors."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.devnull,
        "AWS_ENDPOINT_URL": URL,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    done = subprocess.run(["aws", *arguments], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def aws(*arguments):
    """Runs `aws` on something that works, and gives what it says."""
    code, output, errors = run(*arguments)
    assert code == 0, f"aws {' '.join(arguments)}: exit code {code}: {errors}"
    return json.loads(output)


class CommandLine(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        sandbox.control("POST", "reset")

    def test_users_and_groups(self):
        made = aws(
            *("elasticache", "create-user", "--user-id", "user1", "--user-name", "user1", "--engine", "REDIS"),
            *("--no-password-required", "--access-string", "*off* +get ~keys*"),
        )
        user = {
            "UserId": "user1",
            "UserName": "user1",
            "Status": "active",
            "Engine": "redis",
            "MinimumEngineVersion": "6.0",
            "AccessString": "off ~keys* -@all +get",
            "UserGroupIds": [],
            "Authentication": {"Type": "no-password"},
            "ARN": DOCUMENT["user_arn"],
        }
        self.assertEqual(made, user)
        self.assertEqual(aws("elasticache", "describe-users", "--user-id", "user1"), {"Users": [user]})
        group = aws(
            *("elasticache", "create-user-group", "--user-group-id", "orders", "--engine", "redis"),
            *("--user-ids", "default", "user1", "--tags", "Key=team,Value=orders"),
        )
        self.assertEqual(
            group,
            {
                "UserGroupId": "orders",
                "Status": "creating",
                "Engine": "redis",
                "UserIds": ["default", "user1"],
                "MinimumEngineVersion": "6.0",
                "PendingChanges": {},
                "ReplicationGroups": [],
                "ServerlessCaches": [],
                "ARN": f"arn:aws:elasticache:{ACCOUNT}:usergroup:orders",
            },
        )
        tags = aws("elasticache", "list-tags-for-resource", "--resource-name", group["ARN"])
        self.assertEqual(tags, {"TagList": [{"Key": "team", "Value": "orders"}]})
        passwords = ["first-password-of-user1", "second-password-of-user1"]
        changed = aws("elasticache", "modify-user", "--user-id", "user1", "--passwords", *passwords)
        self.assertEqual(changed["Authentication"], {"Type": "password", "PasswordCount": 2})

    def test_a_refusal_is_an_error_of_the_command(self):
        code, output, errors = run("secretsmanager", "get-secret-value", "--secret-id", "none")
        self.assertEqual((code, output), (255, ""))
        self.assertIn("(ResourceNotFoundException) when calling the GetSecretValue operation", errors)
        code, _, errors = run("elasticache", "describe-users", "--user-id", "nobody")
        self.assertEqual(code, 255)
        self.assertIn("(UserNotFound) when calling the DescribeUsers operation", errors)

    def test_caches_are_waited_for_as_on_aws(self):
        aws(
            *("elasticache", "create-replication-group", "--replication-group-id", "cache1", "--num-cache-clusters"),
            *("1", "--replication-group-description", "for tests", "--transit-encryption-enabled"),
        )
        until("the cache is available", self._available)
        describe = ("elasticache", "wait", "replication-group-available", "--replication-group-id", "cache1")
        self.assertEqual(run(*describe), (0, "", ""))

    def _available(self):
        described = aws("elasticache", "describe-replication-groups", "--replication-group-id", "cache1")
        return described["ReplicationGroups"][0]["Status"] == "available"


class Parts(unittest.TestCase):
    def test_every_operation_is_called_and_answers_as_aws_does(self):
        for service, part in PARTS.items():
            with self.subTest(service):
                part.run(command_line.aws)
                known = {name for name in sandbox.control("GET", "operations") if name.startswith(service + ".")}
                self.assertEqual(known - command_line.succeeded, set(), "not called with success")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
