"""All of Secrets Manager by the command line."""

import json
import tempfile

from command_line import refused

from sandbox import control

ACCOUNT = "us-east-1:123456789012"
DOCUMENT = {"user_arn": f"arn:aws:elasticache:{ACCOUNT}:user:user1", "username": "user1"}
NAME = "production/ec/user1"
TOKENS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(4)]


def run(aws):
    """Calls every operation; `aws` takes the arguments of a command."""
    parts = (values, versions, lists, tags, deletion, policies, replicas, rotation, passwords)
    for part in parts:
        control("POST", "reset")
        part(lambda *arguments: aws("secretsmanager", *arguments))


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def wrong(*arguments):
    """The code and text of a refusal."""
    error = refused("secretsmanager", *arguments)
    return error.code, error.message


def make(aws, name=NAME, value="{}", *more):
    return aws("create-secret", "--name", name, "--secret-string", value, *more)


def values(aws):
    made = make(aws, NAME, json.dumps(DOCUMENT))
    equal(set(made), {"ARN", "Name", "VersionId"})
    put = aws(
        *("put-secret-value", "--secret-id", NAME, "--client-request-token", TOKENS[1]),
        *("--secret-string", "{}", "--version-stages", "AWSPENDING"),
    )
    equal(put, made | {"VersionId": TOKENS[1], "VersionStages": ["AWSPENDING"]})
    moved = aws(
        *("update-secret-version-stage", "--secret-id", made["ARN"], "--version-stage", "AWSCURRENT"),
        *("--move-to-version-id", TOKENS[1], "--remove-from-version-id", made["VersionId"]),
    )
    equal(moved, {"ARN": made["ARN"], "Name": NAME})
    read = aws("get-secret-value", "--secret-id", NAME, "--version-stage", "AWSPREVIOUS")
    del read["CreatedDate"]
    equal(read, made | {"SecretString": json.dumps(DOCUMENT), "VersionStages": ["AWSPREVIOUS"]})
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\x00\xff\x10")
        file.flush()
        aws("update-secret", "--secret-id", NAME, "--secret-binary", f"fileb://{file.name}", "--description", "bytes")
    equal(aws("get-secret-value", "--secret-id", NAME)["SecretBinary"], "AP8Q")
    equal(aws("describe-secret", "--secret-id", NAME)["Description"], "bytes")
    missing = ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    equal(wrong("get-secret-value", "--secret-id", "none"), missing)


def versions(aws):
    first = make(aws)["VersionId"]
    for token in TOKENS[1:3]:
        aws("put-secret-value", "--secret-id", NAME, "--secret-string", token, "--client-request-token", token)
    listed = aws("list-secret-version-ids", "--secret-id", NAME)["Versions"]
    equal({version["VersionId"] for version in listed}, set(TOKENS[1:3]))
    page = ("list-secret-version-ids", "--secret-id", NAME, "--include-deprecated", "--max-results", "2")
    one = aws(*page)
    two = aws(*page, "--next-token", one["NextToken"])
    equal({version["VersionId"] for version in one["Versions"] + two["Versions"]}, {first, *TOKENS[1:3]})


def lists(aws):
    for name in ("p/a", "p/b", "q/a"):
        make(aws, name, f"value of {name}")
    filters = ("--filters", "Key=name,Values=p/,q/", "Key=name,Values=!p/b")
    listed = aws("list-secrets", *filters, "--sort-by", "name", "--sort-order", "asc", "--page-size", "1")
    equal([secret["Name"] for secret in listed["SecretList"]], ["p/a", "q/a"])
    first = aws("list-secrets", "--max-items", "1")
    rest = aws("list-secrets", "--starting-token", first["NextToken"])
    equal(len(first["SecretList"] + rest["SecretList"]), 3)
    batch = aws("batch-get-secret-value", "--secret-id-list", "p/a", "none")
    equal([value["SecretString"] for value in batch["SecretValues"]], ["value of p/a"])
    equal([error["ErrorCode"] for error in batch["Errors"]], ["ResourceNotFoundException"])
    batch = aws("batch-get-secret-value", "--filters", "Key=name,Values=q", "--max-results", "5")
    equal(len(batch["SecretValues"]), 1)


def tags(aws):
    make(aws, NAME, "{}", "--tags", "Key=team,Value=orders")
    equal(aws("tag-resource", "--secret-id", NAME, "--tags", "Key=env,Value=live"), None)
    found = aws("describe-secret", "--secret-id", NAME)["Tags"]
    equal(found, [{"Key": "team", "Value": "orders"}, {"Key": "env", "Value": "live"}])
    equal(aws("untag-resource", "--secret-id", NAME, "--tag-keys", "team", "env"), None)
    assert "Tags" not in aws("describe-secret", "--secret-id", NAME)
    reserved = wrong("tag-resource", "--secret-id", NAME, "--tags", "Key=aws:x,Value=y")
    equal(reserved[0], "InvalidParameterException")


def deletion(aws):
    made = make(aws)
    gone = aws("delete-secret", "--secret-id", NAME, "--recovery-window-in-days", "7")
    equal(set(gone), {"ARN", "Name", "DeletionDate"})
    equal(aws("list-secrets")["SecretList"], [])
    equal(len(aws("list-secrets", "--include-planned-deletion")["SecretList"]), 1)
    marked = "You can't perform this operation on the secret because it was marked for deletion."
    equal(wrong("get-secret-value", "--secret-id", NAME), ("InvalidRequestException", marked))
    equal(aws("restore-secret", "--secret-id", NAME), {"ARN": made["ARN"], "Name": NAME})
    aws("delete-secret", "--secret-id", NAME, "--force-delete-without-recovery")
    equal(wrong("describe-secret", "--secret-id", NAME)[0], "ResourceNotFoundException")


def policies(aws):
    made = make(aws)
    named = {"ARN": made["ARN"], "Name": NAME}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    put = ("put-resource-policy", "--secret-id", NAME, "--resource-policy", text)
    equal(wrong(*put, "--block-public-policy")[0], "PublicPolicyException")
    equal(aws(*put), named)
    equal(aws("get-resource-policy", "--secret-id", NAME), named | {"ResourcePolicy": text})
    listed = aws("list-resource-policies", "--secret-id", NAME)
    equal(listed, {"ResourcePolicies": [{"PolicyName": "default"}]})
    validated = aws("validate-resource-policy", "--secret-id", NAME, "--resource-policy", text)
    equal((validated["PolicyValidationPassed"], len(validated["ValidationErrors"])), (False, 1))
    malformed = wrong("put-resource-policy", "--secret-id", NAME, "--resource-policy", "{}")
    equal(malformed, ("MalformedPolicyDocumentException", "This resource policy contains a syntax error."))
    equal(aws("delete-resource-policy", "--secret-id", NAME), named)
    equal(aws("get-resource-policy", "--secret-id", NAME), named)


def replicas(aws):
    made = make(aws, NAME, "{}", "--add-replica-regions", "Region=eu-west-1")
    equal(made["ReplicationStatus"][0]["Region"], "eu-west-1")
    aws("replicate-secret-to-regions", "--secret-id", NAME, "--add-replica-regions", "Region=eu-west-2")
    found = aws("describe-secret", "--secret-id", NAME)["ReplicationStatus"]
    equal([(replica["Region"], replica["Status"]) for replica in found], [("eu-west-1", "InSync"), ("eu-west-2", "InSync")])
    away = aws("get-secret-value", "--secret-id", NAME, "--region", "eu-west-1")
    equal((away["SecretString"], away["VersionId"]), ("{}", made["VersionId"]))
    stopped = aws("stop-replication-to-replica", "--secret-id", NAME, "--region", "eu-west-1")
    equal(stopped, {"ARN": made["ARN"].replace("us-east-1", "eu-west-1")})
    remove = ("remove-regions-from-replication", "--secret-id", NAME, "--remove-replica-regions", "eu-west-2")
    equal(aws(*remove), {"ARN": made["ARN"], "ReplicationStatus": []})


def rotation(aws):
    make(aws)
    rotate = ("rotate-secret", "--secret-id", NAME)
    no_function = "No Lambda rotation function ARN is associated with this secret."
    equal(wrong(*rotate), ("InvalidRequestException", no_function))
    begun = aws(
        *(*rotate, "--rotation-lambda-arn", f"arn:aws:lambda:{ACCOUNT}:function:rotate"),
        *("--rotation-rules", "ScheduleExpression=cron(0 8 1 * ? *),Duration=2h", "--client-request-token", TOKENS[1]),
    )
    equal(begun["VersionId"], TOKENS[1])
    found = aws("describe-secret", "--secret-id", NAME)
    equal((found["RotationEnabled"], found["VersionIdsToStages"][TOKENS[1]]), (True, ["AWSPENDING"]))
    assert "NextRotationDate" in found, found
    cancelled = aws("cancel-rotate-secret", "--secret-id", NAME)
    equal(cancelled["VersionId"], TOKENS[1])
    equal(aws("describe-secret", "--secret-id", NAME)["RotationEnabled"], False)


def passwords(aws):
    made = aws("get-random-password", "--password-length", "20", "--exclude-punctuation", "--require-each-included-type")
    password = made["RandomPassword"]
    assert len(password) == 20 and password.isalnum(), made
    short = wrong("get-random-password", "--password-length", "2")
    equal(short, ("InvalidParameterException", "Password length is too short based on the required types."))
