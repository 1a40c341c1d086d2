"""Real Parquet in hive folders, as Flink leaves it, read back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labkit.errors import BadInput, LabkitError
from labkit.parquet.read import parquet_files, read_metrics
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS

#: 2025-11-22 23:59:59 UTC, one second before the folder changes.
LATE_MS = 1_763_855_999_000
MS = pa.timestamp("ms", tz="UTC")


def write(folder: Path, ts_ms: int, host: str = "web-1", cpus: int = 11, kind: pa.DataType = MS) -> Path:
    """One interval of one host as a file of its own; CPUs stand in the order of text: cpu1, cpu10, cpu2."""
    ids = sorted(["cpu", *(f"cpu{number}" for number in range(cpus))])
    columns = {
        "hostname": [host] * len(ids),
        "ts": pa.array([ts_ms] * len(ids), pa.timestamp("ms")).cast(kind),
        "time_delta_ms": pa.array([1000] * len(ids), pa.int64()),
        "cpu_id": ids,
    }
    shares = {name: [100.0 if name == "idle_pct" else 0.0] * len(ids) for name in UTILIZATION_COLUMNS}
    date = pd.Timestamp(ts_ms, unit="ms").date()
    file = folder / f"date={date}" / f"part-{host}-{ts_ms}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns | shares), file)
    return file


def test_files_in_progress_are_not_read(tmp_path: Path) -> None:
    finished = write(tmp_path, LATE_MS)
    for hidden in (".part-1.parquet", "_part-1.parquet", "part-2.parquet.inprogress", ".tmp/part-3.parquet"):
        (finished.parent / hidden).parent.mkdir(exist_ok=True)
        (finished.parent / hidden).write_bytes(b"PAR1 half a file")
    assert parquet_files(tmp_path) == [finished]
    assert len(read_metrics(tmp_path)) == 12


def test_a_folder_that_itself_lies_below_a_hidden_one_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".lab" / "output", LATE_MS)
    assert len(read_metrics(tmp_path / ".lab" / "output")) == 12


def test_rows_are_sorted_by_host_time_and_the_number_of_the_cpu(tmp_path: Path) -> None:
    for host in ("web-2", "web-1"):
        for ts_ms in (LATE_MS + 1000, LATE_MS):
            write(tmp_path, ts_ms, host)
    frame = read_metrics(tmp_path)
    assert list(frame["cpu_id"][:12]) == ["cpu", *(f"cpu{number}" for number in range(11))]
    assert list(frame["hostname"].unique()) == ["web-1", "web-2"]
    assert frame.groupby("hostname")["ts"].apply(lambda ts: ts.is_monotonic_increasing).all()
    assert list(frame) == ["hostname", "ts", "time_delta_ms", "cpu_id", *UTILIZATION_COLUMNS]


@pytest.mark.parametrize(
    "kind",
    [
        pa.timestamp("ms"),
        pa.timestamp("us"),
        pa.timestamp("ns", tz="UTC"),
        pa.timestamp("us", tz="Asia/Tokyo"),
    ],
    ids=str,
)
def test_a_time_is_the_same_moment_in_any_unit_and_zone(tmp_path: Path, kind: pa.DataType) -> None:
    write(tmp_path, LATE_MS, kind=kind)
    write(tmp_path, LATE_MS + 1000, kind=kind)
    moments = read_metrics(tmp_path, since_ms=LATE_MS)["ts"].unique()
    assert list(moments) == [
        pd.Timestamp("2025-11-22T23:59:59Z"),
        pd.Timestamp("2025-11-23T00:00:00Z"),
    ]


def test_host_and_time_choose_the_rows(tmp_path: Path) -> None:
    for host in ("web-1", "web-2"):
        for ts_ms in (LATE_MS, LATE_MS + 1000, LATE_MS + 2000):
            write(tmp_path, ts_ms, host, cpus=1)
    frame = read_metrics(tmp_path, hostname="web-2", since_ms=LATE_MS + 1000)
    assert set(frame["hostname"]) == {"web-2"}
    assert list(frame["ts"].astype("int64") // 1_000_000) == [
        *[LATE_MS + 1000] * 2,
        *[LATE_MS + 2000] * 2,
    ]


def test_folders_of_earlier_days_are_not_opened(tmp_path: Path) -> None:
    write(tmp_path, LATE_MS).write_bytes(b"not Parquet at all")
    write(tmp_path, LATE_MS + 1000)
    assert len(read_metrics(tmp_path, since_ms=LATE_MS + 1000)) == 12


@pytest.mark.parametrize("folder", ["missing", "."])
def test_no_finished_file_says_what_to_type(tmp_path: Path, folder: str) -> None:
    with pytest.raises(LabkitError, match=r"no finished Parquet file in .*labkit run"):
        read_metrics(tmp_path / folder)


def test_an_unknown_host_is_told_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, LATE_MS, "web-1")
    write(tmp_path, LATE_MS, "web-2")
    with pytest.raises(BadInput, match=r"no rows of web-3; hosts there: web-1, web-2\."):
        read_metrics(tmp_path, hostname="web-3")


def test_a_time_later_than_every_row_is_named(tmp_path: Path) -> None:
    write(tmp_path, LATE_MS)
    with pytest.raises(BadInput, match=r"any host since 2025-11-23 00:00:00"):
        read_metrics(tmp_path, since_ms=LATE_MS + 1000)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, LATE_MS).write_bytes(b"not Parquet at all")
    with pytest.raises(LabkitError, match=r"cannot be read as Parquet.*part-web-1"):
        read_metrics(tmp_path)


def test_parquet_of_something_else_is_not_taken_for_metrics(tmp_path: Path) -> None:
    (tmp_path / "date=2025-11-22").mkdir()
    pq.write_table(pa.table({"hostname": ["web-1"]}), tmp_path / "date=2025-11-22" / "part-0.parquet")
    with pytest.raises(LabkitError, match="rows without ts, time_delta_ms, cpu_id, user_pct"):
        read_metrics(tmp_path)
