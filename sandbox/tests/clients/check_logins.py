"""Programs that read a secret and log in with it: redis-py and `redis-cli`, neither of which knows of the sandbox."""

import json
import os
import subprocess
import sys
import unittest

import redis

from sandbox import CA_FILE, Case

PASSWORDS = ["first password of user1", "second password of user1"]


class Logins(Case):
    def setUp(self):
        super().setUp()
        self.user("user1", PASSWORDS[0], AccessString="on ~keys* -@all +get +set")
        self.elasticache.create_user_group(UserGroupId="orders", Engine="redis", UserIds=["default", "user1"])
        cache = self.cache("cache1", "orders", nodes=2)
        members = cache["NodeGroups"][0]["NodeGroupMembers"]
        self.endpoints = [member["ReadEndpoint"] for member in members]
        document = {"username": "user1", "password": PASSWORDS[0]}
        self.secrets.create_secret(Name="user1", SecretString=json.dumps(document))

    def credentials(self):
        return json.loads(self.secrets.get_secret_value(SecretId="user1")["SecretString"])

    def connection(self, endpoint):
        return redis.Redis(
            host=endpoint["Address"],
            port=endpoint["Port"],
            ssl=True,
            ssl_ca_certs=CA_FILE,
            **self.credentials(),
        )

    def redis_cli(self, endpoint, *command):
        credentials = self.credentials()
        done = subprocess.run(
            ["redis-cli", "--tls", "--cacert", CA_FILE, "-h", endpoint["Address"], "-p", str(endpoint["Port"])]
            + ["--no-auth-warning", "--user", credentials["username"], *command],
            env=os.environ | {"REDISCLI_AUTH": credentials["password"]},
            capture_output=True,
            text=True,
            check=False,
        )
        return (done.stdout + done.stderr).strip()

    def test_what_the_secret_holds_logs_in_on_every_node(self):
        primary = self.connection(self.endpoints[0])
        self.assertTrue(primary.set("keys:1", "value"))
        self.assertEqual(primary.get("keys:1"), b"value")
        self.assertEqual(self.redis_cli(self.endpoints[0], "GET", "keys:1"), "value")
        for endpoint in self.endpoints:
            self.assertIsNone(self.connection(endpoint).get("keys:none"))
            self.assertEqual(self.redis_cli(endpoint, "GET", "keys:none"), "")

    def test_the_user_may_do_what_its_access_string_says(self):
        with self.assertRaises(redis.exceptions.NoPermissionError):
            self.connection(self.endpoints[0]).get("other:1")
        self.assertIn("NOPERM", self.redis_cli(self.endpoints[0], "DEL", "keys:1"))

    def test_a_replaced_password_logs_in_no_more(self):
        stale = self.connection(self.endpoints[0])
        self.elasticache.modify_user(UserId="user1", Passwords=[PASSWORDS[1]])
        self.user_is_active("user1")
        with self.assertRaises(redis.exceptions.AuthenticationError):
            stale.get("keys:1")
        self.assertIn("WRONGPASS", self.redis_cli(self.endpoints[1], "GET", "keys:1"))
        document = json.dumps(self.credentials() | {"password": PASSWORDS[1]})
        self.secrets.put_secret_value(SecretId="user1", SecretString=document)
        for endpoint in self.endpoints:
            self.assertIsNone(self.connection(endpoint).get("keys:1"))
            self.assertEqual(self.redis_cli(endpoint, "GET", "keys:1"), "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
