"""ElastiCache users."""

from sandbox import Case, until

ARN = "arn:aws:elasticache:us-east-1:123456789012:user:"
ONE = "the first password of a user"
TWO = "the second password of a user"


class Users(Case):
    def test_a_user_is_made_as_the_aws_guide_makes_it(self):
        made = self.elasticache.create_user(
            UserId="user1",
            UserName="user1",
            Engine="REDIS",
            NoPasswordRequired=True,
            AccessString="*off* +get ~keys*",
        )
        del made["ResponseMetadata"]
        self.assertEqual(
            made,
            {
                "UserId": "user1",
                "UserName": "user1",
                "Status": "active",
                "Engine": "redis",
                "MinimumEngineVersion": "6.0",
                "AccessString": "off ~keys* -@all +get",
                "UserGroupIds": [],
                "Authentication": {"Type": "no-password"},
                "ARN": ARN + "user1",
            },
        )

    def test_passwords_are_replaced_and_never_shown(self):
        made = self.user("user1", ONE, Tags=[{"Key": "team", "Value": "orders"}])
        self.assertEqual(made["Authentication"], {"Type": "password", "PasswordCount": 1})
        changed = self.elasticache.modify_user(UserId="user1", Passwords=[TWO, ONE])
        self.assertEqual(changed["Status"], "modifying")
        self.assertEqual(self.user_is_active("user1")["Authentication"]["PasswordCount"], 2)
        self.elasticache.modify_user(
            UserId="user1", AuthenticationMode={"Type": "password", "Passwords": [TWO]}, AppendAccessString="+set"
        )
        settled = self.user_is_active("user1")
        self.assertEqual(settled["Authentication"]["PasswordCount"], 1)
        self.assertEqual(settled["AccessString"], "on ~* -@all +get +set")
        self.assertNotIn("password of a user", repr(settled))

    def test_an_iam_user_has_no_passwords_to_count(self):
        made = self.elasticache.create_user(
            UserId="robot",
            UserName="robot",
            Engine="valkey",
            AccessString="on ~* +@all",
            AuthenticationMode={"Type": "iam"},
        )
        self.assertEqual(made["Authentication"], {"Type": "iam"})
        self.assertEqual(made["Engine"], "valkey")

    def test_pages_hold_every_user_once(self):
        names = [f"user{number}" for number in range(5)]
        for name in names:
            self.user(name, ONE)
        pages = self.elasticache.get_paginator("describe_users").paginate(PaginationConfig={"PageSize": 2})
        pages = [[user["UserId"] for user in page["Users"]] for page in pages]
        self.assertEqual(sorted(sum(pages, [])), ["default", *names])
        self.assertEqual([len(page) for page in pages], [2, 2, 2])
        found = self.elasticache.describe_users(Engine="redis", Filters=[{"Name": "user-id", "Values": ["user3"]}])
        self.assertEqual([user["UserId"] for user in found["Users"]], ["user3"])

    def test_a_deleted_user_is_gone(self):
        self.user("user1", ONE)
        self.assertEqual(self.elasticache.delete_user(UserId="user1")["Status"], "deleting")
        left = self.elasticache.describe_users
        until("it is gone", lambda: [user["UserId"] for user in left()["Users"]] == ["default"])
        self.refused(self.elasticache.exceptions.UserNotFoundFault, left, UserId="user1")

    def test_tags_are_added_listed_and_removed(self):
        self.user("user1", ONE, Tags=[{"Key": "team", "Value": "orders"}])
        arn = ARN + "user1"
        tags = self.elasticache.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "stage", "Value": "test"}])["TagList"]
        self.assertEqual(tags, [{"Key": "team", "Value": "orders"}, {"Key": "stage", "Value": "test"}])
        self.assertEqual(self.elasticache.list_tags_for_resource(ResourceName=arn)["TagList"], tags)
        left = self.elasticache.remove_tags_from_resource(ResourceName=arn, TagKeys=["team"])["TagList"]
        self.assertEqual(left, tags[1:])

    def test_errors_are_the_models(self):
        users, errors = self.elasticache, self.elasticache.exceptions
        self.user("user1", ONE)
        again = {"UserId": "user1", "UserName": "user1", "Engine": "redis", "AccessString": "on ~* +@all"}
        self.refused(errors.UserAlreadyExistsFault, users.create_user, **again, Passwords=[ONE])
        new = again | {"UserId": "user2", "UserName": "user2"}
        self.refused(errors.InvalidParameterValueException, users.create_user, **new, Passwords=["short"])
        self.refused(errors.InvalidParameterValueException, users.create_user, **new)
        both = {"Passwords": [ONE], "NoPasswordRequired": True}
        self.refused(errors.InvalidParameterCombinationException, users.create_user, **new, **both)
        self.refused(errors.UserNotFoundFault, users.modify_user, UserId="nobody", Passwords=[ONE])
        self.refused(errors.UserNotFoundFault, users.describe_users, UserId="nobody")
        self.refused(errors.UserNotFoundFault, users.delete_user, UserId="nobody")
        self.refused(errors.UserNotFoundFault, users.list_tags_for_resource, ResourceName=ARN + "nobody")
        self.refused(errors.InvalidARNFault, users.list_tags_for_resource, ResourceName="user1")
        users.modify_user(UserId="user1", Passwords=[TWO])
        busy = self.refused(errors.InvalidUserStateFault, users.modify_user, UserId="user1", Passwords=[ONE])
        self.assertEqual(busy, "User user1 has status modifying. Only active users can be modified.")
