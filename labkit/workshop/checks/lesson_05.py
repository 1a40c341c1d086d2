"""What the exercises of 05 have to do: keyed operators, fed by hand with hosts of our own, then in a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from labkit.errors import LabkitError
from labkit.settings import Settings
from labkit.streams.procstat.metrics import LastGood, compare
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.workshop.checks.flink_trial import Operator, decoded, on_cluster
from labkit.workshop.checks.outcome import NotYet, raised
from labkit.workshop.lesson import RECORDING, begin, snapshots

__all__ = ["JUDGES"]

_SUFFIX = "_ex05"
_FORGOTTEN = "An attribute is gone with its process: what has to last belongs in state, and is got in open."


def judge_05a(switches: Any, settings: Settings) -> str:
    """Switches per second: by hand, across a restart, then in a job."""
    operator = Operator(switches())
    given = _Rates(operator)
    given.expect("web", 1_000, 5_000, None, "The first snapshot of a host has nothing to be compared with.")
    given.expect("web", 2_000, 5_050, 50.0, "Read value() before you update().")
    given.expect("web", 4_000, 5_350, 150.0, "Divide by the seconds that passed: the interval is 2,000 ms.")
    given.expect("db", 4_000, 900_000, None, "Another host has no snapshot yet: whose was it compared with? Use state.")
    given.expect("db", 5_000, 900_200, 200.0, "Each host is compared with its own last snapshot.")
    given.expect("web", 5_000, 5_360, 10.0, "Each host is compared with its own last snapshot.")
    given.expect("web", 5_000, 5_360, None, "A repeated snapshot is not newer than the last one.")
    given.expect("web", 3_000, 5_200, None, "It is older than the last one.")
    given.expect(
        "web", 7_000, 5_400, 20.0, "After a late snapshot the last good one still counts: do not keep the late one."
    )
    operator.restart()
    given.expect("db", 6_000, 900_230, 30.0, _FORGOTTEN, "After a restart ")
    given.expect("web", 8_000, 5_477, 77.0, _FORGOTTEN, "After a restart ")

    from pyflink.common import Types

    own = begin("05", say=lambda _: None, suffix=_SUFFIX, checkpoint_interval_s=1)
    want = list(_rates(snapshots(own)))

    def attach(raw: Any) -> Any:
        by_host = decoded(own, raw).key_by(lambda pair: pair[0], Types.STRING())
        return by_host.process(switches(), Types.PICKLED_BYTE_ARRAY())

    found = on_cluster(own, "switches", attach, len(want))
    _equal(found, want, lambda row: f"the rate of {row[0]} at {row[1]} ms")
    return f"{len(found)} rates on the cluster, up to {max(row[2] for row in found):,.0f} switches a second."


def _fed(operator: Operator, key: str, element: Any, what: str, hint: str) -> list[Any]:
    """What comes of one element. Raises `NotYet` with `what` it was where the operator raises something."""
    try:
        return operator.feed(key, element)
    except LabkitError:
        raise
    except Exception as error:
        raise NotYet(f"{what}: your operator raised {raised(error)}.", hint) from error


class _Rates:
    """Feeds an operator with snapshots of `ctxt` alone."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def expect(self, host: str, timestamp: int, ctxt: int, rate: float | None, hint: str, when: str = "") -> None:
        """One snapshot -> the rate that has to come out, or None for nothing."""
        fed = f"{when}{host}'s snapshot at {timestamp} ms, ctxt {ctxt}"
        got = _fed(self._operator, host, (host, _snapshot(host, timestamp, ctxt)), fed, hint)
        want = [] if rate is None else [[host, timestamp, rate]]
        if not _close(got, want):
            came = f"gave {got[0] if len(got) == 1 else got}" if got else "gave nothing"
            wanted = f"it should have been {want[0]}" if want else "it should have given nothing"
            raise NotYet(f"{fed}, {came}; {wanted}.", hint)


def _snapshot(host: str, timestamp: int, ctxt: int) -> Snapshot:
    return Snapshot(host, timestamp, (CpuTimes("cpu", 1, 2, 3, 4),), ctxt=ctxt, btime=1_764_000_000)


def _rates(found: Any) -> Iterator[list[Any]]:
    last: Snapshot | None = None
    for now in found:
        if last is not None:
            seconds = (now.timestamp - last.timestamp) / 1000
            yield [now.hostname, now.timestamp, (now.ctxt - last.ctxt) / seconds]
        last = now


def judge_05b(alarm: Any, settings: Settings) -> str:
    """Alarms: by hand, across a restart, then in a job over the recording."""
    key_of, function = _pair(alarm())
    bench = _Alarms(key_of, function)
    bench.run("lab", "cpu0", [95, 91, 92, 99], [], "Four intervals are not five.")
    bench.run("lab", "cpu0", [10], [], "An interval below 90 % ends a stretch.")
    bench.run("lab", "cpu0", [95, 91, 92, 99], [], "After an interval below 90 % the count begins again at 0.")
    bench.run("lab", "cpu0", [100], [0], "Five in a row are enough.")
    bench.run("lab", "cpu0", [100, 100, 97, 100, 100, 100], [], "One alarm for each stretch, however long it is.")
    bench.run("lab", "cpu0", [89.9, 90, 90.0, 93, 92, 91], [5], "90 % itself counts as busy, 89.9 % does not.")
    names = [("a", "cpu0"), ("a", "cpu1"), ("b", "cpu0"), ("b", "cpu1")]
    hint = "Each CPU of each host has a count of its own: the key has to name both."
    bench.interleaved(names, "With two CPUs of two hosts busy at a time, ", hint)
    hint = "Without something between the two names, node1 with its CPU 1 has the key of node with its CPU 11."
    bench.interleaved([("node1", "1"), ("node", "11")], "With 1 of node1 and 11 of node busy at a time, ", hint)
    bench.run("web", "cpu0", [95, 95, 95], [], "Three intervals are not five.")
    bench.restart()
    bench.run("web", "cpu0", [95, 95], [1], _FORGOTTEN, "After a restart ")

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


def _pair(answer: Any) -> tuple[Callable[[Any], Any], Any]:
    if not isinstance(answer, tuple) or len(answer) != 2 or not callable(answer[0]):
        raise NotYet("alarm did not return two things.", "A function that gives the key, and an operator.")
    return answer


class _Alarms:
    """Feeds an operator with intervals, one a second, under the keys that the answer's function gives."""

    def __init__(self, key_of: Callable[[Any], Any], function: Any) -> None:
        self._key_of, self._operator, self._now = key_of, Operator(function), 0

    def restart(self) -> None:
        self._operator.restart()

    def run(self, host: str, cpu: str, shares: list[float], alarms: list[int], hint: str, when: str = "") -> None:
        """Shares of one CPU, and at which of them (by index) an alarm is due."""
        for index, busy in enumerate(shares):
            self._now += 1000
            self._one(host, cpu, busy, index in alarms, hint, when or f"After {_words(shares[:index])}")

    def interleaved(self, names: list[tuple[str, str]], when: str, hint: str) -> None:
        """These (host, CPU) in turn, each busy for three intervals: no five of any."""
        for busy in (95, 95, 95, 5):
            self._now += 1000
            for host, cpu in names:
                self._one(host, cpu, busy, False, hint, when)

    def _one(self, host: str, cpu: str, busy: float, due: bool, hint: str, when: str) -> None:
        from pyflink.common import Row

        row = Row(host, self._now, cpu, float(busy))
        key = self._key_of(row)
        if not isinstance(key, str):
            raise NotYet(f"The key of {list(row)} is {key!r}, no text.", "An f-string makes one of several values.")
        fed = f"{when}{host} {cpu} with {busy:g} % at {self._now} ms"
        got = _fed(self._operator, key, row, fed, hint)
        want = [[host, cpu, self._now]] if due else []
        if got != want:
            came = f"gave {got[0] if len(got) == 1 else got}" if got else "gave no alarm"
            wanted = f"{want[0]} was due" if due else "none was due"
            raise NotYet(f"{fed} {came}; {wanted}.", hint)


def _words(shares: list[float]) -> str:
    return f"{', '.join(f'{share:g}' for share in shares)} %, " if shares else "the earlier ones, "


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

    return Types.ROW([Types.STRING(), Types.LONG(), Types.STRING(), Types.DOUBLE()])


def _per_cpu() -> Any:
    """(hostname, Snapshot) -> Row(hostname, timestamp, cpu_id, busy), but for the total line."""
    from pyflink.common import Row, Types
    from pyflink.datastream import KeyedProcessFunction
    from pyflink.datastream.state import ValueStateDescriptor

    class PerCpu(KeyedProcessFunction):
        def open(self, runtime_context: Any) -> None:
            self._last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

        def process_element(self, value: Any, ctx: Any) -> Iterator[Any]:
            _, keep, metrics = compare(self._last.value(), value[1])
            self._last.update(keep)
            if metrics is None:
                return
            for cpu in metrics.cpu_metrics:
                if cpu.cpu_id != "cpu":
                    yield Row(metrics.hostname, metrics.timestamp, cpu.cpu_id, cpu.total_busy_pct)

    return PerCpu()


def _equal(found: list[Any], want: list[Any], name: Callable[[Any], str]) -> None:
    for got, one in zip(found, want, strict=False):
        if not _close([got], [one]):
            raise NotYet(
                f"On the cluster {name(one)} came as {got}; it is {one}.", "By hand it was right: ask for help."
            )
    if len(found) != len(want):
        raise NotYet(f"On the cluster {len(found)} results came; {len(want)} were due.", "Does it yield each of them?")


def _close(found: list[list[Any]], want: list[list[Any]]) -> bool:
    """Equal, but for the last digits of a float."""
    if [row[:-1] for row in found] != [row[:-1] for row in want]:
        return False
    return all(abs(got[-1] - one[-1]) <= 1e-9 * max(1.0, abs(one[-1])) for got, one in zip(found, want, strict=True))


JUDGES = {"05a": judge_05a, "05b": judge_05b}
