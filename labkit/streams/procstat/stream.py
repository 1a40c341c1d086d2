"""/proc/stat as a `Stream`: what flows by default."""

from __future__ import annotations

from labkit.streams.procstat.metrics import Metrics, compare
from labkit.streams.procstat.snapshot import (
    READS,
    Snapshot,
    check_snapshot,
    mend_record,
    parse_stat,
    passed_over,
    shift_snapshot,
)
from labkit.streams.stream import Band, Columnar, Panel, Plot, Stream

__all__ = ["BANDS", "PROCSTAT"]

#: What the total line is stacked from, bottom to top. Together they are the eight shares, so they reach 100 %. The
#: colours are from Okabe and Ito's set, which colour-blind people can tell apart, and a grey.
BANDS = (
    Band("user + nice", ("user_pct", "nice_pct"), "#0072B2"),
    Band("system", ("system_pct",), "#56B4E9"),
    Band("irq + softirq + steal", ("irq_pct", "softirq_pct", "steal_pct"), "#CC79A7"),
    Band("iowait", ("iowait_pct",), "#D55E00"),
    Band("idle", ("idle_pct",), "#E6E6E6"),
)


def _columnar() -> Columnar:
    from labkit.streams.procstat import columnar

    return columnar


def _describe(snapshot: Snapshot) -> str:
    return f"{len(snapshot.cpus)} cpu lines"


PROCSTAT = Stream(
    name="procstat",
    reads=READS,
    schema_file="procstat_snapshot.v1.avsc",
    snapshot=Snapshot,
    result=Metrics,
    parse=parse_stat,
    compare=compare,
    plot=Plot(
        "CPUs", Band("busy", ("total_busy_pct",), "#0072B2"), (Panel("all CPUs", "%", "stacked", BANDS, 100.0),),
        "busy is everything but idle, so it includes iowait",
    ),
    passed_over=passed_over,
    check=check_snapshot,
    shift=shift_snapshot,
    mend=mend_record,
    describe=_describe,
    columnar=_columnar,
)  # fmt: skip
