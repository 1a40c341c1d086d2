#!/usr/bin/env bash
# labkit where the lab is: in the compose lab's JupyterLab if that is up, else from .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
if { [ -e .env ] || [ -n "${COMPOSE_PROJECT_NAME:-}" ]; } && command -v docker >/dev/null &&
    [ -n "$(docker compose ps -q --status running jupyterlab 2>/dev/null)" ]; then
    exec docker compose exec -T -e AS_TYPED=docker/labkit.sh jupyterlab labkit "$@"   # what it tells you to type
fi
if [ -e .env ] && [ ! -x .venv/bin/labkit ]; then   # who made the compose lab does not want another one installed
    echo "The containers are not up. Type: docker compose up -d --wait" >&2
    exit 2
fi
make -s installed
exec .venv/bin/labkit "$@"
