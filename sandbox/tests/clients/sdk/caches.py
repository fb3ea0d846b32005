"""ElastiCache replication groups with their nodes, global datastores."""

from sandbox import Case, control, until
from sdk.users import ONE


class Caches(Case):
    def setUp(self):
        super().setUp()
        self.user("user1", ONE)
        self.elasticache.create_user_group(UserGroupId="orders", Engine="redis", UserIds=["default", "user1"])

    def test_a_replication_group_is_made_described_changed_and_deleted(self):
        found = self.cache("cache1", "orders", nodes=2)
        self.assertEqual(found["MemberClusters"], ["cache1-001", "cache1-002"])
        self.assertTrue(found["TransitEncryptionEnabled"])
        self.assertEqual(found["UserGroupIds"], ["orders"])
        members = found["NodeGroups"][0]["NodeGroupMembers"]
        self.assertEqual([member["CurrentRole"] for member in members], ["primary", "replica"])
        group = self.elasticache.describe_user_groups(UserGroupId="orders")["UserGroups"][0]
        self.assertEqual(group["ReplicationGroups"], ["cache1"])
        self.the_nodes_are_those_of(found)
        self.elasticache.modify_replication_group(
            ReplicationGroupId="cache1", UserGroupIdsToRemove=["orders"], ReplicationGroupDescription="of nobody"
        )
        changed = self.elasticache.describe_replication_groups(ReplicationGroupId="cache1")["ReplicationGroups"][0]
        self.assertEqual(changed["UserGroupIds"], [])
        self.assertEqual(changed["Description"], "of nobody")
        deleted = self.elasticache.delete_replication_group(ReplicationGroupId="cache1")["ReplicationGroup"]
        self.assertEqual(deleted["Status"], "deleting")
        until("it is gone", lambda: not self.elasticache.describe_replication_groups()["ReplicationGroups"])

    def the_nodes_are_those_of(self, cache):
        pages = self.elasticache.get_paginator("describe_cache_clusters").paginate(
            ShowCacheNodeInfo=True, PaginationConfig={"PageSize": 20}
        )
        clusters = [cluster for page in pages for cluster in page["CacheClusters"]]
        self.assertEqual([cluster["CacheClusterId"] for cluster in clusters], cache["MemberClusters"])
        endpoints = [cluster["CacheNodes"][0]["Endpoint"] for cluster in clusters]
        members = cache["NodeGroups"][0]["NodeGroupMembers"]
        self.assertEqual(endpoints, [member["ReadEndpoint"] for member in members])

    def test_pages_hold_every_replication_group_and_every_node_once(self):
        control("PUT", "settings", {"caches": "virtual"})
        names = [f"cache{number:02}" for number in range(21)]
        for name in names:
            self.cache(name, "orders")
        config = {"PageSize": 20}
        pages = self.elasticache.get_paginator("describe_replication_groups").paginate(PaginationConfig=config)
        pages = [[group["ReplicationGroupId"] for group in page["ReplicationGroups"]] for page in pages]
        self.assertEqual(pages, [names[:20], names[20:]])
        pages = self.elasticache.get_paginator("describe_cache_clusters").paginate(PaginationConfig=config)
        pages = [[node["CacheClusterId"] for node in page["CacheClusters"]] for page in pages]
        self.assertEqual([len(page) for page in pages], [20, 1])
        self.assertEqual(sum(pages, []), [f"{name}-001" for name in names])
        errors = self.elasticache.exceptions
        for call in (self.elasticache.describe_replication_groups, self.elasticache.describe_cache_clusters):
            self.refused(errors.InvalidParameterValueException, call, MaxRecords=19)

    def test_what_is_seeded_is_described(self):
        self.cache("cache1", "orders")
        member = {"replication_group": "cache1", "region": "us-east-1", "role": "PRIMARY"}
        control("POST", "seed", {"global_replication_group": "world", "members": [member]})
        described = self.elasticache.describe_global_replication_groups(ShowMemberInfo=True)
        (found,) = described["GlobalReplicationGroups"]
        self.assertEqual(found["Members"][0]["ReplicationGroupId"], "cache1")
        found = self.elasticache.describe_replication_groups(ReplicationGroupId="cache1")["ReplicationGroups"][0]
        self.assertEqual(found["GlobalReplicationGroupInfo"]["GlobalReplicationGroupId"], "world")

    def test_errors_are_the_models(self):
        caches, errors = self.elasticache, self.elasticache.exceptions
        new = {"ReplicationGroupId": "new", "ReplicationGroupDescription": "d"}
        none = {"ReplicationGroupId": "none"}
        self.refused(
            errors.InvalidParameterCombinationException,
            caches.create_replication_group,
            **new,
            UserGroupIds=["orders"],
            TransitEncryptionEnabled=False,
        )
        self.refused(
            errors.UserGroupNotFoundFault,
            caches.create_replication_group,
            **new,
            UserGroupIds=["none"],
            TransitEncryptionEnabled=True,
        )
        self.cache("cache1", "orders")
        again = new | {"ReplicationGroupId": "cache1"}
        self.refused(errors.ReplicationGroupAlreadyExistsFault, caches.create_replication_group, **again)
        self.refused(errors.ReplicationGroupNotFoundFault, caches.describe_replication_groups, **none)
        self.refused(errors.ReplicationGroupNotFoundFault, caches.modify_replication_group, **none)
        self.refused(errors.ReplicationGroupNotFoundFault, caches.delete_replication_group, **none)
        self.refused(errors.CacheClusterNotFoundFault, caches.describe_cache_clusters, CacheClusterId="none")
        self.refused(
            errors.GlobalReplicationGroupNotFoundFault,
            caches.describe_global_replication_groups,
            GlobalReplicationGroupId="none",
        )
        self.refused(errors.InvalidUserGroupStateFault, caches.delete_user_group, UserGroupId="orders")
