"""Each time that the JobManager has started, the jobs that were at work go on from their newest checkpoint.

supervisord runs this as an event listener and tells it of every program that has come to run. A JobManager that was
killed and restarted has forgotten its jobs. In the compose lab the pipeline's two jobs also come with its first start.
Source: http://supervisord.org/events.html
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial

from supervisor.childutils import get_headers, listener

from labkit.errors import LabkitError
from labkit.jobs import running_jobs
from labkit.settings import Settings, load_settings
from labkit.streams.names import JOBS

__all__ = ["main", "resubmit"]

_BRING_BACK = "bring-back"


def main() -> None:
    """Hear events for ever. stdout belongs to supervisord's protocol; what is said goes to stderr."""
    while True:
        _, payload = listener.wait()
        listener.ok()  # at once: what comes while jobs are being submitted is kept for later
        if get_headers(payload)["processname"] == "jobmanager":
            # A process of its own: Flink's client takes 400 MB, which are free again afterwards.
            words = [sys.executable, "-m", "labkit.jobs.recovery", _BRING_BACK]
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)


def resubmit(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Submit each job that is noted as at work and not there; `say` hears what came of it."""
    from labkit.flink.gateway import close_client
    from labkit.jobs.submit import described, submit_when_ready

    if settings.in_containers:
        for job in JOBS:
            running_jobs.add(settings, job)
    writers_first = sorted(running_jobs.listed(settings), key=lambda pair: JOBS.index(pair[1]))
    try:
        for own, job in writers_first:
            try:
                taken = submit_when_ready(own, [job], say, partial(running_jobs.is_listed, own))
            except LabkitError as error:
                say(str(error))
            else:
                for submitted in taken:
                    say(described(settings, submitted))
    finally:
        close_client()


if __name__ == "__main__":
    if sys.argv[1:] == [_BRING_BACK]:
        resubmit(load_settings(), partial(print, flush=True))
    else:
        main()
