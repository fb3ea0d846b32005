#!/usr/bin/env bash
# For SECONDS=N (600 unless said otherwise): two thirds of it random worlds with fresh seeds, from SEED=N on if that is
# given, one third pairs of faults in one rotation. Then the tests of real processes that are killed and stalled, once.
# Each part reports, and what was measured is shown again at the end; any violation fails it, and the report says how to
# see it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# bash counts up a variable of that name by itself, so it is read first and given up.
span=${1:-600}
seed=${2:-$(date +%s)}
[[ $span =~ ^[0-9]+$ ]] || { echo "soak: not a number of seconds: $span" >&2; exit 2; }
[[ $seed =~ ^[0-9]+$ ]] || { echo "soak: not a seed: $seed" >&2; exit 2; }
# A run that begins a second later is to meet other seeds.
[ -n "${2:-}" ] || seed=$((seed * 1000000))

cargo test --locked --profile soak --package rekeyd --test it --no-run </dev/null
status=0
REKEYD_REPORT=$(mktemp)
export REKEYD_REPORT
trap 'rm -f "$REKEYD_REPORT"' EXIT

pairs=$((span / 3))
worlds=$((span - pairs))
echo "soak: random worlds for $worlds s, from seed $seed on"
REKEYD_SECONDS=$worlds REKEYD_SEED=$seed cargo test --locked --quiet --profile soak --package rekeyd --test it -- \
    --exact exploration::random_worlds_keep_every_promise --nocapture </dev/null || status=1

echo "soak: pairs of faults for $pairs s"
REKEYD_PAIRS_SECONDS=$pairs REKEYD_PAIRS_FROM=$((seed + seed / 1000000)) cargo test --locked --quiet --profile soak \
    --package rekeyd --test it -- --exact crash_points::no_pair_of_faults_does_harm --nocapture </dev/null || status=1

echo "soak: real processes that are killed and stalled"
cargo test --locked --quiet --profile soak --package rekeyd --test it -- \
    crash:: damaged_stores:: killed:: lost_replies:: stall:: </dev/null || status=1

if [ -s "$REKEYD_REPORT" ]; then
    echo "soak: what was measured:"
    sed 's/^/  /' "$REKEYD_REPORT"
fi

if [ "$status" = 0 ]; then
    echo "soak: no violation"
else
    echo "soak: failed; see above" >&2
fi
exit "$status"
