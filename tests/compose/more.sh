#!/usr/bin/env bash
# What smoke.sh has no time for: down and up again, three TaskManagers, another user, a crash of the JobManager.
set -euo pipefail
export COMPOSE_PROJECT_NAME=labkit-more
. "$(dirname "$0")/lib.sh"

rows() {
    in_lab jupyterlab python -c '
from labkit.parquet.read import row_count; from labkit.settings import load_settings
print(row_count(load_settings().parquet_dir))'
}
job_ids() {
    in_lab jupyterlab python -c '
from labkit.flink.rest import FlinkRest; from labkit.settings import load_settings
print(sorted(job.id for job in FlinkRest(load_settings().flink_url).jobs() if job.state == "RUNNING"))'
}
facts() { in_lab jupyterlab bash -c 'labkit topics && labkit register-schema'; }
other_jobs() { local ids; ids=$(job_ids 2>/dev/null) && [ "$ids" != "$1" ] && [ "$(wc -w <<<"$ids")" = 2 ]; }
has_more_rows() { [ "$(rows)" -gt "$1" ]; }

make docker-images >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; exit 1; }

step kafka "up as user 4321, whom no /etc/passwd knows"
tear_down
if [ "$(id -u)" = 0 ]; then export LAB_UID=4321 LAB_GID=4321; chown -R 4321:4321 "$output" "$LAB_WORK"; fi
since=$(now)
docker compose --progress quiet up -d --wait
saw "$(in_lab taskmanager id)"

step jobmanager "topics, schema, jobs, Parquet"
make setup >"$work/setup"
wait_for 180 submitted "$since"
wait_for 60 has_parquet
saw "$(find "$output" -name '*.parquet' -not -name '.*' -printf '%u %f\n' | head -2)"

step taskmanager "the shipped recordings give the rows that they give everywhere"
for name in two_cpus eight_cpus cpu_goes_away; do
    in_lab jupyterlab labkit produce --replay "labkit/recordings/$name.gz" >"$work/replay" 2>&1 || { cat "$work/replay"; false; }
done
saw "$(in_lab jupyterlab python - <tests/compose/check_recordings.py)"

step taskmanager "the second stream, from the same image"
in_lab jupyterlab bash -c 'set -e
    labkit topics --stream meminfo; labkit register-schema --stream meminfo
    labkit produce --stream meminfo --seconds 3; labkit submit enrichment parquet --stream meminfo' >"$work/meminfo" 2>&1 || { cat "$work/meminfo"; false; }
memory_balances() { in_lab jupyterlab labkit ledger --stream meminfo | grep -q 'rows expected \([1-9][0-9]*\) found \1 missing 0 twice 0$'; }
wait_for 60 memory_balances
in_lab jupyterlab labkit stop enrichment parquet --stream meminfo >>"$work/meminfo"
saw "$(in_lab jupyterlab labkit ledger --stream meminfo)"

step jobmanager "down, then up: no schema, topic or row is lost"
facts_before=$(facts) rows_before=$(rows)
docker compose --progress quiet down
[ "$(find "$output/cpu_metrics" -name '*.parquet' -not -name '.*' | wc -l)" -gt 0 ] || wrong "the files are gone"
since=$(now)
docker compose --progress quiet up -d --wait
[ "$(facts)" = "$(sed 's/: created,/: there already,/' <<<"$facts_before")" ] || wrong "was: $facts_before; is: $(facts)"
[ "$(rows)" -ge "$rows_before" ] || wrong "$rows_before rows before, $(rows) now"
wait_for 180 submitted "$since"
wait_for 60 has_more_rows "$rows_before"
log=$(docker compose logs --no-color --since "$since" jobmanager)
grep -q 'submitted enrichment.*goes on from' <<<"$log" || wrong "the job did not go on from its checkpoint"
saw "rows $rows_before before, $(rows) now
$(in_lab jupyterlab labkit ledger)"

step jobmanager "the JobManager is killed: both jobs come back by themselves"
before=$(job_ids)
in_lab jobmanager bash -c 'kill -9 $(cat /proc/[0-9]*/task/*/children 2>/dev/null | tr " " "\n" | while read -r p; do
    grep -qs StandaloneSession /proc/$p/cmdline && echo "$p"; done | head -1)'
wait_for 180 other_jobs "$before"
saw "$before, now $(job_ids)
$(in_lab jupyterlab labkit ledger)"

step taskmanager "three TaskManagers"
docker compose --progress quiet up -d --wait --scale taskmanager=3
status=$(in_lab jupyterlab labkit status)
grep -q 'of 24 slots free, 3 containers' <<<"$status" || wrong "$status"
[ "$(in_lab jupyterlab bash -c 'ls .lab/log/taskmanager*.log | wc -l')" = 3 ] || wrong "not a log for each"
saw "$status
$(in_lab jupyterlab labkit ledger)"

tear_down
echo "more: passed in $SECONDS s"
