"""Cluster mode, nodes that come, go and change roles, and serverless caches."""

from sandbox import Case, until
from sdk.users import ONE

NOW = {"ApplyImmediately": True}


class Kinds(Case):
    def setUp(self):
        super().setUp()
        self.user("user1", ONE)
        self.elasticache.create_user_group(UserGroupId="orders", Engine="redis", UserIds=["default", "user1"])

    def group(self, name):
        return self.elasticache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]

    def available(self, name):
        def found():
            group = self.group(name)
            return group if group["Status"] == "available" else None

        return until(f"{name} is available", found)

    def test_cluster_mode_shows_shards_and_their_nodes_only_as_cache_clusters(self):
        self.elasticache.create_replication_group(
            ReplicationGroupId="wide",
            ReplicationGroupDescription="for tests",
            Engine="redis",
            CacheNodeType="cache.t4g.micro",
            NumNodeGroups=2,
            ReplicasPerNodeGroup=1,
            TransitEncryptionEnabled=True,
            UserGroupIds=["orders"],
        )
        group = self.available("wide")
        self.assertTrue(group["ClusterEnabled"])
        self.assertIn("ConfigurationEndpoint", group)
        self.assertEqual([shard["NodeGroupId"] for shard in group["NodeGroups"]], ["0001", "0002"])
        self.assertEqual([shard["Slots"] for shard in group["NodeGroups"]], ["0-8191", "8192-16383"])
        for member in (member for shard in group["NodeGroups"] for member in shard["NodeGroupMembers"]):
            self.assertNotIn("ReadEndpoint", member)
        described = self.elasticache.describe_cache_clusters(ShowCacheNodeInfo=True)["CacheClusters"]
        names = [cluster["CacheClusterId"] for cluster in described]
        self.assertEqual(names, ["wide-0001-001", "wide-0001-002", "wide-0002-001", "wide-0002-002"])
        self.assertEqual(names, group["MemberClusters"])
        ports = {cluster["CacheNodes"][0]["Endpoint"]["Port"] for cluster in described}
        self.assertEqual(len(ports), 4)

    def test_replicas_come_and_go_and_one_becomes_the_primary(self):
        self.cache("cache1", "orders", nodes=2)
        grown = self.elasticache.increase_replica_count(ReplicationGroupId="cache1", NewReplicaCount=2, **NOW)
        self.assertEqual(grown["ReplicationGroup"]["Status"], "modifying")
        self.assertEqual(self.available("cache1")["MemberClusters"], ["cache1-001", "cache1-002", "cache1-003"])
        shard = self.group("cache1")["NodeGroups"][0]["NodeGroupId"]
        self.elasticache.test_failover(ReplicationGroupId="cache1", NodeGroupId=shard)
        members = self.available("cache1")["NodeGroups"][0]["NodeGroupMembers"]
        primaries = [member["CacheClusterId"] for member in members if member["CurrentRole"] == "primary"]
        self.assertEqual(len(primaries), 1)
        self.assertNotEqual(primaries, ["cache1-001"])
        self.elasticache.decrease_replica_count(ReplicationGroupId="cache1", NewReplicaCount=1, **NOW)
        self.assertEqual(len(self.available("cache1")["MemberClusters"]), 2)

    def test_a_serverless_cache_is_made_described_changed_and_deleted(self):
        made = self.elasticache.create_serverless_cache(
            ServerlessCacheName="sl", Engine="redis", Description="for tests", UserGroupId="orders"
        )
        self.assertEqual(made["ServerlessCache"]["Status"], "CREATING")

        def available():
            pages = self.elasticache.get_paginator("describe_serverless_caches").paginate()
            (found,) = pages.build_full_result()["ServerlessCaches"]
            return found if found["Status"] == "AVAILABLE" else None

        found = until("sl is available", available)
        self.assertEqual(found["UserGroupId"], "orders")
        self.assertEqual(found["Endpoint"]["Address"], found["ReaderEndpoint"]["Address"])
        self.assertNotEqual(found["Endpoint"]["Port"], found["ReaderEndpoint"]["Port"])
        group = self.elasticache.describe_user_groups(UserGroupId="orders")["UserGroups"][0]
        self.assertEqual(group["ServerlessCaches"], ["sl"])
        self.elasticache.modify_serverless_cache(ServerlessCacheName="sl", Description="of nobody", RemoveUserGroup=True)
        self.assertEqual(until("sl is available", available)["Description"], "of nobody")
        group = self.elasticache.describe_user_groups(UserGroupId="orders")["UserGroups"][0]
        self.assertEqual(group["ServerlessCaches"], [])
        gone = self.elasticache.delete_serverless_cache(ServerlessCacheName="sl")
        self.assertEqual(gone["ServerlessCache"]["Status"], "DELETING")
        until("it is gone", lambda: not self.elasticache.describe_serverless_caches()["ServerlessCaches"])

    def test_errors_are_the_models(self):
        caches, errors = self.elasticache, self.elasticache.exceptions
        none = {"ReplicationGroupId": "none"}
        self.refused(
            errors.ReplicationGroupNotFoundFault, caches.increase_replica_count, **none, NewReplicaCount=1, **NOW
        )
        self.refused(
            errors.ReplicationGroupNotFoundFault, caches.decrease_replica_count, **none, NewReplicaCount=1, **NOW
        )
        self.refused(errors.ReplicationGroupNotFoundFault, caches.test_failover, **none, NodeGroupId="0001")
        for call in (
            caches.describe_serverless_caches,
            caches.modify_serverless_cache,
            caches.delete_serverless_cache,
        ):
            self.refused(errors.ServerlessCacheNotFoundFault, call, ServerlessCacheName="none")
        self.refused(
            errors.UserGroupNotFoundFault,
            caches.create_serverless_cache,
            ServerlessCacheName="new",
            Engine="redis",
            UserGroupId="none",
        )
        caches.create_serverless_cache(ServerlessCacheName="sl", Engine="redis")
        self.refused(
            errors.ServerlessCacheAlreadyExistsFault,
            caches.create_serverless_cache,
            ServerlessCacheName="sl",
            Engine="redis",
        )
