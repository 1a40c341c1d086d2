"""A learner's operator without a cluster: timers of event time, two inputs, and what is left in its state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyflink.common import Row, Types
from pyflink.datastream import KeyedCoProcessFunction, KeyedProcessFunction
from pyflink.datastream.state import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor

from labkit.workshop.checks.operator_trial import Operator
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.stream_trial import RESTART, Fault, Stream, Watermark


class Echo(KeyedProcessFunction):
    """Keeps each time, and gives it back when the watermark has come to it."""

    def open(self, runtime_context: Any) -> None:
        self.times = runtime_context.get_list_state(ListStateDescriptor("times", Types.LONG()))

    def process_element(self, row: Any, ctx: Any) -> list[Any]:
        self.times.add(ctx.timestamp())
        ctx.timer_service().register_event_time_timer(ctx.timestamp())
        return []

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Any]:
        self.times.update([at for at in self.times if at != timestamp])
        yield Row(ctx.get_current_key(), timestamp)


class Last(KeyedCoProcessFunction):
    """Gives the last row of the other stream beside each, and tells at a timer how often each side came."""

    def open(self, runtime_context: Any) -> None:
        self.last = runtime_context.get_map_state(MapStateDescriptor("last", Types.INT(), Types.STRING()))
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element1(self, row: Any, ctx: Any) -> Iterator[Any]:
        yield from self.came(1, row, ctx)

    def process_element2(self, row: Any, ctx: Any) -> Iterator[Any]:
        yield from self.came(2, row, ctx)

    def came(self, side: int, row: Any, ctx: Any) -> Iterator[Any]:
        yield Row(side, row[0], self.last.get(3 - side))
        self.last.put(side, row[0])
        self.count.update((self.count.value() or 0) + 1)
        ctx.timer_service().register_event_time_timer(ctx.timestamp() + 100)

    def on_timer(self, timestamp: int, ctx: Any) -> list[Any]:
        told = [Row(ctx.get_current_key(), self.count.value(), timestamp)]
        self.last.clear()
        self.count.clear()
        return told


def test_each_side_has_a_function_of_its_own_and_the_state_of_a_key_belongs_to_both() -> None:
    operator = Operator(Last(), inputs=2)
    assert operator.feed("web", Row("a"), 1_000, side=1) == [[1, "a", None]]
    assert operator.feed("web", Row("b"), 1_010, side=2) == [[2, "b", "a"]]
    assert operator.feed("db", Row("c"), 1_020, side=1) == [[1, "c", None]]
    assert operator.feed("web", Row("d"), 1_030, side=1) == [[1, "d", "b"]]
    assert operator.yields


def test_timers_of_both_sides_go_off_by_their_time_and_the_state_is_empty_afterwards() -> None:
    operator = Operator(Last(), inputs=2)
    operator.feed("web", Row("a"), 1_000, side=1)
    operator.feed("db", Row("c"), 1_050, side=2)
    assert operator.advance(1_099) == []
    assert operator.left() == {
        "last of web": {1: "a"}, "last of db": {2: "c"}, "count of web": 1, "count of db": 1,
    }  # fmt: skip
    operator.restart()
    assert operator.advance(1_150) == [["web", 1, 1_100], ["db", 1, 1_150]]
    assert operator.left() == {}
    assert operator.keeps()


def test_what_holds_nothing_is_not_left() -> None:
    operator = Operator(Echo())
    operator.feed("web", Row("web"), 5)
    assert operator.left() == {"times of web": [5]}
    assert operator.advance(5) == [["web", 5]]
    assert operator.left() == {}


@pytest.mark.parametrize(("function", "inputs", "said"), [
    (Echo(), 2, "The operator is a Echo, no KeyedCoProcessFunction"),
    (Last(), 1, "The operator is a Last, no KeyedProcessFunction"),
    (Last, 2, "the class Last, not an object"),
    (None, 2, "In place of the operator there is None"),
])  # fmt: skip
def test_another_kind_of_operator_is_told(function: object, inputs: int, said: str) -> None:
    with pytest.raises(NotYet, match=said):
        Operator(function, inputs)


def sides(history: list[Any], *, counts: bool = True) -> Iterator[list[Any]]:
    """What `Last` gives for one key, (side, word, ms) and watermarks; without `counts` it forgets how often."""
    last: dict[int, str] = {}
    due, count = set[int](), 0
    for now in history:
        if now is RESTART:
            continue
        if isinstance(now, Watermark):
            over = sorted(at for at in due if at <= now.at)
            due -= set(over)
            yield [["web", count if counts else 1, at] for at in over]
            last, count = ({}, 0) if over else (last, count)
        else:
            side, word, at = now
            due.add(at + 100)
            count += 1
            yield [[side, word, last.get(3 - side)]]
            last[side] = word


def of_both(want: int) -> Stream:
    faults = [Fault("It counts both sides.", {"counts": False})]
    stream = Stream(lambda history, **otherwise: sides(history, **otherwise), faults, "host, count, ms")
    stream.expect("web", Row("a"), (1, "a", 1_000), [[1, "a", None]], "web's first", 1_000, 1)
    stream.expect("web", Row("b"), (2, "b", 1_000), [[2, "b", "a"]], "web's second", 1_000, 2)
    stream.restart()
    stream.advance(1_099, [])
    stream.advance(1_100, [["web", want, 1_100]])
    return stream


def test_a_stream_of_two_sides_is_judged_and_the_operator_comes_back_as_it_is_at_the_end() -> None:
    operator = of_both(2).judge(lambda: Operator(Last(), inputs=2))
    assert operator.left() == {}
    with pytest.raises(NotYet, match=r"^The watermark 1100 ms gave \['web', 2, 1100\]; .* was due"):
        of_both(3).judge(lambda: Operator(Last(), inputs=2))


class Forgets(KeyedProcessFunction):
    """Counts what came since the last start; what it has once kept says nothing about that."""

    def open(self, runtime_context: Any) -> None:
        self.count, self.kept = 0, runtime_context.get_state(ValueStateDescriptor("kept", Types.LONG()))

    def process_element(self, row: Any, ctx: Any) -> list[Any]:
        self.count += 1
        self.kept.update(self.count)
        return [Row(self.count)]


def test_a_restart_is_named_where_without_it_something_else_would_have_come() -> None:
    stream = Stream(lambda history: iter(()), (), "count")
    stream.expect("web", Row("x"), "x", [[1]], "a row")
    stream.restart()
    stream.expect("web", Row("x"), "x", [[2]], "a row")
    with pytest.raises(NotYet, match=r"^After a restart a row gave \[1\]; \[2\] was due"):
        stream.judge(lambda: Operator(Forgets()))


class Both(KeyedProcessFunction):
    """Gives two rows, and the second first every other time."""

    def open(self, runtime_context: Any) -> None:
        self.odd = runtime_context.get_state(ValueStateDescriptor("odd", Types.BOOLEAN()))

    def process_element(self, row: Any, ctx: Any) -> list[Any]:
        self.odd.update(not self.odd.value())
        return [Row("a"), Row("b")] if self.odd.value() else [Row("b"), Row("a")]


@pytest.mark.parametrize("in_any_order", [True, False])
def test_the_order_of_results_counts_or_not(in_any_order: bool) -> None:
    stream = Stream(lambda history: iter(()), (), "word", in_any_order=in_any_order)
    for _ in range(2):
        stream.expect("web", Row("x"), "x", [["a"], ["b"]], "a row")
    if in_any_order:
        stream.judge(lambda: Operator(Both()))
    else:
        with pytest.raises(NotYet, match=r"A row gave|a row gave \[\['b'\], \['a'\]\]"):
            stream.judge(lambda: Operator(Both()))


class Nothing(Echo):
    """Its timer gives None."""

    def on_timer(self, timestamp: int, ctx: Any) -> None:
        self.times.clear()


def test_a_timer_that_gives_none_is_told_as_pyflink_would_fail() -> None:
    operator = Operator(Nothing())
    operator.feed("web", Row("web"), 5)
    with pytest.raises(NotYet, match=r"on_timer returned None, and PyFlink goes through what it gives"):
        operator.advance(5)
