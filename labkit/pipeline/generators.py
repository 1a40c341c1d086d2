"""Generators that end in order: whoever loops over one may break off anywhere, and what has to be done is done.

followed_by(way, ending)    the events of both; `ending` runs however `way` ends, and if nobody listens any more
unbroken(ending)            its events; once begun it goes to its end
told(work)                  what a function tells a callback, as events: `work` runs in a thread of its own
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

__all__ = ["followed_by", "told", "unbroken"]

E = TypeVar("E")
T = TypeVar("T")


def followed_by(way: Iterator[E], ending: Iterator[E]) -> Generator[E, None, None]:
    """The events of `way`, then those of `ending`. What broke `way` off goes on to the caller after that.

    A generator that is closed can tell nothing more: then `ending` runs in silence.
    """
    listening = True
    try:
        yield from way
    except GeneratorExit:
        listening = False
        raise
    finally:
        if listening:
            yield from unbroken(ending)
        else:
            _finish(ending)


def unbroken(ending: Iterator[E]) -> Generator[E, None, None]:
    """The events of `ending`, which goes to its end where this generator is closed before."""
    try:
        for event in ending:  # noqa: UP028 (`yield from` would close it, too)
            yield event
    finally:
        _finish(ending)


def told(work: Callable[[Callable[[E], None]], T]) -> Generator[E, None, T]:
    """`work(tell)` in a thread: what it tells comes out here, and what it returns is returned.

    Where this generator is closed or interrupted, the next `tell` raises in `work`; its end is waited for.
    """
    said: SimpleQueue[tuple[E] | None] = SimpleQueue()
    unheard = Event()

    def tell(event: E) -> None:
        if unheard.is_set():
            raise _Unheard
        said.put((event,))

    def telling() -> T:
        try:
            return work(tell)
        finally:
            said.put(None)

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(telling)
        try:
            while (one := said.get()) is not None:
                yield one[0]
        except BaseException:
            unheard.set()
            raise
        return result.result()


class _Unheard(BaseException):
    """Nobody listens any more. As KeyboardInterrupt it is no `Exception`: only clean-up is to catch it."""


def _finish(ending: Iterator[object]) -> None:
    deque(ending, maxlen=0)
