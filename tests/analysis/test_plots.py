"""What the pictures hold: numbers in their cells, gaps where there is no data, text that says which."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from labkit.analysis.plots import cpu_usage, save
from labkit.errors import BadInput, LabkitError
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS
from labkit.workshop.pictures.status import pipeline_status

START = pd.Timestamp("2025-11-22T13:00:00Z")
MINUTE = [(second, 1) for second in range(1, 61)]
PAUSED = [*MINUTE, (240, 180), *((second, 1) for second in range(241, 301))]


def rows(spans: list[tuple[int, int]], cpus: int = 2, host: str = "web-1") -> pd.DataFrame:
    """Intervals that ended so many seconds after START and lasted so many -> rows with random shares."""
    ids = ["cpu", *(f"cpu{number}" for number in range(cpus))]
    shares = np.random.default_rng(7).dirichlet(np.ones(8), len(spans) * len(ids)) * 100
    frame = pd.DataFrame(np.c_[shares, 100 - shares[:, 3]], columns=list(UTILIZATION_COLUMNS))
    ends, lengths = np.repeat(np.array(spans), len(ids), axis=0).T
    frame["hostname"], frame["cpu_id"] = host, ids * len(spans)
    frame["ts"], frame["time_delta_ms"] = START + pd.to_timedelta(ends, unit="s"), lengths * 1000
    return frame


def panels(figure: Figure) -> tuple[Axes, QuadMesh, Axes, list[StepPatch]]:
    """The heat map's axes and cells, the stack's axes and bands (bottom to top)."""
    heat, stack = figure.axes[:2]
    (mesh,) = (item for item in heat.collections if isinstance(item, QuadMesh))
    return heat, mesh, stack, [item for item in stack.patches if isinstance(item, StepPatch)]


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_each_cell_is_the_busy_share_of_its_cpu_and_interval() -> None:
    frame = rows(MINUTE, cpus=3)
    heat, mesh, _, _ = panels(cpu_usage(frame))
    expected = [frame[frame["cpu_id"] == f"cpu{number}"]["total_busy_pct"] for number in range(3)]
    np.testing.assert_array_equal(mesh.get_array(), expected)
    assert [label.get_text() for label in heat.get_yticklabels()] == ["cpu0", "cpu1", "cpu2"]
    assert heat.get_ylim() == (3, 0), "cpu0 is at the top"
    assert mesh.get_clim() == (0, 100)


@pytest.mark.parametrize("lost", [False, True], ids=["one long interval", "no interval"])
def test_a_pause_is_a_gap_as_wide_as_it_lasted_in_both_panels(lost: bool) -> None:
    frame = rows([span for span in PAUSED if not (lost and span[1] > 1)])
    heat, mesh, stack, bands = panels(cpu_usage(frame))
    edges = mesh.get_coordinates()[0, :, 0]
    empty = np.ma.getmaskarray(np.ma.masked_invalid(mesh.get_array())).all(axis=0)
    assert empty.nonzero()[0].tolist() == [60]
    pause = [date2num(START + pd.Timedelta(seconds=second)) for second in (60, 240)]
    assert edges[60:62].tolist() == pytest.approx(pause, abs=1e-9)
    for band in bands:
        assert np.isnan(band.get_data().values).nonzero()[0].tolist() == [60]
        assert band.get_data().edges[60:62] == pytest.approx(pause, abs=1e-9)
    assert heat.patch.get_hatch()
    assert stack.patch.get_hatch()


def test_a_day_is_drawn_with_fewer_columns_and_its_pause_still_a_gap() -> None:
    frame = rows([(60 * minute, 60) for minute in range(1, 1441) if not 600 < minute <= 660], cpus=1)
    frame = pd.concat([frame, frame.assign(ts=frame["ts"] + pd.Timedelta(days=1))])
    figure = cpu_usage(frame)
    _, mesh, _, bands = panels(figure)
    assert mesh.get_array().shape[1] < 1010
    assert np.isnan(bands[0].get_data().values).sum() == 2
    assert bands[-1].get_data().values[0] == pytest.approx(100)
    assert "each column is the mean of about 180 s" in texts(figure)


def test_the_stack_starts_at_0_reaches_100_and_has_no_hole() -> None:
    frame = rows(PAUSED)
    *_, bands = panels(cpu_usage(frame))
    total = frame[frame["cpu_id"] == "cpu"].reset_index(drop=True)
    bottom = np.zeros(len(total))
    for band in bands:
        np.testing.assert_array_equal(band.get_data().baseline, bottom)
        bottom = band.get_data().values
    measured = np.delete(np.arange(len(total)), 60)
    assert bottom[measured] == pytest.approx(100)
    busy = bands[-2].get_data().values
    assert busy[measured] == pytest.approx(total["total_busy_pct"][measured]), "all bands below idle"


def test_the_two_time_axes_are_equally_wide_and_show_the_same_time() -> None:
    figure = cpu_usage(rows(MINUTE, cpus=16))
    figure.draw_without_rendering()
    heat, _, stack, _ = panels(figure)
    assert heat.get_position().intervalx == pytest.approx(stack.get_position().intervalx)
    assert heat.get_xlim() == stack.get_xlim()
    minute = date2num([START, START + pd.Timedelta("1min")])
    assert heat.get_xlim() == pytest.approx(minute, abs=1e-9)


@pytest.mark.parametrize(("cpus", "labels", "last"), [(1, 1, "cpu0"), (16, 16, "cpu15"), (128, 16, "cpu120")])
def test_there_are_at_most_16_cpu_labels_and_each_names_its_row(cpus: int, labels: int, last: str) -> None:
    heat, mesh, _, _ = panels(cpu_usage(rows(MINUTE[:5], cpus)))
    shown = [label.get_text() for label in heat.get_yticklabels()]
    assert (len(shown), shown[-1], mesh.get_array().shape[0]) == (labels, last, cpus)
    assert [f"cpu{int(place)}" for place in heat.get_yticks()] == shown


@pytest.mark.parametrize("cpus", [1, 2, 128])
@pytest.mark.parametrize("spans", [MINUTE[:1], MINUTE, PAUSED, [(600 * step, 600) for step in range(1, 150)]])
def test_no_text_is_cut_off_or_lies_on_another(spans: list[tuple[int, int]], cpus: int) -> None:
    figure = cpu_usage(rows(spans, cpus, host="ip-10-20-30-40.eu-central-1.compute.internal"))
    figure.draw_without_rendering()
    found = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for text in found]
    assert len(boxes) > 10
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_the_text_says_which_host_when_and_what_busy_means() -> None:
    shown = texts(cpu_usage(rows(MINUTE)))
    for said in (
        "web-1\n2 CPUs, 2025-11-22 13:00:00 – 13:01:00 UTC",
        "includes iowait",
        "busy (%)",
        "time (UTC)",
    ):
        assert said in shown
    assert "hosts" not in shown
    assert "no data" not in shown
    assert "no data" in texts(cpu_usage(rows(PAUSED)))


def test_one_of_several_hosts_is_drawn_and_named() -> None:
    frame = pd.concat([rows(MINUTE, host="web-1"), rows(MINUTE, cpus=4, host="db-1")])
    assert "db-1 (one of 2 hosts)\n4 CPUs" in texts(cpu_usage(frame))
    assert "web-1 (one of 2 hosts)\n2 CPUs" in texts(cpu_usage(frame, "web-1"))
    with pytest.raises(BadInput, match="no host x"):
        cpu_usage(frame, "x")


def test_rows_without_the_total_line_are_a_clear_error() -> None:
    frame = rows(MINUTE)
    for part in (frame[frame["cpu_id"] == "cpu"], frame[frame["cpu_id"] != "cpu"]):
        with pytest.raises(LabkitError, match="needs the total line and at least one CPU"):
            cpu_usage(part)


def test_save_makes_the_folder_and_leaves_one_whole_png(tmp_path: Path) -> None:
    path = tmp_path / "output" / "plots" / "cpu.png"
    figure = Figure(figsize=(2, 1))
    assert save(figure, path) == path
    assert imread(path).shape[:2] == (150, 300)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_save_leaves_the_old_picture_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(Figure(figsize=(2, 1)), tmp_path / "cpu.png")
    before = path.read_bytes()

    def full(part: Path, data: bytes) -> None:
        part.touch()
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        save(Figure(figsize=(3, 1)), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def service(name: str, *, healthy: bool = True, state: str = "RUNNING", detail: str = "") -> SimpleNamespace:
    given = {"name": name, "healthy": healthy, "state": state, "detail": detail}
    return SimpleNamespace(**given, address=f"{name}:1", memory_mib=None)


def test_the_status_says_in_words_what_its_colours_say() -> None:
    sick = service("registry", healthy=False, state="FATAL", detail="Address already in use " * 9)
    figure = pipeline_status([service("kafka"), sick, service("jobmanager")])
    shown = texts(figure)
    assert "2 of 4 services healthy" in shown
    assert "✓ healthy (RUNNING)\nkafka:1" in shown
    assert "✗ not healthy (FATAL)\nregistry:1\nAddress already in use\nAddress already in use …" in shown
    assert shown.count("✗ not reported") == 1, "the taskmanager"


def test_the_text_of_a_service_stays_inside_its_box() -> None:
    talkative = [
        SimpleNamespace(
            name=name,
            address="127.0.0.1:41233",
            state="RUNNING",
            healthy=False,
            memory_mib=1420.0,
            detail="word " * 50,
        )
        for name in ("kafka", "registry", "jobmanager", "taskmanager")
    ]
    figure = pipeline_status(talkative)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches[-4:]]
    said = [text.get_window_extent() for text in axes.texts if "healthy (" in text.get_text()]
    assert len(said) == 4
    for box, text in zip(boxes, said, strict=True):
        assert box.x0 < text.x0 < text.x1 < box.x1
        assert box.y0 < text.y0 < text.y1 < box.y1
