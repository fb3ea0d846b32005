"""Single values against their shapes: lengths, ranges, patterns and enumerations of the model."""

import re


def text(shape, value, where):
    """A string."""
    if shape.enum and value not in shape.enum:
        yield f"{where} is {value!r}, which is none of {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value, re.DOTALL):
        yield f"{where} is {value!r}, which does not match {pattern}"
    yield from size(shape, len(value), where)


def size(shape, amount, where):
    """A length, or a number."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and amount < low:
        yield f"{where} is {amount}; the least is {low}"
    if high is not None and amount > high:
        yield f"{where} is {amount}; the most is {high}"


def members(shape, names, where):
    """The names of a structure's members: all that are required, none that the model does not have."""
    for name in shape.metadata.get("required", []):
        if name not in names:
            yield f"{where} has no {name}"
