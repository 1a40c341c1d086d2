"""Hypothesis strategies for counters, snapshots and recordings, and the text a kernel writes for them."""

from __future__ import annotations

from hypothesis import strategies as st

from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot

ANY_TICKS = st.integers(0, 2**63 - 1)
#: 2**45 ticks are 11,000 years: `ticks * 100.0` is exact, as in every real reading.
REAL_TICKS = st.integers(0, 2**45)
CPU_NUMBERS = st.lists(st.integers(0, 1023), unique=True, max_size=6)


def cpu_times(ticks: st.SearchStrategy[int], cpu_id: str = "cpu0") -> st.SearchStrategy[CpuTimes]:
    """One CPU line with ten columns of `ticks`."""
    return st.builds(CpuTimes, st.just(cpu_id), *[ticks] * len(CPU_COLUMNS))


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut, longer, or with a byte changed."""
    place = draw(st.integers(0, max(0, len(data) - 1)))
    changed = data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]
    return draw(st.sampled_from([data[:place], data + b"\0", changed]))


@st.composite
def snapshots(draw: st.DrawFn, *, timestamp: int = 1_000, btime: int = 1_000) -> Snapshot:
    """Any snapshot: the total line and CPUs of any number, in any order, with any counters."""
    ids = ["cpu", *(f"cpu{number}" for number in draw(CPU_NUMBERS))]
    cpus = tuple(draw(cpu_times(ANY_TICKS, cpu_id)) for cpu_id in ids)
    counts = st.lists(ANY_TICKS, max_size=4).map(tuple)
    single = [draw(ANY_TICKS) for _ in range(4)]
    return Snapshot("host", timestamp, cpus, draw(counts), draw(counts), single[0], btime, *single[1:])


@st.composite
def recordings(draw: st.DrawFn) -> list[Snapshot]:
    """Some hosts, well-behaved: clocks and counters grow, but for iowait; CPUs stay, their order may differ."""
    recording = []
    for host in range(draw(st.integers(1, 3))):
        ids = ["cpu", *(f"cpu{number}" for number in draw(CPU_NUMBERS))]
        now = {cpu_id: draw(cpu_times(REAL_TICKS, cpu_id)) for cpu_id in ids}
        timestamp = draw(st.integers(0, 10_000))
        for _ in range(draw(st.integers(1, 5))):
            cpus = tuple(now[cpu_id] for cpu_id in draw(st.permutations(ids)))
            recording.append(Snapshot(f"host{host}", timestamp, cpus, btime=1_000))
            timestamp += draw(st.integers(1, 5_000))
            now = {cpu_id: waited(grown(times, draw(steps)), draw(waits)) for cpu_id, times in now.items()}
    return sorted(recording, key=lambda snapshot: snapshot.timestamp)


#: iowait falls as often as it grows, and comes back.
waits = st.integers(-10_000, 10_000)
steps = st.lists(st.integers(1, 10_000), min_size=len(CPU_COLUMNS), max_size=len(CPU_COLUMNS))


def grown(cpu: CpuTimes, ticks: list[int]) -> CpuTimes:
    """`cpu` after some more ticks in each column."""
    return CpuTimes(cpu.id, *(old + new for old, new in zip(cpu[1:], ticks, strict=True)))


def waited(cpu: CpuTimes, ticks: int) -> CpuTimes:
    """`cpu` with an iowait that has moved by `ticks`, though not below 0."""
    return cpu._replace(iowait=max(0, cpu.iowait + ticks))


def stat_text(snapshot: Snapshot, columns: int = len(CPU_COLUMNS), more: str = "") -> str:
    """A snapshot as the kernel writes it: `columns` numbers a CPU line, then `more`."""
    lines = [f"{cpu.id} {' '.join(map(str, cpu[1 : 1 + columns]))}{more}" for cpu in snapshot.cpus]
    for name in ("intr", "softirq"):
        if numbers := getattr(snapshot, name):
            lines.append(f"{name} {' '.join(map(str, numbers))}")
    for name in ("ctxt", "btime", "processes", "procs_running", "procs_blocked"):
        lines.append(f"{name} {getattr(snapshot, name)}")
    return "\n".join(lines) + "\n"
