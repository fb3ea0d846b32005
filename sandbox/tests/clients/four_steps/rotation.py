"""Rotates the password of an ElastiCache user in the four steps of AWS's rotation functions.

Secrets Manager calls `lambda_handler` once for each step, with a version of the secret that it has made and that has
no value yet, and begins again with the first step whenever one fails. So each step looks first at how far an earlier
attempt has come. The secret is a JSON object with `username`, `user_arn` and `password`; the user has the new password
beside the old one from the second step until the next rotation.

Where the services are is boto3's affair (`AWS_ENDPOINT_URL`).
"""

import functools
import json
import os
import time

import boto3

EXCLUDED = os.environ.get("EXCLUDE_CHARACTERS", ",\"/@'\\")
LENGTH = int(os.environ.get("PASSWORD_LENGTH", "32"))
PATIENCE_SECONDS = float(os.environ.get("PATIENCE_SECONDS", "600"))
POLL_SECONDS = float(os.environ.get("POLL_SECONDS", "10"))


@functools.cache
def client(service):
    """A client, kept from one call to the next for as long as the function stays loaded."""
    return boto3.client(service)


def lambda_handler(event, context):
    """Takes one step. An error makes Secrets Manager try again."""
    secrets, elasticache = client("secretsmanager"), client("elasticache")
    secret, token = event["SecretId"], event["ClientRequestToken"]
    described = secrets.describe_secret(SecretId=secret)
    if not described.get("RotationEnabled"):
        raise ValueError(f"rotation of {secret} is not enabled")
    labels = described["VersionIdsToStages"].get(token)
    if labels is None:
        raise ValueError(f"{secret} has no version {token}")
    if "AWSCURRENT" in labels:
        return
    if "AWSPENDING" not in labels:
        raise ValueError(f"version {token} of {secret} is not pending")
    step = {
        "createSecret": create_secret,
        "setSecret": set_secret,
        "testSecret": test_secret,
        "finishSecret": finish_secret,
    }[event["Step"]]
    step(secrets, elasticache, secret, token)


def create_secret(secrets, _elasticache, secret, token):
    """Gives the pending version a value: the current one with a new password."""
    document = current(secrets, secret)
    try:
        pending(secrets, secret, token)
    except secrets.exceptions.ResourceNotFoundException:
        made = secrets.get_random_password(PasswordLength=LENGTH, ExcludeCharacters=EXCLUDED)
        document["password"] = made["RandomPassword"]
        secrets.put_secret_value(
            SecretId=secret,
            ClientRequestToken=token,
            SecretString=json.dumps(document),
            VersionStages=["AWSPENDING"],
        )


def set_secret(secrets, elasticache, secret, token):
    """Gives the user the new password beside the one in use."""
    old, new = current(secrets, secret), pending(secrets, secret, token)
    if old["user_arn"] != new["user_arn"]:
        raise ValueError("the pending version is of another user")
    passwords = [new["password"]] + ([old["password"]] if "password" in old else [])
    user = user_id(new)
    wait_until_active(elasticache, user)
    elasticache.modify_user(UserId=user, Passwords=passwords)


def test_secret(secrets, elasticache, secret, token):
    """Waits until the user's caches have the new password."""
    new = pending(secrets, secret, token)
    found = wait_until_active(elasticache, user_id(new))
    if found["UserName"] != new["username"]:
        raise ValueError("the secret names another user")
    if found["Authentication"].get("PasswordCount", 0) < 1:
        raise ValueError("the user has no password")


def finish_secret(secrets, _elasticache, secret, token):
    """Makes the pending version the current one."""
    versions = secrets.describe_secret(SecretId=secret)["VersionIdsToStages"]
    (holder,) = (version for version, labels in versions.items() if "AWSCURRENT" in labels)
    secrets.update_secret_version_stage(
        SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=holder
    )


def current(secrets, secret):
    """The document in use."""
    return json.loads(secrets.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"])


def pending(secrets, secret, token):
    """The document to come."""
    read = secrets.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
    return json.loads(read["SecretString"])


def user_id(document):
    return document["user_arn"].rsplit(":", 1)[-1]


def wait_until_active(elasticache, user):
    """Waits until nothing is being done to a user, and gives it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        (found,) = elasticache.describe_users(UserId=user)["Users"]
        if found["Status"] == "active":
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{user} has status {found['Status']}")
        time.sleep(POLL_SECONDS)
