"""moto and the sandbox, call by call. Every difference is in the table of docs/SANDBOX.md, and nothing else is.

    check_differences.py MOTO_URL PAGE
"""

import os
import sys

from differential.cases import CASES
from differential.service import Service

HEADING = "## moto and the sandbox"


def found(moto, sandbox):
    """The differences: operation, case, what moto does, what the sandbox does."""
    for number, case in enumerate(CASES):
        name = f"differential/{number}"
        outcomes = tuple(side.outcome(case, name) for side in (moto, sandbox))
        if outcomes[0] != outcomes[1]:
            yield (case.operation, case.what, *outcomes)


def written(page):
    """The rows of the page's table, without the column on who is right."""
    with open(page, encoding="utf-8") as file:
        section = file.read().split(HEADING, 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    # The first two are the head of the table.
    return [tuple(cell.strip().strip("`") for cell in row[:4]) for row in rows[2:]]


def main(moto, page):
    differences, table = list(found(Service(moto), Service(os.environ["SANDBOX_URL"]))), written(page)
    for row in differences:
        if row not in table:
            print("not in the table: | `{}` | {} | {} | {} |".format(*row))
    for row in table:
        if row not in differences:
            print("in the table, but it was not so: | `{}` | {} | {} | {} |".format(*row))
    print(f"{len(CASES)} cases, {len(differences)} differences")
    return 0 if sorted(differences) == sorted(table) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
