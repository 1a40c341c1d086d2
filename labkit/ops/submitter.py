"""In the JobManager's container: each time that the JobManager has started, submit both jobs.

supervisord runs this as an event listener and tells it of every program that has come to run. A
JobManager that was restarted has forgotten its jobs; they go on from their newest checkpoint.
Source: http://supervisord.org/events.html
"""

from __future__ import annotations

import subprocess
import sys

from supervisor.childutils import get_headers, listener

from labkit.flink.names import JOBS

__all__ = ["main"]


def main() -> None:
    """Hear events for ever. stdout belongs to supervisord's protocol; what is said goes to stderr."""
    while True:
        _, payload = listener.wait()
        listener.ok()  # at once: what comes while jobs are being submitted is kept for later
        if get_headers(payload)["processname"] == "jobmanager":
            # A process of its own: Flink's client takes 400 MB, which are free again afterwards.
            words = [sys.executable, "-m", "labkit.cli", "submit", *JOBS, "--when-ready"]
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)


if __name__ == "__main__":
    main()
