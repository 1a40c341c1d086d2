#!/usr/bin/env bash
# What the compose lab needs beside its image: .env with its secrets, and folders that its user can write.
#
#     docker/prepare.sh [ENV-FILE [OUTPUT-FOLDER [WORK-FOLDER]]]
#
# The containers run as you, so what they write is yours. They never run as root: where root calls this,
# they run as user 1000, to whom the folders are given. `make all` calls it where there is no .env yet.
set -euo pipefail
cd "$(dirname "$0")/.."
env_file=${1:-.env}
output=${2:-output}
work=${3:-work}

uid=$(id -u) gid=$(id -g)
if [ "$uid" = 0 ]; then uid=1000 gid=1000; fi
mkdir -p "$output/cpu_metrics" "$output/plots" "$work"
if [ "$(id -u)" = 0 ]; then chown -R "$uid:$gid" "$output" "$work"; fi
echo "$output and $work are there for the containers' user $uid"

secret() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
if [ ! -e "$env_file" ]; then
    (umask 077; cat >"$env_file" <<END
# Made by make all. Keep it to yourself: it opens this lab's JupyterLab and controls its services.
JUPYTER_TOKEN=$(secret)
LABKIT_CONTROL_PASSWORD=$(secret)
LABKIT_HOSTNAME=$(cat /etc/hostname 2>/dev/null || hostname)
LAB_UID=$uid
LAB_GID=$gid
# Other ports, published on 127.0.0.1 only:
#LABKIT_KAFKA_PORT=9092
#LABKIT_REGISTRY_PORT=8081
#LABKIT_REGISTRY_MANAGEMENT_PORT=8083
#LABKIT_FLINK_PORT=8082
#LABKIT_JUPYTER_PORT=8888
END
    )
fi
