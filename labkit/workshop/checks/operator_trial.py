"""A KeyedProcessFunction on trial without a cluster: fed by hand, as Flink feeds it, with Flink's states and timers.

operator = Operator(function)                    a copy of it, as a worker gets one
operator.feed("lab", element)   ->   [Row(…)]    with the state of the key "lab"
operator.restart()                               a new copy; what was written to state is kept, and nothing else

operator.feed("lab", element, at=12_000)         the same in event time: the record's time is 12,000 ms
operator.advance(60_000)        ->   [Row(…)]    the watermark has come that far: what its timers give that are due

What it yields to a side output (`yield tag, row`) is such a list, too, with `side(tag.tag_id)` before its values.

operator = Operator(function, inputs=2)          a KeyedCoProcessFunction, which has two streams
operator.feed("lab", element, at=12_000, side=2) an element of the second one
"""

from __future__ import annotations

import inspect
import io
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import redirect_stdout
from functools import partial
from itertools import islice
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none

from labkit.errors import LabkitError
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.outcome import NotYet, raised

__all__ = ["MOST", "Operator", "side"]

#: More than so many results of one element are no answer to anything here.
MOST = 1000
#: What Flink says where there is no watermark yet.
_NO_WATERMARK = -(2**63)
_FEED_WITHIN_S = 10.0
_HANDLE = "In open no record is there, and so no key: only get the handle there, read and write it in process_element."
_A_LIST = "Let it yield somewhere, or return a list, [] where there is nothing to tell. process_element may give None."
_EACH = "Flink takes what process_element yields, or each element of a list that it returns: yield Row(…)."


class Operator:
    """A KeyedProcessFunction without Flink around it: a copy of `function`, and its state by key.

    With `inputs` 2 it is a KeyedCoProcessFunction: `feed` says with `side` (1 or 2) of which stream an element is.

    All kinds of keyed state are there, and written down with Flink's own coders. A timer of processing time that is
    due goes off after its element; one of event time when `advance` has come to it, and never in a stream without
    watermarks. Whatever the function keeps elsewhere is gone after `restart`; timers of event time stay.
    """

    def __init__(self, function: Any, inputs: int = 1) -> None:
        _require_operator(function, inputs)
        self._inputs = inputs
        try:
            self._pickled = cloudpickle.dumps(function)
        except Exception as error:
            raise NotYet(
                f"Your operator cannot be sent to a worker: {raised(error)}.",
                "What cannot be pickled (a client, a file, a lock) is made in open.",
            ) from error
        self._written: dict[tuple[str, Any], bytes] = {}
        self._has_written = False
        self.watermark = _NO_WATERMARK
        #: Event timers that wait: (ms, key), each once.
        self._waiting: set[tuple[int, Any]] = set()
        #: Names of states whose value was another one at the last restart than the one that was written.
        self.changed_in_place: list[str] = []
        self._start()

    def _start(self) -> None:
        self._live: Any = cloudpickle.loads(self._pickled)
        self._states: dict[str, _State] = {}
        self._values: dict[tuple[str, Any], Any] = {}
        self._has_key, self._key = False, None
        #: Of what Flink offers, what the function has asked for: "timestamp", "watermark", "event timer" …
        self.asked_for: set[str] = set()
        #: What it printed for the last element; whether a state was written then and only read, or read again, later.
        self.printed, self.read_late = "", False
        self._wrote: set[str] = set()
        self._due: list[int] = []
        try:
            called(self._live.open, (_Runtime(self),), "the runtime context (open)", lets_out=(Exception,))
        except LabkitError:
            raise
        except Exception as error:
            raise NotYet(f"open of your operator raised {raised(error)}.") from error

    def restart(self) -> None:
        """Begin anew with the state as it was written down, and no watermark yet."""
        lost = [name for (name, key), value in self._values.items()
                if self._states[name].coder.decode(self._written[name, key]) != value]  # fmt: skip
        self._start()
        self.watermark = _NO_WATERMARK
        self.changed_in_place = sorted(set(lost))

    def keeps(self) -> bool:
        """Whether anything has ever been written to state, also where it was cleared since."""
        return self._has_written

    def left(self) -> dict[str, Any]:
        """What is in its state now, of all keys: {"seen of web": [1000]}. What holds nothing is left out."""
        known = {place: kept for place, kept in self._written.items() if place[0] in self._states}
        found = {place: self._states[place[0]].coder.decode(kept) for place, kept in known.items()}
        return {f"{name} of {key}": value for (name, key), value in found.items() if _holds(value)}

    def feed(self, key: Any, element: Any, at: int | None = None, side: int = 1) -> list[Any]:
        """What it yields for one element of that key, each as a list of the row's values; `at` is its event time in ms.

        Raises `NotYet` where that is not one row after the other, where it changed the element, and where its state
        cannot be written down. What the function itself raises passes through.
        """
        function = partial(self._all_of, self._function_of(side))
        return self._work(key, function, (element, _Context(self, at)), shown(element), ("the element",))

    def _function_of(self, side: int) -> Callable[..., Any]:
        """process_element, or that of one of two streams."""
        function: Callable[..., Any] = getattr(self._live, "process_element" + (str(side) if self._inputs == 2 else ""))
        return function

    def advance(self, watermark: int) -> list[Any]:
        """Let the watermark come to `watermark` ms: what the timers yield that are due then, by their time."""
        self.watermark = max(self.watermark, watermark)
        made: list[Any] = []
        while due := sorted((at, key) for at, key in self._waiting if at <= self.watermark):
            at, key = due[0]
            self._waiting.discard((at, key))
            context = _Context(self, at, is_event_timer=True)
            made += self._work(key, self._on_timer, (at, context), f"its timer at {at} ms", ())
        return made

    def _work(
        self, key: Any, function: Callable[..., list[Any]], values: tuple[Any, ...], what: str, names: tuple[str, ...]
    ) -> list[Any]:
        self._has_key, self._key, self.read_late = True, key, False
        self._wrote.clear()
        printed = io.StringIO()
        with redirect_stdout(printed):
            made: list[Any] = called(
                function, values, what, within_s=_FEED_WITHIN_S, lets_out=(Exception,), names=names
            )
        self.printed = printed.getvalue()
        self._write_down()
        return made

    def _on_timer(self, at: int, context: _Context) -> list[Any]:
        made = self._live.on_timer(at, context)
        if made is None:
            raise NotYet("on_timer returned None, and PyFlink goes through what it gives: the job would fail.", _A_LIST)
        return _rows(made)

    def _all_of(self, function: Callable[..., Any], element: Any, context: _Context) -> list[Any]:
        made = _rows(function(element, context))
        now, due = _now(), sorted(self._due)
        self._due = [one for one in due if one > now]
        for one in due:
            if one <= now:
                made += self._on_timer(one, _Context(self, one))
        return made

    def _write_down(self) -> None:
        for name, state in self._states.items():
            place = name, self._key
            if state.is_written and place in self._values:
                self._written[place] = self.require_kept(state, self._values[place])
                self._has_written = True
            elif state.is_written:
                self._written.pop(place, None)
            state.is_written = False

    def require_kept(self, state: _State, value: Any) -> bytes:
        """The value as it is written down. Raises `NotYet` where it is not of the state's type."""
        try:
            return bytes(state.coder.encode(value))
        except Exception as error:
            raise NotYet(
                f"Flink cannot keep {shown(value)} in the state {state.name!r}, a {state.kind}: {error}.",
                "The type in the descriptor is that of what is kept. Types.PICKLED_BYTE_ARRAY() takes anything.",
            ) from error

    def state(self, kind: type[_State], descriptor: Any) -> Any:
        """The state of that descriptor, the same one for the same name."""
        name = descriptor.get_name()
        return self._states.setdefault(name, kind(self, descriptor))

    def read(self, state: _State) -> Any:
        """What is kept for the current key, or None."""
        if not self._has_key:
            raise NotYet("State was read in open.", _HANDLE)
        self.read_late |= state.name in self._wrote
        place = state.name, self._key
        if place not in self._values and not state.is_written and place in self._written:
            self._values[place] = state.coder.decode(self._written[place])
        return self._values.get(place)

    def write(self, state: _State, value: Any) -> None:
        """Keep it for the current key; None keeps nothing, but in a value state that can hold it."""
        self._wrote.discard(state.name)
        self.read(state)
        self._wrote.add(state.name)
        state.is_written = True
        if value is None:
            self._values.pop((state.name, self._key), None)
        else:
            self._values[state.name, self._key] = value

    @property
    def yields(self) -> bool:
        """Whether process_element has a yield; of two streams both."""
        return all(inspect.isgeneratorfunction(self._function_of(side)) for side in range(1, self._inputs + 1))

    @property
    def key(self) -> Any:
        """The key of the element that is being processed."""
        return self._key

    def set_timer(self, at: int) -> None:
        """Let a timer of processing time go off at `at` ms."""
        if int(at) not in self._due:
            self._due.append(int(at))

    def drop_timer(self, at: int) -> None:
        """That timer does not go off."""
        self._due = [one for one in self._due if one != int(at)]

    def set_event_timer(self, at: int) -> None:
        """Let a timer of event time go off for the current key when the watermark has come to `at` ms."""
        self._waiting.add((int(at), self._key))

    def drop_event_timer(self, at: int) -> None:
        """That timer does not go off for the current key."""
        self._waiting.discard((int(at), self._key))


def _require_operator(function: Any, inputs: int) -> None:
    from pyflink.datastream import KeyedCoProcessFunction, KeyedProcessFunction

    wanted = KeyedCoProcessFunction if inputs == 2 else KeyedProcessFunction
    if isinstance(function, wanted):
        return
    if isinstance(function, type):
        said = f"What was returned is the class {function.__name__}"
        raise NotYet(f"{said}, not an object of it.", f"Return an object of your class: {function.__name__}().")
    if function is None:
        raise NotYet("In place of the operator there is None.", "Is there a return with an object of your class?")
    name = type(function).__name__
    raise NotYet(f"The operator is a {name}, no {wanted.__name__}.", "Its class has that one as its parent.")


def _rows(made: Any) -> list[Any]:
    """What came of one call, as Flink reads it."""
    from pyflink.common import Row

    if made is None:
        return []
    if isinstance(made, (Row, str, bytes, dict)) or not isinstance(made, Iterable):
        raise NotYet(f"process_element returned {shown(made)}.", _EACH)
    if isinstance(made, tuple) and made and not isinstance(made[0], (Row, tuple, list)):
        raise NotYet(f"process_element returned the tuple {shown(made)}: Flink takes each of it for a result.", _EACH)
    found = list(islice(made, MOST + 1))
    if len(found) > MOST:
        raise NotYet(f"One element gave more than {MOST} results.", "")
    found = [_to_the_side(one) for one in found]
    for one in found:
        if not isinstance(one, (Row, tuple, list)):
            raise NotYet(f"It yielded {shown(one)}, which is no Row.", "")
        if any(isinstance(value, (Row, tuple, list)) for value in one):
            raise NotYet(f"It yielded {shown(one)}: a Row inside of something.", "Yield the Row itself.")
    return [list(one) for one in found]


def side(tag: str) -> str:
    """What stands before the values of a row that went to the side output of that name."""
    return f"to the side output {tag!r}:"


def _to_the_side(one: Any) -> Any:
    """(OutputTag, Row(1, 2)) -> ["to the side output 'late':", 1, 2]; any other thing as it is."""
    from pyflink.common import Row
    from pyflink.datastream import OutputTag

    if not (isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], OutputTag)):
        return one
    tag, value = one
    if not isinstance(value, (Row, tuple, list)):
        raise NotYet(f"It yielded {shown(value)} to the side output {tag.tag_id!r}, which is no Row.", "")
    return [side(tag.tag_id), *value]


def _holds(value: Any) -> bool:
    """Whether there is anything in a value of state: not in None, and not in an empty list or dictionary."""
    return value is not None and not (isinstance(value, Sized) and len(value) == 0)


def _now() -> int:
    return int(time.time() * 1000)


class _Runtime:
    """What an operator gets in open."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def __deepcopy__(self, _: Any) -> Any:
        return self

    def get_state(self, descriptor: Any) -> Any:
        return self._operator.state(_Value, descriptor)

    def get_list_state(self, descriptor: Any) -> Any:
        return self._operator.state(_List, descriptor)

    def get_map_state(self, descriptor: Any) -> Any:
        return self._operator.state(_Map, descriptor)

    def get_reducing_state(self, descriptor: Any) -> Any:
        return self._operator.state(_Reducing, descriptor)

    def get_aggregating_state(self, descriptor: Any) -> Any:
        return self._operator.state(_Aggregating, descriptor)

    def get_task_name(self) -> str:
        return "the operator of an exercise"

    def get_task_name_with_subtasks(self) -> str:
        return "the operator of an exercise (1/1)"

    def get_number_of_parallel_subtasks(self) -> int:
        return 1

    def get_max_number_of_parallel_subtasks(self) -> int:
        return 128

    def get_index_of_this_subtask(self) -> int:
        return 0

    def get_attempt_number(self) -> int:
        return 0

    def get_job_parameter(self, key: str, default_value: str) -> str:
        return default_value

    def get_metrics_group(self) -> Any:
        from pyflink.fn_execution.metrics.process.metric_impl import GenericMetricGroup

        return GenericMetricGroup(None, None)


class _Context:
    """What an operator gets in process_element and in on_timer: its key, and the timers."""

    def __init__(self, operator: Operator, time_ms: int | None = None, *, is_event_timer: bool = False) -> None:
        self._operator, self._time_ms, self._is_event_timer = operator, time_ms, is_event_timer

    def __deepcopy__(self, _: Any) -> Any:
        return self

    def get_current_key(self) -> Any:
        return self._operator.key

    def timestamp(self) -> int:
        self._operator.asked_for.add("timestamp")
        return _now() if self._time_ms is None else self._time_ms

    def time_domain(self) -> Any:
        from pyflink.datastream import TimeDomain

        return TimeDomain.EVENT_TIME if self._is_event_timer else TimeDomain.PROCESSING_TIME

    def timer_service(self) -> _Context:
        return self

    def current_processing_time(self) -> int:
        self._operator.asked_for.add("clock")
        return _now()

    def current_watermark(self) -> int:
        self._operator.asked_for.add("watermark")
        return self._operator.watermark

    def register_processing_time_timer(self, timestamp: int) -> None:
        self._operator.asked_for.add("timer")
        self._operator.set_timer(timestamp)

    def register_event_time_timer(self, timestamp: int) -> None:
        self._operator.asked_for.add("event timer")
        self._operator.set_event_timer(timestamp)

    def delete_processing_time_timer(self, timestamp: int) -> None:
        self._operator.drop_timer(timestamp)

    def delete_event_time_timer(self, timestamp: int) -> None:
        self._operator.drop_event_timer(timestamp)


class _State:
    """A keyed state; `kind` says in words of what type."""

    def __init__(self, operator: Operator, descriptor: Any) -> None:
        from pyflink.fn_execution.coders import from_type_info

        self._operator = operator
        self.name, self.coder = descriptor.get_name(), from_type_info(descriptor.type_info).get_impl()
        self.kind = type(descriptor).__name__.removesuffix("Descriptor") + f" of {descriptor.type_info}"
        self.is_written = False

    def _read(self) -> Any:
        return self._operator.read(self)

    def _write(self, value: Any) -> None:
        self._operator.write(self, value)

    def clear(self) -> None:
        self._write(None)


class _Value(_State):
    """A ValueState."""

    def value(self) -> Any:
        return self._read()

    def update(self, value: Any) -> None:
        self._write(value)
        if value is None:
            self._operator.require_kept(self, value)


class _List(_State):
    """A ListState."""

    def get(self) -> Iterator[Any]:
        return iter(list(self._read() or ()))

    __iter__ = get

    def add(self, value: Any) -> None:
        self._write([*(self._read() or ()), value])

    def add_all(self, values: Iterable[Any]) -> None:
        self._write([*(self._read() or ()), *values])

    def update(self, values: Iterable[Any]) -> None:
        self._write(list(values) or None)


class _Map(_State):
    """A MapState."""

    def _all(self) -> dict[Any, Any]:
        return dict(self._read() or {})

    def get(self, key: Any) -> Any:
        return self._all().get(key)

    def contains(self, key: Any) -> bool:
        return key in self._all()

    def put(self, key: Any, value: Any) -> None:
        self._write({**self._all(), key: value})

    def put_all(self, dict_value: dict[Any, Any]) -> None:
        self._write({**self._all(), **dict_value})

    def remove(self, key: Any) -> None:
        self._write({old: value for old, value in self._all().items() if old != key} or None)

    def is_empty(self) -> bool:
        return not self._all()

    def keys(self) -> list[Any]:
        return list(self._all())

    def values(self) -> list[Any]:
        return list(self._all().values())

    def items(self) -> list[tuple[Any, Any]]:
        return list(self._all().items())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())

    __getitem__, __setitem__, __delitem__, __contains__ = get, put, remove, contains


class _Reducing(_State):
    """A ReducingState."""

    def __init__(self, operator: Operator, descriptor: Any) -> None:
        super().__init__(operator, descriptor)
        self._function = descriptor.get_reduce_function()

    def get(self) -> Any:
        return self._read()

    def add(self, value: Any) -> None:
        before = self._read()
        self._write(value if before is None else self._function.reduce(before, value))


class _Aggregating(_State):
    """An AggregatingState."""

    def __init__(self, operator: Operator, descriptor: Any) -> None:
        super().__init__(operator, descriptor)
        self._function = descriptor.get_agg_function()

    def get(self) -> Any:
        kept = self._read()
        return None if kept is None else self._function.get_result(kept)

    def add(self, value: Any) -> None:
        kept = self._read()
        self._write(self._function.add(value, self._function.create_accumulator() if kept is None else kept))
