"""An operator is fed element by element; where something else comes of it than was due, the cause is looked for.

stream = Stream(model, FAULTS, "hostname, timestamp, rate", why)
stream.expect("web", element, ("web", 1000, 5), [["web", 1000, 5.0]], "web's snapshot at 1000 ms")
stream.advance(60_000, [["web", 60_000, 0.0]])             in event time: what is due when the watermark comes so far
stream.judge(lambda: Operator(function))

Where an operator has two streams, `side` says of which an element is. Where an element may give several results, whose
order does not matter, `in_any_order` compares them so.

A model says what is due, and what a usual mistake (a `Fault`), or two of them, would have made of all elements. Where
exactly that comes, it is the cause, and its hint is said; where none fits, there is no hint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from numbers import Integral
from typing import Any

from labkit.errors import LabkitError
from labkit.workshop.checks.operator_trial import Operator
from labkit.workshop.checks.outcome import NotYet, raised

__all__ = ["RESTART", "Fault", "Stream", "Watermark", "close"]

#: Stands in what was fed for a restart.
RESTART = object()
_PRINTED = "Flink gets what process_element yields; what it prints stands in a log."
_READ_LATE = "A state was read after it was written: by then it holds the new value, and what was kept is gone."
_IN_PLACE = "What value() returns was changed in place: only update() writes it down."
_NO_WATERMARK = "A timer of event time never goes off here: the stream has no watermarks, and needs no timer."
_NOT_ITS_TIME = "ctx.timestamp() is the time of Flink's record; the task's is the element's own timestamp."
_TIMER = "A timer of processing time goes by the worker's clock, not by the timestamps in the elements."
_A_CLOCK = "Does something of it come from a clock or from chance? All that counts stands in the elements."


@dataclass(frozen=True)
class Fault:
    """A usual mistake: `otherwise` are the words with which the model of the exercise makes it."""

    hint: str
    otherwise: dict[str, Any]


@dataclass(frozen=True)
class Watermark:
    """Stands in what was fed for a watermark, in ms."""

    at: int


@dataclass(frozen=True)
class _Fed:
    """An element under its key, how the model sees it, what is due, and how a sentence has it; its event time.

    `said` begins a sentence.
    """

    key: Any
    element: Any
    short: Any
    want: list[Any]
    said: str
    at: int | None = None
    side: int = 1

    def feed(self, operator: Operator) -> list[Any]:
        if isinstance(self.short, Watermark):
            return operator.advance(self.short.at)
        return operator.feed(self.key, self.element, self.at, self.side)


class Stream:
    """Elements and restarts, of which something is due; `judge` feeds an operator with them.

    `fields` are the names of a result's. `why` finds a hint for an error that was raised, or gives "".
    """

    def __init__(
        self, model: Callable[..., Iterable[list[Any]]], faults: Iterable[Fault], fields: str,
        why: Callable[[list[Any], Exception], str] = lambda history, error: "", *, in_any_order: bool = False,
    ) -> None:  # fmt: skip
        self._model, self._faults, self._fields, self._why = model, tuple(faults), fields, why
        self._close = _close_in_any_order if in_any_order else close
        self._script: list[_Fed | None] = []

    def restart(self) -> None:
        """Only what was written to state is kept."""
        self._script.append(None)

    def expect(
        self, key: Any, element: Any, short: Any, want: list[Any], said: str, at: int | None = None, side: int = 1
    ) -> None:  # fmt: skip
        """One element; `short` is how the model sees it, `said` how a sentence does; `at` is its event time in ms."""
        self._script.append(_Fed(key, element, short, want, said, at, side))

    def advance(self, watermark: int, want: list[Any]) -> None:
        """The watermark comes to so many ms; the model sees it as a `Watermark`."""
        self._script.append(_Fed(None, None, Watermark(watermark), want, f"The watermark {watermark} ms"))

    def _said(self, place: int, make: Callable[[], Operator], got: list[Any] | None) -> str:
        """The element at `place`; after a restart only where without one something else comes of it than `got`.

        None stands for an error.
        """
        before, fed = self._script[:place], self._script[place]
        assert fed is not None
        if None not in before:
            return fed.said
        operator = make()
        came: list[Any] | None = None
        with suppress(Exception):
            for one in filter(None, before):
                one.feed(operator)
            came = fed.feed(operator)
        is_the_same = came is got if came is None or got is None else self._close(came, got)
        if is_the_same:
            return fed.said
        return f"After a restart {fed.said.replace('The watermark', 'the watermark')}"

    @property
    def _in_event_time(self) -> bool:
        return any(fed is not None and isinstance(fed.short, Watermark) for fed in self._script)

    def judge(self, make: Callable[[], Operator]) -> Operator:
        """Feed an operator, and another one with the same; returns the first, as it is at the end.

        Raises `NotYet` where something else comes than is due.
        """
        operator = make()
        came: list[list[Any]] = []
        for place, fed in enumerate(self._script):
            if fed is None:
                operator.restart()
                continue
            try:
                got = fed.feed(operator)
            except LabkitError as error:
                if error.what.startswith("Your function"):
                    raise
                raise NotYet(f"{self._said(place, make, None)}: {error.what}", error.todo) from error
            except Exception as error:
                hint = self._why_raised(operator, place, error)
                said = self._said(place, make, None)
                raise NotYet(f"{said}: your operator raised {raised(error)}.", hint) from error
            came.append(got)
            if not self._close(got, fed.want):
                gave = f"gave {got[0] if len(got) == 1 else got}" if got else "gave nothing"
                if not got and not operator.yields and not self._in_event_time:
                    gave = "gave nothing: process_element has no yield, and returned nothing"
                due = fed.want[0] if len(fed.want) == 1 else fed.want
                wanted = f"{due} was due" if fed.want else "nothing was due"
                said = self._said(place, make, got)
                raise NotYet(f"{said} {gave}; {wanted}.", self._hint(operator, make, came, got, fed.want, place))
        if not operator.keeps():
            raise NotYet("Nothing has been written to Flink's state.", "What has to last is kept there, not elsewhere.")
        again = self._all_of(make)[: len(came)]
        if len(again) != len(came) or not all(map(self._close, again, came)):
            raise NotYet("The same elements gave something else the second time.", _A_CLOCK)
        return operator

    def _all_of(
        self, make: Callable[[], Operator], operator: Operator | None = None, start: int = 0
    ) -> list[list[Any]]:
        """What comes of the script from `start` on, up to where it raises something."""
        operator = operator or make()
        came = []
        with suppress(Exception):
            for fed in self._script[start:]:
                if fed is None:
                    operator.restart()
                else:
                    came.append(fed.feed(operator))
        return came

    def _why_raised(self, operator: Operator, place: int, error: Exception) -> str:
        if operator.read_late and isinstance(error, ZeroDivisionError):
            return _READ_LATE
        earlier = [fed for fed in self._script[:place] if fed is not None]
        if None in self._script[:place] and not operator.keeps():
            return "Nothing has been written to Flink's state, and all else is gone with its process."
        now = self._script[place]
        if "NoneType" in str(error) and now is not None and now.key not in {None, *(fed.key for fed in earlier)}:
            return "For the first element of a key nothing has been kept yet: what is read is None."
        return self._why(self._history(place + 1), error)

    def _history(self, many: int) -> list[Any]:
        return [RESTART if fed is None else fed.short for fed in self._script[:many]]

    def _hint(
        self, operator: Operator, make: Callable[[], Operator], came: list[list[Any]], got: list[Any],
        want: list[Any], place: int,
    ) -> str:  # fmt: skip
        """Why this came and not that: by what was seen of the operator, by a fault, or "" where nothing fits."""
        if operator.changed_in_place:
            return _IN_PLACE
        if not got and operator.printed:
            return _PRINTED
        if not got and "event timer" in operator.asked_for and not self._in_event_time:
            return _NO_WATERMARK
        asked_for, yields, read_late, keeps = operator.asked_for, operator.yields, operator.read_late, operator.keeps()
        if known := self._fault([*came, *self._all_of(make, operator, place + 1)], len(self._script)):
            return known
        if any(isinstance(value, float) for row in got for value in row) and (known := self._fault(came, place + 1)):
            return known
        if got and want and len(got) == 1 and got[0] != want[0]:
            if len(got[0]) != len(want[0]):
                return f"A result has these fields: {self._fields}."
            if sorted(map(str, got[0])) == sorted(map(str, want[0])):
                return f"The order is {self._fields}."
        if "timestamp" in asked_for and not self._in_event_time:
            return _NOT_ITS_TIME
        if "timer" in asked_for:
            return _TIMER
        if not got and yields and read_late:
            return _READ_LATE
        if not got and yields and not keeps:
            return "Nothing has been written to Flink's state so far."
        again = self._all_of(make)
        return _A_CLOCK if again[: len(came)] != came else ""

    def _fault(self, came: list[list[Any]], many: int) -> str:
        """The hint of the fault that explains all that came of `many`, or those of two; "" where none does."""
        if not any(came):
            return ""
        history = self._history(many)
        for fault in self._faults:
            if self._comes_of(fault.otherwise, history, came):
                return fault.hint
        for one, other in combinations(self._faults, 2):
            both = one.otherwise | other.otherwise
            if not one.otherwise.keys() & other.otherwise.keys() and self._comes_of(both, history, came):
                return " ".join(dict.fromkeys((one.hint, other.hint)))
        return ""

    def _comes_of(self, otherwise: dict[str, Any], history: list[Any], came: list[list[Any]]) -> bool:
        """Whether that is what came; where the model raises something, the operator has to have ended there."""
        made: list[list[Any]] = []
        with suppress(ArithmeticError):
            made.extend(self._model(history, **otherwise))
        return len(made) == len(came) and all(map(self._close, came, made))


def close(found: list[list[Any]], want: list[list[Any]]) -> bool:
    """Equal, but for the last digits of a float; a number is a number, also numpy's."""
    return len(found) == len(want) and all(
        len(got) == len(one) and all(map(_is_close, got, one)) for got, one in zip(found, want, strict=True)
    )


def _close_in_any_order(found: list[list[Any]], want: list[list[Any]]) -> bool:
    return close(sorted(found, key=str), sorted(want, key=str))


def _is_close(got: Any, want: Any) -> bool:
    if isinstance(want, str) or want is None or isinstance(got, (str, bytes, bool)):
        return type(got) is type(want) and bool(got == want)
    if isinstance(got, Integral) and isinstance(want, Integral):
        return bool(got == want)  # a moment in ms is a large number
    try:
        return bool(abs(got - want) <= 1e-9 * max(1.0, abs(want)))
    except TypeError:
        return False
