"""awsJson 1.1, the protocol of Secrets Manager."""

import base64
import binascii
import json
import math

from strict import values

CONTENT_TYPE = "application/x-amz-json-1.1"


def success(operation, body):
    """What is wrong with the body of a reply that says that the call worked."""
    reply = json.loads(body)
    shape = operation.output_shape
    if shape is None:
        if reply != {}:
            yield f"the operation has no output, and the body is {reply!r}"
    else:
        yield from value(shape, reply, operation.name)


def failure(_model, body):
    """The code of an error, and what is wrong with its form."""
    reply = json.loads(body)
    # The one service writes the text's key small, the other not; real replies were seen with either.
    problems = [
        f"an error has no member {key!r}" for key in set(reply) - {"__type", "message", "Message"}
    ]
    if not isinstance(reply.get("message", reply.get("Message")), str):
        problems.append("an error has no text")
    return reply.get("__type"), problems


def value(shape, found, where):
    """Whatever does not fit in a value and all that is in it."""
    check = _CHECKS.get(shape.type_name)
    kinds = _KINDS[shape.type_name]
    # To Python a boolean is a number; to JSON it is not.
    if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
        yield f"{where} is a {type(found).__name__}; the model has a {shape.type_name}"
    elif check:
        yield from check(shape, found, where)


def _structure(shape, found, where):
    known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    yield from values.members(shape, found, where)
    for name, inner in found.items():
        if name not in known:
            yield f"{where} has no member {name} in the model"
        else:
            yield from value(known[name], inner, f"{where}.{name}")


def _list(shape, found, where):
    yield from values.size(shape, len(found), f"the length of {where}")
    for index, inner in enumerate(found):
        yield from value(shape.member, inner, f"{where}[{index}]")


def _map(shape, found, where):
    for key, inner in found.items():
        yield from value(shape.key, key, f"a key of {where}")
        yield from value(shape.value, inner, f"{where}[{key}]")


def _blob(shape, found, where):
    try:
        yield from values.size(shape, len(base64.b64decode(found, validate=True)), f"the length of {where}")
    except binascii.Error as error:
        yield f"{where} is not base64: {error}"


def _timestamp(_shape, found, where):
    # Seconds since 1970; what lies outside these years is milliseconds, or nothing at all.
    if not math.isfinite(found) or not 1_000_000_000 < found < 5_000_000_000:
        yield f"{where} is {found}, which is no time of these days"


_KINDS = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "timestamp": (int, float),
}
_CHECKS = {
    "structure": _structure,
    "map": _map,
    "list": _list,
    "string": values.text,
    "blob": _blob,
    "integer": values.size,
    "long": values.size,
    "timestamp": _timestamp,
}
