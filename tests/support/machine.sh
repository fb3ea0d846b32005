#!/usr/bin/env bash
# Boots a copy of .tools/machine, whose changes are in memory only, in a control group of its own: `bash machine.sh ROOT
# SHARED`. The folder SHARED is /mnt in it; the network is that of this machine. Prints the process id of its systemd.
# Ends it, and takes everything away, when standard input ends.
set -eu
root=$1 shared=$2

export group
group=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET)/rekeyd-machine-$$ # fails where none is mounted
mkdir "$group"

SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 sh -c 'echo $$ >"$group/cgroup.procs"; exec systemd-nspawn "$@"' nspawn \
    --directory="$root" --volatile=overlay --bind-ro="$shared:/mnt" --boot --machine="machine-$$" --hostname=machine \
    --register=no --keep-unit --settings=no --resolv-conf=off --timezone=off --link-journal=no --console=pipe \
    </dev/null >"$shared/console" 2>&1 &
nspawn=$!

# Its systemd, once that has taken the place of what prepares it; nothing before.
leader() {
    local child
    child=$(tr -d ' ' <"/proc/$nspawn/task/$nspawn/children")
    [ -n "$child" ] && [ "$(cat "/proc/$child/comm")" = systemd ] && echo "$child"
}

clean_up() {
    kill -KILL "$(leader || echo "$nspawn")" || true
    wait "$nspawn" || true
    find "$group" -depth -type d -exec rmdir {} +
}
trap clean_up EXIT

until systemd=$(leader); do
    kill -0 "$nspawn"
    sleep 0.05
done
echo "$systemd"
cat >/dev/null
