#!/usr/bin/env bash
# The clean-slate smoke test: the compose lab from nothing, as a learner brings it up, looked at step by step.
set -euo pipefail
export COMPOSE_PROJECT_NAME=labkit-smoke
. "$(dirname "$0")/lib.sh"

step kafka "tear down with volumes"
tear_down
saw "no container, no volume of $COMPOSE_PROJECT_NAME is left"

step kafka "build the image"
make docker-images >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; wrong "docker build failed"; }
saw "$(docker image ls --format '{{.Repository}} {{.Size}}' "$LAB_IMAGE")"

step kafka "up, and wait for healthy"
since=$(now)
docker compose --progress quiet up -d --wait
saw "$(docker compose ps --format '{{.Service}}: {{.Status}}')"

step kafka "only 127.0.0.1 is published"
published=$(docker compose ps --format '{{.Service}} {{.Ports}}')
ports=$(grep -oE '[^ ,]+->' <<<"$published")
[ "$(wc -l <<<"$ports")" = 5 ] || wrong "not five ports: $published"
if grep -v '^127\.0\.0\.1:' <<<"$ports"; then wrong "open to the network: $published"; fi
if grep -q ':9001->' <<<"$published"; then wrong "the control port is published"; fi
for name in $(docker compose ps --services); do
    [ "$(in_lab "$name" id -u)" != 0 ] || wrong "$name runs as root"
done
saw "$ports"

step schema-registry "topics and schema"
saw "$(make setup)"

step jobmanager "both jobs are submitted"
wait_for 180 submitted "$since"
saw "$(docker compose logs --no-color jobmanager | grep submitted)"

step jobmanager "submitting twice is submitting once"
again=$(in_lab jobmanager labkit submit enrichment parquet --when-ready)
[ "$(grep -c 'is there already' <<<"$again")" = 2 ] || wrong "$again"
saw "$again"

step producer "one message of procstat_snapshots"
in_lab kafka kafka-console-consumer --topic procstat_snapshots --from-beginning --max-messages 1 --timeout-ms 60000 \
    >"$work/snapshot" 2>"$work/consumer.log" || { cat "$work/consumer.log"; wrong "no message"; }
frame=$(head -c 5 "$work/snapshot" | od -An -tx1 | tr -d ' \n')
[[ $frame == 00* ]] || wrong "it does not begin with the magic byte 0: $frame"
saw "$(stat -c %s "$work/snapshot") bytes; magic byte and schema id: $frame"

step taskmanager "one message of procstat_metrics"
in_lab kafka kafka-console-consumer --topic procstat_metrics --from-beginning --max-messages 1 --timeout-ms 60000 \
    >"$work/metrics" 2>"$work/consumer.log" || { cat "$work/consumer.log"; wrong "no message"; }
for field in timestamp time_delta_ms cpu_metrics total_busy_pct; do
    grep -q "\"$field\":" "$work/metrics" || wrong "it has no $field: $(cat "$work/metrics")"
done
saw "$(cut -c1-160 "$work/metrics")…"

step taskmanager "Parquet in its output folder"
wait_for 60 has_parquet || wrong "no Parquet file in $output/cpu_metrics"
saw "$(cd "$output" && find cpu_metrics -name '*.parquet' -not -name '.*' | head -3)"

step taskmanager "the ledger balances"
saw "$(in_lab jupyterlab labkit ledger)"

step jupyterlab "status and doctor, in the JupyterLab container and from the host"
in_lab jupyterlab labkit doctor >"$work/doctor" || { cat "$work/doctor"; wrong "the doctor found something"; }
[ -n "$(in_lab jupyterlab labkit logs kafka --lines 5)" ] || wrong "no log of kafka"
saw "$(docker/labkit.sh status)"
if [ -x .venv/bin/labkit ]; then
    step kafka "the host's own labkit"
    .venv/bin/labkit status >"$work/status" || { cat "$work/status"; wrong "status"; }
    grep -q schema-registry "$work/status" || wrong "it did not look into the containers"
    # Not by way of a container: Kafka and the registry on the ports that are published, rows in the output folder.
    saw "$(LABKIT_DEPLOYMENT=local LABKIT_OUTPUT_DIR=$output LABKIT_STATE_DIR=$work/state .venv/bin/labkit ledger)"
fi

step jupyterlab "the learner's folder is filled"
[ -e "$LAB_WORK/index.ipynb" ] && [ -e "$LAB_WORK/exercises/05_exercises.ipynb" ] ||
    wrong "$(ls -R "$LAB_WORK")"
saw "$(cd "$LAB_WORK" && ls -- *.ipynb)"

for number in 00 03 05; do
    step jupyterlab "notebook $number, unchanged, in the container"
    in_lab jupyterlab bash -c "python -m pytest -q -x -p no:cacheprovider --nbval-lax --nbval-cell-timeout=180 notebooks/${number}_*.ipynb" \
        >"$work/nbval" 2>&1 || { tail -40 "$work/nbval"; wrong "nbval"; }
    saw "$(tail -1 "$work/nbval")"
done

step kafka "tear down with volumes again"
tear_down
[ -z "$(docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] || wrong "containers are left"
[ -z "$(docker volume ls -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] || wrong "volumes are left"
saw "nothing is left but the image"
echo "smoke: passed in $SECONDS s"
