"""The calls by which Terraform's AWS provider makes, reads, changes and deletes users, their groups and caches, in its
order, with what it expects to read again."""

from sandbox import Case, quick, until
from sdk.users import ONE

TAGS = [{"Key": "team", "Value": "orders"}]
GIVEN = {
    "AutomaticFailoverEnabled": True,
    "MultiAZEnabled": True,
    "AtRestEncryptionEnabled": True,
    "AutoMinorVersionUpgrade": False,
    "SnapshotRetentionLimit": 5,
    "SnapshotWindow": "01:00-02:00",
}


class Infrastructure(Case):
    def tags(self, made):
        return self.elasticache.list_tags_for_resource(ResourceName=made["ARN"])["TagList"]

    def group(self):
        return self.elasticache.describe_user_groups(UserGroupId="orders")["UserGroups"][0]

    def cache1(self):
        quick(self.elasticache.get_waiter("replication_group_available")).wait(ReplicationGroupId="cache1")
        return self.elasticache.describe_replication_groups(ReplicationGroupId="cache1")["ReplicationGroups"][0]

    def test_a_user_and_its_group_come_change_and_go(self):
        user = self.user("user1", ONE, Tags=TAGS)
        self.user_is_active("user1")
        self.assertEqual(self.tags(user), TAGS)
        made = self.elasticache.create_user_group(UserGroupId="orders", Engine="redis", UserIds=["default"], Tags=TAGS)
        until("the group is active", lambda: self.group()["Status"] == "active")
        self.assertEqual(self.tags(made), TAGS)
        self.elasticache.modify_user_group(UserGroupId="orders", UserIdsToAdd=["user1"])
        until("the group is active", lambda: self.group()["Status"] == "active")
        self.elasticache.modify_user(
            UserId="user1", AccessString="on ~a* +@read", AuthenticationMode={"Type": "password", "Passwords": [ONE]}
        )
        self.assertEqual(self.user_is_active("user1")["AccessString"], "on ~a* -@all +@read")
        self.elasticache.delete_user_group(UserGroupId="orders")
        errors = self.elasticache.exceptions
        self.refused(errors.UserGroupNotFoundFault, self.elasticache.describe_user_groups, UserGroupId="orders")
        self.elasticache.delete_user(UserId="user1")
        users = self.elasticache.describe_users
        until("it is gone", lambda: [found["UserId"] for found in users()["Users"]] == ["default"])

    def test_a_replication_group_shows_what_it_was_given(self):
        made = self.elasticache.create_replication_group(
            ReplicationGroupId="cache1",
            ReplicationGroupDescription="for tests",
            Engine="redis",
            EngineVersion="7.1",
            CacheNodeType="cache.m7g.large",
            CacheParameterGroupName="default.redis7",
            CacheSubnetGroupName="inside",
            SecurityGroupIds=["sg-1"],
            PreferredMaintenanceWindow="mon:03:00-mon:04:00",
            NumCacheClusters=2,
            TransitEncryptionEnabled=True,
            Tags=TAGS,
            **GIVEN,
        )["ReplicationGroup"]
        group = self.cache1()
        self.assertEqual((group["AutomaticFailover"], group["MultiAZ"]), ("enabled", "enabled"))
        for key in ("AtRestEncryptionEnabled", "AutoMinorVersionUpgrade", "SnapshotRetentionLimit", "SnapshotWindow"):
            self.assertEqual(group[key], GIVEN[key])
        self.assertEqual(self.tags(made), TAGS)
        self.the_node_shows("cache1-001", "mon:03:00-mon:04:00")
        self.elasticache.modify_replication_group(
            ReplicationGroupId="cache1",
            PreferredMaintenanceWindow="tue:03:00-tue:04:00",
            SnapshotRetentionLimit=0,
            ApplyImmediately=True,
        )
        self.assertEqual(self.cache1()["SnapshotRetentionLimit"], 0)
        self.the_node_shows("cache1-001", "tue:03:00-tue:04:00")
        self.elasticache.add_tags_to_resource(ResourceName=made["ARN"], Tags=[{"Key": "stage", "Value": "test"}])
        self.elasticache.remove_tags_from_resource(ResourceName=made["ARN"], TagKeys=["team"])
        self.assertEqual(self.tags(made), [{"Key": "stage", "Value": "test"}])
        self.elasticache.delete_replication_group(ReplicationGroupId="cache1")
        quick(self.elasticache.get_waiter("replication_group_deleted")).wait(ReplicationGroupId="cache1")
        quick(self.elasticache.get_waiter("cache_cluster_deleted")).wait(CacheClusterId="cache1-001")

    def the_node_shows(self, name, window):
        quick(self.elasticache.get_waiter("cache_cluster_available")).wait(CacheClusterId=name)
        (node,) = self.elasticache.describe_cache_clusters(CacheClusterId=name, ShowCacheNodeInfo=True)["CacheClusters"]
        self.assertEqual(node["EngineVersion"], "7.1.0")
        self.assertEqual(node["CacheNodeType"], "cache.m7g.large")
        self.assertEqual(node["CacheParameterGroup"]["CacheParameterGroupName"], "default.redis7")
        self.assertEqual(node["CacheSubnetGroupName"], "inside")
        self.assertEqual([group["SecurityGroupId"] for group in node["SecurityGroups"]], ["sg-1"])
        self.assertEqual(node["PreferredMaintenanceWindow"], window)
        self.assertEqual(node["TransitEncryptionMode"], "required")

    def test_a_serverless_cache_has_tags(self):
        made = self.elasticache.create_serverless_cache(ServerlessCacheName="sl", Engine="valkey", Tags=TAGS)
        self.assertEqual(self.tags(made["ServerlessCache"]), TAGS)

    def test_errors_of_tags_are_the_models(self):
        errors = self.elasticache.exceptions
        arn = self.user("user1", ONE)["ARN"]
        add, remove = self.elasticache.add_tags_to_resource, self.elasticache.remove_tags_from_resource
        many = [{"Key": f"key{number}", "Value": "v"} for number in range(51)]
        self.refused(errors.TagQuotaPerResourceExceeded, add, ResourceName=arn, Tags=many)
        self.refused(errors.TagNotFoundFault, remove, ResourceName=arn, TagKeys=["none"])
        reserved = [{"Key": "aws:team", "Value": "orders"}]
        self.refused(errors.InvalidParameterValueException, add, ResourceName=arn, Tags=reserved)
        gone = arn.replace("user:user1", "replicationgroup:none")
        self.refused(errors.ReplicationGroupNotFoundFault, add, ResourceName=gone, Tags=TAGS)
        gone = arn.replace("user:user1", "serverlesscache:none")
        self.refused(errors.ServerlessCacheNotFoundFault, add, ResourceName=gone, Tags=TAGS)
