"""awsQuery, the protocol of ElastiCache."""

import re
from datetime import datetime
from xml.etree import ElementTree

from strict import values

CONTENT_TYPE = "text/xml"


def success(operation, body):
    """What is wrong with the body of a reply that says that the call worked."""
    space = _namespace(operation.service_model)
    root = ElementTree.fromstring(body)
    if root.tag != f"{space}{operation.name}Response":
        yield f"the root is {root.tag}"
    wrapper = operation.output_shape.serialization["resultWrapper"]
    expected = [f"{space}{wrapper}", f"{space}ResponseMetadata"]
    if [child.tag for child in root] != expected:
        yield f"the root holds {[child.tag for child in root]}, not {expected}"
        return
    yield from value(operation.output_shape, root[0], operation.name, space)
    if not root.findtext(f"{space}ResponseMetadata/{space}RequestId"):
        yield "there is no RequestId in ResponseMetadata"


def failure(model, body):
    """The code of an error, and what is wrong with its form."""
    space = _namespace(model)
    root = ElementTree.fromstring(body)
    problems = []
    if root.tag != f"{space}ErrorResponse":
        problems.append(f"the root of an error is {root.tag}")
    if [child.tag for child in root] != [f"{space}Error", f"{space}RequestId"]:
        problems.append(f"an error's root holds {[child.tag for child in root]}")
    error = {child.tag.removeprefix(space): child.text for child in root[0]}
    if set(error) != {"Type", "Code", "Message"} or not error.get("Message"):
        problems.append(f"an error consists of {sorted(error)}")
    if error.get("Type") not in ("Sender", "Receiver"):
        problems.append(f"an error is of type {error.get('Type')}")
    return error.get("Code"), problems


def _namespace(model):
    return "{" + model.metadata["xmlNamespace"] + "}"


def value(shape, element, where, space):
    """Whatever does not fit in an element and all that is in it."""
    if shape.type_name == "structure":
        yield from _structure(shape, element, where, space)
    elif shape.type_name == "list":
        yield from _list(shape, element, where, space)
    elif len(element):
        yield f"{where} is a {shape.type_name} and holds elements"
    else:
        yield from _SCALARS[shape.type_name](shape, element.text or "", where)


def _structure(shape, element, where, space):
    if (element.text or "").strip():
        yield f"{where} is a structure and holds text"
    known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    names = [child.tag.removeprefix(space) for child in element]
    yield from values.members(shape, names, where)
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{where} has {name} more than once"
    for name, child in zip(names, element):
        if name not in known:
            yield f"{where} has no member {name} in the model"
        else:
            yield from value(known[name], child, f"{where}.{name}", space)


def _list(shape, element, where, space):
    item = shape.member.serialization.get("name", "member")
    yield from values.size(shape, len(element), f"the length of {where}")
    for index, child in enumerate(element):
        if child.tag != f"{space}{item}":
            yield f"an item of {where} is called {child.tag}, not {item}"
        yield from value(shape.member, child, f"{where}[{index}]", space)


def _boolean(_shape, text, where):
    if text not in ("true", "false"):
        yield f"{where} is {text!r}, not a boolean"


def _integer(shape, text, where):
    if re.fullmatch(r"-?[0-9]+", text):
        yield from values.size(shape, int(text), where)
    else:
        yield f"{where} is {text!r}, not a whole number"


def _double(_shape, text, where):
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", text):
        yield f"{where} is {text!r}, not a number"


def _timestamp(_shape, text, where):
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        yield f"{where} is {text!r}, not a time as ElastiCache writes it"


_SCALARS = {
    "string": values.text,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "double": _double,
    "timestamp": _timestamp,
}
