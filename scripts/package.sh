#!/usr/bin/env bash
# Writes the Debian package of a program that is built, and prints its path.
#
#   scripts/package.sh PROFILE [OPTION-OF-CARGO-DEB…]
#
# PROFILE is cargo's: release for what ships, dev for the tests. Manual pages and completions are those that the program
# itself prints; the SBOM is of what cargo links into it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=$1
shift
built=$(realpath -m "${CARGO_TARGET_DIR:-target}")/$([ "$profile" = dev ] && echo debug || echo "$profile")
program=$built/rekeyd
out=$built/package
[ -x "$program" ] || { echo "package: $program is not built" >&2 && exit 1; }

rm -rf "$out"
mkdir -p "$out/man"
"$program" man --out "$out/man" >/dev/null
gzip --best --no-name "$out"/man/*
"$program" completions bash >"$out/rekeyd.bash"
"$program" completions zsh >"$out/_rekeyd"
"$program" completions fish >"$out/rekeyd.fish"
mkdir "$out/share"
for folder in config/prometheus config/grafana; do
    [ ! -d "$folder" ] || cp -r "$folder" "$out/share/"
done
cp config/rekeyd.schema.json "$out/share/"
gzip --best --no-name --stdout CHANGELOG.md >"$out/changelog.gz"
.tools/python/bin/python scripts/sbom.py >"$out/sbom.cdx.json"

export PATH=$PWD/.tools/bin:$PATH
exec cargo deb --locked --no-build --no-dbgsym --quiet --package rekeyd --profile "$profile" "$@"
