"""What flows: topics, schema, recordings, the producer, the live view, dead letters, Parquet, the picture."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from labkit.cli.app import (
    Interval,
    Seconds,
    StreamName,
    command,
    err,
    out,
    report,
    require_one_of,
    require_positive,
    settings_of_this_lab,
    settings_with,
)
from labkit.errors import BadInput, LabkitError
from labkit.system.signals import stop_signals

__all__ = ["compact", "dead_letters", "plot", "produce", "record", "register_schema", "topics", "watch"]


@command("topics", "labkit topics")
def topics(
    names: Annotated[list[str] | None, typer.Argument(help="Only these topics of the pipeline.")] = None,
    stream: StreamName = None,
) -> None:
    """Create the topics of the pipeline; those that are there stay as they are."""
    from labkit.kafka.topics import create_topics, pipeline_topics, topic_partitions

    settings = settings_of_this_lab(stream=stream)
    wanted = pipeline_topics(settings.flow)
    for name in names or []:
        require_one_of("topic", name, [topic.name for topic in wanted])
    chosen = [topic for topic in wanted if not names or topic.name in names]
    created = create_topics(settings.kafka_bootstrap, chosen)
    there = topic_partitions(settings.kafka_bootstrap)
    for topic in chosen:
        out.print(f"{topic.name}: {'created' if topic.name in created else 'there already'}, "
                  f"{there.get(topic.name, topic.partitions)} partitions")  # fmt: skip


@command("register-schema", "labkit register-schema")
def register_schema(stream: StreamName = None) -> None:
    """Register the snapshot schema with the registry."""
    from labkit.kafka.producer import register_snapshot_schema

    settings = settings_of_this_lab(stream=stream)
    out.print(f"{settings.flow.subject}: schema id {register_snapshot_schema(settings.flow)}")


@command("record", "labkit record morning.gz --seconds 600")
def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording to write.")],
    interval: Interval = None,
    seconds: Seconds = None,
    stream: StreamName = None,
) -> None:
    """Record what the stream reads of this machine until Ctrl-C: `zcat` shows it, `produce --replay` sends it.

    A reading that cannot be had is left out, counted and said; where the first cannot, nothing is written.
    """
    from labkit.sources.live import Snapshots, live_readings
    from labkit.sources.recording import Reading, write_recording

    require_positive("--interval", interval)
    require_positive("--seconds", seconds)
    settings = settings_with(interval_s=interval, stream=stream)

    def shown(readings: Iterator[Reading]) -> Iterator[Reading]:
        with _rare_lines() as line:
            for number, reading in enumerate(readings, start=1):
                yield reading
                line(f"{number} reading{'' if number == 1 else 's'} of {reading.hostname}")

    kind = settings.flow.stream
    passed = Snapshots(kind, lambda text: err.print(text, markup=False))
    with stop_signals("closing the recording") as stop:
        live = live_readings(settings.hostname, settings.interval_s, stop, seconds, kind, passed.leave_out)
        count = write_recording(file, shown(live))
    passed.say_counts()
    out.print(f"{count} readings are in {file}, {file.stat().st_size:,} bytes.")


@command("try", "labkit try morning.gz")
def try_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording, or a file as the kernel writes it.")],
    rows: Annotated[int, typer.Option("--rows", min=0, help="How many of the last rows to show.")] = 10,
    stream: StreamName = None,
) -> None:
    """The readings of a file through the engine's own functions, to their rows: no Kafka, no Flink, a second or two.

    A file with one reading has no interval: it is read as two of the same text, a second apart.
    """
    from labkit.cli.view import rows_table
    from labkit.flink.engine.trial import try_snapshots
    from labkit.sources.recording import readings_of_file
    from labkit.streams.parsing import ReadingError

    settings = settings_with(stream=stream)
    kind = settings.flow.stream
    found = readings_of_file(file, settings.hostname)
    try:
        snapshots = [kind.parse(text, hostname, timestamp) for timestamp, hostname, text in found]
    except ReadingError as error:
        raise BadInput(f"{file} is no reading of {kind.name}: {error.what}") from None
    for problem in dict.fromkeys(problem for _, _, text in found for problem in kind.passed_over(text)):
        err.print(problem, markup=False)
    trial = try_snapshots(kind, snapshots, settings.schema_dir)
    if rows and trial.rows:
        out.print(rows_table(kind.shape, trial.rows[-rows:]))
    for reason in trial.unreadable:
        err.print(reason, markup=False)
    per_s = f"{trial.snapshots / trial.seconds:,.0f} a second" if trial.seconds else ""
    counts = (trial.snapshots, "snapshot"), (len(trial.results), "result"), (len(trial.rows), "row")
    said = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts)
    out.print(f"{said}; {per_s}.")
    if trial.unreadable:
        raise typer.Exit(1)


@command("produce", "labkit produce --interval 0.5 --seconds 30")
def produce(
    stream: StreamName = None,
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
    """Send snapshots to Kafka: what this machine's kernel says until Ctrl-C, a recording, or a simulated fleet."""
    from labkit.kafka.producer import Counts
    from labkit.kafka.producer import produce as send
    from labkit.lab import producers
    from labkit.sources.feed import resolve_source

    require_positive("--interval", interval)
    require_positive("--seconds", seconds)
    if heartbeat is not None and not heartbeat.parent.is_dir():
        raise BadInput(f"There is no folder {heartbeat.parent} for --heartbeat.")
    settings = settings_of_this_lab(interval_s=interval, stream=stream)
    feed = resolve_source(
        settings.flow, settings.hostname, settings.interval_s, interval_given=interval is not None, seconds=seconds,
        replay=replay, speed=speed, as_now=as_now, fleet=fleet, cpus=cpus, seed=seed, scenario=scenario, start=start,
        say=lambda text: err.print(text, markup=False),
    )  # fmt: skip
    describe = settings.flow.stream.describe
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
                f"{snapshot.timestamp} {snapshot.hostname}: {describe(snapshot)}, "
                f"{counts.sent} sent, {counts.acknowledged} acknowledged"
            )
            if heartbeat is not None and counts.acknowledged > beats:
                heartbeat.touch()
                beats = counts.acknowledged

        try:
            known = send(settings.flow, feed.source(stop), on_sent, lambda text: err.print(text, markup=False), stop)
        except LabkitError:  # a recording that ends in the middle: what was sent is sent
            if known.sent:
                out.print(f"{known.acknowledged} of {known.sent} snapshots acknowledged by Kafka.")
            raise
    if known.sent:
        out.print(f"{known.acknowledged} of {known.sent} snapshots acknowledged by Kafka.")
    else:
        out.print("Nothing was sent.")
    if not known.sent or known.acknowledged < known.sent:
        raise typer.Exit(1)


@command("watch", "labkit watch --host web1")
def watch(
    seconds: Seconds = None,
    stream: StreamName = None,
    host: Annotated[str | None, typer.Option("--host", help="Only this host.")] = None,
    committed: Annotated[
        bool, typer.Option("--committed", help="Only what a checkpoint has committed; it shows later.")
    ] = False,
) -> None:
    """What each host does now, from the metrics topic, until Ctrl-C. Reads uncommitted unless told otherwise."""
    from labkit.jobs.failure import causes
    from labkit.watch.poll import watch as follow

    settings = settings_of_this_lab(stream=stream)
    require_positive("--seconds", seconds)
    if host == "":
        raise BadInput("--host needs a name, such as web1; without it every host is shown.")
    with stop_signals("closing the view") as stop:
        follow(out, settings.flow, stop, committed=committed, host=host, seconds=seconds,
               checkpoint_interval_s=settings.checkpoint_interval_s,
               say=lambda text: err.print(text, markup=False),
               why_silent=lambda: " ".join(causes(settings)))  # fmt: skip


@command("dead-letters", "labkit dead-letters 17 --repair")
def dead_letters(
    number: Annotated[int | None, typer.Argument(min=0, help="Show this letter; else the newest ones.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all of them.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Send the obvious repair of it, or of all.")] = False,
    export: Annotated[Path | None, typer.Option("--export", metavar="FILE", help="Write it, to be edited.")] = None,
    resend: Annotated[list[Path] | None, typer.Option("--resend", metavar="FILE", help="Send what was edited.")] = None,
    stream: StreamName = None,
) -> None:
    """Show what could not be read, and why; send repaired snapshots again, each once."""
    from labkit.dead_letters import letters as dead
    from labkit.dead_letters import resend as again
    from labkit.dead_letters.file import export as write
    from labkit.dead_letters.view import letter_lines, letters_table
    from labkit.kafka.avro import read_schema

    settings = settings_of_this_lab(stream=stream)
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
        rows, total = dead.newest(settings.flow, None if everything else 50)
        if not rows:
            out.print("There is no dead letter.")
            return
        out.print(letters_table(rows, again.sent_again(settings.flow)))
        if len(rows) < total:
            out.print(f"These are the newest {len(rows)} of {total}. All of them: labkit dead-letters --all")
    else:
        examination = dead.diagnoser(settings.flow).examine(dead.letter(settings.flow, number))
        if export is None:
            for line in letter_lines(examination, again.sent_again(settings.flow)):
                out.print(line, markup=False)
        else:
            write(examination, read_schema(settings.schema_dir, settings.flow.stream), export)
            out.print(f"{export} is written. Edit `snapshot` in it, then: labkit dead-letters --resend {export}",
                      markup=False)  # fmt: skip


@command("compact", "labkit compact 2026-11-22")
def compact(
    date: Annotated[str | None, typer.Argument(help="One date; else every one before today (UTC).")] = None,
    stream: StreamName = None,
) -> None:
    """Merge a date's Parquet files into few. Readers see the old files or the new ones, never both.

    Today's is merged only where you name it, and left alone while the Parquet job has a file of it open.
    """
    from labkit.parquet.compact import compact as merge

    done = merge(settings_with(stream=stream).rows, date)
    for result in done:
        out.print(str(result), markup=False)
    if not done:
        out.print("There is nothing to merge.")


@command("plot", "labkit plot --host web1")
def plot(
    host: Annotated[str | None, typer.Option("--host", help="Which host; else the one with most rows.")] = None,
    stream: StreamName = None,
) -> None:
    """Print the table of the rows, and draw them: output/plots/cpu_usage.png, or the other stream's name."""
    report(settings_with(stream=stream), host)


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
