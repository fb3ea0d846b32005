"""What parsers that nobody here wrote make of the templates of a table in a folder: table.yaml and table.tf.

Prints {"findings": [...], "cloudformation": properties, "terraform": arguments}.
"""

import json
import pathlib
import sys

import cfnlint.api
import cfnlint.decode.cfn_yaml
import hcl2

folder = pathlib.Path(sys.argv[1])


def plain(value):
    """python-hcl2 keeps the quotes of strings, cfn-lint the places of everything."""
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value).strip('"')
    return value


template = (folder / "table.yaml").read_text()
matches = cfnlint.api.lint_all(template)
findings = [f"cfn-lint: {match}" for match in matches if match.rule.severity != "informational"]
resources = cfnlint.decode.cfn_yaml.loads(template)["Resources"]
(table,) = [body for body in resources.values() if body["Type"] == "AWS::DynamoDB::Table"]
(block,) = hcl2.loads((folder / "table.tf").read_text())["resource"]
(arguments,) = plain(block)["aws_dynamodb_table"].values()
print(json.dumps({"findings": findings, "cloudformation": plain(table["Properties"]), "terraform": arguments}))
