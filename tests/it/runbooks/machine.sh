# shellcheck shell=bash
# The machine that a page is followed on: rekeyd as a service, its journal, its clock, and what AWS has and the sandbox lacks.
# The shell of the test reads it first. STAGE is the folder of the machine's files, SANDBOX the sandbox's address.

export AWS_ENDPOINT_URL=$SANDBOX AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID=OPERATOR AWS_SECRET_ACCESS_KEY=secret AWS_EC2_METADATA_DISABLED=true

rekeyd() {
    AWS_ACCESS_KEY_ID=REKEYD command rekeyd --config "$STAGE/etc/rekeyd/rekeyd.toml" "$@"
}

# Type=notify: `start` returns when rekeyd is ready.
systemctl() {
    case "$1 $2" in
        'start rekeyd')
            AWS_ACCESS_KEY_ID=REKEYD env rekeyd --config "$STAGE/etc/rekeyd/rekeyd.toml" run >>"$STAGE/journal" 2>&1 &
            service=$!
            until rekeyd healthcheck --ready >/dev/null 2>&1; do
                kill -0 "$service" 2>/dev/null || return 1
                sleep 0.05
            done
            ;;
        # How it ended is the journal's to tell.
        'stop rekeyd')
            kill "$service"
            wait "$service" || true
            ;;
        'restart rekeyd') systemctl stop rekeyd && systemctl start rekeyd ;;
        *) echo "systemctl: not here: $*" >&2 && return 1 ;;
    esac
}

journalctl() {
    [ "$*" = '-u rekeyd -o cat' ] || return 1
    cat "$STAGE/journal"
}

# libfaketime reads the file at each look at the clock.
chronyc() {
    case $1 in
        makestep) echo +0 >"$STAGE/clock" && echo '200 OK' ;;
        tracking) echo "System time     : $(cat "$STAGE/clock") seconds of NTP time" ;;
        *) return 1 ;;
    esac
}

# Services that the sandbox lacks: `aws` itself checks the parameters, before it finds nobody to send them to, and the test's
# script of that name does what the command would.
aws() {
    local said
    case $1 in
        elasticache | secretsmanager) command aws "$@" ;;
        *)
            said=$(AWS_MAX_ATTEMPTS=1 command aws "$@" --endpoint-url http://127.0.0.1:1 2>&1)
            [[ $said == *'Could not connect'* ]] || { echo "$said" && return 1; }
            ! [ -e "$STAGE/aws/$1.$2" ] || bash "$STAGE/aws/$1.$2"
            ;;
    esac
}
