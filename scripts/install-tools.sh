#!/usr/bin/env bash
# Makes sure that the named tools are there, and says nothing when they are.
#
#   scripts/install-tools.sh [cc] [redis] [prometheus] [python] [shells] [man] [pages] [browser] [deb] [machine]
#                            [dynalite] [deny]                                             default: all but deny
#
#   cc        a C compiler, for SQLite and aws-lc
#   redis     redis-server with TLS, and redis-cli: the caches of tests and demo
#   prometheus  scrapes the daemon, and promtool checks metrics, rules and queries; unpacked into .tools/ and not
#             installed, so that no service starts
#   python    scripts/requirements.txt in a virtual environment, .tools/python
#   shells    zsh and fish, which try their completions
#   man       groff and mandoc, which read the manual pages
#   pages     what the commands of docs/ and their tests use: jq, curl, openssl, shellcheck, sqlite3, tmux, faketime
#   browser   chromium, which looks at the status page; scripts/requirements.txt has what drives it
#   deb       cargo-deb, which writes the Debian package; built into .tools/, without optimisation in a minute
#   machine   a small Debian with systemd in .tools/machine, and systemd-nspawn, which boots it: the unit and the package
#             are tried in copies of it
#   dynalite  a server that stands for DynamoDB: scripts/dynalite/package-lock.json, with node and npm, in .tools/dynalite
#   deny      cargo-deny for `make lint-deps`; built into .tools/, which takes minutes
#
# Written for Debian and Ubuntu. Elsewhere it names what is missing and fails.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools
deny_version=0.20.2
deb_version=3.8.0

say() { echo "install-tools: $*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        die "this needs root, and sudo asks for a password. Run as root: $*"
    fi
}

need_apt() {
    have apt-get || die "$1 is missing, and there is no apt-get here to install it; install $1 and run this again"
}

# The package lists are fetched only when apt does not know a package: a fresh image has none.
known_to_apt() {
    local package
    for package in "$@"; do
        apt-cache show "$package" >/dev/null 2>&1 || return 1
    done
}

apt_lists() {
    known_to_apt "$@" || apt_update
}

apt_update() {
    as_root apt-get update -qq >&2
}

# A list may be older than the archive: then the first attempt fails and fresh lists help.
apt_install() {
    need_apt "$*"
    say "installing $*"
    apt_lists "$@"
    apt_install_now "$@" || { apt_update && apt_install_now "$@"; } || die "apt-get could not install $*"
}

apt_install_now() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 </dev/null
}

install_cc() {
    have cc || have gcc || apt_install gcc libc6-dev
}

# Debian starts a service after its installation. A policy of its own for these seconds forbids it.
install_redis() {
    have redis-server && have redis-cli && return
    need_apt "redis-server"
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e "$policy" ]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt_install redis-server redis-tools
    if [ -n "$ours" ]; then
        as_root rm -f "$policy"
        trap - EXIT
    fi
    # Nor shall it come up with the machine.
    if have systemctl && [ -d /run/systemd/system ]; then
        as_root systemctl disable --now redis-server >/dev/null 2>&1 || true
    fi
    have redis-server && have redis-cli || die "redis-server or redis-cli is still missing"
}

install_prometheus() {
    local bin=$tools/usr/bin
    { have promtool || [ -x "$bin/promtool" ]; } && { have prometheus || [ -x "$bin/prometheus" ]; } && return
    need_apt "prometheus"
    have dpkg || die "dpkg is missing"
    say "unpacking prometheus and promtool into .tools"
    apt_lists prometheus
    local into
    into=$(mktemp -d)
    # apt's sandbox user must be able to write here.
    chmod 755 "$into"
    download() { (cd "$into" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" prometheus >&2); }
    if ! { download || { apt_update && download; }; }; then
        rm -rf "$into"
        die "the package prometheus could not be downloaded"
    fi
    mkdir -p "$tools"
    dpkg --fsys-tarfile "$into"/prometheus_*.deb | tar -x -C "$tools" ./usr/bin/prometheus ./usr/bin/promtool
    rm -rf "$into"
    [ -x "$bin/prometheus" ] && [ -x "$bin/promtool" ] || die "the package prometheus lacks prometheus or promtool"
}

# The stamp holds the folder too: scripts in it begin with its path.
python_stamp() {
    echo "# $tools/python"
    cat "$root/scripts/requirements.txt"
}

install_python() {
    local venv=$tools/python
    "$venv/bin/python" -c '' 2>/dev/null && python_stamp | cmp -s - "$venv/stamp" && return
    say "installing $(grep -cE '^[a-z]' "$root/scripts/requirements.txt") Python packages into .tools/python"
    mkdir -p "$tools"
    # Debian's python3 comes without the part of venv that installs pip.
    python3 -m venv --clear "$venv" >/dev/null 2>&1 || {
        apt_install python3 python3-venv
        /usr/bin/python3 -m venv --clear "$venv" >&2
    }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$root/scripts/requirements.txt" >&2 ||
        die "pip could not install scripts/requirements.txt into .tools/python"
    python_stamp >"$venv/stamp"
}

install_pages() {
    local tool missing=()
    for tool in jq curl openssl shellcheck sqlite3 tmux faketime; do
        have "$tool" || missing+=("$tool")
    done
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

install_shells() {
    have zsh && have fish || apt_install zsh fish
}

install_man() {
    have groff && have mandoc || apt_install groff-base mandoc
}

# playwright, which drives it, can fetch browsers of its own: this is the one that the distribution keeps safe.
install_browser() {
    have chromium || apt_install chromium fonts-dejavu-core
}

# Without its defaults: it then writes gzip, and needs no C library of xz.
install_deb() {
    local deb=$tools/bin/cargo-deb
    [ -x "$deb" ] && [ "$("$deb" --version)" = "cargo-deb $deb_version" ] && return
    say "building cargo-deb $deb_version into .tools"
    cargo install cargo-deb --debug --no-default-features --locked --version "$deb_version" --root "$tools" --force --quiet >&2
}

# What is installed beside the essential packages; the stamp names it, so that a change makes a new one.
machine_stamp="bookworm $(dpkg --print-architecture 2>/dev/null || true) systemd systemd-sysv ca-certificates"

install_machine() {
    local machine=$tools/machine suite packages mirror
    have systemd-nspawn || apt_install systemd-container
    [ "$(cat "$machine.stamp" 2>/dev/null)" = "$machine_stamp" ] && [ -d "$machine" ] && return
    have mmdebstrap || apt_install mmdebstrap
    say "installing a Debian with systemd into .tools/machine"
    mkdir -p "$tools"
    as_root rm -rf "$machine" "$machine.stamp"
    read -r suite _ packages <<<"$machine_stamp"
    mapfile -t mirror < <(debian_mirror)
    # Nobody reads its manuals, and nothing of it has to survive a power cut. Both are forgotten afterwards: the tests'
    # packages are installed whole.
    as_root mmdebstrap --quiet --variant=essential --skip=check/empty --include="${packages// /,}" \
        --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --customize-hook='rm "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap' \
        --customize-hook='echo 127.0.0.1 localhost >"$1"/etc/hosts' "$suite" "$machine" "${mirror[@]}" >&2 ||
        die "mmdebstrap could not install Debian into .tools/machine"
    echo "$machine_stamp" >"$machine.stamp"
}

# The archive that this machine installs from, if it is a Debian; nothing, else, for mmdebstrap's own choice.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 2>/dev/null | grep -v security | head -n 1 || true
}

# The stamp is the list of what was installed. Debian's node is older than dynalite asks for, and serves.
install_dynalite() {
    local dir=$tools/dynalite lock=$root/scripts/dynalite/package-lock.json
    have node && [ -d "$dir/node_modules/dynalite" ] && cmp -s "$lock" "$dir/stamp" && return
    have node && have npm || apt_install nodejs npm
    say "installing dynalite into .tools/dynalite"
    rm -rf "$dir"
    mkdir -p "$dir"
    cp "$root/scripts/dynalite/package.json" "$lock" "$dir"
    # No script of a package is run: what they would build serves tables on a disk, which the tests do not use.
    (cd "$dir" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --silent >&2) ||
        die "npm could not install scripts/dynalite/package-lock.json into .tools/dynalite"
    cp "$lock" "$dir/stamp"
}

install_deny() {
    local deny=$tools/bin/cargo-deny
    [ -x "$deny" ] && [ "$("$deny" --version)" = "cargo-deny $deny_version" ] && return
    say "building cargo-deny $deny_version into .tools; this takes minutes"
    cargo install cargo-deny --locked --version "$deny_version" --root "$tools" --force --quiet >&2
}

[ $# -gt 0 ] || set -- cc redis prometheus python shells man pages browser deb machine dynalite
for tool in "$@"; do
    case $tool in
        cc | redis | prometheus | python | shells | man | pages | browser | deb | machine | dynalite | deny) "install_$tool" ;;
        *) die "unknown tool: $tool (there are cc, redis, prometheus, python, shells, man, pages, browser, deb, machine, dynalite, deny)" ;;
    esac
done
