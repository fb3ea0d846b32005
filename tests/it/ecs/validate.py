"""Says what ECS would refuse: reads {"operation": …, "parameters": …} and prints what botocore's model of the service has
against it, one finding a line. botocore itself leaves the closed sets of values to the service."""

import json
import sys

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator


def outside_of_sets(value, shape, where):
    """The values that are none of those which the model names."""
    if shape.type_name == "structure":
        for key, member in shape.members.items():
            if key in value:
                yield from outside_of_sets(value[key], member, f"{where}.{key}")
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from outside_of_sets(item, shape.member, f"{where}[{index}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{where}: {value!r} is none of {shape.enum}"


def main():
    asked = json.load(sys.stdin)
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shape = model.operation_model(asked["operation"]).input_shape
    report = ParamValidator().validate(asked["parameters"], shape)
    if report.has_errors():
        print(report.generate_report())
        return
    for finding in outside_of_sets(asked["parameters"], shape, asked["operation"]):
        print(finding)


main()
