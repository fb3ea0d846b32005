#!/usr/bin/env bash
# Records docs/FIRST-ROTATION.md: the commands of README's "From nothing to a proved rotation", typed into a terminal of 80
# columns, with README's configuration and an empty sandbox as AWS. Prints what the terminal shows, with what differs from run to
# run as `…`, and without the lines that tell what is waited for; with --write, puts it into the page.
#
# Needs rekeyd, rekeyd-sandbox, aws, redis-server and tmux on the path.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
page=$root/docs/FIRST-ROTATION.md
folder=$(mktemp -d)
sandbox=
terminal() { tmux -S "$folder/tmux" -f /dev/null "$@"; }
finish() {
    terminal kill-server 2>/dev/null || true
    [ -z "$sandbox" ] || kill "$sandbox"
    wait
    rm -rf "$folder"
}
trap finish EXIT

# What stands under a heading of README, and the first block of a language in it.
section() { awk -v heading="## $1" '/^## / { inside = $0 == heading } inside' "$root/README.md"; }
block() { awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } inside && $0 == "```" { exit } inside'; }
# Lines to type: those after `$ `, and those that a backslash leads to.
typed() { awk 'sub(/^\$ /, "") || more { print; more = /\\$/ }'; }

rekeyd-sandbox --listen 127.0.0.1:0 --ca-file "$folder/ca.pem" >"$folder/sandbox.log" 2>&1 &
sandbox=$!
until url=$(sed -n 's/^rekeyd-sandbox ready: \([^ ]*\).*/\1/p' "$folder/sandbox.log") && [ -n "$url" ]; do
    kill -0 "$sandbox"
    sleep 0.05
done

section 'A configuration' | block toml >"$folder/rekeyd.toml"
mkdir "$folder/rekeyd.d"
# What is not as on AWS: where things are, and that nobody waits five minutes.
cat >"$folder/rekeyd.d/sandbox.toml" <<END
[daemon]
listen = "127.0.0.1:0"
admin_socket = "$folder/admin.sock"
state = "sqlite:$folder/state.db"
audit_log = "$folder/audit.jsonl"
[aws.main]
endpoint_url = "$url"
[defaults]
settle = "1s"
tls = { ca_file = "$folder/ca.pem" }
END
cat >"$folder/rc" <<END
PS1='\$ ' PS2='> '
PROMPT_COMMAND='tmux -S "$folder/tmux" wait-for -S prompt'
rekeyd() { command rekeyd --config "$folder/rekeyd.toml" "\$@"; }
cd "$folder"
END
terminal new-session -d -x 80 -y 50 -e "AWS_ENDPOINT_URL=$url" -e AWS_DEFAULT_REGION=us-east-1 -e AWS_PAGER= \
    -e AWS_ACCESS_KEY_ID=operator -e AWS_SECRET_ACCESS_KEY=anything -e AWS_EC2_METADATA_DISABLED=true -e LANG=C.UTF-8 \
    -e "PATH=$PATH" "bash --rcfile '$folder/rc' -i"

# Lines that the terminal broke are whole again: they are masked as a whole, and broken once more.
screen() { terminal capture-pane -pJ -S - | sed 's/ *$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
until_prompt() {
    timeout 120 tmux -S "$folder/tmux" wait-for prompt
    # The shell is ready; the terminal may still be drawing.
    until [ "$(screen | tail -n 1)" = '$' ]; do sleep 0.05; done
}

until_prompt
while IFS= read -r line <&3; do
    terminal send-keys -l -- "$line"
    terminal send-keys Enter
    [[ $line == *\\ ]] || until_prompt
done 3< <(section 'From nothing to a proved rotation' | block console | typed)

recorded=$(screen | sed '$d' | sed -E \
    -e '/^[^ ]+: waiting: /d' \
    -e 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/…/g' \
    -e 's/20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-9:.]+(Z|[+-][0-9:]+)?/…/g' \
    -e 's/("Port": |localhost:)[0-9]+/\1…/g' | fold -w 80)
if [ "${1:-}" = --write ]; then
    {
        sed '/^```text$/q' "$page"
        printf '%s\n' "$recorded"
        sed -n '/^```text$/,$p' "$page" | sed -n '/^```$/,$p'
    } >"$folder/page"
    cp "$folder/page" "$page"
else
    printf '%s\n' "$recorded"
fi
