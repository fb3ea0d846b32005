"""Rotates the password of an ElastiCache user whose credentials are a secret, with nothing but boto3.

    rekeyd-sandbox &
    AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
        AWS_DEFAULT_REGION=us-east-1 python rotate.py
"""

import json
import time
import uuid

import boto3

secrets = boto3.client("secretsmanager")
elasticache = boto3.client("elasticache")


def password():
    made = secrets.get_random_password(PasswordLength=32, ExcludePunctuation=True)
    return made["RandomPassword"]


def set_passwords(*passwords):
    """Gives the user these passwords, and waits until all nodes know."""
    elasticache.modify_user(UserId="alice", AuthenticationMode={"Type": "password", "Passwords": [*passwords]})
    while elasticache.describe_users(UserId="alice")["Users"][0]["Status"] != "active":
        time.sleep(0.1)


def main():
    old = password()
    user = elasticache.create_user(
        UserId="alice", UserName="alice", Engine="redis", AccessString="on ~* +@read", Passwords=[old]
    )
    document = {"user_arn": user["ARN"], "username": "alice", "password": old}
    first = secrets.create_secret(Name="app/alice", SecretString=json.dumps(document))

    # The new password is pending, works next to the old one, becomes current, and is then the only one.
    new = password()
    version = str(uuid.uuid4())
    secrets.put_secret_value(
        SecretId="app/alice",
        ClientRequestToken=version,
        SecretString=json.dumps(document | {"password": new}),
        VersionStages=["AWSPENDING"],
    )
    set_passwords(new, old)
    secrets.update_secret_version_stage(
        SecretId="app/alice",
        VersionStage="AWSCURRENT",
        MoveToVersionId=version,
        RemoveFromVersionId=first["VersionId"],
    )
    set_passwords(new)

    current = json.loads(secrets.get_secret_value(SecretId="app/alice")["SecretString"])
    assert current["password"] == new
    print("rotated", current["user_arn"])


main()
