"""What parsers that nobody here wrote make of the policies in a folder.

parliament lints the documents, cfn-lint the templates; python-hcl2 and cfn-lint's loader read them back. Prints
{"findings": [...], "terraform": {name: statements}, "cloudformation": {name: statements}} with statements as sets:
[sid, actions, resources, conditions], an account that is not known being `OWN`.
"""

import json
import pathlib
import sys

import cfnlint.api
import cfnlint.decode.cfn_yaml
import hcl2
import parliament

folder = pathlib.Path(sys.argv[1])


def bare(value):
    """python-hcl2 keeps the quotes of strings, and templates inside them."""
    if isinstance(value, str):
        if value.startswith('"') and value.endswith('"'):
            value = value[1:-1]
        value = value.replace("${data.aws_caller_identity.current.account_id}", "OWN")
        return value.replace("$${", "${").replace("%%{", "%{").replace('\\"', '"').replace("\\\\", "\\")
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, dict):
        return {bare(key): bare(item) for key, item in value.items() if not key.startswith("__")}
    return value


def of_terraform(statement):
    conditions = {}
    for condition in statement.get("condition", []):
        conditions.setdefault(condition["test"], {})[condition["variable"]] = sorted(condition["values"])
    return [statement["sid"], sorted(statement["actions"]), sorted(statement.get("resources", [])), conditions]


def resource(value):
    if isinstance(value, dict):
        value = value["Fn::Sub"].replace("${AWS::AccountId}", "OWN").replace("${!", "${")
    return str(value)


def of_cloudformation(statement):
    conditions = statement.get("Condition", {})
    conditions = {str(test): {str(key): sorted(map(str, values)) for key, values in keys.items()}
                  for test, keys in conditions.items()}
    return [str(statement["Sid"]), sorted(map(str, statement["Action"])),
            sorted(resource(value) for value in statement["Resource"]), conditions]


findings = []
for path in sorted(folder.glob("*.json")):
    for policy in json.loads(path.read_text())["policies"]:
        if policy["kind"] != "trust":
            analyzed = parliament.analyze_policy_string(json.dumps(policy["document"]))
            findings += [f"parliament: {policy['name']}: {finding}" for finding in analyzed.findings]

terraform, cloudformation = {}, {}
for path in sorted(folder.glob("*.tf")):
    parsed = bare(hcl2.loads(path.read_text()))
    managed = {}
    for block in parsed.get("resource", []):
        for identifier, body in block["aws_iam_policy"].items():
            managed[identifier] = body["name"]
    for block in parsed["data"]:
        for identifier, body in block.get("aws_iam_policy_document", {}).items():
            name = managed.get(identifier, identifier)
            terraform[name] = [of_terraform(statement) for statement in body["statement"]]

for path in sorted(folder.glob("*.yaml")):
    for template in path.read_text().split("\n---\n"):
        matches = cfnlint.api.lint_all(template)
        # What is only informational asks for descriptions of architectures.
        findings += [f"cfn-lint: {match}" for match in matches if match.rule.severity != "informational"]
        loaded = cfnlint.decode.cfn_yaml.loads(template)
        for body in loaded["Resources"].values():
            properties = body["Properties"]
            statements = properties["PolicyDocument"]["Statement"]
            cloudformation[str(properties["ManagedPolicyName"])] = [of_cloudformation(s) for s in statements]

print(json.dumps({"findings": findings, "terraform": terraform, "cloudformation": cloudformation}))
