#!/usr/bin/env bash
# Holds the documents to the code: every test that docs/SEMANTICS.md, SANDBOX.md, SCHEDULES.md and SECURITY.md name exists,
# the tables of reasons are those of src/rotation/reason.rs, and every set of reasons has one, and every reason
# its row in docs/OPERATIONS.md; and every link to a file or heading leads there. With --write, the tables are written anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
page=docs/SEMANTICS.md
problems=0
say() { echo "check-docs: $*" >&2; problems=1; }

# The rows of one set of reasons: | `label` | meaning |
rows() {
    awk -v set="$1" '
        $0 ~ "^    " set " \\{" { inside = 1; next }
        inside && /^    }/ { exit }
        inside && match($0, /= "[a-z_]+": "/) {
            rest = substr($0, RSTART + 3)
            label = substr(rest, 1, index(rest, "\"") - 1)
            meaning = substr(rest, length(label) + 5)
            sub(/",$/, "", meaning)
            gsub(/\\"/, "\"", meaning)
            printf "| `%s` | %s |\n", label, meaning
        }' src/rotation/reason.rs
}

written() {
    local line set
    while IFS= read -r line; do
        if [[ $line =~ ^'<!-- reasons: '([A-Za-z]+)' -->'$ ]]; then
            set=${BASH_REMATCH[1]}
            printf '%s\n| reason | meaning |\n|---|---|\n' "$line"
            rows "$set"
            while IFS= read -r line && [ "$line" != '<!-- end -->' ]; do :; done
        fi
        printf '%s\n' "$line"
    done <"$page"
}

fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
written >"$fresh"
if [ "${1:-}" = --write ]; then
    cp "$fresh" "$page"
elif ! diff -u "$page" "$fresh" >&2; then
    say "the tables of reasons are old; run scripts/check-docs.sh --write"
fi

# A test is named as `file::name`: it exists, and so does its file or folder.
for named in docs/SEMANTICS.md docs/SANDBOX.md docs/SCHEDULES.md docs/SECURITY.md; do
    while read -r test; do
        [ "$test" = file::test ] && continue
        name=${test##*::}
        file=${test%::*}
        file=${file##*::}
        where=$(grep -rlE "fn ${name}\b" src tests sandbox/tests sandbox/src || true)
        [ -n "$where" ] || say "$named names a test that does not exist: $test"
        grep -qE "(^|/)${file}(/|\.rs)" <<<"$where" || say "$named has $test in the wrong place; it is in" $where
    done < <(grep -oE '`[a-z_0-9]+(::[a-z_0-9]+)*::[a-z_0-9]+`' "$named" | tr -d '`' | sort -u)
done

# Every set of reasons has its table, and docs/OPERATIONS.md says what to do about every reason: in the first column of
# its section's table, or anywhere for those whose section is prose.
declare -A sections=(
    [HaltReason]='### Halts' [AttentionReason]='### Needs attention' [DriftCause]='### Drift'
    [RollbackRefusal]='### Rollbacks refused' [HoldReason]='### Holds'
)
advice() {
    local heading=${sections[$1]:-}
    if [ -n "$heading" ]; then
        awk -v heading="$heading" '/^##/ { inside = $0 == heading } inside && /^\|/ { split($0, cells, "|"); print cells[2] }' \
            docs/OPERATIONS.md
    else
        cat docs/OPERATIONS.md
    fi
}
while read -r set; do
    grep -qx "<!-- reasons: $set -->" "$page" || say "$page has no table of $set"
    given=$(advice "$set")
    while read -r label; do
        grep -q "\`$label\`" <<<"$given" || say "docs/OPERATIONS.md does not say what to do about $label ($set)"
    done < <(rows "$set" | sed -E 's/^\| `([a-z_]+)`.*/\1/')
done < <(awk '/^reasons! \{/ { inside = 1 } inside && /^    [A-Za-z]+ \{/ { print $1; inside = 0 }' src/rotation/reason.rs)

# The anchors that headings get.
anchors() {
    awk '/^```/ { code = !code } !code && sub(/^#+ /, "") { print tolower($0) }' "$1" |
        sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g; s/[^[:alnum:]_ -]//g; s/ /-/g'
}
links() { grep -oE '\]\([^) ]+\)' "$1" | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^[a-z]+:' || true; }
for from in *.md docs/*.md docs/*/*.md sandbox/*.md; do
    while read -r link; do
        file=${link%%#*}
        target=$from
        [ -z "$file" ] || target=$(dirname "$from")/$file
        if ! [ -e "$target" ]; then
            say "$from links to $file, which does not exist"
        elif [[ $link == *'#'* && $target == *.md ]]; then
            anchors "$target" | grep -xF -- "${link#*#}" >/dev/null || say "$from links to $link, and there is no such heading"
        fi
    done < <(links "$from" | sort -u)
done

exit "$problems"
