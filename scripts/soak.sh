#!/usr/bin/env bash
# Runs the tests of crashes, kills, damaged stores, lost replies and stalls over and over, for SECONDS=N (600 unless said
# otherwise), and stops at the first failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# bash counts up a variable of that name by itself, so it is read first and given up.
span=${1:-600}
[[ $span =~ ^[0-9]+$ ]] || { echo "soak: not a number of seconds: $span" >&2; exit 2; }
ends=$(($(date +%s) + span))
filters=(crash:: damaged_stores:: killed:: lost_replies:: stall::)

cargo test --locked --package rekeyd --test it --no-run </dev/null
rounds=0
while :; do
    rounds=$((rounds + 1))
    echo "soak: round $rounds, $((ends - $(date +%s))) s left"
    if ! cargo test --locked --quiet --package rekeyd --test it -- "${filters[@]}" </dev/null; then
        echo "soak: round $rounds failed" >&2
        exit 1
    fi
    [ "$(date +%s)" -lt "$ends" ] || break
done
echo "soak: $rounds rounds without a failure"
