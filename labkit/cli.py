"""The command line: `labkit up`, `labkit run`, … Each command calls one function of the package.

Errors that a person can cause are one sentence on stderr and exit status 2, never a trace.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from labkit.errors import BadInput, LabkitError
from labkit.flink.names import JOBS
from labkit.ops.client import close_client
from labkit.ops.signals import ends_in_order, stop_signals
from labkit.settings import Settings, load_settings

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The streaming lab: /proc/stat through Kafka, Avro, Flink and Parquet into plots.",
)
# Where nobody watches, lines may be long: a table is not squeezed into 80 columns for a file.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
err = Console(highlight=False, soft_wrap=True, stderr=True)

Seconds = Annotated[float | None, typer.Option("--seconds", help="Stop after this many seconds.")]
Interval = Annotated[float | None, typer.Option("--interval", help="Seconds between two snapshots.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def command(name: str, example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A typer command whose help ends in an example."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name, epilog=f"Example: {example}")(function)
        return function

    return register


def main() -> None:
    """Entry point of `labkit`."""
    with ends_in_order():
        _main(sys.argv[1:] or ["--help"])


#: What a shell gives for a program that Ctrl-C ended (128 + SIGINT). Typer swallows the interrupt and returns this.
_INTERRUPTED = 130


def _main(words: list[str]) -> None:
    try:
        try:
            _forward(words)
            status = app(words, standalone_mode=False)
            if status == _INTERRUPTED:
                raise KeyboardInterrupt
            sys.exit(status)
        finally:
            close_client()
    except OSError as error:
        from labkit.ops import room

        if not room.is_full(error):
            raise
        err.print(str(room.full_of(load_settings())), markup=False)
        sys.exit(1)
    except LabkitError as error:
        err.print(str(error), markup=False)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        err.print("Stopped.")
        sys.exit(_INTERRUPTED)
    except typer.TyperException as error:
        text = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        err.print(f"{text}{'' if text.endswith(('.', '?')) else '.'} See: labkit --help", markup=False)
        sys.exit(2)


def _forward(words: list[str]) -> None:
    """Where the compose lab of this folder is up, its JupyterLab's container does the work, and this ends here."""
    if "--help" not in words:
        from labkit.ops import compose

        if compose.is_up(load_settings()):
            compose.run(words)


@command("up", "labkit up")
def up() -> None:
    """Start Kafka, the registry and the Flink cluster, and wait until they answer."""
    from labkit.ops import services, unfinished
    from labkit.view import ServicesView, status_table

    settings = load_settings()
    view = ServicesView(out)
    try:
        started = services.up(settings, view)
    finally:
        view.close()
    out.print("All services are up." if started else "All services were up already.")
    out.print(status_table(services.status(settings)))
    unfinished.keep(settings, services=True)
    _print_left_behind(settings)


@command("down", "labkit down")
def down() -> None:
    """Stop every service of this lab. Topics, schemas and job state stay."""
    from labkit.ops import services

    settings = load_settings()
    with services.no_run(settings):
        stopped = services.down(settings)
    if stopped and settings.in_containers:
        out.print("The services are stopped; the containers and JupyterLab stay. To remove them: docker compose down")
        out.print("labkit up starts them again, and the jobs come back by themselves.")
    else:
        out.print("All services are stopped." if stopped else "No service was running.")


@command("status", "labkit status")
def status() -> None:
    """Show each service: health, address, pid, memory. Exit status 1 where one is not healthy."""
    from labkit.ops import services
    from labkit.view import status_table

    settings = load_settings()
    rows = services.status(settings)
    out.print(status_table(rows))
    if any(row.pid for row in rows):
        _print_left_behind(settings)
    if not all(row.healthy for row in rows):
        raise typer.Exit(1)


@command("logs", "labkit logs kafka --lines 50")
def logs(
    service: Annotated[
        str,
        typer.Argument(help="kafka, registry, jobmanager or taskmanager; in containers also producer or jupyterlab"),
    ],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows.")] = False,
) -> None:
    """Show the end of a service's log."""
    from labkit.ops import services

    settings = load_settings()
    service = "registry" if service == "schema-registry" else service  # its name in docker-compose.yml
    _one_of("service", service, services.services_of(settings))
    files = services.log_files(settings, service)
    if not files:
        raise BadInput(f"{service} has no log yet.", "Start the services: labkit up")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, files)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@command("doctor", "labkit doctor")
def doctor() -> None:
    """Look for what could keep the lab from running, and say what to type. Exit status 1 where it finds any."""
    from labkit.ops.doctor import examine

    findings = examine(load_settings())
    for finding in findings:
        mark = "[green]✓[/]" if finding.ok else "[red]✗[/]"
        out.print(f"{mark} {finding.what}")
        if not finding.ok:
            out.print(f"    {finding.todo}", markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@command("topics", "labkit topics")
def topics(
    names: Annotated[list[str] | None, typer.Argument(help="Only these topics of the pipeline.")] = None,
) -> None:
    """Create the topics of the pipeline; those that are there stay as they are."""
    from labkit import kafka_admin

    settings = _of_this_lab()
    wanted = kafka_admin.pipeline_topics(settings)
    for name in names or []:
        _one_of("topic", name, [topic.name for topic in wanted])
    chosen = [topic for topic in wanted if not names or topic.name in names]
    created = kafka_admin.create_topics(settings, chosen)
    for topic in chosen:
        out.print(f"{topic.name}: {'created' if topic.name in created else 'there already'}, "
                  f"{topic.partitions} partitions")  # fmt: skip


@command("register-schema", "labkit register-schema")
def register_schema() -> None:
    """Register the snapshot schema with the registry."""
    from labkit.producer import register_snapshot_schema

    settings = _of_this_lab()
    out.print(f"{settings.snapshots_subject}: schema id {register_snapshot_schema(settings)}")


@command("record", "labkit record morning.gz --seconds 600")
def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording to write.")],
    interval: Interval = None,
    seconds: Seconds = None,
) -> None:
    """Record /proc/stat of this machine until Ctrl-C: text that `zcat` shows and `produce --replay` sends."""
    from labkit.ops.record import write_recording
    from labkit.recording import Reading
    from labkit.sources import live_readings

    _positive("--interval", interval)
    _positive("--seconds", seconds)
    settings = _with(interval_s=interval)

    def shown(readings: Iterator[Reading]) -> Iterator[Reading]:
        with _rare_lines() as line:
            for number, reading in enumerate(readings, start=1):
                yield reading
                line(f"{number} readings of {reading.hostname}")

    with stop_signals("closing the recording") as stop:
        live = live_readings(settings.hostname, settings.interval_s, stop, limit_s=seconds)
        count = write_recording(file, shown(live))
    out.print(f"{count} readings are in {file}, {file.stat().st_size:,} bytes.")


@command("produce", "labkit produce --interval 0.5 --seconds 30")
def produce(
    interval: Interval = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Stop after this many seconds; of a fleet, simulate this many.")
    ] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Send this recording instead.")] = None,
    speed: Annotated[
        str | None, typer.Option("--speed", help="Of a replay or a fleet: 1, 10, … times as fast, or max.")
    ] = None,
    as_now: Annotated[
        bool, typer.Option("--as-now", help="Shift a replay in time: its first snapshot is now.")
    ] = False,
    fleet: Annotated[
        int | None, typer.Option("--fleet", min=1, max=10_000, help="Send this many simulated hosts instead.")
    ] = None,
    cpus: Annotated[int | None, typer.Option("--cpus", min=1, max=1024, help="Of each simulated host; else 4.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Same seed, same fleet; else 7.")] = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="What happens to the fleet, a TOML file; else nothing.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option("--start", help="A fleet's first second (UTC); else it ends about now.")
    ] = None,
    heartbeat: Annotated[
        Path | None, typer.Option("--heartbeat", help="Touch this file when Kafka acknowledges.")
    ] = None,
) -> None:
    """Send snapshots to Kafka: this machine's /proc/stat until Ctrl-C, a recording, or a simulated fleet."""
    from labkit.ops import producers
    from labkit.ops.feed import choose
    from labkit.producer import Counts
    from labkit.producer import produce as send

    _positive("--interval", interval)
    _positive("--seconds", seconds)
    if heartbeat is not None and not heartbeat.parent.is_dir():
        raise BadInput(f"There is no folder {heartbeat.parent} for --heartbeat.")
    settings = _of_this_lab(interval_s=interval)
    feed = choose(
        settings, interval_given=interval is not None, seconds=seconds, replay=replay, speed=speed, as_now=as_now,
        fleet=fleet, cpus=cpus, seed=seed, scenario=scenario, start=start,
    )  # fmt: skip
    beats = 0
    known = Counts()
    limit = None if feed.has_its_own_end else seconds
    with (
        stop_signals("flushing what was sent") as stop,
        _set_after(limit, stop),
        producers.registered(settings),
        _rare_lines(0.0 if feed.is_live else 1.0) as line,
    ):

        def on_sent(snapshot: Any, counts: Any) -> None:
            nonlocal beats, known
            known = counts
            line(
                f"{snapshot.timestamp} {snapshot.hostname}: {len(snapshot.cpus)} cpu lines, "
                f"{counts.sent} sent, {counts.acknowledged} acknowledged"
            )
            if heartbeat is not None and counts.acknowledged > beats:
                heartbeat.touch()
                beats = counts.acknowledged

        try:
            known = send(settings, feed.source(stop), on_sent, lambda text: err.print(text, markup=False), stop)
        except LabkitError:  # a recording that ends in the middle: what was sent is sent
            if known.sent:
                out.print(f"{known.acknowledged} of {known.sent} snapshots acknowledged by Kafka.")
            raise
    out.print(f"{known.acknowledged} of {known.sent} snapshots acknowledged by Kafka.")
    if not known.sent or known.acknowledged < known.sent:
        raise typer.Exit(1)


@command("submit", "labkit submit enrichment parquet")
def submit(
    names: Annotated[list[str], typer.Argument(metavar="JOB...", help="enrichment, parquet, or both")],
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew: empty its output first.")] = False,
    when_ready: Annotated[
        bool, typer.Option("--when-ready", help="Wait for topics and slots; a job that is there already is fine.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Submit a Flink job; it goes on from its newest savepoint or checkpoint."""
    from labkit.ops import jobs, unfinished

    settings = load_settings()
    for name in names:
        _one_of("job", name, JOBS)
    if fresh and when_ready:
        raise BadInput("--fresh and --when-ready do not go together.")
    if when_ready:
        taken = jobs.submit_when_ready(settings, names, lambda text: out.print(text, markup=False))
    else:
        jobs.require_absent(settings, *names)
        if fresh:
            goes = dict.fromkeys(what for name in names for what in jobs.what_fresh_empties(settings, name))
            _confirm("This empties " + ", ".join(goes) + ".", yes)
            for name in names:
                jobs.forget(settings, name)
        taken = jobs.submit(settings, *names)
    unfinished.keep(settings, jobs=names)
    for job in taken:
        out.print(jobs.described(settings, job), markup=False)
        if job.set_aside is not None:
            out.print(f"  the rows of an earlier lab are in {_shown(job.set_aside)} now")


@command("stop", "labkit stop enrichment")
def stop(job: Annotated[str, typer.Argument(help="enrichment or parquet")]) -> None:
    """Stop a Flink job with a savepoint, from which `labkit submit` goes on."""
    from labkit.ops import jobs

    settings = load_settings()
    _one_of("job", job, JOBS)
    savepoint = jobs.stop_with_savepoint(settings, job)
    out.print(f"stopped {job}: savepoint {savepoint}" if savepoint else f"The job {job} was not running.")


@command("run", "labkit run --seconds 60")
def run(
    seconds: Annotated[float, typer.Option("--seconds", help="Seconds of live data.")] = 60.0,
    interval: Interval = None,
) -> None:
    """The whole pipeline on live data: services, topics, jobs, producer, Parquet, plot, ledger, stop.

    Exit status 0 only where the ledger balances.
    """
    from labkit.ops import pipeline
    from labkit.view import RunView

    settings = _with(interval_s=interval)
    if settings.in_containers:
        raise BadInput(
            "In the compose lab producer and jobs run all the time; there is nothing to run.",
            "See what comes out: labkit plot, labkit ledger",
        )
    _positive("--seconds", seconds)
    if seconds < settings.interval_s:
        raise BadInput(
            f"--seconds has to be at least the interval ({settings.interval_s:g} s): one interval, two snapshots."
        )
    view = RunView(out, seconds, settings.parquet_dir)
    ends = "ending the live part; jobs stop in order, then plot and ledger"
    with stop_signals(ends, at_once=lambda: not view.jobs_run) as stop_event:
        result = pipeline.run(settings, seconds, stop_event, view, lambda result: _report_run(settings, result))
    memory = ", ".join(f"{name} {mib:.0f}" for name, mib in result.memory_mib.items())
    out.print(f"memory with both jobs at work: {sum(result.memory_mib.values()):.0f} MiB ({memory})")
    assert result.ledger is not None
    _print_ledger(result.ledger, last_word=True)


@command("ledger", "labkit ledger")
def ledger() -> None:
    """Compare what must have come out of the snapshots with what is there. Exit status 0 only where it balances."""
    from labkit.ops.ledger import measure
    from labkit.view import LedgerView

    settings = _of_this_lab()
    with LedgerView(out) as view:
        account = measure(settings, view)
    _print_ledger(account)


@command("dead-letters", "labkit dead-letters 17 --repair")
def dead_letters(
    number: Annotated[int | None, typer.Argument(min=0, help="Show this letter; else the newest ones.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all of them.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Send the obvious repair of it, or of all.")] = False,
    export: Annotated[Path | None, typer.Option("--export", metavar="FILE", help="Write it, to be edited.")] = None,
    resend: Annotated[list[Path] | None, typer.Option("--resend", metavar="FILE", help="Send what was edited.")] = None,
) -> None:
    """Show what could not be read, and why; send repaired snapshots again, each once."""
    from labkit.avro_codec import read_schema
    from labkit.ops import dead_letters as dead
    from labkit.ops import resend as again
    from labkit.ops.letter_file import export as write
    from labkit.ops.letters_view import letter_lines, letters_table

    settings = _of_this_lab()
    if resend and (number is not None or repair or export is not None or everything):
        raise BadInput("--resend takes its letters from the files, and goes with nothing else.")
    if export is not None and repair:
        raise BadInput("--export and --repair do not go together.")
    if export is not None and number is None:
        raise BadInput("--export is for one letter.", "For example: labkit dead-letters 17 --export letter-17.json")
    if everything and (number is not None or repair):
        raise BadInput("--all is for the table.")
    if resend:
        _print_outcomes(again.send_files(settings, resend))
    elif repair:
        _print_outcomes(again.send_repairs(settings, number))
    elif number is None:
        rows, total = dead.newest(settings, None if everything else 50)
        if not rows:
            out.print("There is no dead letter.")
            return
        out.print(letters_table(rows, again.sent_again(settings)))
        if len(rows) < total:
            out.print(f"These are the newest {len(rows)} of {total}. All of them: labkit dead-letters --all")
    else:
        examination = dead.examiner(settings).examine(dead.letter(settings, number))
        if export is None:
            for line in letter_lines(examination, again.sent_again(settings)):
                out.print(line, markup=False)
        else:
            write(examination, read_schema(settings.schema_dir), export)
            out.print(f"{export} is written. Edit `snapshot` in it, then: labkit dead-letters --resend {export}",
                      markup=False)  # fmt: skip


@command("watch", "labkit watch --host web1")
def watch(
    seconds: Seconds = None,
    host: Annotated[str | None, typer.Option("--host", help="Only this host.")] = None,
    committed: Annotated[
        bool, typer.Option("--committed", help="Only what a checkpoint has committed; it shows later.")
    ] = False,
) -> None:
    """CPUs now, per host, from procstat_metrics, until Ctrl-C. Reads uncommitted unless told otherwise."""
    from labkit.ops.watch import watch as follow

    settings = _of_this_lab()
    _positive("--seconds", seconds)
    if host == "":
        raise BadInput("--host needs a name, such as web1; without it every host is shown.")
    with stop_signals("closing the view") as stop:
        follow(out, settings, stop, committed=committed, host=host, seconds=seconds,
               say=lambda text: err.print(text, markup=False))  # fmt: skip


@command("compact", "labkit compact 2026-11-22")
def compact(
    date: Annotated[str | None, typer.Argument(help="One date; else every one before today (UTC).")] = None,
) -> None:
    """Merge a date's Parquet files into few. Readers see the old files or the new ones, never both.

    Today's is merged only where you name it, and left alone while the Parquet job has a file of it open.
    """
    from labkit.ops.compact import compact as merge

    done = merge(load_settings(), date)
    for result in done:
        out.print(str(result), markup=False)
    if not done:
        out.print("There is nothing to merge.")


@command("plot", "labkit plot --host web1")
def plot(
    host: Annotated[str | None, typer.Option("--host", help="Which host; else the one with most rows.")] = None,
) -> None:
    """Print the table of CPUs and draw output/plots/cpu_usage.png from output/cpu_metrics."""
    _report(load_settings(), host)


@command("lab", "labkit lab")
def lab() -> None:
    """JupyterLab on 127.0.0.1 with its token, the services up. Ctrl-C ends it; the services stay up.

    It opens your own copies of the notebooks, in work/; what you wrote there is never overwritten.
    """
    from labkit.ops import services
    from labkit.ops.jupyter import address, require_free_port, serve
    from labkit.workshop import folder, index

    settings = load_settings()
    if settings.in_containers:
        out.print(f"JupyterLab: {address(settings)}", markup=False)
        return
    require_free_port(settings)
    folder.fill(settings)
    up()
    index.write(settings)
    status = serve(settings, lambda text: out.print(text, markup=False))
    if services.processes(settings):
        out.print("JupyterLab has ended; the services are still up. To stop them: labkit down")
    else:
        out.print("JupyterLab has ended; the services are down, too.")
    raise typer.Exit(status)


@command("goto", "labkit goto 05")
def goto(
    number: Annotated[str, typer.Argument(help="The lesson's number, such as 05.")],
    live: Annotated[bool, typer.Option("--live", help="A minute of this machine instead of the recording.")] = False,
) -> None:
    """Bring services, topics, schema, jobs and data to the start of a lesson, as its first cell does."""
    from labkit.workshop.contents import Start, lesson
    from labkit.workshop.lesson import begin

    chosen = lesson(number)
    begin(chosen.no, "live" if live else "replay", lambda text: out.print(text, markup=False))
    if chosen.start == Start.NOTHING:
        out.print(f"{chosen.no} {chosen.title} needs nothing to be there.")
    out.print(f"Open {chosen.filename} in JupyterLab: make lab")


@command("check", "labkit check 05")
def check(number: Annotated[str, typer.Argument(help="The lesson's number, such as 05; or 05a.")]) -> None:
    """Run your exercises of a lesson in a fresh kernel and judge them. Exit status 1 where one is not solved."""
    from labkit.workshop.contents import LESSONS, lesson
    from labkit.workshop.folder import exercise_copy
    from labkit.workshop.headless import judged

    chosen = next((each for each in LESSONS if number in each.exercises), None) or lesson(number)
    file = exercise_copy(load_settings(), chosen)
    with out.status(f"running {_shown(file)} in a fresh kernel"):
        said = judged(file, chosen)
    if number in chosen.exercises:
        said = [verdict for verdict in said if verdict.exercise == number]
    for verdict in said:
        out.print(str(verdict), markup=False)
    if not all(verdict.passed for verdict in said):
        raise typer.Exit(1)


@command("restore", "labkit restore 05")
def restore(number: Annotated[str, typer.Argument(help="The lesson's number, such as 05.")]) -> None:
    """Bring back a lesson's notebook and exercises as they were; yours are kept in work/earlier."""
    from labkit.workshop import folder
    from labkit.workshop.contents import lesson

    done = folder.restore(load_settings(), lesson(number))
    for copy, kept in done:
        out.print(f"{_shown(copy)} is as it was" + (f"; yours is {_shown(kept)} now." if kept else "."), markup=False)
    if done:
        out.print("If it is open in JupyterLab: File → Reload Notebook from Disk. Never choose Overwrite there.")
    else:
        out.print(
            f"Nothing was changed in {lesson(number).filename} and its exercises; there is nothing to bring back."
        )


@command("burn", "labkit burn --cpu 1 --seconds 20")
def burn(
    cpu: Annotated[int, typer.Option("--cpu", help="Which CPU: 0, 1, …")] = 0,
    seconds: Annotated[float, typer.Option("--seconds", help="For how long.")] = 20.0,
    kind: Annotated[str, typer.Option("--kind", help="user or system")] = "user",
) -> None:
    """Keep one CPU of this machine busy, so that there is something to find in the data. Ctrl-C ends it."""
    from labkit.ops.burn import burn as burning

    _positive("--seconds", seconds)
    with stop_signals("the burn ends", lambda: True) as stop, burning(cpu, kind):
        out.print(f"CPU {cpu} is busy for {seconds:g} s, from {datetime.now(UTC):%H:%M:%S} UTC on …")
        stop.wait(seconds)


@command("chaos", "labkit chaos kill taskmanager")
def chaos(
    action: Annotated[str, typer.Argument(help="kill, pause or full-disk")],
    target: Annotated[
        str | None,
        typer.Argument(help="taskmanager, jobmanager, kafka, registry or producer; full-disk takes none"),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="How long a pause or a full disk lasts.")] = 20.0,
) -> None:
    """Do harm on purpose, and say what came of it: the ledger before, when it was back, the ledger after.

    kill sends SIGKILL. pause freezes with SIGSTOP. full-disk puts the Parquet files on a small disk (root only).
    Only processes of this lab are touched. Exit status 0 only where the ledger balances at the end.
    """
    from labkit.ops import chaos as harm

    _positive("--seconds", seconds)
    _one_of("action", action, ("kill", "pause", "full-disk"))
    if action == "full-disk":
        if target is not None:
            raise BadInput("full-disk takes no service.", "For example: labkit chaos full-disk --seconds 20")
    elif target is None:
        raise BadInput(f"{action} needs to know what: {', '.join(harm.TARGETS)}.")
    else:
        _one_of("target", target, harm.TARGETS)
    settings = load_settings()
    harm.require_possible(settings, target)
    with out.status("counting, before the fault …"):
        before = harm.account(settings)
    out.print(f"before: {before or 'no topics yet'}", markup=False)
    with out.status("the fault, and until everything is back …"):
        if target is None:
            fault = harm.full_disk(settings, seconds, say=lambda text: out.print(f"{text} …", markup=False))
        elif action == "kill":
            fault = harm.kill(settings, target)
        else:
            fault = harm.pause(settings, target, seconds)
    out.print(str(fault), markup=False)
    with out.status("counting, after the fault …"):
        after = harm.account(settings)
    out.print("after:  ", end="")
    if after is None:
        out.print("no topics yet")
    else:
        _print_ledger(after)


@command("reset", "labkit reset")
def reset(
    yes: Yes = False,
    work: Annotated[bool, typer.Option("--work", help="Your copies of the notebooks and your ticks, too.")] = False,
) -> None:
    """Back to nothing: stop the services, remove topics, schemas, job state and output/."""
    from labkit.ops import services
    from labkit.ops.reset import reset as remove
    from labkit.ops.reset import what_goes

    settings = load_settings()
    if settings.in_containers:
        raise BadInput(
            "In the compose lab topics, schemas and job state are in Docker's volumes; nothing was removed.",
            "On the host, type: docker compose down --volumes",
        )
    goes = what_goes(settings, work=work)
    if not goes:
        out.print("There is nothing to remove.")
        return
    _confirm("This stops the lab and removes " + ", ".join(map(str, goes)) + ".", yes)
    with services.no_run(settings):
        remove(settings, work=work)
    out.print("Removed.")


def _print_left_behind(settings: Settings) -> None:
    from labkit.ops import unfinished

    left = unfinished.left_behind(settings)
    if left is not None:
        out.print(f"{left.what} {left.todo}", markup=False)


def _report_run(settings: Settings, run: Any) -> None:
    if run.snapshots < 2:
        out.print("No interval was measured: a run needs at least two snapshots.")
        return
    _report(settings, since_ms=run.since_ms)


def _report(settings: Settings, host: str | None = None, since_ms: int | None = None) -> None:
    from labkit import analysis, parquet_io, plots
    from labkit.view import summary_table

    frame = parquet_io.read_metrics(settings.parquet_dir, host, since_ms)
    out.print(summary_table(analysis.summary(frame)))
    busiest = analysis.busiest_cpu(frame)
    out.print(
        f"busiest CPU: {busiest.cpu_id} of {busiest.hostname}, {busiest.mean_busy_pct:.1f} % on average, "
        f"{busiest.peak_busy_pct:.1f} % at most"
    )
    files = parquet_io.parquet_files(settings.parquet_dir)
    rows = parquet_io.row_count(settings.parquet_dir)
    folder = _shown(settings.parquet_dir)
    out.print(f"{len(frame)} rows went into this table; there are {rows} in {len(files)} Parquet files below {folder}")
    picture = settings.plots_dir / "cpu_usage.png"
    plots.save(plots.cpu_usage(frame, host), picture)
    out.print(f"picture: {_shown(picture)}")


def _shown(path: Path) -> str:
    """A path as a person would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _print_outcomes(outcomes: Any) -> None:
    before = [outcome for outcome in outcomes if outcome.before]
    for outcome in outcomes:
        line = f"dead letter {outcome.repair.number}: {outcome.repair.what}"
        if outcome.sent_to:
            out.print(f"{line}, sent to {outcome.sent_to}; {outcome.words}.", markup=False)
        elif not outcome.before:
            err.print(f"{line}, but not sent: {outcome.words}.", markup=False)
    sent = sum(bool(outcome.sent_to) for outcome in outcomes)
    out.print(f"{sent} sent" + (f", {len(before)} had been sent before." if before else "."))


def _print_ledger(account: Any, *, last_word: bool = False) -> None:
    out.print(str(account), markup=False)
    for fault in account.faults:
        err.print(fault, markup=False)
    if not account.balances:
        err.print("The ledger does not balance.")
        raise typer.Exit(1)
    if last_word and account.in_flight:
        err.print(f"{account.in_flight} results are still in flight although the run has ended.")
        raise typer.Exit(1)


def _with(**given: object) -> Settings:
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def _of_this_lab(**given: object) -> Settings:
    """The settings, where Kafka is not another lab's."""
    from labkit.ops.services import require_own_topics

    settings = _with(**given)
    require_own_topics(settings)
    return settings


def _positive(option: str, value: float | None) -> None:
    if value is not None and not 0 < value < float("inf"):
        raise BadInput(f"{option} has to be more than 0 (given: {value:g}).")


def _one_of(what: str, given: str, known: Any) -> None:
    if given not in known:
        raise BadInput(f"There is no {what} {given!r}; there is {', '.join(known)}.")


def _confirm(what: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"Nothing was changed. {what}", "To do it without being asked: --yes")
    if not typer.confirm(f"{what} Go on?"):
        raise BadInput("Nothing was changed.")


@contextlib.contextmanager
def _rare_lines(every_s: float = 1.0) -> Iterator[Callable[[str], None]]:
    """Prints a line at most every `every_s` seconds, and the last one in any case."""
    told, left = float("-inf"), ""

    def line(text: str) -> None:
        nonlocal told, left
        left = text
        if time.monotonic() - told >= every_s:
            out.print(text, markup=False)
            told, left = time.monotonic(), ""

    yield line
    if left:
        out.print(left, markup=False)


@contextlib.contextmanager
def _set_after(seconds: float | None, stop: threading.Event) -> Iterator[None]:
    """Set `stop` when `seconds` have passed, also while the producer waits for a service."""
    timer = threading.Timer(seconds or 0, stop.set)
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


if __name__ == "__main__":
    main()
