"""AUTH tokens of replication groups: what replies say of them, and who logs in with them, asked by redis-py."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox import CA_FILE, Case, quick
from sdk.users import ONE

FIRST = "the-first-token-of-a-cache"
SECOND = "the-second-token-of-a-cache"


class AuthTokens(Case):
    def group(self, **more):
        arguments = {
            "ReplicationGroupId": "cache1",
            "ReplicationGroupDescription": "for tests",
            "NumCacheClusters": 2,
            "TransitEncryptionEnabled": True,
        }
        made = self.elasticache.create_replication_group(**arguments | more)["ReplicationGroup"]
        self.assertEqual(made["Status"], "creating")
        return self.settled()

    def settled(self):
        """Waits until the group is available, and gives it."""
        quick(self.elasticache.get_waiter("replication_group_available")).wait(ReplicationGroupId="cache1")
        return self.elasticache.describe_replication_groups(ReplicationGroupId="cache1")["ReplicationGroups"][0]

    def change(self, token, strategy, **more):
        """Changes the token, and gives the group as it is then."""
        more = {"AuthToken": token} | more if token else more
        changed = self.elasticache.modify_replication_group(
            ReplicationGroupId="cache1", AuthTokenUpdateStrategy=strategy, ApplyImmediately=True, **more
        )["ReplicationGroup"]
        self.assertEqual(changed["Status"], "modifying")
        status = {"ROTATE": "ROTATING", "SET": "SETTING"}.get(strategy)
        self.assertEqual(changed["PendingModifiedValues"].get("AuthTokenStatus"), status)
        settled = self.settled()
        self.assertEqual(settled["PendingModifiedValues"], {})
        return settled

    def logs_in(self, group, token, name=None):
        """Whether each node lets a client in; they must agree."""
        members = group["NodeGroups"][0]["NodeGroupMembers"]
        (answer,) = {self.answer(member["ReadEndpoint"], token, name) for member in members}
        return answer

    def answer(self, endpoint, token, name):
        client = redis.Redis(
            host=endpoint["Address"],
            port=endpoint["Port"],
            ssl=True,
            ssl_ca_certs=CA_FILE,
            username=name,
            password=token,
            # A refused login would be tried again and again, with pauses.
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return client.ping()
        except redis.exceptions.AuthenticationError:
            return False
        finally:
            client.close()

    def test_a_token_is_rotated_and_then_set(self):
        group = self.group(AuthToken=FIRST)
        self.assertTrue(group["AuthTokenEnabled"])
        self.assertEqual([self.logs_in(group, token) for token in (FIRST, SECOND, None)], [True, False, False])
        group = self.change(SECOND, "ROTATE")
        self.assertEqual([self.logs_in(group, token) for token in (FIRST, SECOND, None)], [True, True, False])
        rotated = group["AuthTokenLastModifiedDate"]
        group = self.change(SECOND, "SET")
        self.assertEqual([self.logs_in(group, token) for token in (FIRST, SECOND, None)], [False, True, False])
        self.assertGreater(group["AuthTokenLastModifiedDate"], rotated)
        for cluster in self.elasticache.describe_cache_clusters()["CacheClusters"]:
            self.assertTrue(cluster["AuthTokenEnabled"])
            self.assertEqual(cluster["AuthTokenLastModifiedDate"], group["AuthTokenLastModifiedDate"])
            self.assertEqual(cluster["PendingModifiedValues"], {})

    def test_a_first_token_is_rotated_in_beside_none_and_then_set(self):
        group = self.group()
        self.assertFalse(group["AuthTokenEnabled"])
        self.assertNotIn("AuthTokenLastModifiedDate", group)
        group = self.change(FIRST, "ROTATE")
        self.assertTrue(group["AuthTokenEnabled"])
        self.assertEqual([self.logs_in(group, None), self.logs_in(group, FIRST, "default")], [True, True])
        group = self.change(FIRST, "SET")
        self.assertEqual([self.logs_in(group, token) for token in (FIRST, None)], [True, False])

    def test_tokens_give_way_to_users_and_users_to_tokens(self):
        self.user("user1", ONE, AccessString="on ~* -@all +ping")
        self.user("locked", ONE, UserName="default", AccessString="off ~* -@all")
        self.elasticache.create_user_group(UserGroupId="orders", Engine="redis", UserIds=["locked", "user1"])
        group = self.group(AuthToken=FIRST)
        errors = self.elasticache.exceptions
        said = self.refused(
            errors.InvalidParameterCombinationException,
            self.elasticache.modify_replication_group,
            ReplicationGroupId="cache1",
            UserGroupIdsToAdd=["orders"],
        )
        self.assertEqual(
            said, "User group can't be associated with auth token enabled. Pass AuthStrategy delete to proceed."
        )
        group = self.change(None, "DELETE", UserGroupIdsToAdd=["orders"])
        self.assertEqual((group["AuthTokenEnabled"], group["UserGroupIds"]), (False, ["orders"]))
        self.user_is_active("user1")
        self.user_is_active("locked")
        self.assertEqual([self.logs_in(group, FIRST), self.logs_in(group, ONE, "user1")], [False, True])
        group = self.change(SECOND, "SET", RemoveUserGroups=True)
        self.assertEqual((group["AuthTokenEnabled"], group["UserGroupIds"]), (True, []))
        self.user_is_active("user1")
        self.assertEqual([self.logs_in(group, SECOND), self.logs_in(group, ONE, "user1")], [True, False])

    def test_errors_are_the_models(self):
        errors = self.elasticache.exceptions
        self.group(AuthToken=FIRST)
        change = self.elasticache.modify_replication_group
        for value in ({"AuthToken": "short"}, {"AuthToken": "what about this/slash"}):
            said = self.refused(errors.InvalidParameterValueException, change, ReplicationGroupId="cache1", **value)
            self.assertEqual(said, "Invalid AuthToken provided.")
        said = self.refused(
            errors.InvalidParameterValueException,
            change,
            ReplicationGroupId="cache1",
            AuthTokenUpdateStrategy="DELETE",
        )
        self.assertEqual(said, "Auth token update strategy delete is not supported currently")
        self.elasticache.modify_replication_group(ReplicationGroupId="cache1", AuthToken=SECOND, ApplyImmediately=True)
        busy = {"ReplicationGroupId": "cache1", "AuthToken": FIRST}
        self.refused(errors.InvalidReplicationGroupStateFault, change, **busy)
        plain = {"ReplicationGroupId": "plain", "ReplicationGroupDescription": "d", "AuthToken": FIRST}
        self.refused(errors.InvalidParameterCombinationException, self.elasticache.create_replication_group, **plain)
        self.settled()
