"""What the command line shows: tables, lines that update in place, and plain lines where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from labkit.lab.services import ServiceStatus
from labkit.ledger.report import Ledger
from labkit.pipeline.events import (
    Event,
    LedgerDrawn,
    MemorySeen,
    RowsReady,
    Said,
    ServicesSeen,
    SnapshotSent,
    Step,
    StepBegan,
    StepDone,
)
from labkit.streams.shape import Shape
from labkit.streams.stream import Stream

if TYPE_CHECKING:  # half a second, for which `labkit status` does not wait
    import pandas as pd

__all__ = [
    "LedgerView",
    "RunView",
    "ServicesView",
    "draw_ledger",
    "rows_table",
    "status_table",
    "stream_table",
    "summary_table",
]

#: After an account that does not balance, and of which no cause is known.
_LOOK_NEXT = " Look next whether a job fails: labkit doctor; then what it wrote: labkit logs taskmanager."

#: Where nobody watches, the live part says a line this often.
_LINE_EVERY_S = 10.0


def status_table(rows: Sequence[ServiceStatus]) -> Table:
    """service, health, address, pid, memory, and a word about it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, justify in (
        ("service", "left"), ("", "left"), ("address", "left"),
        ("pid", "right"), ("memory", "right"), ("", "left"),
    ):  # fmt: skip
        table.add_column(title, justify=justify, no_wrap=True, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        health = Text("✓ healthy", style="green") if row.healthy else Text(f"✗ {row.state.lower()}", style="red")
        memory = f"{row.memory_mib:.0f} MiB" if row.memory_mib else "–"
        table.add_row(row.name, health, row.address, str(row.pid or "–"), memory, escape(row.detail))
    return table


def summary_table(summary: pd.DataFrame) -> Table:
    """The frame of `analysis.summary` for a person: a row a CPU."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("host")
    table.add_column("cpu")
    for title in ("intervals", "mean busy", "peak busy"):
        table.add_column(title, justify="right")
    table.add_column("peak at (UTC)")
    for row in summary.itertuples():
        table.add_row(
            row.hostname, row.cpu_id, str(row.intervals), f"{row.mean_busy_pct:.1f} %",
            f"{row.peak_busy_pct:.1f} %", f"{row.peak_at:%Y-%m-%d %H:%M:%S}",
        )  # fmt: skip
    return table


def stream_table(summary: pd.DataFrame, stream: Stream) -> Table:
    """The frame of `analysis.summary_of` for a person: a row a host and part."""
    names = [name for name in stream.shape.key if name != "ts"]
    what, unit = stream.plot.of.name, stream.plot.panels[0].unit
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column("host" if name == "hostname" else name)
    for title in ("intervals", f"mean {what}", f"peak {what}"):
        table.add_column(title, justify="right")
    table.add_column("peak at (UTC)")
    for row in summary.to_dict("records"):
        table.add_row(
            *(str(row[name]) for name in names), str(row["intervals"]), f"{row['mean']:,.1f} {unit}",
            f"{row['peak']:,.1f} {unit}", f"{row['peak_at']:%Y-%m-%d %H:%M:%S}",
        )  # fmt: skip
    return table


def rows_table(shape: Shape, rows: Sequence[tuple[Any, ...]]) -> Table:
    """Rows of a stream for a person, `ts` as a time (UTC)."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, kind in shape.columns:
        table.add_column(name, justify="left" if kind is str else "right", no_wrap=True)
    for row in rows:
        cells = []
        for (name, kind), value in zip(shape.columns, row, strict=True):
            moment = datetime.fromtimestamp(value / 1000, UTC) if name == "ts" else None
            cells.append(f"{moment:%H:%M:%S.%f}"[:-3] if moment else f"{value:.2f}" if kind is float else str(value))
        table.add_row(*cells)
    return table


class ServicesView:
    """Shows services as they come up: one table that updates, or a line for each that is ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._ready: set[str] | None = None
        self._begin = time.monotonic()

    def __call__(self, rows: Sequence[ServiceStatus]) -> None:
        """Hear of the services' state. Those that are up at the first call were up already: no line tells of them."""
        if self._ready is None:
            self._ready = {row.name for row in rows if row.healthy}
        for row in rows:
            if row.healthy and row.name not in self._ready:
                self._ready.add(row.name)
                if not self._console.is_terminal:
                    self._console.print(f"  {row.name} ready after {time.monotonic() - self._begin:.1f} s")
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, transient=True)
                self._live.start()
            self._live.update(status_table(rows))

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class LedgerView:
    """Shows what the ledger is reading, a bar that goes away at the end; where nobody watches, nothing."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._bar = self._bars.add_task("")

    def __enter__(self) -> LedgerView:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Hear of how much is done, and of how many."""
        self._bars.update(self._bar, description=what, completed=done, total=total)


def draw_ledger(ledger: Ledger, console: Console, errors: Console, *, last_word: bool = False) -> bool:
    """Print the ledger's line, and its faults; True where it balances and, as the last word, nothing is in flight."""
    console.print(str(ledger), markup=False)
    for sentence in (*ledger.faults, *ledger.causes):
        errors.print(sentence, markup=False)
    if not ledger.balances:
        errors.print(f"The ledger does not balance.{'' if ledger.causes else _LOOK_NEXT}")
    elif last_word and ledger.uncommitted:
        left = f"{ledger.uncommitted} results are still in flight"
        errors.print(f"{left}. Does another program send? The next run takes them.")
    return ledger.balances and not (last_word and ledger.uncommitted)


class RunView:
    """Draws a run's events: a line for each step, and a line that updates while the data is live.

    What it has seen stands in `rows` and `balances` (of each stream), and in `reached`: the step that began last, or,
    where that one is over, the next.
    """

    def __init__(self, console: Console, errors: Console) -> None:
        self.reached = Step.SERVICES
        self.rows: dict[str, RowsReady] = {}
        self.balances: dict[str, bool] = {}
        self._console = console
        self._errors = errors
        self._services: ServicesView | None = None
        self._status = console.status("")
        self._told_at = 0.0

    def __enter__(self) -> RunView:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def draw(self, event: Event) -> None:
        """Draw what came next."""
        match event:
            case StepBegan(step):
                self.reached = step
                self._clear()
                self._update(str(step))
            case StepDone(step, what, seconds):
                self.reached = step.next  # before it is said: who reads it may press Ctrl-C at once
                self._clear()
                text = f"{step}: {what}" if what else str(step)
                self._console.print(f"[green]✓[/] {escape(text)}  [dim]{seconds:.1f} s[/]")
            case ServicesSeen(rows):
                self._see(rows)
            case SnapshotSent():
                self._count(event)
            case MemorySeen(mib):
                each = ", ".join(f"{name} {size:.0f}" for name, size in mib.items())
                self._console.print(f"memory with both jobs at work: {sum(mib.values()):.0f} MiB ({each})")
            case RowsReady():
                self.rows[event.stream] = event
            case LedgerDrawn(ledger, stream):
                if len(self.rows) > 1:
                    self._console.print(f"{stream}:")
                self.balances[stream] = draw_ledger(ledger, self._console, self._errors, last_word=True)
            case Said(text):
                self._console.print(text, markup=False)
            case _:
                assert_never(event)

    def _see(self, rows: Sequence[ServiceStatus]) -> None:
        if self._services is None:
            self._status.stop()
            self._services = ServicesView(self._console)
        self._services(rows)

    def _count(self, now: SnapshotSent) -> None:
        text = (
            f"live: {now.sent} snapshots sent, {now.acknowledged} acknowledged, {now.parquet_files} Parquet files, "
            f"{now.left_s:.0f} s to go"
        )
        if self._console.is_terminal:
            self._update(text)
        elif now.elapsed_s - self._told_at >= _LINE_EVERY_S:
            self._told_at = now.elapsed_s
            self._console.print(f"  {text}")

    def _update(self, text: str) -> None:
        if self._console.is_terminal:
            self._status.update(text)
            self._status.start()

    def _clear(self) -> None:
        if self._services is not None:
            self._services.close()
            self._services = None
        self._status.stop()
