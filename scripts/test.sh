#!/usr/bin/env bash
# Runs all tests of the workspace, adds the results up, and shows what they have measured: it is left in report.txt of
# cargo's target directory. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=$(mktemp)
trap 'rm -f "$output"' EXIT
REKEYD_REPORT=$(realpath -m "${CARGO_TARGET_DIR:-target}")/report.txt
export REKEYD_REPORT
# Many tests wait for processes most of the time: one more than there are cores.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) + 1))}"
mkdir -p "${REKEYD_REPORT%/*}"
: >"$REKEYD_REPORT"
began=$SECONDS
status=0
cargo test --workspace --locked --no-fail-fast "$@" 2>&1 </dev/null | tee "$output" || status=$?

awk -v took=$((SECONDS - began)) '
    /^test result:/ {
        binaries++
        for (field = 2; field <= NF; field++) {
            if ($field ~ /^passed/)  passed  += $(field - 1)
            if ($field ~ /^failed/)  failed  += $(field - 1)
            if ($field ~ /^ignored/) ignored += $(field - 1)
        }
    }
    END {
        printf "\ntests: %d passed, %d failed, %d ignored, in %d binaries and %d s\n", passed, failed, ignored, binaries, took
    }' "$output"
if [ -s "$REKEYD_REPORT" ]; then
    printf '\nwhat the tests have measured:\n'
    sort "$REKEYD_REPORT" | sed 's/^/  /'
fi
grep -E '^test .* \.\.\. FAILED$' "$output" | sort -u || true
exit "$status"
