"""What `labkit watch` knows, as a person sees it: a block for each host, with a bar for each CPU of procstat's.

    web-1  busy 34.2 %  8 CPUs  1.0 s that ended 0.6 s ago
    cpu    ████████▓▓▒··················   34.2 %
    cpu0   ██████████▓▓▓··········  52.0 %   cpu1   ███▓·················  16.1 %   …

The colours are those of `labkit.analysis.plots`; where there are none, each part has a letter of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from labkit.analysis.tables import TOTAL
from labkit.streams.procstat.metrics import CpuUtilization, Metrics
from labkit.streams.procstat.stream import BANDS, PROCSTAT
from labkit.streams.stream import Stream
from labkit.watch.latest import Observation, busy_pct
from labkit.watch.other import other_block, other_height, other_line

__all__ = ["Frame", "ago", "bar_cells", "block", "fitting", "height", "level", "plain_line"]

_LETTERS = dict(zip((band.name for band in BANDS), "usiw.", strict=True))
_COLOURS = {band.name: band.colour for band in BANDS}
_IDLE = "idle"
_BUSY_IS = "busy is everything but idle, so it includes iowait"
_WIDEST = 120
_NARROWEST_CELL = 32
#: In a small terminal these lines are kept for hosts; what is said above them is cut.
_LEAST_FOR_HOSTS = 6
#: A host's clock that is ahead of ours by no more than this is not worth a word.
_CLOCKS_APART_MS = 1000
_PERCENT = 8  # " 100.0 %"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: every host that is known, as far as `lines` reach; None is as many as the console has.

    `how` says what is read, `note` what is wrong, if anything. `now_ms` is the wall clock.
    """

    hosts: Sequence[Observation]
    now_ms: int
    how: str
    note: str = ""
    lines: int | None = None
    stream: Stream = PROCSTAT

    def _legend(self, plain: bool) -> Text:
        return _legend(plain) if self.stream is PROCSTAT else Text(self.stream.plot.note, "dim")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For rich: the lines, none of them longer than the console is wide."""
        plain = console.no_color or console.color_system is None or options.ascii_only
        width = min(options.max_width, _WIDEST)
        lines = self.lines or options.height or console.height
        top = [*Text(self.how, "dim").wrap(console, width), *self._legend(plain).wrap(console, width)]
        if self.note:
            top = [*Text(self.note, "bold yellow").wrap(console, width), *top]
        top = top[: max(1, lines - _LEAST_FOR_HOSTS)]
        shown = fitting(self.hosts, width, lines - len(top), self.stream)
        hidden = len(self.hosts) - len(shown)
        blocks = [line for heard in shown for line in block(self.stream, heard.metrics, self.now_ms, width, plain)]
        left = lines - len(top) - bool(hidden)
        if len(blocks) > left:  # a single host that is too large
            blocks = [*blocks[: left - 1], Text("… and CPUs for which there is no room", "bold")]
        if hidden:
            blocks.append(Text(f"… and {hidden} more hosts, less busy, for which there is no room", "bold"))
        yield from (_cut(line, width) for line in top + blocks)


def fitting(hosts: Sequence[Observation], width: int, lines: int, stream: Stream = PROCSTAT) -> list[Observation]:
    """The busiest of `hosts` whose blocks fit into `lines`, in the order given; at least one.

    Where not all fit, one line is kept free to say so.
    """
    left = lines
    chosen: set[int] = set()
    for index in sorted(range(len(hosts)), key=lambda index: -level(stream, hosts[index].metrics)):
        left -= height(stream, hosts[index].metrics, width)
        others = len(chosen) + 1 < len(hosts)
        if chosen and left < others:
            break
        chosen.add(index)
    return [hosts[index] for index in sorted(chosen)]


def bar_cells(cpu: CpuUtilization, width: int) -> dict[str, int]:
    """How many of `width` characters each band gets; together all of them, none further off than one.

    CpuUtilization(user_pct=50, idle_pct=50), 4  ->  {"user + nice": 2, "system": 0, …, "idle": 2}
    """
    cells, done, share = {}, 0, 0.0
    for band in BANDS:
        name, columns = band.name, band.columns
        share += sum(getattr(cpu, column) for column in columns)
        end = min(width, max(done, round(share * width / 100)))
        cells[name], done = end - done, end
    cells[_IDLE] += width - done
    return cells


def ago(age_ms: int) -> str:
    """How long ago: 640 -> "0.6 s ago", 125_000 -> "2 min ago", -600_000 -> "10 min ahead of this clock"."""
    where = "ago" if age_ms > -_CLOCKS_APART_MS else "ahead of this clock"
    seconds = max(0, age_ms) / 1000 if where == "ago" else -age_ms / 1000
    for unit, size, most in (("min", 60, 7200), ("h", 3600, 172_800), ("days", 86_400, float("inf"))):
        if seconds >= 100 and seconds < most:
            return f"{seconds / size:.0f} {unit} {where}"
    return f"{seconds:.1f} s {where}"


def _busy(metrics: Metrics) -> str:
    """ "busy 34.2 %"; an interval in which no CPU could be measured says so."""
    return f"busy {busy_pct(metrics):.1f} %" if metrics.cpu_metrics else "nothing measured"


def level(stream: Stream, result: Any) -> float:
    """How much the host does, by the stream's `plot.of`; of one with parts, the highest part."""
    if isinstance(result, Metrics):
        return busy_pct(result)
    shape, places = stream.shape, {column.name: place for place, column in enumerate(stream.shape.columns)}
    return max((sum(row[places[name]] for name in stream.plot.of.columns) for row in shape.rows(result)), default=0.0)


def block(stream: Stream, result: Any, now_ms: int, width: int, plain: bool) -> list[Text]:
    """The lines of one host; as many as `height` says."""
    if isinstance(result, Metrics):
        return _block(result, now_ms, width, plain)
    head = Text(result.hostname, "bold")
    head.append(f"  {stream.plot.of.name} {level(stream, result):.1f}", "bold")
    head.append(f"  {result.time_delta_ms / 1000:.1f} s that ended {ago(now_ms - result.timestamp)}", "not bold")
    return [head, *other_block(stream, result, width, plain)]


def height(stream: Stream, result: Any, width: int) -> int:
    """How many lines `block` gives."""
    return _height(result, width) if isinstance(result, Metrics) else 1 + other_height(stream, result)


def plain_line(result: Any, now_ms: int, stream: Stream = PROCSTAT) -> str:
    """One interval of any stream where nobody watches a terminal."""
    if isinstance(result, Metrics):
        return _cpu_line(result, now_ms)
    ended = datetime.fromtimestamp(result.timestamp / 1000, UTC).isoformat(timespec="milliseconds")
    when = f"{result.time_delta_ms / 1000:g} s that ended {ago(now_ms - result.timestamp)}"
    return f"{ended.replace('+00:00', 'Z')} {result.hostname} {other_line(stream, result)}, {when}"


def _cpu_line(metrics: Metrics, now_ms: int) -> str:
    """One interval where nobody watches a terminal: `2025-11-22T13:00:01.000Z web-1 busy 34.2 % (cpu0 52.0 cpu1 …)`."""
    ended = datetime.fromtimestamp(metrics.timestamp / 1000, UTC).isoformat(timespec="milliseconds")
    cpus = " ".join(f"{cpu.cpu_id} {cpu.total_busy_pct:.1f}" for cpu in metrics.cpu_metrics if cpu.cpu_id != TOTAL)
    return (
        f"{ended.replace('+00:00', 'Z')} {metrics.hostname} {_busy(metrics)} ({cpus}), "
        f"{metrics.time_delta_ms / 1000:g} s that ended {ago(now_ms - metrics.timestamp)}"
    )


def _block(metrics: Metrics, now_ms: int, width: int, plain: bool) -> list[Text]:
    """The lines of one host; as many as `_height` says."""
    total = [cpu for cpu in metrics.cpu_metrics if cpu.cpu_id == TOTAL]
    cpus = [cpu for cpu in metrics.cpu_metrics if cpu.cpu_id != TOTAL]
    head = Text(metrics.hostname, "bold")
    head.append(f"  {_busy(metrics)}", "bold")
    head.append(
        f"  {len(cpus)} CPU{'s' if len(cpus) != 1 else ''}"
        f"  {metrics.time_delta_ms / 1000:.1f} s that ended {ago(now_ms - metrics.timestamp)}",
        "not bold",
    )
    label = max((len(cpu.cpu_id) for cpu in metrics.cpu_metrics), default=0)
    columns = _columns(metrics, width)
    cell = (width - 2 * (columns - 1)) // columns
    lines = [head, *(_cpu(cpu, label, width, plain) for cpu in total)]
    rows = -(-len(cpus) // columns)
    for row in range(rows):  # numbers run down the columns' rows as text does: cpu0 cpu1 cpu2 / cpu3 …
        lines.append(Text("  ").join(_cpu(cpu, label, cell, plain) for cpu in cpus[row * columns :][:columns]))
    return lines


def _height(metrics: Metrics, width: int) -> int:
    total = sum(cpu.cpu_id == TOTAL for cpu in metrics.cpu_metrics)
    return 1 + total + -(-(len(metrics.cpu_metrics) - total) // _columns(metrics, width))


def _columns(metrics: Metrics, width: int) -> int:
    """How many CPUs stand side by side."""
    label = max((len(cpu.cpu_id) for cpu in metrics.cpu_metrics), default=0)
    return max(1, (width + 2) // (max(_NARROWEST_CELL, label + 12 + _PERCENT) + 2))


def _cpu(cpu: CpuUtilization, label: int, width: int, plain: bool) -> Text:
    """One bar with its name before it and its number behind it, `width` characters long."""
    text = Text(f"{cpu.cpu_id:<{label}} ")
    for name, count in bar_cells(cpu, max(1, width - label - 1 - _PERCENT)).items():
        text.append(*_part(name, count, plain))
    return text.append(f" {cpu.total_busy_pct:5.1f} %")


def _part(band: str, count: int, plain: bool) -> tuple[str, str]:
    """`count` characters of a band and their style."""
    if plain:
        return _LETTERS[band] * count, ""
    return ("·" * count, "dim") if band == _IDLE else ("█" * count, _COLOURS[band])


def _legend(plain: bool) -> Text:
    text = Text()
    for band in _LETTERS:
        text.append(*_part(band, 1, plain)).append(f" {band}  ")
    return text.append(f"({_BUSY_IS})", "dim")


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="crop")
    line.no_wrap = True
    return line
