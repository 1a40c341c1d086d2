"""Generators that end in order, wherever the loop over them is broken off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress

import pytest

from labkit.pipeline.generators import followed_by, told, unbroken


class Things:
    """What was done, and a way and an ending that do it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.done: list[str] = []
        self._error = error

    def way(self) -> Iterator[str]:
        for name in ("a", "b"):
            yield name
            self.done.append(name)
        if self._error is not None:
            raise self._error

    def ending(self) -> Iterator[str]:
        for name in ("y", "z"):
            yield name
            self.done.append(name)


def test_a_way_that_goes_to_its_end_is_followed_by_its_ending() -> None:
    things = Things()
    assert list(followed_by(things.way(), things.ending())) == things.done == ["a", "b", "y", "z"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_way_that_fails_is_followed_by_its_ending_and_then_by_the_error(error: type[BaseException]) -> None:
    things = Things(error())
    with pytest.raises(error):
        list(followed_by(things.way(), things.ending()))
    assert things.done == ["a", "b", "y", "z"]


@pytest.mark.parametrize("error", [None, ValueError()])
@pytest.mark.parametrize(
    ("heard", "done"),
    [("a", "y z"), ("b", "a y z"), ("y", "a b y z"), ("z", "a b y z")],
)
def test_a_loop_that_is_broken_off_anywhere_has_the_ending_done(heard: str, done: str, error: Exception | None) -> None:
    things = Things(error)
    with closing(followed_by(things.way(), things.ending())) as events:
        for event in events:
            if event == heard:
                break
    assert things.done == done.split()


def test_a_loop_over_a_generator_that_nobody_keeps_closes_it() -> None:
    """What the docstring of `run` says of a notebook's loop: one that fails ends the run, too."""
    things = Things()
    with suppress(KeyboardInterrupt):
        for _ in followed_by(things.way(), things.ending()):
            raise KeyboardInterrupt
    assert things.done == ["y", "z"]


def test_of_two_ways_inside_each_other_the_inner_ends_first() -> None:
    inner, outer = Things(), Things()

    def both() -> Iterator[str]:
        yield from followed_by(inner.way(), inner.ending())

    def after() -> Iterator[str]:
        outer.done += [*inner.done, "outer"]
        yield from ()

    events = followed_by(both(), after())
    assert next(events) == "a"
    events.close()
    assert outer.done == ["y", "z", "outer"]


def test_an_ending_that_fails_says_so_once() -> None:
    def ending() -> Iterator[str]:
        yield "y"
        raise ValueError("once")

    events = unbroken(ending())
    assert next(events) == "y"
    with pytest.raises(ValueError, match="once"):
        next(events)
    assert list(events) == []


def result_of(events: Generator[int, None, str]) -> tuple[list[int], str]:
    heard: list[int] = []
    while True:
        try:
            heard.append(next(events))
        except StopIteration as end:
            return heard, end.value


def test_what_work_tells_comes_out_while_it_is_at_work_and_its_result_after() -> None:
    heard_one = threading.Event()

    def work(tell: Callable[[int], None]) -> str:
        tell(1)
        assert heard_one.wait(60)
        tell(2)
        return "result"

    events = told(work)
    assert next(events) == 1
    heard_one.set()
    assert result_of(events) == ([2], "result")


def test_work_that_fails_fails_where_it_is_heard() -> None:
    def work(tell: Callable[[int], None]) -> str:
        tell(1)
        raise ValueError("in the thread")

    events = told(work)
    assert next(events) == 1
    with pytest.raises(ValueError, match="in the thread"):
        next(events)


def test_work_that_nobody_listens_to_any_more_is_broken_off_where_it_tells_and_its_clean_up_is_waited_for() -> None:
    over = []

    def work(tell: Callable[[int], None]) -> str:
        try:
            while True:
                tell(1)
        finally:
            over.append(True)

    events = told(work)
    assert next(events) == 1
    events.close()
    assert over == [True]


def test_an_interrupt_in_the_loop_waits_for_the_work_too() -> None:
    over = []

    def work(tell: Callable[[int], None]) -> str:
        try:
            while True:
                tell(1)
        finally:
            over.append(True)

    with suppress(KeyboardInterrupt):
        for _ in told(work):
            raise KeyboardInterrupt
    assert over == [True]
