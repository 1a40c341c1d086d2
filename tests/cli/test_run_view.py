"""A run's events, drawn: what goes in is what `labkit.pipeline.run` gives, what comes out is lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from labkit.cli import jobs
from labkit.cli.main import app
from labkit.cli.view import RunView
from labkit.errors import LabkitError
from labkit.lab.services import ServiceStatus
from labkit.ledger.ledger import Ledger, TableReport
from labkit.pipeline import run as pipeline
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
from labkit.streams.rules import Verdict


def drawn(events: Iterable[Event], *, terminal: bool = False) -> tuple[list[str], list[str], RunView]:
    """(lines of stdout, lines of stderr, the view) of a run that has these events."""
    out, err = StringIO(), StringIO()
    consoles = [Console(file=file, width=200, force_terminal=terminal, highlight=False) for file in (out, err)]
    with RunView(*consoles) as view:
        for event in events:
            view.draw(event)
    return out.getvalue().splitlines(), err.getvalue().splitlines(), view


def ledger(*, missing: int = 0, uncommitted: int = 0) -> Ledger:
    faults = [f"metrics: ('lab', {number}) is missing" for number in range(missing)]
    return Ledger(
        snapshots=61,
        verdicts=Counter({Verdict.FIRST: 1}),
        dead_letters=TableReport("dead letters"),
        metrics=TableReport("metrics", 60, 60 - missing, missing, faults=faults, uncommitted=uncommitted),
        rows=TableReport("rows", 180, 180),
    )


def service(name: str, *, healthy: bool) -> ServiceStatus:
    return ServiceStatus(name, "127.0.0.1:1", "RUNNING", 1, 100.0, healthy, "")


def whole_run(account: Ledger, snapshots: int = 61) -> list[Event]:
    return [
        StepBegan(Step.SERVICES), StepDone(Step.SERVICES, "ready", 21.9),
        StepBegan(Step.TOPICS_AND_SCHEMA), StepDone(Step.TOPICS_AND_SCHEMA, "3 topics created, schema id 1", 1.2),
        StepBegan(Step.SUBMIT_JOBS), StepDone(Step.SUBMIT_JOBS, "enrichment begins at the start", 20.9),
        StepBegan(Step.LIVE), StepDone(Step.LIVE, "61 snapshots of vm acknowledged by Kafka", 60.2),
        MemorySeen({"kafka": 310.4, "taskmanager": 900.2}),
        StepBegan(Step.STOP_ENRICHMENT), StepDone(Step.STOP_ENRICHMENT, "has read everything, savepoint-07", 3.3),
        StepBegan(Step.STOP_PARQUET), StepDone(Step.STOP_PARQUET, "has read everything, savepoint-c5", 3.2),
        RowsReady(since_ms=1_764_000_000_001, snapshots=snapshots, stream="procstat"),
        StepBegan(Step.LEDGER), StepDone(Step.LEDGER, "balances" if account.balances else "DOES NOT BALANCE", 1.1),
        LedgerDrawn(account, "procstat"),
        StepBegan(Step.SERVICES_DOWN), StepDone(Step.SERVICES_DOWN, "", 11.7),
    ]  # fmt: skip


def test_a_run_is_a_line_for_each_step_and_the_ledger_comes_before_the_services_go_down() -> None:
    out, err, view = drawn(whole_run(ledger()))
    assert out == [
        "✓ services: ready  21.9 s",
        "✓ topics and schema: 3 topics created, schema id 1  1.2 s",
        "✓ submit jobs: enrichment begins at the start  20.9 s",
        "✓ live: 61 snapshots of vm acknowledged by Kafka  60.2 s",
        "memory with both jobs at work: 1211 MiB (kafka 310, taskmanager 900)",
        "✓ stop enrichment: has read everything, savepoint-07  3.3 s",
        "✓ stop parquet: has read everything, savepoint-c5  3.2 s",
        "✓ ledger: balances  1.1 s",
        str(ledger()),
        "✓ services down  11.7 s",
    ]
    assert err == []
    assert view.balances == {"procstat": True}
    assert view.rows == {"procstat": RowsReady(1_764_000_000_001, 61, "procstat")}


LOOK_NEXT = "Look next whether a job fails: labkit doctor; then what it wrote: labkit logs taskmanager."


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (ledger(missing=1), ["metrics: ('lab', 0) is missing", f"The ledger does not balance. {LOOK_NEXT}"]),
        (
            replace(ledger(missing=1), causes=("split is in two partitions.",)),
            ["metrics: ('lab', 0) is missing", "split is in two partitions.", "The ledger does not balance."],
        ),
        (ledger(uncommitted=2), ["2 results are still in flight. Does another program send? The next run takes them."]),
    ],
)
def test_a_ledger_that_is_not_whole_is_drawn_with_what_is_wrong(account: Ledger, said: list[str]) -> None:
    out, err, view = drawn(whole_run(account))
    assert str(account) in out
    assert err == said
    assert view.balances == {"procstat": False}


def test_where_nobody_watches_a_service_is_a_line_and_the_live_part_one_every_ten_seconds() -> None:
    starting, kafka = service("kafka", healthy=False), service("kafka", healthy=True)
    up_already, registry = service("jobmanager", healthy=True), service("registry", healthy=False)
    live = [SnapshotSent(second, second - 1, 2, float(second), 30.0 - second) for second in range(1, 31)]
    seen = [ServicesSeen((one, registry, up_already)) for one in (starting, kafka, kafka)]
    out, _, _ = drawn([*seen, *live])
    assert [line.split(" after")[0] for line in out] == [
        "  kafka ready",
        "  live: 10 snapshots sent, 9 acknowledged, 2 Parquet files, 20 s to go",
        "  live: 20 snapshots sent, 19 acknowledged, 2 Parquet files, 10 s to go",
        "  live: 30 snapshots sent, 29 acknowledged, 2 Parquet files, 0 s to go",
    ]


def test_on_a_terminal_it_draws_over_itself_also_where_the_services_do_not_come_up() -> None:
    seen = [StepBegan(Step.SERVICES), ServicesSeen((service("kafka", healthy=False),))]
    out, _, _ = drawn(
        [*seen, StepBegan(Step.SERVICES_DOWN), StepDone(Step.SERVICES_DOWN, "", 1.0), StepBegan(Step.LIVE),
         SnapshotSent(7, 6, 1, 7.0, 3.0)], terminal=True
    )  # fmt: skip
    whole = "\n".join(out)
    assert "services down" in whole
    assert "7 snapshots sent, 6 acknowledged, 1 Parquet files, 3 s to go" in whole


def test_what_a_run_says_stands_as_it_is_and_decides_nothing() -> None:
    out, _, view = drawn([Said("submit jobs [red]"), StepDone(Step.SERVICES, "submit jobs [red]", 0.0)])
    assert out == ["submit jobs [red]", "✓ services: submit jobs [red]  0.0 s"]
    assert view.reached < Step.LIVE


def test_what_has_been_reached_is_the_step_that_began_last_or_where_it_is_over_the_next() -> None:
    assert drawn([])[2].reached is Step.SERVICES
    assert [step for step in Step if drawn([StepBegan(step)])[2].reached < Step.LIVE] == [
        Step.SERVICES, Step.TOPICS_AND_SCHEMA, Step.SUBMIT_JOBS,
    ]  # fmt: skip
    for step in Step:
        assert drawn([StepBegan(step)])[2].reached is step
        assert drawn([StepBegan(step), StepDone(step, "", 0.0)])[2].reached is step.next
    assert (Step.SUBMIT_JOBS.next, Step.SERVICES_DOWN.next) == (Step.LIVE, Step.SERVICES_DOWN)


def test_that_the_jobs_run_is_known_before_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    console, known = Console(file=StringIO()), []
    view = RunView(console, console)
    monkeypatch.setattr(console, "print", lambda _: known.append(view.reached))
    view.draw(StepDone(Step.SUBMIT_JOBS, "", 1.0))
    assert known == [Step.LIVE]


def command(monkeypatch: pytest.MonkeyPatch, events: Iterable[Event], plot: object) -> tuple[int, list[str], list[str]]:
    """(exit status, stdout, stderr) of `labkit run` where the run has these events and `plot` draws the plot."""
    out, err = StringIO(), StringIO()

    def run(*_: object) -> Iterator[Event]:
        yield from events

    monkeypatch.setattr(pipeline, "run", run)
    monkeypatch.setattr(jobs, "report", plot)
    monkeypatch.setattr(jobs, "out", Console(file=out, width=200))
    monkeypatch.setattr(jobs, "err", Console(file=err, width=200))
    done = CliRunner().invoke(app, ["run"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, out.getvalue().splitlines(), err.getvalue().splitlines()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (LabkitError("There are no rows.", "Type: labkit run"), "There are no rows. Type: labkit run"),
        (ValueError("two\n  lines"), "two lines"),
        (NotADirectoryError(20, "Not a directory", Path("plots")), "[Errno 20] Not a directory: PosixPath('plots')"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_plot_that_fails_is_one_sentence_after_the_ledger_and_exit_status_1(
    error: Exception, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plot(*_: object, **__: object) -> None:
        raise error

    status, out, err = command(monkeypatch, whole_run(ledger()), plot)
    assert status == 1
    assert out[-2:] == [str(ledger()), "✓ services down  11.7 s"]
    assert err == [f"The plot could not be drawn: {why}"]


@pytest.mark.parametrize(("missing", "status"), [(0, 0), (1, 1)])
def test_the_plot_shows_this_runs_rows_also_where_the_ledger_does_not_balance(
    missing: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = []
    done = command(monkeypatch, whole_run(ledger(missing=missing)), lambda _, since_ms: since.append(since_ms))
    assert (done[0], since) == (status, [1_764_000_000_001])


def test_a_run_of_one_snapshot_has_no_interval_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = command(monkeypatch, whole_run(ledger(), snapshots=1), lambda *_: None)
    assert (status, out[-2]) == (0, "No interval was measured: a run needs at least two snapshots.")
