"""What the exercises of 05 have to do: keyed operators, fed by hand with hosts of our own, then in a job."""

from __future__ import annotations

import os
import string
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none

from labkit.settings import Settings
from labkit.streams.procstat.metrics import LastGood, compare
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.system.waiting import patience
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.flink_trial import decoded, on_cluster
from labkit.workshop.checks.operator_trial import Operator
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.rules import Meets
from labkit.workshop.checks.stream_trial import RESTART, Fault, Stream, close
from labkit.workshop.lesson import RECORDING, begin, snapshots

__all__ = ["JUDGES", "MEETS"]

_SUFFIX = "_ex05"

MEETS: Meets = {
    "05a": {
        "task": "snapshots of two hosts by hand: first, next, late, repeated, after a restart; then the recording's",
        "boundaries": "intervals of 1 ms, 1 s, 1.5 s and 2 s; as old as the last good one, 1 ms older, 1 ms newer; no "
        "switch at all, and none since boot",
        "given": "the element is compared before and after process_element",
        "arguments": "the pair is its only one: hosts, times and counts all differ",
        "ends": "each element has 10 s, and may give 1,000 results",
        "twice": "the operator is made and fed a second time; another one runs on the cluster",
        "point": "a restart keeps what Flink's coders wrote down, and nothing else; there has to be something",
    },
    "05b": {
        "task": "stretches of several CPUs and hosts by hand: short, long, broken, two in turn; then the recording's",
        "boundaries": "four, five and many intervals; 90 %, 89.999999 %, 90.000001 %; intervals of 0.5 s, 1 s and 3 s; "
        "names with every sign that is no blank",
        "given": "the row is compared before and after process_element and the function of the key",
        "arguments": "the row is its only one: both names, time and share all differ",
        "ends": "each element has 10 s, and may give 1,000 results",
        "twice": "the key is the same at another time and in another process; the operator is fed a second time",
        "point": "a restart in and after a stretch keeps what Flink's coders wrote down, and nothing else",
    },
}


# ------------------------------------------------------------------------------------------------------------- 05a


def judge_05a(switches: Any, settings: Settings) -> str:
    """Switches per second: by hand, across a restart, then in a job."""
    stream = Stream(_rated, _RATE_FAULTS, "hostname, timestamp, rate", _why_no_rate)

    def expect(host: str, timestamp: int, ctxt: int, rate: float | None) -> None:
        fed = f"{host}'s snapshot at {timestamp} ms with ctxt {ctxt}"
        want = [] if rate is None else [[host, timestamp, rate]]
        stream.expect(host, (host, _snapshot(host, timestamp, ctxt)), (host, timestamp, ctxt), want, fed)

    expect("web", 1_000, 5_000, None)
    expect("web", 2_000, 5_050, 50.0)
    expect("web", 4_000, 5_350, 150.0)
    expect("db", 4_500, 900_000, None)
    expect("db", 5_000, 900_100, 200.0)
    expect("web", 5_500, 5_365, 10.0)
    expect("web", 5_500, 5_365, None)
    expect("web", 5_500, 5_370, None)
    expect("web", 3_000, 5_200, None)
    expect("web", 7_000, 5_400, 70 / 3)
    expect("db", 5_001, 900_101, 1_000.0)
    expect("db", 5_000, 900_100, None)
    expect("db", 6_001, 900_101, 0.0)
    expect("old", 6_200, 2**41, None)
    expect("old", 6_400, 2**41 + 8, 40.0)
    expect("new", 6_500, 0, None)
    expect("new", 7_000, 40, 80.0)
    stream.restart()
    expect("db", 7_001, 900_131, 30.0)
    expect("web", 6_999, 5_399, None)
    expect("web", 9_000, 5_554, 77.0)
    stream.judge(lambda: Operator(_operator_of(switches)))

    from pyflink.common import Types

    own = begin("05", say=lambda _: None, suffix=_SUFFIX, checkpoint_interval_s=1)
    want = list(_rates(snapshots(own)))

    def attach(raw: Any) -> Any:
        by_host = decoded(own, raw).key_by(lambda pair: pair[0], Types.STRING())
        return by_host.process(_operator_of(switches), Types.PICKLED_BYTE_ARRAY())

    found = on_cluster(own, "switches", attach, len(want))
    _equal(found, want, lambda row: f"the rate of {row[0]} at {row[1]} ms")
    return f"{len(found)} rates on the cluster, up to {max(row[2] for row in found):,.0f} switches a second."


def _operator_of(switches: Any) -> Any:
    return called(switches, (), "no arguments")


def _snapshot(host: str, timestamp: int, ctxt: int) -> Snapshot:
    return Snapshot(host, timestamp, (CpuTimes("cpu", 1, 2, 3, 4),), ctxt=ctxt, btime=1_764_000_000)


def _rates(found: Any) -> Iterator[list[Any]]:
    last: Snapshot | None = None
    for now in found:
        if last is not None:
            seconds = (now.timestamp - last.timestamp) / 1000
            yield [now.hostname, now.timestamp, (now.ctxt - last.ctxt) / seconds]
        last = now


#: A snapshot as the models of faults have it: (host, ms, ctxt).
_Short = tuple[str, int, int]


def _rated(
    history: Iterable[Any],
    *,
    rate: Callable[[float, float], float] = lambda switches, ms: switches * 1000 / ms,
    stamp: Callable[[_Short, _Short], float] = lambda before, now: now[1],
    gives: Callable[[_Short, _Short], bool] = lambda before, now: now[1] > before[1],
    keeps: Callable[[_Short, _Short], bool] = lambda before, now: now[1] > before[1],
    key: Callable[[str], str] = lambda host: host,
    forgets: bool = False,
    clears: bool = False,
    of: Callable[[_Short, _Short], int] = lambda before, now: now[2] - before[2],
    first: list[Any] | None = None,
) -> Iterator[list[Any]]:
    """What comes of each element of `history` where one thing is done in another way. Without any it is right."""
    last: dict[str, _Short] = {}
    for now in history:
        if now is RESTART:
            last = {} if forgets else last
            continue
        name, before = key(now[0]), last.get(key(now[0]))
        if before is None:
            yield [[now[0], now[1], *first]] if first else []
        else:
            yield (
                [[now[0], stamp(before, now), rate(of(before, now), now[1] - before[1])]] if gives(before, now) else []
            )
        if before is None or keeps(before, now):
            last[name] = now
        elif clears:
            del last[name]


_FORGOTTEN = "After the restart not all that it needs was known any more: all of it belongs in state, got in open."
_DIGITS = "A rate keeps its digits: it was rounded, or divided without a remainder."


def _rate_fault(hint: str, **otherwise: Any) -> Fault:
    return Fault(hint, otherwise)


_RATE_FAULTS = (
    _rate_fault("A 0 that was kept is a value too: where nothing has been kept, value() is None.",
                gives=lambda before, now: now[1] > before[1] and before[2] != 0),
    _rate_fault(_FORGOTTEN, forgets=True),
    _rate_fault("The first snapshot of a host gives nothing, not even a rate of 0.", first=[0.0]),
    _rate_fault("The first snapshot of a host gives nothing, not even a row with None.", first=[None]),
    _rate_fault("That is per ms: a second has 1,000.", rate=lambda switches, ms: switches / ms),
    _rate_fault("That is what came in the interval: divide by the seconds that it lasted.",
                rate=lambda switches, ms: switches),
    _rate_fault("It was multiplied by the seconds: divide by them.", rate=lambda switches, ms: switches * ms / 1000),
    _rate_fault("The seconds were divided by the switches.",
                rate=lambda switches, ms: ms / 1000 / switches if switches else 0.0),
    _rate_fault("That is a thousand times too much.", rate=lambda switches, ms: switches * 1e6 / ms),
    _rate_fault("The interval was cut or rounded to whole seconds.",
                rate=lambda switches, ms: switches / max(1, ms // 1000)),
    _rate_fault("The interval was cut or rounded to whole seconds.",
                rate=lambda switches, ms: switches / max(1, round(ms / 1000))),
    _rate_fault("An interval of less than a second counts too: it was cut to whole seconds.",
                rate=lambda switches, ms: switches / (ms // 1000), gives=lambda before, now: now[1] - before[1] >= 1000,
                keeps=lambda before, now: now[1] - before[1] >= 1000),
    *(_rate_fault(_DIGITS, rate=lambda switches, ms, digits=digits: round(switches * 1000 / ms, digits))
      for digits in range(6)),
    _rate_fault(_DIGITS, rate=lambda switches, ms: switches * 1000 // ms),
    _rate_fault("All switches since boot were divided by the interval: only those that came in between count.",
                of=lambda before, now: now[2]),
    _rate_fault("The signs are turned round: newer minus older.", of=lambda before, now: before[2] - now[2]),
    _rate_fault("That is the timestamp of the older snapshot.", stamp=lambda before, now: before[1]),
    _rate_fault("That is the length of the interval, not a timestamp.", stamp=lambda before, now: now[1] - before[1]),
    _rate_fault("The timestamp is in ms, as in the snapshot.", stamp=lambda before, now: now[1] / 1000),
    _rate_fault("It was compared with the host's first snapshot: keep the last one.",
                keeps=lambda before, now: False),
    _rate_fault("It was compared with a snapshot of another host.", key=lambda host: ""),
    _rate_fault("It was compared with a snapshot of another host.", key=lambda host: "",
                keeps=lambda before, now: True, gives=lambda before, now: True),
    _rate_fault("A late snapshot was kept: the next one is compared with the last good one.",
                keeps=lambda before, now: True),
    _rate_fault("A late snapshot was kept: the next one is compared with the last good one.",
                keeps=lambda before, now: now[1] != before[1]),
    _rate_fault("The late snapshot took what was kept away: the last good one stays.", clears=True),
    _rate_fault("A snapshot that is older than the last good one gives nothing.",
                gives=lambda before, now: now[1] != before[1]),
    _rate_fault("A snapshot that is older than the last good one gives nothing.",
                gives=lambda before, now: now[1] != before[1], keeps=lambda before, now: True),
    _rate_fault("A rate of 0 is a result too.", gives=lambda before, now: now[1] > before[1] and now[2] > before[2]),
    _rate_fault("A rate of 0 is a result too.", gives=lambda before, now: now[1] > before[1] and now[2] > before[2],
                keeps=lambda before, now: now[1] > before[1] and now[2] > before[2]),
)  # fmt: skip


def _why_no_rate(history: list[Any], error: Exception) -> str:
    """A hint where the operator raised something, by what had been fed."""
    host, timestamp, _ = now = history[-1]
    earlier = [one for one in history[:-1] if one is not RESTART and one[0] == host]
    last = max((one[1] for one in earlier), default=None)
    if isinstance(error, ZeroDivisionError) and timestamp == last and now in earlier:
        return "A repeated snapshot is not newer than the last good one: it gives nothing."
    if isinstance(error, ZeroDivisionError) and last is not None and 0 < timestamp - last < 1000:
        return f"The interval is {timestamp - last} ms, less than a whole second."
    return ""


# ------------------------------------------------------------------------------------------------------------- 05b


def judge_05b(alarm: Any, settings: Settings) -> str:
    """Alarms: keys first, then by hand, across restarts, then in a job over the recording."""
    key_of, function = _pair(called(alarm, (), "no arguments"))
    _judge_keys(key_of)
    stream = Stream(_warned, _ALARM_FAULTS, "hostname, cpu_id, timestamp")
    clock = _Clock()

    def run(shares: list[float], due: int | None = None, host: str = "lab", cpu: str = "cpu0", ms: int = 1000) -> None:
        for index, busy in enumerate(shares):
            now = clock.on(ms)
            row = _row(host, now, cpu, float(busy))
            want = [[host, cpu, now]] if index == due else []
            stream.expect(
                _key(key_of, row), row, (host, now, cpu, float(busy)), want, f"{host} {cpu} with {busy} % at {now} ms"
            )

    run([95, 91, 92, 99])
    run([10])
    run([95, 91, 92, 99])
    run([100], 0)
    run([100, 100, 97, 100, 100, 100, 91, 92, 93, 94, 95, 96])
    run([50, 95, 95, 95, 95, 95], 5)
    run([5, 89.6, 95, 95, 95, 95])
    run([5, 89.999999, 95, 95, 95, 95])
    run([5, 90.000001, 90.1, 91, 92, 93], 5)
    run([5, 90, 90.0, 91, 92, 93], 5)
    run([5])
    run([95, 95, 95], ms=3000)
    run([5])
    run([95, 95, 95, 95, 95], 4, ms=500)
    run([5])
    for busy in (95, 95, 95, 5):
        for host, cpu in (("a", "cpu0"), ("a", "cpu1"), ("b", "cpu0"), ("b", "cpu1")):
            run([busy], host=host, cpu=cpu)
    run([95, 95, 95], host="web")
    run([7, 95, 95, 95, 95], host="web", cpu="cpu1")
    stream.restart()
    run([95, 95], 1, host="web")
    run([95], 0, host="web", cpu="cpu1")
    stream.restart()
    run([95] * 6, host="web")
    run([89, 95, 95, 95, 95, 95], 5, host="web")
    stream.judge(lambda: Operator(function))

    from pyflink.common import Types

    own = begin("05", say=lambda _: None, suffix=_SUFFIX, checkpoint_interval_s=1)
    want = list(_alarms(_busy(snapshots(own))))

    def attach(raw: Any) -> Any:
        busy = decoded(own, raw).key_by(lambda pair: pair[0], Types.STRING()).process(_per_cpu(), _busy_row())
        return busy.key_by(key_of, Types.STRING()).process(function, Types.PICKLED_BYTE_ARRAY())

    found = on_cluster(own, "alarm", attach, len(want))
    _equal(sorted(found), sorted(want), lambda row: f"the alarm of {row[1]} at {row[2]} ms")
    first = min(row.timestamp for row in snapshots(own))
    told = ", ".join(
        f"{cpu} at {(timestamp - first) // 1000} s" for _, cpu, timestamp in sorted(found, key=lambda r: r[2])
    )
    return f"{len(found)} alarms in {RECORDING.stem}: {told}."


class _Clock:
    def __init__(self) -> None:
        self._now = 0

    def on(self, ms: int) -> int:
        self._now += ms
        return self._now


def _pair(answer: Any) -> tuple[Any, Any]:
    """(The function of the key, the operator); a KeySelector is as good as a function."""
    from pyflink.datastream import KeyedProcessFunction, KeySelector

    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise NotYet(
            f"alarm returned {shown(answer)}, not two things.", "A function that gives the key, and an operator."
        )
    key_of, function = answer
    if isinstance(key_of, KeyedProcessFunction) and not isinstance(function, KeyedProcessFunction):
        raise NotYet("alarm returned the operator first.", "The function that gives the key comes first.")
    if not callable(key_of) and not isinstance(key_of, KeySelector):
        raise NotYet(f"The first that alarm returned is {shown(key_of)}, no function.", "It gives the key of a row.")
    return key_of, function


def _row(host: str, timestamp: int, cpu: str, busy: float) -> Any:
    from pyflink.common import Row

    return Row("hostname", "timestamp", "cpu_id", "busy")(host, timestamp, cpu, busy)


def _key(key_of: Any, row: Any) -> str:
    """The key of a row. Raises `NotYet` where it is no text."""
    key = called(getattr(key_of, "get_key", key_of), (row,), f"{row} (the key)", names=("the row",))
    if not isinstance(key, str):
        raise NotYet(f"The key of {row} is {shown(key)}, no text.", "An f-string makes a text of several values.")
    return key


def _judge_keys(key_of: Any) -> None:
    """One key for a CPU, whatever time it is and in whatever process; another one for every other CPU."""
    rows = [_row("lab", 1000, "cpu0", 95.0), _row("lab", 2000, "cpu0", 7.5)]
    one, other = (_key(key_of, row) for row in rows)
    if one != other:
        raise NotYet(
            f"lab's cpu0 has the key {one!r} at 1000 ms with 95 %, and {other!r} at 2000 ms with 7.5 %.",
            "Only what names the CPU belongs in its key: else each interval has a state of its own.",
        )
    if _key(key_of, _row("lab", 1000, "cpu1", 95.0)) == one:
        raise NotYet(f"lab's cpu0 and lab's cpu1 have the same key {one!r}.", "The key has to name both: host and CPU.")
    if _key(key_of, _row("web", 1000, "cpu0", 95.0)) == one:
        raise NotYet(f"lab's cpu0 and web's cpu0 have the same key {one!r}.", "The key has to name both: host and CPU.")
    plain = getattr(key_of, "get_key", key_of)
    with_names: dict[str, tuple[str, str]] = {}
    for names in _names():
        key = str(plain(_row(names[0], 1000, names[1], 95.0)))
        same = with_names.setdefault(key, names)
        if same != names:
            raise NotYet(
                f"Two CPUs share the key {key!r}: {same[1]!r} of host {same[0]!r} and {names[1]!r} of {names[0]!r}.",
                _why_shared(key, same, names),
            )
    if "lab" not in one or "cpu0" not in one:
        _require_stable(key_of, rows[0], one)


def _names() -> Iterator[tuple[str, str]]:
    """(host, CPU) in which each sign that is no blank stands everywhere, and many of one kind."""
    for sign in ("", *string.punctuation, "→", "§"):
        yield from ((f"node{sign}1", "1"), ("node", f"1{sign}1"))
    for sign in (*string.punctuation, "1", "→", "§", "A"):
        words = [
            "a",
            "b",
            sign,
            f"a{sign}",
            f"{sign}a",
            f"a{sign}b",
            f"a{sign}a",
            sign * 2,
            f"a{sign}{sign}b",
            f"a{sign * 3}b",
        ]
        yield from product(words, words)
    yield from product(("lab", "cpulab"), ("0", "cpu0", "00", "1", "cpu1"))
    yield from ((f"node{host}", str(cpu)) for host, cpu in product(range(60), range(60)))


def _why_shared(key: str, one: tuple[str, str], other: tuple[str, str]) -> str:
    if one[0].casefold() == other[0].casefold() and one[1].casefold() == other[1].casefold():
        return "Large and small letters are different letters."
    texts = {first + second for first, second in (one, other)}
    if len(texts) == 1 and key in texts:
        return "Something has to stand between the two names, which cannot be in a name: a blank cannot."
    if key.startswith(one[0]) and key.endswith(one[1]) and key.startswith(other[0]) and key.endswith(other[1]):
        return "What stands between the two names may be in a name as well. A blank cannot."
    if not any(name in key for name in (*one, *other)):
        return "A number of few digits is soon given twice: let the key have both names in it."
    return ""


_ANOTHER = "import sys, cloudpickle; key_of, row = cloudpickle.load(sys.stdin.buffer); print(ascii(key_of(row)))"


def _require_stable(key_of: Any, row: Any, key: str) -> None:
    """Raise `NotYet` where another Python makes another key of the row: `hash` of a text does."""
    done = subprocess.run(
        [sys.executable, "-c", _ANOTHER],
        input=cloudpickle.dumps((getattr(key_of, "get_key", key_of), row)),
        capture_output=True, timeout=patience(60), check=False, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    other = done.stdout.decode().strip()
    if done.returncode == 0 and other != ascii(key):
        raise NotYet(
            f"The key of {row} is {key!r} here, and {other} in another Python process.",
            "hash() of a text is another number in each process: let the key have both names in it.",
        )


def _warned(
    history: Iterable[Any],
    *,
    is_busy: Callable[[float], bool] = lambda busy: busy >= 90,
    sounds: Callable[[int], bool] = lambda count: count == 5,
    key: Callable[[str, str], tuple[str, ...]] = lambda host, cpu: (host, cpu),
    begins_again: bool = True,
    forgets: bool = False,
    by_time_ms: int = 0,
    once: bool = False,
    forgets_the_alarm: bool = False,
    at_its_end: bool = False,
    out: Callable[[str, str, int, int], list[Any]] = lambda host, cpu, now, first: [host, cpu, now],
) -> Iterator[list[Any]]:
    """Alarms of each interval of `history` where one thing is done in another way. Without any it is right."""
    counts: dict[tuple[str, ...], list[int]] = {}
    done: set[tuple[str, ...]] = set()
    for one in history:
        if one is RESTART:
            counts, done = ({}, set()) if forgets else (counts, done)
            done = set() if forgets_the_alarm else done
            continue
        host, now, cpu, busy = one
        name = key(host, cpu)
        times = counts.setdefault(name, [])
        due = False
        if is_busy(busy):
            times.append(now)
            due = sounds(len(times)) and not at_its_end
            if by_time_ms:
                due = now - times[0] >= by_time_ms and (len(times) < 2 or times[-2] - times[0] < by_time_ms)
        elif begins_again:
            due = at_its_end and len(times) >= 5
        if forgets_the_alarm:
            due = is_busy(busy) and len(times) >= 5 and name not in done
            done -= set() if is_busy(busy) else {name}
        due = due and not (once and name in done)
        done |= {name} if due else set()
        yield [out(host, cpu, now, times[0])] if due else []
        if not is_busy(busy) and begins_again:
            times.clear()


def _alarm_fault(hint: str, **otherwise: Any) -> Fault:
    return Fault(hint, otherwise)


_EACH_STRETCH = "One alarm for each stretch, however long it is."
_IN_A_ROW = "An interval below 90 % ends a stretch: after it the count begins again at 0."
_INTERVALS = "Intervals are counted, not seconds: five in a row, however long each of them lasts."
_ALARM_FAULTS = (
    _alarm_fault(_FORGOTTEN, forgets=True),
    _alarm_fault("90 % itself is busy: 90 % or more.", is_busy=lambda busy: busy > 90),
    *(_alarm_fault("Below 90 % is not busy, however little below: it was rounded.",
                   is_busy=lambda busy, digits=digits: round(busy, digits) >= 90) for digits in range(6)),
    *(_alarm_fault(f"It goes off at interval {number} of a stretch; the fifth is due.",
                   sounds=lambda count, number=number: count == number) for number in (1, 2, 3, 4, 6, 7)),
    _alarm_fault(_EACH_STRETCH, sounds=lambda count: count >= 5),
    _alarm_fault(_EACH_STRETCH, sounds=lambda count: count > 0 and count % 5 == 0),
    _alarm_fault(_EACH_STRETCH, sounds=lambda count: count >= 4),
    _alarm_fault("That is each busy interval; an alarm is due at the fifth in a row.", sounds=lambda count: True),
    _alarm_fault("It goes off after the fifth interval; the fifth is due.", sounds=lambda count: count > 5),
    _alarm_fault(_IN_A_ROW, begins_again=False),
    _alarm_fault(_IN_A_ROW, begins_again=False, sounds=lambda count: count >= 5),
    _alarm_fault(_IN_A_ROW, begins_again=False, sounds=lambda count: count > 0 and count % 5 == 0),
    *(_alarm_fault(_INTERVALS, by_time_ms=ms) for ms in (4000, 4001, 5000, 5001)),
    _alarm_fault("After the restart it was not known any more that the alarm had gone off: that belongs in state too.",
                 forgets_the_alarm=True),
    _alarm_fault("A second stretch gets an alarm too.", once=True),
    _alarm_fault("It comes when the stretch has ended; it is due at the fifth interval.", at_its_end=True),
    _alarm_fault("That is the timestamp of the stretch's first interval; that of the fifth is asked for.",
                 out=lambda host, cpu, now, first: [host, cpu, first]),
    _alarm_fault("The order is hostname, cpu_id, timestamp.", out=lambda host, cpu, now, first: [host, now, cpu]),
    _alarm_fault("The order is hostname, cpu_id, timestamp.", out=lambda host, cpu, now, first: [cpu, host, now]),
    _alarm_fault("Each CPU of each host has a count of its own.", key=lambda host, cpu: (host,)),
    _alarm_fault("Each CPU of each host has a count of its own.", key=lambda host, cpu: (cpu,)),
    _alarm_fault("Each CPU of each host has a count of its own.", key=lambda host, cpu: ()),
)  # fmt: skip


def _busy(found: Any) -> Iterator[list[Any]]:
    last: LastGood | None = None
    for now in found:
        _, last, metrics = compare(last, now)
        if metrics is not None:
            yield from ([metrics.hostname, metrics.timestamp, cpu.cpu_id, cpu.total_busy_pct]
                        for cpu in metrics.cpu_metrics if cpu.cpu_id != "cpu")  # fmt: skip


def _alarms(rows: Iterator[list[Any]]) -> Iterator[list[Any]]:
    busy_for: dict[str, int] = {}
    for hostname, timestamp, cpu, busy in rows:
        busy_for[cpu] = busy_for.get(cpu, 0) + 1 if busy >= 90 else 0
        if busy_for[cpu] == 5:
            yield [hostname, cpu, timestamp]


def _busy_row() -> Any:
    from pyflink.common import Types

    names = ["hostname", "timestamp", "cpu_id", "busy"]
    return Types.ROW_NAMED(names, [Types.STRING(), Types.LONG(), Types.STRING(), Types.DOUBLE()])


def _per_cpu() -> Any:
    """(hostname, Snapshot) -> Row(hostname, timestamp, cpu_id, busy), but for the total line."""
    from pyflink.common import Row, Types
    from pyflink.datastream import KeyedProcessFunction
    from pyflink.datastream.state import ValueStateDescriptor

    class PerCpu(KeyedProcessFunction):
        def open(self, runtime_context: Any) -> None:
            self._last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

        def process_element(self, value: Any, ctx: Any) -> Iterator[Any]:
            named = Row("hostname", "timestamp", "cpu_id", "busy")
            _, keep, metrics = compare(self._last.value(), value[1])
            self._last.update(keep)
            if metrics is None:
                return
            for cpu in metrics.cpu_metrics:
                if cpu.cpu_id != "cpu":
                    yield named(metrics.hostname, metrics.timestamp, cpu.cpu_id, cpu.total_busy_pct)

    return PerCpu()


def _equal(found: list[Any], want: list[Any], name: Callable[[Any], str]) -> None:
    for got, one in zip(found, want, strict=False):
        if not close([got], [one]):
            raise NotYet(f"By hand it was right. On the cluster {name(one)} came as {got}; it is {one}.")
    if len(found) != len(want):
        raise NotYet(f"By hand it was right. On the cluster {len(found)} results came; {len(want)} were due.")


JUDGES = {"05a": judge_05a, "05b": judge_05b}
