"""An operator is fed element by element; where something else comes of it than was due, the cause is looked for.

stream = Stream(lambda: Operator(function), model, FAULTS, why)
stream.expect("web", element, ("web", 1000, 5), [["web", 1000, 5.0]], "web's snapshot at 1000 ms")

A model says what is due, and what a usual mistake (a `Fault`), or two of them, would have made of all that was fed so
far. Where exactly that came, it is the cause, and its hint is said; where none fits, there is no hint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from labkit.errors import LabkitError
from labkit.workshop.checks.calling import shown
from labkit.workshop.checks.operator_trial import Operator
from labkit.workshop.checks.outcome import NotYet, raised

__all__ = ["RESTART", "Fault", "Stream", "close"]

#: Stands in what was fed for a restart.
RESTART = object()
_PRINTED = "Flink gets what process_element yields; what it prints stands in a log."
_READ_LATE = "A state was read after it was written: by then it holds the new value, and what was kept is gone."
_IN_PLACE = "What value() returns was changed in place: only update() writes it down."
_NO_WATERMARK = "A timer of event time never goes off here: the stream has no watermarks, and needs no timer."
_NOT_ITS_TIME = "ctx.timestamp() is the time of Flink's record; the task's is the element's own timestamp."
_A_CLOCK = "Does something of it come from a clock or from chance? All that counts stands in the elements."


@dataclass(frozen=True)
class Fault:
    """A usual mistake: `otherwise` are the words with which the model of the exercise makes it."""

    hint: str
    otherwise: dict[str, Any]


class Stream:
    """One operator, and all that it has been fed; `why` finds a hint for an error that it raised, or gives ""."""

    def __init__(
        self, make: Callable[[], Operator], model: Callable[..., Iterable[list[Any]]], faults: Iterable[Fault],
        why: Callable[[list[Any], Exception], str] = lambda history, error: "",
    ) -> None:  # fmt: skip
        self._make, self._model, self._faults, self._why = make, model, tuple(faults), why
        self._operator = make()
        self._fed: list[tuple[Any, Any]] = []
        self._history: list[Any] = []
        self._came: list[list[Any]] = []
        self._when = ""

    def restart(self) -> None:
        """Only what was written to state is kept."""
        self._operator.restart()
        self._fed.append((None, RESTART))
        self._history.append(RESTART)
        self._when = "After a restart "

    def expect(self, key: Any, element: Any, short: Any, want: list[Any], fed: str) -> None:
        """Feed one element; `short` is how the faults see it, `fed` how a sentence does. Raises `NotYet`."""
        self._fed.append((key, element))
        self._history.append(short)
        fed = f"{self._when}{fed}"
        try:
            got = self._operator.feed(key, element)
        except LabkitError as error:
            if isinstance(error, NotYet) and not error.what.startswith("Your function"):
                raise NotYet(f"{fed}: {error.what}", error.todo) from error
            raise
        except Exception as error:
            raise NotYet(f"{fed}: your operator raised {raised(error)}.", self._why_raised(error)) from error
        self._came.append(got)
        if not close(got, want):
            came = f"gave {got[0] if len(got) == 1 else got}" if got else "gave nothing"
            if not got and not self._operator.yields:
                came = "gave nothing: process_element has no yield, and returned nothing"
            wanted = f"{want[0]} was due" if want else "nothing was due"
            raise NotYet(f"{fed} {came}; {wanted}.", self._hint(got))

    def require_state(self) -> None:
        """Raise `NotYet` where nothing was ever written to Flink's state."""
        if not self._operator.keeps():
            raise NotYet("Nothing has been written to Flink's state.", "What has to last is kept there, not elsewhere.")

    def require_the_same_again(self) -> None:
        """Feed all of it to a new operator. Raises `NotYet` where something else comes."""
        self._compare(_A_CLOCK)

    def _compare(self, hint: str) -> None:
        operator = self._make()
        before = iter(self._came)
        for key, element in self._fed:
            if element is RESTART:
                operator.restart()
                continue
            got, first = operator.feed(key, element), next(before, None)
            if first is not None and not close(got, first):
                raise NotYet(
                    f"The same elements gave {shown(first)} the first time, and {shown(got)} the second.", hint
                )

    def _why_raised(self, error: Exception) -> str:
        if self._operator.read_late and isinstance(error, ZeroDivisionError):
            return _READ_LATE
        if self._when and not self._operator.keeps():
            return "Nothing has been written to Flink's state, and all else is gone with its process."
        return self._why(self._history, error)

    def _hint(self, got: list[Any]) -> str:
        operator = self._operator
        if operator.changed_in_place:
            return _IN_PLACE
        if not got and operator.printed:
            return _PRINTED
        if not got and "event timer" in operator.asked_for:
            return _NO_WATERMARK
        if known := self._fault():
            return known
        if "timestamp" in operator.asked_for:
            return _NOT_ITS_TIME
        if not got and operator.yields and operator.read_late:
            return _READ_LATE
        if not got and operator.yields and not operator.keeps():
            return "Nothing has been written to Flink's state so far."
        try:
            self._compare(_A_CLOCK)
        except NotYet as other:
            return _A_CLOCK if other.todo == _A_CLOCK else ""
        except Exception:
            return ""
        return ""

    def _fault(self) -> str:
        """The hint of the fault that explains all that came, or those of two; "" where none does."""
        for fault in self._faults:
            if self._comes_of(fault.otherwise):
                return fault.hint
        for one, other in combinations(self._faults, 2):
            if not one.otherwise.keys() & other.otherwise.keys() and self._comes_of(one.otherwise | other.otherwise):
                return " ".join(dict.fromkeys((one.hint, other.hint)))
        return ""

    def _comes_of(self, otherwise: dict[str, Any]) -> bool:
        try:
            made = list(self._model(self._history, **otherwise))
        except ArithmeticError:  # it would have raised
            return False
        return len(made) == len(self._came) and all(map(close, self._came, made))


def close(found: list[list[Any]], want: list[list[Any]]) -> bool:
    """Equal, but for the last digits of a float; a number is a number, also numpy's."""
    return len(found) == len(want) and all(
        len(got) == len(one) and all(map(_is_close, got, one)) for got, one in zip(found, want, strict=True)
    )


def _is_close(got: Any, want: Any) -> bool:
    if isinstance(want, str) or want is None or isinstance(got, (str, bytes, bool)):
        return type(got) is type(want) and bool(got == want)
    try:
        return bool(abs(got - want) <= 1e-9 * max(1.0, abs(want)))
    except TypeError:
        return False
