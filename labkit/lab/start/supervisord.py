"""The start of supervisord, watched: whether it answers, and whether it is still there."""

from __future__ import annotations

from collections.abc import Callable

from labkit.errors import LabkitError
from labkit.lab.status import log_file
from labkit.lab.supervisor.control import is_up
from labkit.settings import Settings
from labkit.system.waiting import wait_until

__all__ = ["wait_for_supervisord"]

#: It takes a second. Where it ends, that is seen at once; where it is still there, it is only slow.
_ANSWERS_WITHIN_S = 180


def wait_for_supervisord(settings: Settings, is_there: Callable[[], bool]) -> None:
    """Wait until supervisord answers, for as long as `is_there` says that its process is.

    Raises `LabkitError` with the last line of its log where it ended, or did not answer in minutes.
    """
    log = log_file(settings, "supervisord")

    def answers() -> bool:
        if is_up(settings):
            return True
        if not is_there() and not is_up(settings):
            raise LabkitError(f"supervisord ended before it answered; its last line: {_last_line(settings)}.", look)
        return False

    look = f"Its log: {log}"
    wait_until(
        answers, "supervisord answers", _ANSWERS_WITHIN_S, 0.2,
        seen=lambda: f"its process is there, and its last line is: {_last_line(settings)}", todo=look,
    )  # fmt: skip


def _last_line(settings: Settings) -> str:
    try:
        lines = log_file(settings, "supervisord").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "(it has written none)"
    return lines[-1][:300] if lines else "(it has written none)"
