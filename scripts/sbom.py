#!/usr/bin/env python3
"""Prints a CycloneDX 1.6 SBOM, as JSON, of what is linked into rekeyd: itself and the crates of its build that ships.

Build scripts, macros and what only tests use are not part of it. The C code of SQLite and AWS-LC comes in the crates
libsqlite3-sys and aws-lc-sys. Run it with .tools/python/bin/python (scripts/install-tools.sh python).
"""

import os
import re
import subprocess
import tomllib
import uuid
from datetime import datetime, timezone
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

WORKSPACE = Path(__file__).resolve().parent.parent
NODE = re.compile(r"(?P<depth>\d+) (?P<name>\S+) v(?P<version>\S+)[^|]*\|(?P<license>[^|]*)$")


def linked():
    """The crates as `cargo tree` walks them: (depth, (name, version), license)."""
    command = "cargo tree --locked --quiet --package rekeyd --edges normal,no-proc-macro --prefix depth".split()
    command += ["--format", " {p}|{l}|"]
    tree = subprocess.run(command, cwd=WORKSPACE, check=True, capture_output=True, text=True).stdout
    for line in tree.splitlines():
        node = NODE.match(line.removesuffix(" (*)").removesuffix("|"))
        if node is None:
            raise SystemExit(f"sbom: not understood: {line!r}")
        yield int(node["depth"]), (node["name"], node["version"]), node["license"]


def checksums():
    """The SHA-256 of each crate's archive."""
    lock = tomllib.loads((WORKSPACE / "Cargo.lock").read_text())
    return {(crate["name"], crate["version"]): crate.get("checksum") for crate in lock["package"]}


def component(crate, license, checksum, kind):
    name, version = crate
    # The older spelling of "either".
    expression = license.replace("/", " OR ") if " " not in license else license
    return Component(
        type=kind,
        name=name,
        version=version,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("cargo", None, name, version),
        licenses=[LicenseFactory().make_from_string(expression)] if expression else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
    )


def bom():
    archives, parts, uses, above = checksums(), {}, {}, []
    for depth, crate, license in linked():
        kind = ComponentType.LIBRARY if depth else ComponentType.APPLICATION
        parts.setdefault(crate, component(crate, license, archives.get(crate), kind))
        uses.setdefault(crate, set())
        del above[depth:]
        if above:
            uses[above[-1]].add(crate)
        above.append(crate)
    root = next(iter(parts))
    made = Bom(components=[part for crate, part in parts.items() if crate != root])
    made.metadata.component = parts[root]
    for crate, used in uses.items():
        made.register_dependency(parts[crate], [parts[other] for other in sorted(used)])
    # The same for the same sources: nothing of it is random, and the date is that of the build if that is fixed.
    named = "".join(f"{part.purl}{archives.get(crate)}" for crate, part in sorted(parts.items()))
    made.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, named)
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    made.metadata.timestamp = datetime.fromtimestamp(int(fixed), timezone.utc) if fixed else datetime.now(timezone.utc)
    return made


def main():
    text = make_outputter(bom(), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise SystemExit(f"sbom: not valid: {wrong}")
    print(text)


if __name__ == "__main__":
    main()
