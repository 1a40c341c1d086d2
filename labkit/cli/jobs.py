"""Flink jobs, and the whole pipeline in one command."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Annotated

import typer

from labkit.cli.app import (
    Interval,
    StreamName,
    Yes,
    command,
    confirm,
    err,
    out,
    report,
    require_one_of,
    require_positive,
    settings_with,
    shown,
)
from labkit.errors import BadInput, LabkitError
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT, JOBS
from labkit.streams.registry import STREAMS
from labkit.system.signals import stop_signals

__all__ = ["run", "stop", "submit"]


@command("submit", "labkit submit enrichment parquet")
def submit(
    names: Annotated[list[str], typer.Argument(metavar="JOB...", help="enrichment, parquet, or both")],
    stream: StreamName = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew: empty its output first.")] = False,
    when_ready: Annotated[
        bool, typer.Option("--when-ready", help="Wait for topics and slots; a job that is there already is fine.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Submit a Flink job; it goes on from its newest savepoint or checkpoint."""
    from labkit.jobs.reset import reset_job, what_fresh_empties
    from labkit.jobs.submit import described, require_absent, submit_when_ready
    from labkit.jobs.submit import submit as submit_jobs
    from labkit.lab import run_state
    from labkit.lab.code import take_new_code
    from labkit.lab.ownership import require_own

    settings = settings_with(stream=stream)
    for name in names:
        require_one_of("job", name, JOBS)
    if fresh and when_ready:
        raise BadInput("--fresh and --when-ready do not go together.")
    if when_ready:
        taken = submit_when_ready(settings, names, lambda text: out.print(text, markup=False))
    else:
        require_own(settings)
        require_absent(settings, *names)
        if fresh:
            goes = dict.fromkeys(what for name in names for what in what_fresh_empties(settings, name))
            confirm("This empties " + ", ".join(goes) + ".", yes)
            for name in names:
                reset_job(settings, name)
        if ENRICHMENT in names and (file := take_new_code(settings)) is not None:
            out.print(f"{file} was changed: the TaskManager has been started anew.")
        taken = submit_jobs(settings, *names)
    run_state.hand_over(settings, jobs=[settings.job_name(name) for name in names])
    for job in taken:
        out.print(described(settings, job), markup=False)
        if job.set_aside is not None:
            out.print(f"  the rows of an earlier lab are in {shown(job.set_aside)} now")


@command("stop", "labkit stop enrichment parquet")
def stop(
    names: Annotated[list[str], typer.Argument(metavar="JOB...", help="enrichment, parquet, or both")],
    stream: StreamName = None,
) -> None:
    """Stop Flink jobs, each with a savepoint from which `labkit submit` goes on.

    One that fails is cancelled, and goes on from its last checkpoint.
    """
    from labkit.jobs.stop import stop_or_cancel
    from labkit.lab.ownership import require_own

    settings = settings_with(stream=stream)
    for name in names:
        require_one_of("job", name, JOBS)
    require_own(settings)
    for name in names:
        out.print(str(stop_or_cancel(settings, name) or f"The job {name} was not running."), markup=False)


@command("run", "labkit run --seconds 60")
def run(
    seconds: Annotated[float, typer.Option("--seconds", help="Seconds of live data.")] = 60.0,
    interval: Interval = None,
    stream: Annotated[
        list[str] | None, typer.Option("--stream", help="What flows; several: --stream procstat --stream meminfo.")
    ] = None,
) -> None:
    """The whole pipeline on live data: services, topics, jobs, producer, Parquet, ledger, plot, stop.

    Exit status 0 only where the ledger balances and the plot is drawn.
    """
    from labkit.cli.view import RunView
    from labkit.pipeline import run as pipeline
    from labkit.pipeline.events import LedgerDrawn, Step

    for name in stream or []:
        require_one_of("stream", name, STREAMS)
    settings = settings_with(interval_s=interval)
    if settings.in_containers:
        raise BadInput(
            "In the compose lab producer and jobs run all the time; there is nothing to run.",
            "See what comes out: labkit plot, labkit ledger",
        )
    require_positive("--seconds", seconds)
    if seconds < settings.interval_s:
        raise BadInput(
            f"--seconds has to be at least the interval ({settings.interval_s:g} s): one interval, two snapshots."
        )
    ends = "ending the live part; jobs stop in order, then ledger and plot"
    drawn = []
    with (
        RunView(out, err) as view,
        # before the live part there is nothing to finish
        stop_signals(ends, at_once=lambda: view.reached < Step.LIVE) as stop_event,
        closing(pipeline.run(settings, seconds, stop_event, stream or ())) as events,
    ):
        for event in events:
            view.draw(event)
            if isinstance(event, LedgerDrawn) and (rows := view.rows.get(event.stream)) is not None:
                drawn.append(_plot(settings.for_stream(event.stream), rows.since_ms, rows.snapshots))
    if not (drawn and all(drawn) and all(view.balances.values())):
        raise typer.Exit(1)


def _plot(settings: Settings, since_ms: int, snapshots: int) -> bool:
    """Table and picture of a run's rows; where that fails, says why, and returns False."""
    if snapshots < 2:
        out.print("No interval was measured: a run needs at least two snapshots.")
        return True
    from labkit.parquet.read import NoRows
    from labkit.pipeline.no_rows import why_no_rows

    try:
        report(settings, since_ms=since_ms)
    except Exception as error:  # whatever it is: what the run did stands
        why = " ".join(str(error).split()) or type(error).__name__
        err.print(f"The plot could not be drawn: {why}", markup=False)
        if isinstance(error, NoRows):
            with suppress(LabkitError):
                if cause := why_no_rows(settings.flow, since_ms):
                    err.print(cause, markup=False)
        return False
    return True
