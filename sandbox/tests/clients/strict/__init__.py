"""Holds every raw reply to botocore's service model.

botocore reads replies leniently: it skips members that it does not know and takes whatever is missing
for absent. `Watch` looks at the bytes before botocore does and notes whatever the model does not allow.
"""

from strict import json11, query

# What a service answers to any operation, though no operation's model lists it.
COMMON_ERRORS = {"secretsmanager": {"ValidationException"}, "elasticache": {"Throttling"}}

PROTOCOLS = {"json": json11, "query": query}


class Watch:
    """The findings in all replies to the clients that it watches, and the operations that succeeded."""

    def __init__(self):
        self.findings = []
        self.succeeded = set()

    def over(self, client):
        """Watches a client, and gives it back."""
        client.meta.events.register("before-parse", self._before_parse)
        return client

    def _before_parse(self, operation_model, response_dict, **_):
        service = operation_model.service_model.service_name
        name = f"{service}.{operation_model.name}"
        status = response_dict["status_code"]
        found = list(examine(operation_model, response_dict))
        self.findings += [f"{name}, HTTP {status}: {problem}" for problem in found]
        if status < 300 and not found:
            self.succeeded.add(name)


def examine(operation, reply):
    """What is wrong with a raw reply: its status, headers, wrapper, members, values."""
    model = operation.service_model
    protocol = PROTOCOLS[model.resolved_protocol]
    headers = {name.lower(): value for name, value in reply["headers"].items()}
    if headers.get("content-type") != protocol.CONTENT_TYPE:
        yield f"the content type is {headers.get('content-type')!r}, not {protocol.CONTENT_TYPE!r}"
    if not headers.get("x-amzn-requestid"):
        yield "there is no request id"
    if reply["status_code"] == 200:
        yield from protocol.success(operation, reply["body"])
    else:
        code, problems = protocol.failure(model, reply["body"])
        yield from problems
        yield from _error(operation, code, reply["status_code"])


def _error(operation, code, status):
    """An error has a code that the operation's model lists, and the HTTP status that the model gives it."""
    for shape in operation.error_shapes:
        error = shape.metadata.get("error", {})
        if code == error.get("code", shape.name):
            # Without a status of its own, an error is the client's: 400, or the service's: 500. botocore
            # keeps the model's `fault` to itself, so the name decides.
            expected = error.get("httpStatusCode", 500 if shape.name.startswith("Internal") else 400)
            if status != expected:
                yield f"{code} comes with {expected} in the model"
            return
    if code not in COMMON_ERRORS[operation.service_model.service_name]:
        yield f"the model of this operation has no error {code}"
    elif status != 400:
        yield f"{code} should come with 400"
