"""ElastiCache events."""

from datetime import datetime, timedelta, timezone

from sandbox import Case, control
from sdk.users import ONE


class EventsOfThings(Case):
    def setUp(self):
        super().setUp()
        control("PUT", "settings", {"caches": "virtual"})

    def events(self, **which):
        pages = self.elasticache.get_paginator("describe_events").paginate(**which, PaginationConfig={"PageSize": 20})
        return pages.build_full_result()["Events"]

    def test_what_happened_is_told_by_source(self):
        self.user("user1", ONE)
        self.elasticache.create_user_group(UserGroupId="orders", Engine="redis", UserIds=["default", "user1"])
        self.cache("cache1", "orders")
        self.elasticache.delete_replication_group(ReplicationGroupId="cache1")
        told = [(event["SourceType"], event["SourceIdentifier"], event["Message"]) for event in self.events()]
        self.assertEqual(
            told,
            [
                ("replication-group", "cache1", "Replication group cache1 deleted"),
                ("cache-cluster", "cache1-001", "Cache cluster deleted"),
                ("replication-group", "cache1", "Replication group cache1 created"),
                ("cache-cluster", "cache1-001", "Cache cluster created"),
                ("user-group", "orders", "User group orders created"),
                ("user", "user1", "User user1 created"),
            ],
        )
        one = self.events(SourceType="cache-cluster", SourceIdentifier="cache1-001")
        self.assertEqual([event["Message"] for event in one], ["Cache cluster deleted", "Cache cluster created"])

    def test_pages_hold_every_event_once(self):
        for number in range(45):
            self.user(f"user{number}", ONE)
        told = [event["SourceIdentifier"] for event in self.events(SourceType="user")]
        self.assertEqual(told, [f"user{number}" for number in reversed(range(45))])

    def test_times_limit_what_is_told(self):
        self.user("user1", ONE)
        now = datetime.now(timezone.utc)
        hour = timedelta(hours=1)
        self.assertEqual(len(self.events(StartTime=now - hour, EndTime=now + hour)), 1)
        self.assertEqual(len(self.events(Duration=1)), 1)
        self.assertEqual(self.events(StartTime=now - 2 * hour, EndTime=now - hour), [])
        errors = self.elasticache.exceptions
        ask = self.elasticache.describe_events
        self.refused(errors.InvalidParameterCombinationException, ask, StartTime=now, EndTime=now - hour)
        self.refused(errors.InvalidParameterValueException, ask, MaxRecords=19)
        self.refused(errors.InvalidParameterValueException, ask, SourceType="cache-cluster", Duration=0)
