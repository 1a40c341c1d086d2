"""What the command line shows: tables, lines that update in place, and plain lines where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from labkit.lab.services import ServiceStatus
from labkit.pipeline.run import Progress

__all__ = ["LedgerView", "RunView", "ServicesView", "status_table", "summary_table"]


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


class ServicesView:
    """Shows services as they come up: one table that updates, or a line for each that is ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._ready: set[str] = set()
        self._begin = time.monotonic()

    def __call__(self, rows: Sequence[ServiceStatus]) -> None:
        """Hear of the services' state."""
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


class RunView(Progress):
    """Draws a run: a line for each step, and a line that updates while the data is live."""

    def __init__(self, console: Console, seconds: float, parquet_dir: Path) -> None:
        self._console = console
        self._seconds = seconds
        self._parquet_dir = parquet_dir
        self._services: ServicesView | None = None
        self._status = console.status("")
        self._told_at = 0.0
        #: From here on a run is stopped in order; before, there is nothing to finish.
        self.jobs_run = False

    def step(self, text: str) -> None:
        """A step begins."""
        if self._console.is_terminal:
            self._status.update(text)
            self._status.start()

    def done(self, text: str, seconds: float) -> None:
        """A step is over."""
        self.jobs_run = self.jobs_run or text.startswith("submit jobs")
        if self._services is not None:
            self._services.close()
            self._services = None
        self._status.stop()
        self._console.print(f"[green]✓[/] {text}  [dim]{seconds:.1f} s[/]")

    def services(self, rows: list[ServiceStatus]) -> None:
        """Services while they start."""
        if self._services is None:
            self._status.stop()
            self._services = ServicesView(self._console)
        self._services(rows)

    def live(self, sent: int, acknowledged: int, elapsed_s: float) -> None:
        """A snapshot was sent."""
        files = sum(1 for _ in self._parquet_dir.glob("*/[!._]*.parquet"))
        left = max(0.0, self._seconds - elapsed_s)
        text = f"live: {sent} snapshots sent, {acknowledged} acknowledged, {files} Parquet files, {left:.0f} s to go"
        if self._console.is_terminal:
            self._status.update(text)
        elif elapsed_s - self._told_at >= 10:
            self._told_at = elapsed_s
            self._console.print(f"  {text}")

    def say(self, text: str) -> None:
        """Something a person should know."""
        self._console.print(text, markup=False)
