"""When things happened on their way to a Parquet file: four lanes over the clock.

    snapshots sent         ●  ●  ●  ●  ●  ●  ●  ●  ●
    metrics committed              ◆3       ◆3
    checkpoints completed     |         |         |
    Parquet files visible      ■         ■         ■

    timeline(sent, committed, checkpoint_times(settings, job_id), file_times(settings.parquet_dir))

All times are seconds since 1970, as time.time() gives them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError
from labkit.parquet.read import parquet_files
from labkit.settings import Settings
from labkit.system import own_http

__all__ = ["checkpoint_times", "file_times", "timeline"]

TEXT_SIZE = 14
#: What happens within this many seconds is drawn as one mark with a number on it.
TOGETHER_S = 0.25
#: A file's time is that of the kernel's last tick, so it may lag by this much.
_TICK_S = 0.02
_NOT_ENABLED = 404


class Lane(NamedTuple):
    """How the events of one kind are drawn: shape and colour (of Okabe and Ito's set) both tell them apart."""

    name: str
    marker: str
    colour: str


#: From top to bottom, as the data flows.
LANES = (
    Lane("snapshots\nsent", "o", "#0072B2"),
    Lane("metrics\ncommitted", "D", "#56B4E9"),
    Lane("checkpoints\ncompleted", "^", "#D55E00"),
    Lane("Parquet files\nvisible", "s", "#009E73"),
)
_CHECKPOINTS, _FILES = 2, 3


@on_paper
def timeline(
    snapshots: Sequence[float], metrics: Sequence[float], checkpoints: Sequence[float], files: Sequence[float]
) -> Figure:
    """Times (s since 1970) -> a picture with a lane for each kind; a dashed line goes down from every checkpoint.

    The title says what the data says: how long after a checkpoint the files became visible, or that there is none.
    Raises `LabkitError` where nothing happened at all.
    """
    lanes = [sorted(times) for times in (snapshots, metrics, checkpoints, files)]
    if not any(lanes):
        raise LabkitError("A timeline needs at least one event.")
    start, end = min(times[0] for times in lanes if times), max(times[-1] for times in lanes if times)
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    axes = figure.subplots()
    for row, (lane, times) in enumerate(zip(LANES, lanes, strict=True)):
        _draw_lane(axes, row, lane, [moment - start for moment in times])
    for moment in lanes[_CHECKPOINTS]:
        colour = LANES[_CHECKPOINTS].colour
        axes.plot(
            [moment - start] * 2, [_CHECKPOINTS, _FILES + 0.4], color=colour, linestyle="--", linewidth=1.5, zorder=1
        )
    axes.set_ylim(len(LANES) - 0.4, -0.75)
    axes.set_yticks(range(len(LANES)), [lane.name for lane in LANES])
    margin = max(0.04 * (end - start), 0.5)
    axes.set_xlim(-margin, end - start + margin)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel(f"seconds since {datetime.fromtimestamp(start, UTC):%H:%M:%S} UTC", size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE, length=0)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_title(_title(lanes[_CHECKPOINTS], lanes[_FILES]), loc="left", size=17, weight="bold", pad=14)
    return figure


def _draw_lane(axes: Axes, row: int, lane: Lane, times: Sequence[float]) -> None:
    """The marks of one lane; several at once are one mark, with their number above it."""
    axes.axhline(row, color="#DDDDDD", linewidth=1.5, zorder=0)
    groups = _together(times)
    axes.plot(
        [group[0] for group in groups], [row] * len(groups), lane.marker, color=lane.colour, markersize=13,
        markeredgecolor="black", markeredgewidth=0.8, clip_on=False,
    )  # fmt: skip
    for group in groups:
        if len(group) > 1:
            above: dict[str, Any] = {"xytext": (0, 10), "textcoords": "offset points"}
            axes.annotate(f"{len(group)}", (group[0], row), ha="center", va="bottom", size=TEXT_SIZE - 1, **above)
    if not times:
        where: dict[str, Any] = {"xy": (0.5, row), "xycoords": ("axes fraction", "data")}
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 4}
        note = axes.annotate("none", **where, ha="center", va="center", size=TEXT_SIZE, color="#555555", bbox=paper)
        note.set_in_layout(False)


def _together(times: Sequence[float]) -> list[list[float]]:
    """[0.0, 0.1, 3.0] -> [[0.0, 0.1], [3.0]]"""
    groups: list[list[float]] = []
    for moment in times:
        if groups and moment - groups[-1][0] <= TOGETHER_S:
            groups[-1].append(moment)
        else:
            groups.append([moment])
    return groups


def _title(checkpoints: Sequence[float], files: Sequence[float]) -> str:
    if not checkpoints and not files:
        return "No checkpoint has completed: no file is visible"
    if not files:
        return "Checkpoints completed, and no file is visible"
    before = [max((done for done in checkpoints if done <= moment + _TICK_S), default=None) for moment in files]
    delays = [max(0.0, moment - done) for moment, done in zip(files, before, strict=True) if done is not None]
    if len(delays) < len(files):
        return f"{len(files) - len(delays)} of {len(files)} files became visible before any checkpoint"
    within = max(math.ceil(max(delays) * 10), 1) / 10
    return f"{'Every' if len(files) > 1 else 'The'} file appears within {within:.1f} s of a checkpoint"


def checkpoint_times(settings: Settings, job_id: str) -> list[float]:
    """When checkpoints (and savepoints) of a job completed, in s since 1970: those that Flink remembers, the last ten.

    Flink's answer can be three seconds old. None where the job makes no checkpoints. Raises `LabkitError` where the
    cluster does not answer. Source: Flink's REST API, /jobs/:jobid/checkpoints, latest_ack_timestamp.
    """
    try:
        answer = own_http.request("GET", f"{settings.flink_url}/jobs/{job_id}/checkpoints")
    except httpx2.HTTPError:
        raise LabkitError(f"Flink does not answer at {settings.flink_url}.", "Start the services: labkit up") from None
    if answer.status_code == _NOT_ENABLED:
        return []
    history = answer.raise_for_status().json()["history"]
    return sorted(row["latest_ack_timestamp"] / 1000 for row in history if row["status"] == "COMPLETED")


def file_times(folder: Path, since: float = 0.0) -> list[float]:
    """When each finished Parquet file below `folder` became visible, if at `since` or later, in s since 1970.

    Flink renames a hidden file to show it, and a rename sets the time of change (inode(7), st_ctime).
    """
    shown = [file.stat().st_ctime for file in parquet_files(folder)]
    return sorted(moment for moment in shown if moment >= since)
