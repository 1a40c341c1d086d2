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
from labkit.flink.names import JOBS
from labkit.ops import at_work
from labkit.settings import Settings, load_settings

__all__ = ["bring_back", "main"]

_BRING_BACK = "bring-back"


def main() -> None:
    """Hear events for ever. stdout belongs to supervisord's protocol; what is said goes to stderr."""
    while True:
        _, payload = listener.wait()
        listener.ok()  # at once: what comes while jobs are being submitted is kept for later
        if get_headers(payload)["processname"] == "jobmanager":
            # A process of its own: Flink's client takes 400 MB, which are free again afterwards.
            words = [sys.executable, "-m", "labkit.ops.submitter", _BRING_BACK]
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)


def bring_back(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Submit each job that is noted as at work and not there; `say` hears what came of it."""
    from labkit.ops import jobs
    from labkit.ops.client import close_client

    if settings.in_containers:
        for job in JOBS:
            at_work.note(settings, job)
    writers_first = sorted(at_work.noted(settings), key=lambda pair: JOBS.index(pair[1]))
    try:
        for own, job in writers_first:
            try:
                taken = jobs.submit_when_ready(own, [job], say, partial(at_work.is_noted, own))
            except LabkitError as error:
                say(str(error))
            else:
                for submitted in taken:
                    say(jobs.described(settings, submitted))
    finally:
        close_client()


if __name__ == "__main__":
    if sys.argv[1:] == [_BRING_BACK]:
        bring_back(load_settings(), partial(print, flush=True))
    else:
        main()
