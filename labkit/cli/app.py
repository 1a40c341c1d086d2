"""What every command shares: the application, its two consoles, and how words are checked and shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from labkit.cli.typed import Teller
from labkit.errors import BadInput
from labkit.settings import Settings, load_settings
from labkit.streams.registry import STREAMS

__all__ = [
    "Interval",
    "Seconds",
    "StreamName",
    "Yes",
    "app",
    "command",
    "confirm",
    "err",
    "out",
    "print_ledger",
    "report",
    "require_one_of",
    "require_positive",
    "settings_of_this_lab",
    "settings_with",
    "shown",
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The streaming lab: /proc/stat through Kafka, Avro, Flink and Parquet into plots.",
)


def _commands() -> list[str]:
    return [one.name for one in app.registered_commands if one.name]


# Where nobody watches, lines may be long: a table is not squeezed into 80 columns for a file.
out = Teller(_commands, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
err = Teller(_commands, highlight=False, soft_wrap=True, stderr=True)

Seconds = Annotated[float | None, typer.Option("--seconds", help="Stop after this many seconds.")]
Interval = Annotated[float | None, typer.Option("--interval", help="Seconds between two snapshots.")]
StreamName = Annotated[
    str | None, typer.Option("--stream", help=f"What flows: {', '.join(STREAMS)}; procstat unless named.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def command(name: str, example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A typer command whose help ends in an example."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name, epilog=f"Example: {example}")(function)
        return function

    return register


def report(settings: Settings, host: str | None = None, since_ms: int | None = None) -> None:
    """Print the stream's table, and draw its picture, of one host or of all since a time."""
    from labkit.analysis import plots
    from labkit.analysis.tables import busiest_cpu, summary, summary_of
    from labkit.cli.view import stream_table, summary_table
    from labkit.parquet.read import parquet_files, read_rows, row_count
    from labkit.streams.procstat.stream import PROCSTAT

    stream = settings.flow.stream
    frame = read_rows(settings.parquet_dir, stream.shape, host, since_ms)
    if stream is PROCSTAT:
        out.print(summary_table(summary(frame)))
        busiest = busiest_cpu(frame)
        out.print(
            f"busiest CPU: {busiest.cpu_id} of {busiest.hostname}, {busiest.mean_busy_pct:.1f} % on average, "
            f"{busiest.peak_busy_pct:.1f} % at most"
        )
    else:
        out.print(stream_table(summary_of(frame, stream), stream))
    files = parquet_files(settings.parquet_dir)
    rows = row_count(settings.parquet_dir)
    folder = shown(settings.parquet_dir)
    out.print(f"{len(frame)} rows went into this table; there are {rows} in {len(files)} Parquet files below {folder}")
    picture = settings.plots_dir / ("cpu_usage.png" if stream is PROCSTAT else f"{stream.name}.png")
    drawn = plots.cpu_usage(frame, host) if stream is PROCSTAT else plots.stream_picture(frame, stream, host)
    plots.save(drawn, picture)
    out.print(f"picture: {shown(picture)}")


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def print_ledger(account: Any) -> None:
    """Print the account; raises `typer.Exit` (1) where it does not balance."""
    from labkit.cli.view import draw_ledger

    if not draw_ledger(account, out, err):
        raise typer.Exit(1)


def settings_with(**given: object) -> Settings:
    """The settings, with those of `given` that are not None."""
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def settings_of_this_lab(**given: object) -> Settings:
    """The settings, where Kafka is not another lab's."""
    from labkit.lab.ownership import require_own_topics

    settings = settings_with(**given)
    require_own_topics(settings)
    return settings


def require_positive(option: str, value: float | None) -> None:
    """Raise `BadInput` where the value is given and no number above 0."""
    if value is not None and not 0 < value < float("inf"):
        raise BadInput(f"{option} has to be more than 0 (given: {value:g}).")


def require_one_of(what: str, given: str, known: Any) -> None:
    """Raise `BadInput` where `given` is not among the known."""
    if given not in known:
        raise BadInput(f"There is no {what} {given!r}; there is {', '.join(known)}.")


def confirm(what: str, yes: bool) -> None:
    """Ask before something is lost; raises `BadInput` where the answer is no, or nobody is there to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"Nothing was changed. {what}", "Nobody is there to be asked. To do it all the same: --yes")
    if not typer.confirm(f"{what} Go on?"):
        raise BadInput("Nothing was changed.")
