# What smoke.sh and more.sh share: a compose lab of their own, and steps that say what they saw.
# A project, an image, ports and an output folder of its own: a learner's lab is never touched.

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
docker info >/dev/null 2>&1 || { echo "No Docker engine answers. Start Docker, then type the same again." >&2; exit 2; }
docker compose version >/dev/null 2>&1 || { echo "docker compose (version 2) is not installed." >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/$COMPOSE_PROJECT_NAME.XXXXXX")
chmod 755 "$work"
output=$work/output

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

while IFS= read -r name; do unset "$name"; done < <(compgen -e | grep '^LABKIT_' || true)
docker/prepare.sh "$work/env" "$output" "$work/learner"
set -a
. "$work/env"
LAB_IMAGE=streaming-lab-smoke
LAB_OUTPUT=$output
LAB_WORK=$work/learner
LABKIT_KAFKA_PORT=$(free_port)
LABKIT_REGISTRY_PORT=$(free_port)
LABKIT_REGISTRY_MANAGEMENT_PORT=$(free_port)
LABKIT_FLINK_PORT=$(free_port)
LABKIT_JUPYTER_PORT=$(free_port)
LABKIT_CHECKPOINT_INTERVAL_S=3
set +a

service=kafka
part=start
begin=$SECONDS

# step SERVICE WORDS: what comes next, and whose log explains it if it fails
step() {
    service=$1 part=$2 begin=$SECONDS
    echo "▶ $part"
}
saw() { sed 's/^/    /' <<<"${1:0:2000}"; echo "  ✓ $part ($((SECONDS - begin)) s)"; }
wrong() { echo "    $*" >&2; return 1; }
in_lab() { docker compose exec -T "$@"; }

# wait_for SECONDS COMMAND…: until it succeeds
wait_for() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$limit" ] || return 1
        read -rt 0.3 <> <(:) || true
    done
}

tear_down() { docker compose --progress quiet down --volumes --remove-orphans --timeout 40; }

finish() {
    local status=$?
    trap - EXIT
    if [ "$status" != 0 ]; then
        echo "✗ $part. The end of the log of $service:" >&2
        docker compose logs --no-color --tail 80 "$service" 2>&1 | cut -c1-400 >&2 || true
        docker compose ps --all --format '{{.Service}} {{.Status}}' >&2 || true
    fi
    tear_down || true
    rm -rf "$work" 2>/dev/null || true
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

submitted() { [ "$(docker compose logs --no-color --since "$1" jobmanager 2>/dev/null | grep -cE 'submitted (enrichment|parquet)')" -ge 2 ]; }
has_parquet() { [ -n "$(find "$output/cpu_metrics" -name '*.parquet' -not -name '.*' -print -quit)" ]; }
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
