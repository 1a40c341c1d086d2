"""Ctrl-C, SIGTERM, a closed terminal and a reader that has gone away: a command ends in order, however it is ended.

with ends_in_order():                any of them ends the block as Ctrl-C does, and nothing breaks off its clean-up
with stop_signals("closing …"):      the first one sets an event, a second one ends the block
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

__all__ = ["ends_in_order", "stop_signals"]

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ends_in_order() -> Iterator[None]:
    """SIGTERM and a closed terminal raise KeyboardInterrupt, as Ctrl-C does; once only, so that clean-up is left alone.

    What is said to a terminal that has been closed, or to a pipe that nobody reads any more, goes nowhere.
    """
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Patient(stream)) for stream in kept)
    with _handling(_Ends(stop=None, what_happens="", at_once=lambda: True)):
        try:
            yield
        finally:
            sys.stdout, sys.stderr = kept


@contextlib.contextmanager
def stop_signals(what_happens: str, at_once: Callable[[], bool] = lambda: False) -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and a closed terminal set; a second Ctrl-C ends at once, as a first one may."""
    stop = threading.Event()
    with _handling(_Ends(stop, what_happens, at_once)):
        yield stop


class _Ends:
    """The handler of every signal that ends a command."""

    def __init__(self, stop: threading.Event | None, what_happens: str, at_once: Callable[[], bool]) -> None:
        self._stop = stop
        self._what_happens = what_happens
        self._at_once = at_once
        self._asked = False
        self._ending = False
        self._terminals = [number for number in (1, 2) if os.isatty(number)]  # once it is gone, it is no terminal

    def __call__(self, number: int, _: object) -> None:
        """Say what happens, and let it happen."""
        first = not (self._ending or self._asked or (self._stop is not None and self._stop.is_set()))
        if number == signal.SIGHUP:
            for terminal in self._terminals:
                _to_nowhere(terminal)
            if not first:
                return  # the kernel and the shell both send one; nobody is there to ask a second time
        if self._ending:
            _tell("\nStill taking down what this command started; that takes up to a minute.\n")
        elif self._stop is None or not first or self._at_once():
            self._ending = True
            if self._stop is not None:
                _tell("\nStopping at once; what this command started is taken down.\n")
            raise KeyboardInterrupt
        else:
            self._asked = True
            # By a thread of its own: this one may be inside stop.wait() and hold its lock, and would wait for itself.
            _thread.start_new_thread(self._stop.set, ())
            _tell(f"\nStopping ({signal.Signals(number).name}): {self._what_happens}. Again to end at once.\n")


@contextlib.contextmanager
def _handling(handler: _Ends) -> Iterator[None]:
    """Handle what is watched; under `nohup` SIGHUP stays ignored."""
    watched = [number for number in _WATCHED if number != signal.SIGHUP or not _ignored(number)]
    before = {number: signal.signal(number, handler) for number in watched}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


class _Patient:
    """A stream that nobody reads any more takes what it is given, and tells the process once, as SIGHUP does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or let it go."""
        with self._patience():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or let it go."""
        with self._patience():
            self._stream.flush()

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not _nobody_reads(error):
                raise
            _to_nowhere(self._stream.fileno())
            # Under `nohup` SIGHUP is ignored, but a reader that is gone is no closed terminal: the command ends too.
            signal.raise_signal(signal.SIGTERM if _ignored(signal.SIGHUP) else signal.SIGHUP)


def _nobody_reads(error: OSError) -> bool:
    """EPIPE of a pipe (pipe(7)), EIO of a terminal that was hung up (tty_ioctl(4))."""
    return error.errno in (errno.EPIPE, errno.EIO)


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _tell(text: str) -> None:
    """Write to stderr from a signal handler; the terminal may be gone."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode())
