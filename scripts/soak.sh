#!/usr/bin/env bash
# Explores random worlds with fresh seeds for SECONDS=N (600 unless said otherwise), from SEED=N on if that is
# given, then runs the tests of real processes that are killed and stalled once. Ends with a report; any violation
# fails it, and the report says how to see it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# bash counts up a variable of that name by itself, so it is read first and given up.
span=${1:-600}
seed=${2:-$(date +%s)}
[[ $span =~ ^[0-9]+$ ]] || { echo "soak: not a number of seconds: $span" >&2; exit 2; }
[[ $seed =~ ^[0-9]+$ ]] || { echo "soak: not a seed: $seed" >&2; exit 2; }
# Seeds of a run that began a second later are others, too.
[ -n "${2:-}" ] || seed=$((seed * 1000000))

cargo test --locked --profile soak --package rekeyd --test it --no-run </dev/null
status=0

echo "soak: random worlds for $span s, from seed $seed on"
REKEYD_SECONDS=$span REKEYD_SEED=$seed cargo test --locked --quiet --profile soak --package rekeyd --test it -- \
    --exact exploration::random_worlds_keep_every_promise --nocapture </dev/null || status=1

echo "soak: real processes that are killed and stalled"
cargo test --locked --quiet --profile soak --package rekeyd --test it -- crash:: lost_replies:: stall:: </dev/null || status=1

if [ "$status" = 0 ]; then
    echo "soak: no violation"
else
    echo "soak: failed; see above" >&2
fi
exit "$status"
