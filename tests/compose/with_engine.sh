#!/usr/bin/env bash
# Run a command with a Docker engine of its own, where there is none and no hub can be reached: for CI only.
#
#     CI=true tests/compose/with_engine.sh make smoke
#
# Installs docker.io, debootstrap and iptables (apt), builds compose from Go's module proxy, makes a stand-in for
# the base image with debootstrap, and starts dockerd with a socket and a data folder of its own. At the end
# dockerd, its containers, its bridges, its iptables rules and ip_forward are put back. The packages stay.
# The stand-in carries this machine's certificates: an image made from it must never be published.
set -euo pipefail

COMPOSE_VERSION=v2.29.7     # the newest that `go install` can build
BASE=python:3.11-slim-bookworm

refuse() { echo "with_engine.sh: $*" >&2; exit 2; }
[ $# -gt 0 ] || refuse "give the command to run, such as: make smoke"
[ "${CI:-}" = true ] || refuse "this installs packages and starts an engine, so it runs with CI=true only."
! docker info >/dev/null 2>&1 || refuse "an engine answers already; run the command itself: $*"
[ "$(id -u)" = 0 ] || refuse "starting an engine takes root."

work=$(mktemp -d /var/tmp/labkit-engine.XXXXXX)
chmod 711 "$work"
say() { echo "engine: $* (${SECONDS} s)"; }
failed() { echo "engine: $1 failed:" >&2; tail -20 "$2" >&2; exit 1; }

links_before=$(ls /sys/class/net)
forward_before=$(cat /proc/sys/net/ipv4/ip_forward)
rules_before=$work/iptables.before
dockerd=
compose_build=

put_back() {
    local status=$? link pid
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$compose_build" ]; then kill "$compose_build" 2>/dev/null || true; wait "$compose_build" 2>/dev/null || true; fi
    if [ -n "$dockerd" ]; then
        docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1 || true
        kill "$dockerd" 2>/dev/null || true
        wait "$dockerd" 2>/dev/null || true
    fi
    for link in $(ls /sys/class/net); do
        grep -qxF "$link" <<<"$links_before" || ip link delete "$link" 2>/dev/null || true
    done
    if [ -e "$rules_before" ]; then iptables-restore <"$rules_before" || true; fi
    echo "$forward_before" >/proc/sys/net/ipv4/ip_forward
    awk -v work="$work/" 'index($2, work) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l || true
    chmod -R u+w "$work/go" 2>/dev/null || true
    rm -rf "$work"
    say "put back"
    exit "$status"
}
trap put_back EXIT
trap 'exit 130' INT TERM HUP

# Go's own settings (proxy, certificates) are the machine's; only what is built lands in $work.
mkdir -p "$work/docker/cli-plugins" "$work/bin"
build_compose() {
    GOBIN=$work/bin GOFLAGS=-mod=mod go install \
        -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$COMPOSE_VERSION" \
        "github.com/docker/compose/v2/cmd@$COMPOSE_VERSION"
}
build_compose >"$work/compose.log" 2>&1 &
compose_build=$!

log=$work/apt.log
{ apt-get update -q && apt-get install -qy --no-install-recommends docker.io debootstrap iptables; } \
    >"$log" 2>&1 </dev/null || failed "apt-get" "$log"
say "packages installed"

log=$work/debootstrap.log
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base" \
    >"$log" 2>&1 || failed debootstrap "$log"
cp -L /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/ca-certificates.crt"
rm -rf "$work/base/var/cache/apt/archives" "$work"/base/var/lib/apt/lists/*
say "base made"

{ iptables-save -t filter; iptables-save -t nat; } >"$rules_before"
export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/docker DOCKER_BUILDKIT=0
dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
    >"$work/dockerd.log" 2>&1 &
dockerd=$!
until docker info >/dev/null 2>&1; do
    kill -0 "$dockerd" 2>/dev/null || failed dockerd "$work/dockerd.log"
    read -rt 0.2 <> <(:) || true     # a poll, until the socket answers
done
tar -C "$work/base" -c . | docker import --change 'CMD ["python3"]' - "$BASE" >/dev/null
rm -rf "$work/base"
say "engine $(docker version -f '{{.Server.Version}}') is up, $BASE is a stand-in"

wait "$compose_build" || failed "building compose" "$work/compose.log"
compose_build=
mv "$work/bin/cmd" "$work/docker/cli-plugins/docker-compose"
say "compose $(docker compose version --short)"

"$@"
