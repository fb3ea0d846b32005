"""A Secrets Manager, spoken to in bare HTTP, so that nothing is added to a request."""

import json
import urllib.error
import urllib.request

from differential.cases import SECRET, VERSIONS

TIMEOUT = 60
# Neither side verifies it; moto finds service and region in it.
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"
)


class Service:
    """One of the two sides."""

    def __init__(self, url):
        self.url = url

    def call(self, operation, arguments):
        """The HTTP status and the body of a reply."""
        headers = {
            "X-Amz-Target": f"secretsmanager.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": AUTHORIZATION,
        }
        request = urllib.request.Request(self.url, json.dumps(arguments).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _json(error.read())

    def outcome(self, case, name):
        """What comes of a case: how its last call ended, and where the labels are then."""
        for operation, arguments in case.calls:
            filled = {key: name if value == SECRET else value for key, value in arguments.items()}
            status, reply = self.call(operation, filled)
        if status == 200:
            ended = " ".join(["ok", case.shown(reply)]).strip()
        else:
            ended = reply.get("__type", "an error without a code")
        if case.status:
            ended = f"{status} {ended}"
        return "; ".join([ended, *self._labels(name)])

    def _labels(self, name):
        status, reply = self.call("DescribeSecret", {"SecretId": name})
        stages = reply.get("VersionIdsToStages", {}) if status == 200 else {}
        named = {VERSIONS.get(version, "a version of its own"): labels for version, labels in stages.items()}
        return [f"{version} {'+'.join(sorted(labels))}" for version, labels in sorted(named.items()) if labels]


def _json(body):
    try:
        return json.loads(body)
    except ValueError:
        return {}
