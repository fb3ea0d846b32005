#!/usr/bin/env bash
# Accepts rekeyd in a real AWS account: makes a user and a secret, lets rekeyd rotate them, checks what it promises, and
# removes everything again. docs/OPERATIONS.md, "Accepting rekeyd in an account".
#
#   docs/live-check.sh [--group GROUP] [--region REGION] [--rekeyd PATH] [--drop-in FILE] [--yes]
#   docs/live-check.sh --clean-up [--region REGION] [--yes]
#
#   --group GROUP   a user group with at least one cache: the user joins it, so that passwords are proved by logins on its
#                   nodes. Run it where their port can be reached. Without it nothing can log in, and all proofs are "unproven".
#   --region        instead of the one that the AWS CLI is configured with
#   --rekeyd PATH   which rekeyd; default: the one on the path
#   --drop-in FILE  TOML that is layered over the configuration that this script writes, such as tls.ca_file
#   --yes           do not ask
#   --clean-up      only remove what earlier runs, that were killed, have left in this account and region
#
# Needs bash, aws, jq, and credentials that may do what it says that it does. It takes some half an hour, mostly spent waiting: a user
# that is off must look settled for five minutes after each change, and with a cache ElastiCache takes minutes for each. Costs: a
# secret for the time of the run.
# Exit codes: 0 all that was checked holds; 1 something does not; 2 usage; 3 not all could be removed, run --clean-up.
set -euo pipefail
export AWS_PAGER='' AWS_DEFAULT_OUTPUT=text

mark='rekeyd-live-check' # begins every name, and is the key of the tag that everything bears
parent=${TMPDIR:-/tmp}
group='' rekeyd=rekeyd drop_in='' ask=yes only_clean_up=''

usage() { sed -n '5,19s/^# \{0,1\}//p' "$0" >&2; exit 2; }
say() { printf '%s\n' "$*"; }
die() { printf 'live-check: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case $1 in
        --group | --region | --rekeyd | --drop-in) [ $# -gt 1 ] || usage ;;
    esac
    case $1 in
        --group) group=$2; shift ;;
        --region) export AWS_DEFAULT_REGION=$2 AWS_REGION=$2; shift ;;
        --rekeyd) rekeyd=$2; shift ;;
        --drop-in) drop_in=$2; shift ;;
        --yes) ask='' ;;
        --clean-up) only_clean_up=yes ;;
        *) usage ;;
    esac
    shift
done
for tool in aws jq "$rekeyd"; do
    command -v "$tool" >/dev/null || die "$tool is missing"
done

confirm() {
    [ -n "$ask" ] || return 0
    local answer
    read -rp 'Go on? [y/N] ' answer || answer=
    [[ $answer == [yY]* ]] || die 'nothing was changed'
}

# --- the user, the secret, the daemon -------------------------------------------------------------------------------------

user_is() { aws elasticache describe-users --user-id "$1" --query 'Users[0].Status'; }
quietly() { "$@" >/dev/null; }

# Refused is what concerns a user or a group that is being changed, even a moment after it was called active. This asks again.
busy='InvalidUserState|InvalidUserGroupState|not available for tagging'
elasticache() {
    local said deadline=$((SECONDS + 1800))
    until said=$(aws elasticache "$@" 2>&1); do
        if ! [[ $said =~ $busy ]] || [ $SECONDS -ge $deadline ]; then
            printf '%s\n' "$said" >&2
            return 1
        fi
        sleep 1
    done
    printf '%s\n' "$said"
}

passwords() { aws elasticache describe-users --user-id "$user" --query 'Users[0].Authentication.PasswordCount'; }
holder() {
    aws secretsmanager list-secret-version-ids --secret-id "$secret" \
        --query "Versions[?contains(VersionStages || \`[]\`, '$1')].VersionId | [0]"
}
password() {
    aws secretsmanager get-secret-value --secret-id "$secret" --version-stage "$1" --query SecretString --output text |
        jq -r '.password // empty'
}

cli() { "$rekeyd" --config "$folder/rekeyd.toml" --log-level warn "$@"; }
is_alive() { grep -qs '^State:[[:space:]]*[^Z]' "/proc/$1/status"; }
daemon() {
    "$rekeyd" --config "$folder/rekeyd.toml" --log-level debug run >>"$folder/log" 2>&1 &
    echo $! >"$folder/pid"
    disown # its end is no news
    local deadline=$((SECONDS + 60))
    # This needs the daemon, and to have found the secret; it changes nothing.
    until cli resume "$secret" >/dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ] || ! is_alive "$!"; then
            die "the daemon does not come up: $(tail -3 "$folder/log")"
        fi
        sleep 0.2
    done
}
# Ends the daemon of a folder, if it is one.
end_daemon() {
    local pid
    pid=$(cat "$2/pid" 2>/dev/null) || return 0
    if is_alive "$pid" && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$2/rekeyd.toml"; then
        kill "-$1" "$pid"
        while is_alive "$pid"; do sleep 0.1; done
    fi
    rm -f "$2/pid"
}
field() { cli status "$secret" --json | jq -r ".secrets[0].$1 // empty"; }

# --- removing -------------------------------------------------------------------------------------------------------------

# Users and secrets are removed only if their names begin with the mark and they bear the tag.
remove_user() {
    local state groups of
    if ! state=$(user_is "$1" 2>&1); then
        [[ $state == *UserNotFound* ]] && return # it was never made
        say "user $1: $state" && return 1
    fi
    groups=$(aws elasticache describe-users --user-id "$1" --query 'Users[0].UserGroupIds') || return
    for of in ${groups#None}; do
        quietly elasticache modify-user-group --user-group-id "$of" --user-ids-to-remove "$1" || return
    done
    quietly elasticache delete-user --user-id "$1" || return
    say "removed user $1"
}
remove_secret() {
    local said
    if ! said=$(aws secretsmanager delete-secret --secret-id "$1" --force-delete-without-recovery 2>&1); then
        [[ $said == *ResourceNotFound* ]] && return
        say "secret $1: $said" && return 1
    fi
    say "removed secret $1"
}
remove_folder() {
    end_daemon KILL "$1" && rm -rf -- "$1" && say "removed $1"
}

remove_marked_user() {
    local id=$1 tag
    tag=$(elasticache list-tags-for-resource --resource-name "$2" --query "TagList[?Key=='$mark'].Value") || return
    [ "$id" != "$mark-$tag" ] || remove_user "$id"
}
# Each in a shell of its own: one that cannot be removed keeps no other from it.
left=0
remove() { ("$@") || left=1; }
clean_up() {
    local id arn dir users secrets
    for dir in "$parent/$mark".*; do
        [ ! -d "$dir" ] || [ ! -O "$dir" ] || remove remove_folder "$dir"
    done
    users=$(aws elasticache describe-users --query "Users[?starts_with(UserId, '$mark-')].[UserId,ARN]") || left=1
    while read -r id arn; do
        [ -z "$arn" ] || remove remove_marked_user "$id" "$arn"
    done <<<"$users"
    secrets=$(aws secretsmanager list-secrets --filters "Key=tag-key,Values=$mark" --query 'SecretList[].[Name]') || left=1
    while read -r id; do
        [[ $id != "$mark"/* ]] || remove remove_secret "$id"
    done <<<"$secrets"
}

user='' secret='' folder=''
finish() {
    local code=$?
    trap - EXIT INT TERM HUP
    set +e
    say
    [ -z "$folder" ] || remove remove_folder "$folder"
    [ -z "$user" ] || remove remove_user "$user"
    [ -z "$secret" ] || remove remove_secret "$secret"
    if [ $left != 0 ]; then
        say "NOT ALL WAS REMOVED: run $0 --clean-up"
        code=3
    fi
    exit "$code"
}

# --- the report -----------------------------------------------------------------------------------------------------------

report=() failures=0
# check PROMISE WHAT COMMAND...: whether a command ends with 0.
check() {
    local promise=$1 what=$2 result=holds
    shift 2
    "$@" || { result=FAILS; failures=$((failures + 1)); }
    report+=("$(printf '%-5s  %-3s %s' "$result" "$promise" "$what")")
    say "${report[-1]}"
}
equal() { [ "$1" = "$2" ] || { say "       expected $2, found $1"; return 1; }; }
differ() { [ -n "$1" ] && [ "$1" != None ] && [ "$1" != "$2" ]; }

# --- what is done ---------------------------------------------------------------------------------------------------------

create() {
    local document arn
    user=$mark-$id
    arn=$(aws elasticache create-user --user-id "$user" --user-name "$user" --engine redis --no-password-required \
        --access-string "off ~$mark:* -@all +get" --tags "Key=$mark,Value=$id" --query ARN)
    document=$(jq -cn --arg user "$user" --arg arn "$arn" '{username: $user, user_arn: $arn}')
    secret=$mark/$id
    quietly aws secretsmanager create-secret --name "$secret" --secret-string "$document" \
        --tags "Key=$mark,Value=$id" --description 'made by live-check.sh of rekeyd; may be deleted'
    say "made user $user and secret $secret"
}

configure() {
    local endpoint=''
    [ -z "${AWS_ENDPOINT_URL:-}" ] || endpoint="endpoint_url = \"$AWS_ENDPOINT_URL\""
    mkdir "$folder/rekeyd.d"
    cat >"$folder/rekeyd.toml" <<END
[daemon]
listen = "127.0.0.1:0"
admin_socket = "$folder/admin.sock"
state = "sqlite:$folder/state.db"
audit_log = "$folder/audit.jsonl"

[aws.main]
region = "$region"
$endpoint

[policy.live_check]
aws = "main"
schedule = "30d"
overlap = "24h"
max_versions_per_day = 20
secrets = ["$secret"]
allow_users = ["$user"]
END
    [ -z "$drop_in" ] || cp -- "$drop_in" "$folder/rekeyd.d/50-live-check.toml"
}

refuses_another_user() {
    REKEYD__POLICY__LIVE_CHECK__ALLOW_USERS='["nobody"]' cli plan --json |
        jq -e '.secrets[0].checks | any(.reason == "user_not_allowed")' >/dev/null
}
plan_finds_nothing_wrong() { cli plan --json | jq -e '.totals.refused == 0 and .totals.unknown == 0' >/dev/null; }
is_off() { [[ $(aws elasticache describe-users --user-id "$user" --query 'Users[0].AccessString') == off* ]]; }

switch_on() {
    quietly elasticache modify-user-group --user-group-id "$group" --user-ids-to-add "$user"
    quietly elasticache modify-user --user-id "$user" --access-string "on ~$mark:* -@all +get"
}

first_password() {
    check P7 'a user that allow_users does not name is refused' refuses_another_user
    check - 'rekeyd plan finds nothing wrong' plan_finds_nothing_wrong
    say 'the first password: some five minutes'
    check P5 'run --once makes the first password' quietly cli run --once
    check P1 'AWSCURRENT holds a password, and the user has one' equal "$(password AWSCURRENT | wc -w):$(passwords)" 1:1
    check P7 'the user is still switched off' is_off
}

rotation() {
    local before proof=unproven
    before=$(holder AWSCURRENT)
    [ -z "$group" ] || proof=proven
    say 'a rotation: some five minutes'
    daemon
    check P5 'rotate --wait ends' quietly cli rotate "$secret" --now --wait --timeout 30m
    check P3 'AWSPREVIOUS is the version before' equal "$(holder AWSPREVIOUS)" "$before"
    check P3 'AWSCURRENT has moved' differ "$(holder AWSCURRENT)" "$before"
    check P2 "the new password is $proof" grep -q "^proof *$proof" <(cli status "$secret")
    check P4 'both passwords are valid during the overlap' equal "$(passwords)" 2
    [ -z "$group" ] || check P1 'the current password logs in on every node' plan_finds_nothing_wrong
}

crash() {
    local before deadline=$((SECONDS + 2400))
    before=$(holder AWSCURRENT)
    say 'every old password is revoked, and rekeyd killed (-9) while it does that: some twenty minutes'
    quietly cli rotate "$secret" --revoke-previous --now --no-wait
    end_daemon KILL "$folder"
    daemon
    until [ -z "$(field requested)" ] && [ "$(field phase)" = idle ]; do
        [ $SECONDS -lt $deadline ] || break
        sleep 1
    done
    check P5 'the restart ends what was begun' equal "$(field phase)" idle
    check P3 'it made one version, from the one before' equal "$(holder AWSPREVIOUS)" "$before"
    check P4 'only the current password is left' equal "$(passwords)" 1
    end_daemon TERM "$folder"
}

store_and_secrecy() {
    local before
    before=$(holder AWSCURRENT)
    check P6 'no password is in the store, the log or the audit log' no_password_in "$folder"
    say 'the store is deleted'
    rm -f "$folder"/state.db*
    cli run --once || true
    check P8 'nothing is rotated because of that' equal "$(holder AWSCURRENT)" "$before"
    check P1 'AWSCURRENT holds a password, and the user has one' equal "$(password AWSCURRENT | wc -w):$(passwords)" 1:1
}
# Passwords are given to grep by a file descriptor: its arguments are there for all to see.
no_password_in() { ! grep -rqaFf <(password AWSCURRENT; password AWSPREVIOUS) "$1"; }

# --- begin ----------------------------------------------------------------------------------------------------------------

region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
[ -n "$region" ] || die 'which region? --region REGION'
export AWS_REGION=$region AWS_DEFAULT_REGION=$region
account=$(aws sts get-caller-identity --query Account 2>/dev/null) ||
    account=$(aws elasticache describe-users --user-id default --query 'Users[0].ARN' | cut -d: -f5) ||
    die 'AWS does not answer: are there credentials?'
id=$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')

if [ -n "$only_clean_up" ]; then
    say "This removes what earlier runs have left in account $account, region $region: users, secrets and folders that are called $mark."
    confirm
    clean_up
    [ $left = 0 ] || say 'NOT ALL WAS REMOVED: what AWS said is above'
    exit $((left * 3))
fi

cat <<END
This accepts $("$rekeyd" --version) in account $account, region $region. It makes, tags ($mark=$id) and removes again:
  - ElastiCache user $mark-$id, switched off and without a password
  - secret $mark/$id
  - a folder in $parent, with a configuration and a store
${group:+  - the user joins user group $group, whose caches it may ask for keys that begin with $mark:
}It changes nothing else. Whatever happens, it removes what it made; after kill -9: $0 --clean-up
END
confirm
trap finish EXIT
trap 'exit 130' INT TERM HUP
folder=$(mktemp -d "$parent/$mark.XXXXXX")
create
configure
quietly cli check || die 'rekeyd does not take the configuration'
first_password
[ -z "$group" ] || switch_on
rotation
crash
store_and_secrecy

say
say "account $account, region $region, $("$rekeyd" --version):"
printf '%s\n' "${report[@]}"
[ -n "$group" ] || say 'No --group was given: no login was tried, so P2 is shown as unproven, and P1 by what AWS says.'
say 'Not checked here: P1 at every instant, by clients that log in all the time; see docs/SEMANTICS.md. To look at: one ModifyUser
of this run in CloudTrail, whether its Passwords are redacted.'
[ $failures = 0 ] || die "$failures of ${#report[@]} do not hold"
