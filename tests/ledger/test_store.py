"""The comparing part of the ledger on tables of its own, without Kafka: what it counts and names, and its memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import hypothesis
import nbformat
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from benchmarks.ledger import alone, with_faults, write_rows
from benchmarks.ledger import intervals as benchmark_intervals
from labkit.errors import BadInput, LabkitError
from labkit.ledger.ledger import expect, find_metrics
from labkit.ledger.report import TableReport
from labkit.ledger.row_files import RowFiles
from labkit.ledger.store import DEAD_LETTERS, METRICS, ReconciliationStore, digest
from labkit.settings import REPOSITORY, Settings
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS, Metrics, compare
from labkit.streams.procstat.stream import PROCSTAT
from labkit.system.scratch import scratch_folder
from tests.support.feeds import hosts

MS = pa.timestamp("ms", tz="UTC")
READ = {0: 1000}
SHARES = dict.fromkeys(UTILIZATION_COLUMNS, 0.0) | {"idle_pct": 100.0}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReconciliationStore]:
    with ReconciliationStore(tmp_path, PROCSTAT.shape) as opened:
        for number in range(2):
            opened.add_file(number, f"hostname=web-1/part-{number}")
        yield opened


def intervals(count: int = 3) -> list[Metrics]:
    """So many intervals of one host with four CPU lines each."""
    made = [compare(before, now).result for before, now in pairwise(hosts(["web-1"], count + 1, seed=1))]
    return [metrics for metrics in made if metrics is not None]


def find(store: ReconciliationStore, metrics: Metrics, offset: int = 0, file: int = 0) -> None:
    """A record and its rows, as they come out of the pipeline."""
    find_metrics(store, "topic", orjson.dumps(metrics.as_record()), (0, offset))
    find_rows(store, metrics, file)


def find_rows(store: ReconciliationStore, metrics: Metrics, file: int = 0) -> None:
    for cpu in metrics.cpu_metrics:
        shares = [getattr(cpu, name) for name in UTILIZATION_COLUMNS]
        store.add("found_rows", (metrics.hostname, metrics.timestamp, cpu.cpu_id, metrics.time_delta_ms, *shares, file))


def with_busy(metrics: Metrics, busy_pct: float) -> Metrics:
    first, *others = metrics.cpu_metrics
    return replace(metrics, cpu_metrics=(replace(first, total_busy_pct=busy_pct), *others))


def test_what_is_as_expected_balances_to_the_last_bit(store: ReconciliationStore) -> None:
    for offset, metrics in enumerate(intervals()):
        expect(store, PROCSTAT.shape, metrics, (0, offset))
        find(store, metrics, offset)
    assert store.balance(METRICS) == TableReport("metrics", expected=3, found=3)
    assert store.balance(store.rows) == TableReport("rows", expected=12, found=12)
    assert store.balance(DEAD_LETTERS) == TableReport("dead letters")


def test_missing_twice_altered_and_unexpected_are_counted_and_named(store: ReconciliationStore) -> None:
    lost, doubled, altered = intervals()
    for offset, metrics in enumerate((lost, doubled, altered)):
        expect(store, PROCSTAT.shape, metrics, (0, offset))
    wrong = with_busy(altered, altered.cpu_metrics[0].total_busy_pct + 1)
    stranger = replace(doubled, hostname="nobody")
    for offset, metrics in enumerate((doubled, wrong, doubled, stranger)):
        find(store, metrics, offset)
    find_metrics(store, "topic", b"{", (3, 17))
    store.set_committed(READ, READ)
    counts = {"missing": 1, "duplicates": 1, "mismatched": 1}
    assert store.balance(METRICS) == TableReport(
        "metrics", expected=3, found=5, unexpected=2, **counts,
        faults=[
            f"metrics: ('web-1', {altered.timestamp}) has other values than expected; it is at offset 1 of partition 0",
            f"metrics: ('web-1', {doubled.timestamp}) is there twice; it is at offset 2 of partition 0",
            f"metrics: ('nobody', {doubled.timestamp}) is not expected; it is at offset 3 of partition 0",
            "metrics: an unreadable record at topic (3, 17) is not expected; it is at offset 17 of partition 3",
            f"metrics: ('web-1', {lost.timestamp}) is missing; its snapshot is at offset 0 of partition 0",
        ],
    )  # fmt: skip
    rows = store.balance(store.rows)
    assert replace(rows, faults=[]) == TableReport(
        "rows", expected=12, found=16, missing=4, duplicates=4, mismatched=1, unexpected=4
    )
    assert rows.faults[0] == (
        f"rows: ('web-1', {altered.timestamp}, 'cpu') has other values than expected; "
        "it is in hostname=web-1/part-0; its snapshot is at offset 2 of partition 0"
    )
    assert len(rows.faults) == 5


def test_of_two_with_one_key_the_first_is_compared_whatever_the_second_says(store: ReconciliationStore) -> None:
    right_first, wrong_first, _ = intervals()
    for offset, metrics in enumerate((right_first, wrong_first)):
        expect(store, PROCSTAT.shape, metrics, (0, offset))
    for metrics in (right_first, with_busy(right_first, 1.5), with_busy(wrong_first, 1.5), wrong_first):
        find(store, metrics)
    for side, each in ((METRICS, 1), (store.rows, 4)):
        balance = store.balance(side)
        assert (balance.duplicates, balance.mismatched, balance.missing) == (2 * each, 1, 0)


def test_one_bit_is_a_difference_and_so_is_the_sign_of_zero_and_nothing_at_all(store: ReconciliationStore) -> None:
    values = [0.1, 0.0, 50.0, 50.0]
    found = [0.1 + 2**-56, -0.0, None, float("nan")]
    for ts, (there, here) in enumerate(zip(values, found, strict=True)):
        store.add("expected_rows", ("a", ts, "cpu", 1000, there, *[0.0] * 8))
        store.add("found_rows", ("a", ts, "cpu", 1000, here, *[0.0] * 8, 0))
    assert store.balance(store.rows).mismatched == 4


def test_rows_and_records_without_a_key_are_unexpected_and_not_taken_for_each_other(store: ReconciliationStore) -> None:
    expect(store, PROCSTAT.shape, intervals(1)[0], (0, 0))
    find(store, intervals(1)[0])
    for row in ((None, 5, "cpu"), (None, 5, "cpu"), ("web-1", None, "cpu"), ("web-1", 5, None)):
        store.add("found_rows", (*row, 1000, *[0.0] * 9, 0))
    rows = store.balance(store.rows)
    assert (rows.unexpected, rows.duplicates, rows.missing) == (3, 1, 0)
    assert "rows: (None, 5, 'cpu') is there twice; it is in hostname=web-1/part-0" in rows.faults
    assert "rows: ('web-1', 5, None) is not expected; it is in hostname=web-1/part-0" in rows.faults
    odd = [
        *(b"", b"null", b"[1]", b'{"hostname": "web-1"}', b'{"hostname": ["a"], "timestamp": 1}'),
        b'{"hostname": "web-1", "timestamp": 9223372036854775808}',
        b'{"hostname": "web-1", "timestamp": true}',
    ]
    for offset, value in enumerate([None, *odd]):
        find_metrics(store, "topic", value, (0, offset))
    metrics = store.balance(METRICS)
    assert (metrics.unexpected, metrics.duplicates, metrics.missing) == (8, 0, 0)


def test_what_no_checkpoint_has_committed_is_in_flight_and_a_row_follows_its_metric(store: ReconciliationStore) -> None:
    one, two, three = intervals()
    for offset, metrics in enumerate((one, two, three)):
        expect(store, PROCSTAT.shape, metrics, (0, offset))
    store.add("expected_dead_letters", ("(0, 3)", digest(b"x"), 0, 3))
    find_metrics(store, "topic", orjson.dumps(one.as_record()), (2, 70))  # read by the Parquet job, and no row is there
    find_metrics(store, "topic", orjson.dumps(two.as_record()), (2, 71))  # not read yet
    store.set_committed({0: 3}, {2: 71})
    metrics, rows, dead = store.balance(METRICS), store.balance(store.rows), store.balance(DEAD_LETTERS)
    assert (metrics.missing, metrics.uncommitted) == (1, 0), "the third was read by the enrichment"
    assert (rows.missing, rows.uncommitted) == (8, 4)
    assert (dead.missing, dead.uncommitted) == (0, 1)
    assert dead.balances


def test_nothing_is_missing_before_any_job_has_read_anything(store: ReconciliationStore) -> None:
    for offset, metrics in enumerate(intervals()):
        expect(store, PROCSTAT.shape, metrics, (0, offset))
    assert (store.balance(METRICS).uncommitted, store.balance(store.rows).uncommitted) == (3, 12)


def test_a_key_that_has_to_come_twice_may_come_twice_in_any_order(store: ReconciliationStore) -> None:
    """A host that reboots with its clock set back measures some intervals again."""
    before, _, _ = intervals()
    after = with_busy(before, 1.5)
    for offset, metrics in enumerate((before, after)):
        expect(store, PROCSTAT.shape, metrics, (0, offset))
    for metrics in (after, before):
        find(store, metrics)
    assert store.balance(METRICS).balances
    assert store.balance(store.rows) == TableReport("rows", expected=8, found=8)
    find(store, before)
    assert (store.balance(METRICS).duplicates, store.balance(store.rows).duplicates) == (1, 4)


def test_dead_letters_are_compared_by_position_and_bytes(store: ReconciliationStore) -> None:
    store.set_committed(READ, READ)
    for offset, value in enumerate((b"same", b"", None, b"other", b"lost")):
        store.add("expected_dead_letters", (str((0, offset)), digest(value), 0, offset))
    for offset, value in enumerate((b"same", b"", None, b"OTHER")):
        store.add("found_dead_letters", (str((0, offset)), digest(value)))
    dead = store.balance(DEAD_LETTERS)
    assert dead.faults == ["dead letters: (0, 3) has other values than expected", "dead letters: (0, 4) is missing"]
    assert digest(b"") != digest(None)


def by_dictionaries(expected: list[tuple[int, int]], found: list[tuple[int, int]]) -> Counter[str]:
    """What the ledger was before it went to disk: a dictionary, a set and a loop."""
    wanted, seen, counts = dict(expected), set(), Counter[str]()
    for key, value in found:
        if key in seen:
            counts["duplicates"] += 1
        elif key not in wanted:
            counts["unexpected"] += 1
        elif value != wanted[key]:
            counts["mismatched"] += 1
        seen.add(key)
    counts["missing"] = len(set(wanted) - seen)
    return counts


PAIRS = st.tuples(st.integers(0, 6), st.integers(0, 2))


@hypothesis.settings(deadline=None, database=None, max_examples=60)
@given(expected=st.dictionaries(st.integers(0, 6), st.integers(0, 2)), found=st.lists(PAIRS, max_size=12))
def test_sql_counts_as_dictionaries_do(
    expected: dict[int, int], found: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ReconciliationStore(tmp_path_factory.mktemp("store"), PROCSTAT.shape) as store:
        store.add_file(0, "part-0")
        for key, value in expected.items():
            store.add("expected_metrics", ("host\0é", key, bytes([value]), 0, 0))
            store.add("expected_rows", ("host\0é", key, "cpu", value, *[0.0] * 9))
        for key, value in found:
            store.add("found_metrics", ("host\0é", key, bytes([value]), 0, 0))
            store.add("found_rows", ("host\0é", key, "cpu", value, *[0.0] * 9, 0))
        store.set_committed(READ, READ)
        counts = by_dictionaries(list(expected.items()), found)
        for side in (METRICS, store.rows):
            balance = store.balance(side)
            got = {name: getattr(balance, name) for name in ("duplicates", "unexpected", "mismatched", "missing")}
            assert Counter(got) == counts


def write(file: Path, count: int, first: int = 0, kind: pa.DataType = MS) -> Path:
    """`count` rows of "a", a second apart, from second `first` on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    times = pa.array([1000 * (first + number) for number in range(count)], MS)
    columns = {"hostname": ["a"] * count, "ts": times.cast(kind), "time_delta_ms": [1000] * count}
    shares = {name: [value] * count for name, value in SHARES.items()}
    pq.write_table(pa.table(columns | {"cpu_id": ["cpu"] * count} | shares), file)
    return file


def want(store: ReconciliationStore, count: int) -> None:
    store.set_committed(READ, READ)
    for number in range(count):
        store.add("expected_metrics", ("a", 1000 * number, b"", 0, number))
        store.add("found_metrics", ("a", 1000 * number, b"", 0, number))
        store.add("expected_rows", ("a", 1000 * number, "cpu", 1000, *SHARES.values()))


@pytest.mark.parametrize("kind", [pa.timestamp("ms"), pa.timestamp("us", tz="UTC"), pa.timestamp("ns", tz="UTC")])
def test_rows_are_read_whatever_unit_their_file_has_for_time(
    store: ReconciliationStore, tmp_path: Path, kind: pa.DataType
) -> None:
    want(store, 10)
    write(tmp_path / "rows" / "date=1970-01-01" / "part-0.parquet", 10, kind=kind)
    write(tmp_path / "rows" / "date=1970-01-01" / ".part-1.parquet", 10)
    assert RowFiles(tmp_path / "rows", store).catch_up()
    assert store.balance(store.rows) == TableReport("rows", expected=10, found=10)


def test_a_second_reading_of_the_folder_reads_what_is_new_and_takes_out_what_is_gone(
    store: ReconciliationStore, tmp_path: Path
) -> None:
    want(store, 12)
    day = tmp_path / "rows" / "date=1970-01-01"
    first, second = write(day / "part-0.parquet", 5), write(day / "part-1.parquet", 5, first=5)
    files = RowFiles(tmp_path / "rows", store)
    told: list[tuple[int, int]] = []
    assert files.catch_up(lambda *done: told.append(done))
    assert told == [(0, 2), (1, 2)]
    assert not files.catch_up(lambda *done: told.append(done))
    assert len(told) == 2
    assert store.balance(store.rows).missing == 2
    write(day / "merged.parquet", 10)
    first.unlink()
    second.unlink()
    write(day / "part-2.parquet", 2, first=10)
    assert files.catch_up()
    assert store.balance(store.rows) == TableReport("rows", expected=12, found=12)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_files_merged_while_they_are_read_are_counted_once(
    store: ReconciliationStore, tmp_path: Path, after: int
) -> None:
    """The folder is exchanged when `after` files are read: what is left of the listing is not there any more."""
    want(store, 15)
    day = tmp_path / "rows" / "date=1970-01-01"
    for number in range(3):
        write(day / f"part-{number}.parquet", 5, first=5 * number)
    merged = write(tmp_path / "work" / "part-0.parquet", 15)

    def merge(done: int, total: int) -> None:
        if done == after and merged.exists():
            day.rename(tmp_path / "old")
            merged.parent.rename(day)

    assert RowFiles(tmp_path / "rows", store).catch_up(merge)
    assert store.balance(store.rows) == TableReport("rows", expected=15, found=15)


def test_a_file_that_is_no_parquet_is_named(store: ReconciliationStore, tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(LabkitError, match=r"part-0\.parquet cannot be read as Parquet"):
        RowFiles(tmp_path, store).catch_up()


FULL = """
import resource, sys
from pathlib import Path
from benchmarks.ledger import intervals
from labkit.ledger.store import ReconciliationStore
from labkit.ledger.ledger import expect
from labkit.streams.procstat.stream import PROCSTAT
resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, 2**21))
with ReconciliationStore(Path(sys.argv[1]), PROCSTAT.shape) as store:
    for offset, metrics in enumerate(intervals(10_000)):
        expect(store, PROCSTAT.shape, metrics, (0, offset))
"""


def test_a_disk_that_is_full_is_said_in_words(tmp_path: Path) -> None:
    """No file may grow beyond 2 MiB here: a write fails as on a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"labkit.errors.LabkitError: The ledger has no room for its tables in {tmp_path.parent} ("
    )


HELD = """
import sys, time
from labkit.system.scratch import scratch_folder
from labkit.settings import load_settings
with scratch_folder(load_settings().state_dir, "ledger") as folder:
    (folder / "ledger.duckdb").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


def test_the_scratch_folder_goes_however_its_process_ends(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"state_dir": tmp_path / "state"})
    with pytest.raises(ZeroDivisionError), scratch_folder(own.state_dir, "ledger") as folder:
        (folder / "file").write_text(f"{1 / 0}")
    assert not (tmp_path / "state" / "tmp").exists()
    process = subprocess.Popen(
        [sys.executable, "-c", HELD], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "LABKIT_STATE_DIR": str(own.state_dir)},
    )  # fmt: skip
    assert process.stdout is not None
    held = Path(process.stdout.readline().strip())
    with scratch_folder(own.state_dir, "ledger"):
        assert (held / "ledger.duckdb").exists(), "a folder of a process that is alive is left alone"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with scratch_folder(own.state_dir, "ledger"):
        assert not held.exists()
    assert not held.parent.exists()


def test_the_store_opens_in_a_notebook_too(tmp_path: Path) -> None:
    """In a kernel DuckDB has a progress bar of its own, and without ipywidgets it refuses to hear of it."""
    imports = "from pathlib import Path; from labkit.ledger.store import ReconciliationStore"
    imports += "; from labkit.streams.procstat.stream import PROCSTAT"
    source = f"{imports}; ReconciliationStore(Path({str(tmp_path)!r}), PROCSTAT.shape)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=60).execute()


def test_a_state_folder_that_cannot_be_made_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    own = settings.model_copy(update={"state_dir": tmp_path / "file"})
    with pytest.raises(BadInput, match="No folder can be made"), scratch_folder(own.state_dir, "ledger"):
        pass


BOUND_MIB = 450


def test_300000_expected_and_found_records_are_compared_below_450_mib(tmp_path: Path) -> None:
    """30,000 records and their 270,000 rows on each side, of which one in a thousand is odd."""
    count = 30_010
    write_rows(tmp_path, with_faults(benchmark_intervals(count), 1000))
    told = alone("new", tmp_path, count, 1000)
    assert told["balances"] == [
        "metrics expected 30000 found 30000 missing 30 twice 30 altered 30",
        "rows expected 270000 found 270000 missing 270 twice 270 altered 30",
    ]
    assert told["before_mib"] < told["peak_mib"] < BOUND_MIB
