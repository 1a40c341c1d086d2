"""Whatever an answer does, its check goes on: a time limit, and what of the process it may not keep.

with guarded("Your function", within_s=30): answer(…)

An answer that does not come back is interrupted, and the line is told where it was. One that cannot be interrupted (it
catches everything, or waits inside a library that is not Python) ends its process, after its verdict was shown. The
folder, the environment's variables and what is printed by the megabyte are put right afterwards.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from labkit.system.waiting import patience
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.place import in_words, of_frame

__all__ = ["MOST_PRINTED", "NOT_INTERRUPTED_S", "guarded", "last_words"]

#: Of what an answer prints in one call, so many characters are shown.
MOST_PRINTED = 20_000
#: So long after its time an answer that goes on all the same ends its process.
NOT_INTERRUPTED_S = 15.0
_AGAIN_S = 1.0
_AT = "; it was in "
_ENDLESS = "Does a loop of yours end where nothing comes any more?"
_ALL_CAUGHT = (
    " It could not be interrupted, so Python was ended.",
    "Does an except of yours catch everything, or is a call without a time limit waiting? Start the kernel again.",
)

#: Shows a verdict before the process is ended: (what was seen, hint) -> None. `check` puts its own here.
last_words: list[Callable[[str, str], None]] = []


class _TimeIsUp(BaseException):
    """Raised in the answer when its time is up; no `except Exception` catches it."""


@contextmanager
def guarded(what: str, *, within_s: float) -> Iterator[None]:
    """Run the block, which calls an answer; `what` begins the sentence: "Your function on an old kernel's file".

    Raises `NotYet` where it takes longer than `within_s` seconds (of a quiet machine), or raises SystemExit. May be
    used inside another one. Without the main thread, which alone can be interrupted, there is no time limit.
    """
    folder, variables = Path.cwd(), dict(os.environ)
    seconds = patience(within_s)
    try:
        with _less_printed(), _in_time(what, seconds):
            yield
    except _TimeIsUp as up:
        raise NotYet(f"{what} did not come back within {seconds:.0f} s{up}.", _ENDLESS) from None
    except SystemExit:
        raise NotYet(f"{what} ended Python (SystemExit).", "Leave a function with return.") from None
    finally:
        with suppress(OSError):
            os.chdir(folder)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)


@contextmanager
def _in_time(what: str, seconds: float) -> Iterator[None]:
    """Raise `_TimeIsUp` in the block, once a second, when its time is up; end the process where that does not help."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def up(_: int, frame: FrameType | None) -> None:
        raise _TimeIsUp(in_words(of_frame(frame), _AT))

    main = threading.get_ident()
    left = threading.Event()
    watch = threading.Thread(target=_end, args=(left, seconds + NOT_INTERRUPTED_S, main, what, seconds), daemon=True)
    began, before, (outer, again) = time.monotonic(), signal.signal(signal.SIGALRM, up), signal.setitimer(
        signal.ITIMER_REAL, seconds, _AGAIN_S
    )  # fmt: skip
    watch.start()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        left.set()
        signal.signal(signal.SIGALRM, before)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, outer - (time.monotonic() - began)), again)


def _end(left: threading.Event, seconds: float, main: int, what: str, within_s: float) -> None:
    if left.wait(seconds):
        return
    line = in_words(of_frame(sys._current_frames().get(main)), _AT)
    said, hint = _ALL_CAUGHT
    for show in last_words:
        show(f"{what} did not come back within {within_s:.0f} s{line}.{said}", hint)
    os.kill(os.getpid(), signal.SIGKILL)


class _Short(io.TextIOBase):
    """Passes on the first characters, and counts the others."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._room = out, MOST_PRINTED
        self.left_out = 0

    def write(self, text: str) -> int:
        self._out.write(text[: self._room])
        self.left_out += max(0, len(text) - self._room)
        self._room -= min(len(text), self._room)
        return len(text)

    def flush(self) -> None:
        self._out.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


@contextmanager
def _less_printed() -> Iterator[None]:
    """What is printed by the megabyte is cut, and how much that was is told."""
    outs = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = shorts = _Short(outs[0]), _Short(outs[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = outs
        for out, short in zip(outs, shorts, strict=True):
            if short.left_out:
                out.write(f"\n… and {short.left_out:,} characters more.\n")
