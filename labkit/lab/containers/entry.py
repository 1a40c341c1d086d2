"""The first process of each container: writes what its service needs, then becomes supervisord.

python -m labkit.lab.containers.entry kafka
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
import sys

from labkit.errors import BadInput, LabkitError
from labkit.jobs import running_jobs
from labkit.lab.services import format_kafka_storage
from labkit.lab.supervisor.configuration import CONTAINERS, write_container_configuration
from labkit.lab.supervisor.environment import for_services
from labkit.settings import Settings, load_settings

__all__ = ["main"]


def main(service: str) -> None:
    """Run `service` alone, under supervisord, in the foreground. Raises `BadInput` outside the compose lab."""
    settings = load_settings()
    if not settings.in_containers or service not in CONTAINERS:
        raise BadInput(f"This starts a container of docker-compose.yml; its service is one of {', '.join(CONTAINERS)}.")
    if not os.environ.get("LABKIT_CONTROL_PASSWORD"):
        raise BadInput("LABKIT_CONTROL_PASSWORD is not set.", "Type: make all")
    _require_writable(settings)
    _name_this_user()
    os.umask(0o002)  # the volumes belong to the group, whichever user the next container runs as
    conf = write_container_configuration(settings, service, service + _replica())
    if service == "kafka":
        format_kafka_storage(settings)
    if service == "jobmanager":
        running_jobs.clear(settings)
    os.chdir(settings.state_dir)
    words = [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(conf)]
    os.execve(sys.executable, words, for_services(settings))


def _replica() -> str:
    """ "" for the first container of a service, "-2" for the second, as Docker's DNS names them.

    The containers of a service share the folder of logs.
    """
    me = socket.gethostbyname(socket.gethostname())
    # Not gethostbyaddr: /etc/hosts comes first there, and has another name.
    asked = subprocess.run(["getent", "-s", "dns", "hosts", me], capture_output=True, text=True, check=False)
    number = re.search(r"-(\d+)\.", asked.stdout)  # 172.18.0.5  lab-taskmanager-2.lab_default
    return f"-{number[1]}" if number and number[1] != "1" else ""


def _require_writable(settings: Settings) -> None:
    for folder in (settings.state_dir, settings.output_dir):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise BadInput(
                f"{folder} is not writable for the user {os.getuid()} of this container.",
                "On the host, type: docker/prepare.sh (it says which folders it makes, and to whom it gives them)",
            )


def _name_this_user() -> None:
    """Containers run with the host user's id, which /etc/passwd may not know; Hadoop's classes ask for its name.

    Source: OpenShift's guidelines for images, "Support arbitrary user ids".
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        with open("/etc/passwd", "a", encoding="utf-8") as file:
            file.write(f"learner:x:{os.getuid()}:{os.getgid()}::{os.environ.get('HOME', '/')}:/bin/bash\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2] or [""])
    except LabkitError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
