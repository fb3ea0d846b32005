"""The cases: calls on a fresh secret, and what is compared after the last of them."""

from dataclasses import dataclass
from typing import Callable

# Version ids, and by which name an outcome calls them.
V1, V2, V3 = (f"{number}" * 8 + "-0000-4000-8000-000000000000" for number in (1, 2, 3))
VERSIONS = {V1: "v1", V2: "v2", V3: "v3"}
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
# Stands for the name of the case's secret.
SECRET = "$secret"


@dataclass
class Case:
    """Calls, each an operation and its input. The last one is what the case is about."""

    what: str
    calls: list
    # What of the last reply is compared, if the call works.
    shown: Callable[[dict], str] = lambda reply: ""
    # Whether the HTTP status is compared too.
    status: bool = False

    @property
    def operation(self):
        return self.calls[-1][0]


def create(value="one", token=V1, **more):
    return ("CreateSecret", {"Name": SECRET, "SecretString": value, "ClientRequestToken": token} | more)


def put(token, value, *stages, **more):
    labels = {"VersionStages": list(stages)} if stages else {}
    return ("PutSecretValue", {"SecretId": SECRET, "ClientRequestToken": token, "SecretString": value} | labels | more)


def update(**more):
    return ("UpdateSecret", {"SecretId": SECRET} | more)


def move(label, to=None, source=None):
    ends = {"MoveToVersionId": to, "RemoveFromVersionId": source}
    ends = {name: version for name, version in ends.items() if version}
    return ("UpdateSecretVersionStage", {"SecretId": SECRET, "VersionStage": label} | ends)


def on_secret(operation, **more):
    return (operation, {"SecretId": SECRET} | more)


def get(**more):
    return on_secret("GetSecretValue", **more)


DELETE = on_secret("DeleteSecret")
PENDING = [create(), put(V2, "two", "AWSPENDING")]
FINISHED = [*PENDING, move("AWSCURRENT", V2, V1)]


def version(reply):
    return "reads " + VERSIONS.get(reply["VersionId"], "a version of its own")


def listed(reply):
    """Which versions a list shows, and with which labels. Their order means nothing."""
    versions = sorted(reply["Versions"], key=lambda version: version["VersionId"])
    labels = [(VERSIONS[v["VersionId"]], v.get("VersionStages", "no key")) for v in versions]
    return "lists " + ", ".join(f"{name} {found}" for name, found in labels).replace("'", "")


CREATE = [
    Case("a new secret", [create()]),
    Case("without a value", [("CreateSecret", {"Name": SECRET})]),
    Case("without a token", [("CreateSecret", {"Name": SECRET, "SecretString": "one"})]),
    Case("the token is too short", [create(token="short")]),
    Case("the same once more", [create(), create()]),
    Case("the same token, another value", [create(), create("two")]),
    Case("another token", [create(), create(token=V2)]),
    Case("the name of a deleted secret", [create(), DELETE, create(token=V2)]),
    Case("a name with a question mark", [create(Name="what?")]),
    Case("text and bytes", [create(SecretBinary="eA==")]),
]

PUT = [
    Case("no labels", [create(), put(V2, "two")]),
    Case("AWSPENDING", PENDING),
    Case("AWSPENDING is taken from another version", [*PENDING, put(V3, "three", "AWSPENDING")]),
    Case("the same once more", [*PENDING, PENDING[-1]]),
    Case("the same token, another value", [create(), put(V2, "two"), put(V2, "other")]),
    Case("the same token, another value, AWSPENDING", [*PENDING, put(V2, "other", "AWSPENDING")]),
    Case("the same once more, after it was promoted", [*FINISHED, PENDING[-1]]),
    Case("AWSCURRENT and AWSPENDING", [create(), put(V2, "two", "AWSCURRENT", "AWSPENDING")]),
    Case("a label of one's own", [create(), put(V2, "two", "MINE"), put(V3, "three")]),
    Case("no labels, where the current version is pending too", [*FINISHED, put(V3, "three")]),
    Case("the next AWSPENDING", [*FINISHED, put(V3, "three", "AWSPENDING")]),
    Case("the first version, AWSPENDING", [("CreateSecret", {"Name": SECRET}), put(V1, "one", "AWSPENDING")]),
    Case("without a value", [create(), on_secret("PutSecretValue", ClientRequestToken=V2)]),
    Case("without a token", [create(), on_secret("PutSecretValue", SecretString="two")]),
    Case("an empty list of labels", [create(), put(V2, "two", VersionStages=[])]),
    Case("a deleted secret", [create(), DELETE, put(V2, "two")]),
    Case("no such secret", [put(V2, "two")], status=True),
]

MOVE = [
    Case("AWSCURRENT, from its holder", FINISHED),
    Case("AWSCURRENT, from no version", [*PENDING, move("AWSCURRENT", V2)]),
    Case("AWSCURRENT, from another version", [*PENDING, move("AWSCURRENT", V2, V2)]),
    Case("AWSCURRENT, from a version that does not exist", [*PENDING, move("AWSCURRENT", V2, V3)]),
    Case("AWSCURRENT, to a version that does not exist", [*PENDING, move("AWSCURRENT", V3, V1)]),
    Case("AWSCURRENT, to its holder", [create(), move("AWSCURRENT", V1, V1)]),
    Case("AWSCURRENT, to its holder, from no version", [create(), move("AWSCURRENT", V1)]),
    Case("AWSCURRENT, off", [create(), move("AWSCURRENT", source=V1)]),
    Case("AWSCURRENT, back", [*FINISHED, move("AWSCURRENT", V1, V2)]),
    Case("AWSPENDING, off", [*FINISHED, move("AWSPENDING", source=V2)]),
    Case("AWSPENDING, off, from another version", [*FINISHED, move("AWSPENDING", source=V1)]),
    Case("AWSPENDING, from no version", [*PENDING, move("AWSPENDING", V1)]),
    Case("a new label", [create(), move("MINE", V1)]),
    Case("neither end", [create(), move("AWSPENDING")]),
    Case("a deleted secret", [*PENDING, DELETE, move("AWSCURRENT", V2, V1)]),
    Case("no such secret", [move("AWSCURRENT", V2, V1)], status=True),
]

READ = [
    Case("the current version", [*FINISHED, get()], version),
    Case("the current version by its label", [*FINISHED, get(VersionStage="AWSCURRENT")], version),
    Case("by label", [*FINISHED, get(VersionStage="AWSPREVIOUS")], version),
    Case("by version", [*PENDING, get(VersionId=V2)], version),
    Case("a version without labels", [create(), put(V2, "two"), put(V3, "three"), get(VersionId=V1)], version),
    Case("a version with a label that it has not", [*PENDING, get(VersionId=V1, VersionStage="AWSPENDING")], status=True),
    Case("a label that is nowhere", [create(), get(VersionStage="AWSPENDING")], status=True),
    Case("no such version", [create(), get(VersionId=V2)], status=True),
    Case("no such secret", [get()], status=True),
    Case("a secret without a value", [("CreateSecret", {"Name": SECRET}), get()]),
    Case("a deleted secret", [create(), DELETE, get()]),
    Case("a pending version that has no value yet", [
        create(),
        on_secret("RotateSecret", ClientRequestToken=V2, RotationLambdaARN=LAMBDA),
        get(VersionId=V2),
    ]),
]

DESCRIBE = [
    Case("members of a secret that was never rotated", [create(), on_secret("DescribeSecret")],
         lambda reply: "has " + ", ".join(sorted(reply))),
    Case("a deleted secret", [create(), DELETE, on_secret("DescribeSecret")]),
    Case("no such secret", [on_secret("DescribeSecret")], status=True),
    Case("the last change, after a label moved", [*FINISHED, on_secret("DescribeSecret")],
         lambda reply: "whole seconds" if reply["LastChangedDate"] % 1 == 0 else "fractions of a second"),
    Case("all versions", [create(), put(V2, "two"), put(V3, "three"),
                          on_secret("ListSecretVersionIds", IncludeDeprecated=True)], listed),
    Case("versions with labels", [create(), put(V2, "two"), put(V3, "three"), on_secret("ListSecretVersionIds")], listed),
    Case("the secret's ARN", [create(), on_secret("ListSecretVersionIds")],
         lambda reply: "an ARN" if reply["ARN"].startswith("arn:") else "the name"),
    Case("one version on a page", [*PENDING, on_secret("ListSecretVersionIds", MaxResults=1)],
         lambda reply: f"{len(reply['Versions'])} on the page"),
    Case("no such secret", [on_secret("ListSecretVersionIds")], status=True),
]

OTHERS = [
    Case("a new value", [create(), update(ClientRequestToken=V2, SecretString="two")]),
    Case("the same value and token", [create(), update(ClientRequestToken=V1, SecretString="one")]),
    Case("another value, the same token", [create(), update(ClientRequestToken=V1, SecretString="two")]),
    Case("a description only", [create(), update(ClientRequestToken=V2, Description="d")]),
    Case("a description only, without a token", [create(), update(Description="d")]),
    Case("a deleted secret", [create(), DELETE, update(ClientRequestToken=V2, SecretString="two")]),
    Case("no Lambda function", [create(), on_secret("RotateSecret", ClientRequestToken=V2)]),
    Case("while AWSPENDING is elsewhere", [*PENDING, on_secret("RotateSecret", ClientRequestToken=V3)]),
    Case("never rotated", [create(), on_secret("CancelRotateSecret")]),
    Case("a secret", [create(), DELETE]),
    Case("twice", [create(), DELETE, DELETE]),
    Case("no such secret", [DELETE], status=True),
    Case("no such secret, by force", [on_secret("DeleteSecret", ForceDeleteWithoutRecovery=True)]),
    Case("a deleted secret", [create(), DELETE, on_secret("RestoreSecret")]),
    Case("a secret that is not deleted", [create(), on_secret("RestoreSecret")]),
    Case("a secret", [create(), on_secret("TagResource", Tags=[{"Key": "k", "Value": "v"}])]),
    Case("a tag that is not there", [create(), on_secret("UntagResource", TagKeys=["k"])]),
]

CASES = CREATE + PUT + MOVE + READ + DESCRIBE + OTHERS
