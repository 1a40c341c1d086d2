"""Measure all of them, one after the other, and write output/bench/side_by_side.json and .png.

    make bench                                                    five repeats of 600,000 snapshots: about an hour
    make bench BENCH="--repeats 1 --only plain,vectorized"        two of them, once

It runs on the lab of this folder, with topics of its own (_bench), and starts it where it is not up. Flink's processes
are started anew for each job and rest while others are measured, so no job of yours may be at work.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks.side_by_side import environments, report
from benchmarks.side_by_side.feed import HOSTS, Feed
from benchmarks.side_by_side.judge import judge
from benchmarks.side_by_side.measure import Processes, Stuck, figures, wait_until_still, watch
from benchmarks.side_by_side.picture import draw
from benchmarks.side_by_side.programs import PROGRAMS, Program
from benchmarks.side_by_side.rules import NEWEST, ORDER, Trial
from benchmarks.side_by_side.running import Running, start_flink, stop_flink
from labkit.errors import BadInput, LabkitError
from labkit.flink.rest import FlinkRest
from labkit.jobs import running_jobs
from labkit.jobs.reset import delete_topics
from labkit.kafka.topic_ends import Ends
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.lab import services
from labkit.settings import Settings, load_settings
from labkit.system.scratch import scratch_folder

SNAPSHOTS, REPEATS = 600_000, 5
_CHECKPOINT_S = 10.0
_HEAP_MIB = 512
#: A trial of the rules ends when nothing has come for so long.
_STILL_S = 10.0


def main() -> None:
    """Measure, write the results, print the table."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.side_by_side", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--snapshots", type=int, default=SNAPSHOTS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--only", default="", help="names with commas: " + ",".join(one.name for one in PROGRAMS))
    given = parser.parse_args()
    if given.repeats < 1 or given.snapshots < 2 * HOSTS:
        parser.error(f"at least one repeat, and {2 * HOSTS} snapshots")
    names = given.only.split(",") if given.only else [one.name for one in PROGRAMS]
    if unknown := set(names) - {one.name for one in PROGRAMS}:
        there_are = ", ".join(one.name for one in PROGRAMS)
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {there_are}")
    chosen = [one for one in PROGRAMS if one.name in names]
    settings = load_settings(suffix="_bench", checkpoint_interval_s=_CHECKPOINT_S, task_heap_mib=_HEAP_MIB)
    folder = settings.output_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped
    try:
        for results in compare(settings, chosen, Feed(given.snapshots), given.repeats):  # one more after each round
            (folder / "side_by_side.json").write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    except LabkitError as error:
        raise SystemExit(f"{error}\n{error.todo}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nStopped; the results of whole rounds are kept.") from None
    draw(results).savefig(folder / "side_by_side.png", dpi=110)
    print(f"\n{report.conditions(results)}\n\n{report.table(results)}\n\n{report.rules_table(results)}")


def compare(settings: Settings, programs: list[Program], feed: Feed, repeats: int) -> Iterator[dict[str, Any]]:
    """The results after each round. A round measures every program once, so that a slow minute hits no one alone."""
    for name in sorted({one.environment for one in programs} - {""}):
        environments.make(name)
    rules: dict[str, dict[str, bool]] = {one.name: {} for one in programs}
    rows: dict[str, list[dict[str, Any]]] = {one.name: [] for one in programs}
    with _lab(settings):
        for corrupt in (False, True):
            trial = Trial(settings, corrupt=corrupt)
            trial.send()
            for one in programs:
                kept = tried(settings, one, trial)
                rules[one.name] |= kept
                print(f"{one.title} keeps {sum(kept.values())} of {len(kept)} rules", flush=True)
        begin = time.monotonic()
        expected = feed.send(settings)
        print(f"{feed.snapshots} snapshots of {HOSTS} hosts made in {time.monotonic() - begin:.0f} s", flush=True)
        for number in range(repeats):
            for one in programs:
                result = measured(settings, one, feed, expected)
                rows[one.name].append(result)
                rules[one.name][ORDER] = all(run.get("disordered") == 0 for run in rows[one.name])
                rules[one.name][NEWEST] = all(run.get("newest") == HOSTS for run in rows[one.name])
                print(f"round {number + 1}, {one.title}: {report.sentence(result)}", flush=True)
            yield {
                "when": time.strftime("%Y-%m-%d", time.gmtime()),
                "machine": machine(),
                "snapshots": feed.snapshots,
                "hosts": HOSTS,
                "records": feed.records,
                "checkpoint_s": _CHECKPOINT_S,
                "programs": [
                    {"name": one.name, "title": one.title, "processes": one.processes, "promise": one.promise,
                     "lines": one.lines, "rules": rules[one.name], "repeats": rows[one.name]}
                    for one in programs
                ],
            }  # fmt: skip
        delete_topics(settings, [topic.name for topic in pipeline_topics(settings.flow)])


def tried(settings: Settings, program: Program, trial: Trial) -> dict[str, bool]:
    """{rule: whether the program keeps it}."""
    with _at_work(settings, program) as (running, ends, _):
        trouble = wait_until_still(ends, trial.records, _STILL_S, running.trouble)
    if trouble:
        print(f"{program.title}: {trouble}", flush=True)
    return trial.kept()


def measured(
    settings: Settings, program: Program, feed: Feed, expected: dict[tuple[str, int], dict[str, object]]
) -> dict[str, Any]:
    """One run of one program on empty output topics: figures and verdict, or why there are none."""
    result: dict[str, Any] = {}
    with _at_work(settings, program) as (running, ends, start):
        result["others_busy_pct"] = start.others_busy_pct
        processes = Processes(running.roots)
        if program.flink:
            processes.begin()
        try:
            samples = watch(ends, processes, start.at, feed.records, running.trouble)
            result |= asdict(figures(samples, feed.records))
        except Stuck as reason:
            result["failed"] = str(reason)
    if "failed" not in result:
        verdict = judge(settings, feed, expected)
        result |= asdict(verdict)
        if not verdict.good:
            result["failed"] = verdict.first_fault or "records are missing or too many"
    return result


@dataclass(frozen=True, slots=True)
class Start:
    """When the command was given (time.monotonic()), and how busy the machine was in the two seconds before."""

    at: float
    others_busy_pct: float


@contextlib.contextmanager
def _at_work(settings: Settings, program: Program) -> Iterator[tuple[Running, Ends, Start]]:
    """The program at work on empty output topics; stopped at the end, so that all that it has read is committed."""
    outputs = pipeline_topics(settings.flow)[1:]
    delete_topics(settings, [topic.name for topic in outputs])
    create_topics(settings.kafka_bootstrap, outputs)
    if program.flink:
        start_flink(settings)
    try:
        with scratch_folder(settings.state_dir, f"bench-{program.name}") as scratch:
            ends = Ends(settings.kafka_bootstrap, settings.metrics_topic)
            busy = psutil.cpu_percent(interval=2.0)
            start = Start(time.monotonic(), busy)
            running = program.start(settings, scratch, program.processes)
            try:
                yield running, ends, start
            finally:
                running.stop()
                _keep_log(settings, program, scratch)
    finally:
        if program.flink:
            stop_flink(settings)


def _keep_log(settings: Settings, program: Program, scratch: Path) -> None:
    log = scratch / "log"
    if log.exists():
        (settings.output_dir / "bench" / f"{program.name}.log").write_bytes(log.read_bytes())


@contextlib.contextmanager
def _lab(settings: Settings) -> Iterator[None]:
    """The services, with nothing at work; stopped again where they were not up before."""
    was_up = services.is_up(settings)
    services.up(settings)
    try:
        running = [job.name for job in FlinkRest(settings.flink_url).jobs() if not job.is_over]
        if running:
            raise BadInput(
                f"The job {running[0]} is at work; nothing was measured.", "Stop it: labkit stop, or labkit down"
            )
        stop_flink(settings)
        running_jobs.remove_suffix(settings)  # what a run that was killed had noted
        yield
    finally:
        if was_up:
            services.up(settings)
        else:
            services.down(settings)


def machine() -> dict[str, Any]:
    """What it was measured on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
