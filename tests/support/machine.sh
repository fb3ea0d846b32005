# Boots a copy of .tools/machine, whose changes are in memory only, in a control group of its own: `bash machine.sh ROOT
# SHARED`. The folder SHARED is /mnt in it; the network is that of this machine. Prints the process id of its systemd.
# Ends it, and takes everything away, when standard input ends.
set -eu
root=$1 shared=$2

export group
group=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET)/rekeyd-machine-$$
mkdir "$group"

SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 sh -c 'echo $$ >"$group/cgroup.procs"; exec systemd-nspawn "$@"' nspawn \
    --directory="$root" --volatile=overlay --bind-ro="$shared:/mnt" --boot --machine="machine-$$" --hostname=machine \
    --register=no --keep-unit --settings=no --resolv-conf=off --timezone=off --link-journal=no --console=pipe \
    </dev/null >"$shared/console" 2>&1 &
nspawn=$!

leader() { cat "/proc/$nspawn/task/$nspawn/children"; }

clean_up() {
    kill -KILL $(leader) || true
    wait "$nspawn" || true
    find "$group" -depth -type d -exec rmdir {} +
}
trap clean_up EXIT

until [ -n "$(leader)" ]; do sleep 0.05; done
echo "$(leader)"
cat >/dev/null
