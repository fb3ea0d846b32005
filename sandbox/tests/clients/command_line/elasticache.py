"""Every ElastiCache operation of the sandbox through the `aws` command line."""

import json

import sandbox

PLACE = "arn:aws:elasticache:us-east-1:123456789012"
ONE = "the first password of a user"
TWO = "the second password of a user"
TOKENS = ["the-first-token-of-a-cache", "the-second-token-of-a-cache"]


def run(aws):
    """Makes every call at least once. `aws(*arguments)` gives the JSON that the command prints, or raises."""
    sandbox.control("POST", "reset")
    cache = Caches(aws)
    _users(cache)
    _user_groups(cache)
    _tags(cache)
    _replication_groups(cache)
    _nodes(cache)
    _auth_tokens(cache)
    _serverless_caches(cache)
    _events(cache)
    _end(cache)


class Caches:
    """`aws elasticache` with what the checks below have in common."""

    def __init__(self, aws):
        self._aws = aws

    def __call__(self, *arguments):
        return self._aws("elasticache", *arguments)

    def refused(self, code, *arguments):
        """Runs a command that is refused with a code, and gives the message."""
        try:
            self(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            assert getattr(error, "code", None) == code, f"{arguments}: {error!r}, not {code}"
            return error.message
        raise AssertionError(f"{arguments} is not refused")

    def user(self, name):
        """Waits until a user is active, and gives it."""

        def active():
            (found,) = self("describe-users", "--user-id", name)["Users"]
            return found if found["Status"] == "active" else None

        return sandbox.until(f"{name} is active", active)

    def group(self, name):
        """Waits until a user group is active, and gives it."""

        def active():
            (found,) = self("describe-user-groups", "--user-group-id", name)["UserGroups"]
            return found if found["Status"] == "active" else None

        return sandbox.until(f"{name} is active", active)

    def available(self, name):
        """Waits until a replication group is available, and gives it. The command's own waiter looks every 15 s."""

        def found():
            (group,) = self("describe-replication-groups", "--replication-group-id", name)["ReplicationGroups"]
            return group if group["Status"] == "available" else None

        group = sandbox.until(f"{name} is available", found)
        self("wait", "replication-group-available", "--replication-group-id", name)
        return group


def _same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def _users(aws):
    make = ("create-user", "--engine", "REDIS", "--access-string", "*off* +get ~keys*")
    made = aws(*make, "--user-id", "User1", "--user-name", "user1", "--no-password-required")
    _same((made["UserId"], made["AccessString"]), ("user1", "off ~keys* -@all +get"))
    mode = json.dumps({"Type": "password", "Passwords": [ONE, TWO]})
    made = aws(*make, "--user-id", "user2", "--user-name", "user2", "--authentication-mode", mode)
    _same(made["Authentication"], {"Type": "password", "PasswordCount": 2})
    aws.refused("UserAlreadyExists", *make, "--user-id", "user2", "--user-name", "user2", "--no-password-required")
    short = aws.refused("InvalidParameterValue", "modify-user", "--user-id", "user1", "--passwords", "short")
    _same(short, "Passwords length must be between 16-128 characters.")
    changed = aws("modify-user", "--user-id", "user1", "--passwords", ONE, "--access-string", "on ~* -@all +ping")
    _same(changed["Status"], "modifying")
    _same(aws.user("user1")["Authentication"], {"Type": "password", "PasswordCount": 1})
    found = aws("describe-users", "--page-size", "2", "--filters", "Name=user-id,Values=user1,user2")
    _same([user["UserId"] for user in found["Users"]], ["user1", "user2"])
    page = aws("describe-users", "--max-items", "1")
    rest = aws("describe-users", "--starting-token", page["NextToken"])
    _same([user["UserId"] for user in page["Users"] + rest["Users"]], ["default", "user1", "user2"])
    aws.refused("UserNotFound", "describe-users", "--user-id", "nobody")


def _user_groups(aws):
    make = ("create-user-group", "--engine", "redis", "--user-group-id", "orders", "--user-ids")
    aws.refused("DefaultUserRequired", *make, "user1")
    made = aws(*make, "default", "user1", "--tags", "Key=team,Value=orders")
    _same((made["Status"], made["UserIds"]), ("creating", ["default", "user1"]))
    changed = aws("modify-user-group", "--user-group-id", "orders", "--user-ids-to-add", "user2")
    _same(changed["Status"], "modifying")
    _same(aws.group("orders")["UserIds"], ["default", "user1", "user2"])
    aws.refused("UserGroupNotFound", "describe-user-groups", "--user-group-id", "none")


def _tags(aws):
    arn = f"{PLACE}:usergroup:orders"
    added = aws("add-tags-to-resource", "--resource-name", arn, "--tags", "Key=stage,Value=test")["TagList"]
    _same(added, [{"Key": "team", "Value": "orders"}, {"Key": "stage", "Value": "test"}])
    left = aws("remove-tags-from-resource", "--resource-name", arn, "--tag-keys", "team")["TagList"]
    _same(aws("list-tags-for-resource", "--resource-name", arn)["TagList"], left)
    aws.refused("TagNotFound", "remove-tags-from-resource", "--resource-name", arn, "--tag-keys", "team")


def _replication_groups(aws):
    made = aws(
        *("create-replication-group", "--replication-group-id", "cache1", "--replication-group-description", "d"),
        *("--engine", "redis", "--num-cache-clusters", "2", "--transit-encryption-enabled"),
        *("--user-group-ids", "orders", "--tags", "Key=team,Value=orders"),
    )["ReplicationGroup"]
    _same(made["Status"], "creating")
    group = aws.available("cache1")
    _same((group["MemberClusters"], group["UserGroupIds"]), (["cache1-001", "cache1-002"], ["orders"]))
    described = aws("describe-cache-clusters", "--show-cache-node-info", "--page-size", "20")["CacheClusters"]
    _same([cluster["CacheClusterId"] for cluster in described], group["MemberClusters"])
    aws("wait", "cache-cluster-available", "--cache-cluster-id", "cache1-001")
    member = {"replication_group": "cache1", "region": "us-east-1", "role": "PRIMARY"}
    sandbox.control("POST", "seed", {"global_replication_group": "world", "members": [member]})
    (found,) = aws("describe-global-replication-groups", "--show-member-info")["GlobalReplicationGroups"]
    _same(found["Members"][0]["ReplicationGroupId"], "cache1")


def _nodes(aws):
    now = ("--replication-group-id", "cache1", "--apply-immediately")
    aws("increase-replica-count", *now, "--new-replica-count", "2")
    _same(len(aws.available("cache1")["MemberClusters"]), 3)
    aws("test-failover", "--replication-group-id", "cache1", "--node-group-id", "0001")
    aws.available("cache1")
    aws("decrease-replica-count", *now, "--new-replica-count", "0")
    _same(len(aws.available("cache1")["MemberClusters"]), 1)


def _auth_tokens(aws):
    change = ("modify-replication-group", "--replication-group-id", "cache1", "--apply-immediately")
    strategy = "--auth-token-update-strategy"
    aws(*change, "--remove-user-groups", "--auth-token", TOKENS[0], strategy, "SET")
    group = aws.available("cache1")
    _same((group["AuthTokenEnabled"], group["UserGroupIds"]), (True, []))
    aws.user("user1")
    rotating = aws(*change, "--auth-token", TOKENS[1], strategy, "ROTATE")["ReplicationGroup"]
    _same(rotating["PendingModifiedValues"], {"AuthTokenStatus": "ROTATING"})
    aws.available("cache1")
    _same(aws.refused("InvalidParameterValue", *change, "--auth-token", "short"), "Invalid AuthToken provided.")
    aws(*change, "--user-group-ids-to-add", "orders", strategy, "DELETE")
    group = aws.available("cache1")
    _same((group["AuthTokenEnabled"], group["UserGroupIds"]), (False, ["orders"]))
    aws.user("user1")


def _serverless_caches(aws):
    name = ("--serverless-cache-name", "sl")
    made = aws("create-serverless-cache", *name, "--engine", "redis", "--tags", "Key=team,Value=orders")
    _same(made["ServerlessCache"]["Status"], "CREATING")

    def available():
        (found,) = aws("describe-serverless-caches", *name)["ServerlessCaches"]
        return found["Status"] == "AVAILABLE"

    sandbox.until("sl is available", available)
    changed = aws("modify-serverless-cache", *name, "--description", "changed")
    _same(changed["ServerlessCache"]["Description"], "changed")
    aws("delete-serverless-cache", *name)
    aws.refused("ServerlessCacheNotFoundFault", "describe-serverless-caches", *name)


def _events(aws):
    about = ("describe-events", "--source-type", "replication-group", "--source-identifier", "cache1")
    told = [event["Message"] for event in aws(*about, "--duration", "60")["Events"]]
    _same(told[-1], "Replication group cache1 created")
    assert "Test Failover API called for node group 0001" in told, told
    aws.refused("InvalidParameterCombination", *about, "--start-time", "2026-01-02", "--end-time", "2026-01-01")


def _end(aws):
    aws("delete-replication-group", "--replication-group-id", "cache1")
    aws("wait", "replication-group-deleted", "--replication-group-id", "cache1")
    aws("wait", "cache-cluster-deleted", "--cache-cluster-id", "cache1-001")
    _same(aws("delete-user-group", "--user-group-id", "orders")["Status"], "deleting")
    aws.user("user2")
    _same(aws("delete-user", "--user-id", "user2")["Status"], "deleting")
