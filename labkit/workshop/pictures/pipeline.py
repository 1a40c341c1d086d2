"""The pipeline as it is now, in numbers: what lies in each topic, how far each job has read, how many rows there are.

    pipeline_picture(settings)  ->  producer → snapshots 601 → enrichment, 0 behind → metrics 600 → … → rows 1,800

`counted` asks Kafka, Flink and the Parquet folder; `drawn` makes the picture of plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest, Job
from labkit.kafka.consumer import read_topic
from labkit.kafka.offsets import committed_offsets
from labkit.kafka.topics import topic_partitions
from labkit.parquet.read import parquet_files, row_count
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT, PARQUET

__all__ = ["JobNow", "Pipeline", "counted", "drawn", "pipeline_picture"]


@dataclass(frozen=True, slots=True)
class JobNow:
    """A job that reads a topic: Flink's word for its state, and how many records it has not read."""

    state: str
    behind: int

    @property
    def runs(self) -> bool:
        """Whether it is at work now."""
        return self.state == "RUNNING"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is there. None stands for what is not: no such topic, no such job, no such folder."""

    snapshots: int | None = None
    enrichment: JobNow | None = None
    metrics: int | None = None
    parquet: JobNow | None = None
    rows: int | None = None
    dead_letters: int | None = None


@on_paper
def pipeline_picture(settings: Settings) -> Figure:
    """The pipeline of `settings` (a lesson's own, or the main one) as it is now.

    Raises `LabkitError` where Kafka does not answer; a Flink that does not answer has no jobs.
    """
    return drawn(counted(settings), settings.suffix)


def counted(settings: Settings) -> Pipeline:
    """Count the committed records of each topic, those that each job has not read, and the rows.

    Records are counted by reading them: offsets alone also count the markers that end transactions.
    """
    there = topic_partitions(settings.kafka_bootstrap)
    jobs = _jobs(settings)
    snapshots, enrichment = _topic_and_reader(settings, there, settings.snapshots_topic, ENRICHMENT, jobs)
    metrics, parquet = _topic_and_reader(settings, there, settings.metrics_topic, PARQUET, jobs)
    return Pipeline(
        snapshots,
        enrichment,
        metrics,
        parquet,
        row_count(settings.parquet_dir) if parquet_files(settings.parquet_dir) else None,
        _records(settings, there, settings.dead_letters_topic),
    )


def _topic_and_reader(
    settings: Settings, there: dict[str, int], topic: str, name: str, jobs: list[Job]
) -> tuple[int | None, JobNow | None]:
    if topic not in there:
        return None, None
    group = settings.job_name(name)
    job = next((job for job in jobs if job.name == group), None)
    read = committed_offsets(settings.kafka_bootstrap, topic, group)
    if job is not None and not job.is_over:
        found = FlinkRest(settings.flink_url).read_offsets(job.id, topic)
        read = {number: max(offset, found.get(number, 0)) for number, offset in read.items()}
    total = behind = 0
    for record in read_topic(settings.kafka_bootstrap, topic):
        total += 1
        behind += record.offset() >= read[record.partition()]
    if job is None and not any(read.values()):
        return total, None
    return total, JobNow(job.state if job else "stopped", behind)


def _records(settings: Settings, there: dict[str, int], topic: str) -> int | None:
    return sum(1 for _ in read_topic(settings.kafka_bootstrap, topic)) if topic in there else None


def _jobs(settings: Settings) -> list[Job]:
    try:
        return FlinkRest(settings.flink_url).jobs()
    except LabkitError:
        return []


#: Where things stand: left, bottom, width and height in inches.
_TOPIC, _JOB = (2.5, 1.75), (2.35, 1.75)
_PLACES = {
    "producer": (0.25, 2.65, 1.55, 1.75),
    "snapshots": (2.55, 2.65, *_TOPIC),
    "enrichment": (6.15, 2.65, *_JOB),
    "metrics": (9.0, 2.65, *_TOPIC),
    "parquet": (12.6, 2.65, *_JOB),
    "rows": (15.45, 2.65, 2.0, 1.75),
    "dead letters": (6.075, 0.2, *_TOPIC),
}
_ARROWS = (
    ("producer", "snapshots"), ("snapshots", "enrichment"), ("enrichment", "metrics"),
    ("metrics", "parquet"), ("parquet", "rows"),
)  # fmt: skip
_KAFKA = {"facecolor": "#E8F3FA", "edgecolor": "#0072B2"}
_FLINK = {"facecolor": "#E0F3EC", "edgecolor": "#009E73"}
_PLAIN = {"facecolor": "white", "edgecolor": "#444444"}
_FILES = {"facecolor": "#FDF3DC", "edgecolor": "#B07A00"}
_ABSENT = {"facecolor": "white", "edgecolor": "#999999", "linestyle": (0, (4, 3))}
_LAG = "#A84300"


@on_paper
def drawn(now: Pipeline, suffix: str = "") -> Figure:
    """Plain numbers -> the picture. What is None is an empty dashed box that says so; `suffix` is in the title."""
    figure = Figure(figsize=(17.7, 5.3))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 17.7), ylim=(0, 5.3))
    axes.set_axis_off()
    title = f"The pipeline of {suffix.lstrip('_')}" if suffix else "The pipeline"
    axes.text(0.25, 4.9, f"{title}, now", size=19, weight="bold", va="center")
    _box(axes, "producer", "producer", _PLAIN, "", "reads\n/proc/stat")
    _count(axes, "snapshots", "snapshots", "topic", _KAFKA, now.snapshots, "records")
    _count(axes, "metrics", "metrics", "topic", _KAFKA, now.metrics, "committed records")
    _count(axes, "dead letters", "dead letters", "topic", _KAFKA, now.dead_letters, "records")
    _count(axes, "rows", "Parquet", "files", _FILES, now.rows, "rows")
    _job(axes, "enrichment", now.enrichment)
    _job(axes, "parquet", now.parquet)
    for start, end in _ARROWS:
        _arrow(axes, _right(start), _left(end))
    left, bottom, width, _ = _PLACES["enrichment"]
    _arrow(axes, (left + width / 2, bottom), (left + width / 2, _PLACES["dead letters"][1] + _TOPIC[1]))
    for topic, reader in (("snapshots", now.enrichment), ("metrics", now.parquet)):
        _lag(axes, topic, reader)
    return figure


def _count(axes: Axes, place: str, name: str, kind: str, look: dict[str, Any], count: int | None, unit: str) -> None:
    if count is None:
        _box(axes, place, f"{name}\n({kind})", _ABSENT, "", "not there")
    else:
        _box(axes, place, f"{name}\n({kind})", look, f"{count:,}", unit)


def _job(axes: Axes, name: str, job: JobNow | None) -> None:
    if job is None:
        _box(axes, name, f"{name}\n(job)", _ABSENT, "", "no such job")
    else:
        _box(axes, name, f"{name}\n(job)", _FLINK if job.runs else _ABSENT, "", job.state.lower())


def _lag(axes: Axes, topic: str, reader: JobNow | None) -> None:
    """How far a job is behind, above the arrow that leads to it."""
    if reader is None:
        return
    left, middle = _right(topic)
    text = f"lag\n{reader.behind:,}"
    colour = _LAG if reader.behind else "#444444"
    axes.text(left + 0.52, middle + 0.12, text, size=15, ha="center", va="bottom", color=colour,
              weight="bold" if reader.behind else "normal")  # fmt: skip


def _box(axes: Axes, place: str, name: str, look: dict[str, Any], number: str, text: str) -> None:
    left, bottom, width, height = _PLACES[place]
    shape: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.08", "linewidth": 2.5} | look
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, **shape))
    middle, top = left + width / 2, bottom + height
    grey = "#666666" if look is _ABSENT else "black"
    axes.text(middle, top - 0.14, name, ha="center", va="top", size=14.5, weight="bold", linespacing=1.15, color=grey)
    axes.text(middle, bottom + 0.7, number, ha="center", va="center", size=21, weight="bold")
    axes.text(middle, bottom + (0.3 if number else 0.5), text, ha="center", va="center", size=14, color=grey)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "#444444", "shrinkA": 3, "shrinkB": 3})


def _right(name: str) -> tuple[float, float]:
    left, bottom, width, height = _PLACES[name]
    return left + width, bottom + height / 2


def _left(name: str) -> tuple[float, float]:
    left, bottom, _, height = _PLACES[name]
    return left, bottom + height / 2
