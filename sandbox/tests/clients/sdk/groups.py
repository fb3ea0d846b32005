"""ElastiCache user groups."""

from sandbox import Case, until
from sdk.users import ONE


class Groups(Case):
    def group(self, name, *users, **more):
        return self.elasticache.create_user_group(
            UserGroupId=name, Engine="redis", UserIds=["default", *users], **more
        )

    def test_a_group_is_made_changed_and_deleted(self):
        for user in ("user1", "user2"):
            self.user(user, ONE)
        made = self.group("orders", "user1", Tags=[{"Key": "team", "Value": "orders"}])
        self.assertEqual(made["Status"], "creating")
        self.assertEqual(made["UserIds"], ["default", "user1"])
        self.elasticache.modify_user_group(UserGroupId="orders", UserIdsToAdd=["user2"], UserIdsToRemove=["user1"])

        def settled():
            found = self.elasticache.describe_user_groups(UserGroupId="orders")["UserGroups"][0]
            return found if found["Status"] == "active" else None

        self.assertEqual(until("the group is active", settled)["UserIds"], ["default", "user2"])
        self.assertEqual(self.user_is_active("user2")["UserGroupIds"], ["orders"])
        tags = self.elasticache.list_tags_for_resource(ResourceName=made["ARN"])["TagList"]
        self.assertEqual(tags, [{"Key": "team", "Value": "orders"}])
        self.assertEqual(self.elasticache.delete_user_group(UserGroupId="orders")["Status"], "deleting")
        self.assertEqual(self.elasticache.describe_user_groups()["UserGroups"], [])

    def test_pages_hold_every_group_once(self):
        names = [f"group{number}" for number in range(3)]
        for name in names:
            self.group(name)
        pages = self.elasticache.get_paginator("describe_user_groups").paginate(PaginationConfig={"PageSize": 2})
        pages = [[group["UserGroupId"] for group in page["UserGroups"]] for page in pages]
        self.assertEqual([len(page) for page in pages], [2, 1])
        self.assertEqual(sorted(sum(pages, [])), names)

    def test_errors_are_the_models(self):
        groups, errors = self.elasticache, self.elasticache.exceptions
        self.user("user1", ONE)
        self.group("orders", "user1")
        new = {"UserGroupId": "new", "Engine": "redis"}
        self.refused(errors.UserGroupAlreadyExistsFault, groups.create_user_group, **new | {"UserGroupId": "orders"})
        self.refused(errors.DefaultUserRequired, groups.create_user_group, **new, UserIds=["user1"])
        self.refused(errors.UserNotFoundFault, groups.create_user_group, **new, UserIds=["default", "nobody"])
        other = {"UserId": "other", "UserName": "user1", "Engine": "redis", "AccessString": "on ~* +@all"}
        groups.create_user(**other, Passwords=[ONE])
        same = ["default", "user1", "other"]
        self.refused(errors.DuplicateUserNameFault, groups.create_user_group, **new, UserIds=same)
        self.refused(errors.UserGroupNotFoundFault, groups.describe_user_groups, UserGroupId="none")
        self.refused(errors.UserGroupNotFoundFault, groups.modify_user_group, UserGroupId="none", UserIdsToAdd=["user1"])
        self.refused(errors.UserGroupNotFoundFault, groups.delete_user_group, UserGroupId="none")
        stranger = {"UserGroupId": "orders", "UserIdsToRemove": ["other"]}
        self.refused(errors.InvalidParameterValueException, groups.modify_user_group, **stranger)
