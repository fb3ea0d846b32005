"""Says of each document on standard input whether the schema there takes it, as a JSON list."""

import json
import sys

from jsonschema import Draft202012Validator

given = json.load(sys.stdin)
Draft202012Validator.check_schema(given["schema"])
validator = Draft202012Validator(given["schema"])
verdicts = []
for document in given["documents"]:
    errors = list(validator.iter_errors(document))
    verdicts.append(not errors)
    for error in errors:
        print(f"{error.json_path}: {error.message}"[:300], file=sys.stderr)
json.dump(verdicts, sys.stdout)
