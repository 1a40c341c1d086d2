"""Every picture can be read on a light page and on a dark one: it brings its own white paper and dark words."""

from __future__ import annotations

import importlib
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from labkit.analysis import plots
from labkit.analysis.paper import on_paper
from labkit.analysis.plots import BUSY, save
from labkit.workshop import pictures
from labkit.workshop.pictures.burn import raw_counters

MODULES = [plots, *(importlib.import_module(f"labkit.workshop.pictures.{name}") for name in pictures.__all__)]


def draws() -> list[Callable[..., Any]]:
    """The public functions that give a Figure."""
    found = [getattr(module, name) for module in MODULES for name in module.__all__]
    return [one for one in found if inspect.isfunction(one) and one.__annotations__.get("return") == "Figure"]


def pixels(figure: Figure) -> np.ndarray[Any, Any]:
    """As a notebook shows it."""
    shown = io.BytesIO()
    figure.savefig(shown, format="png", facecolor=figure.get_facecolor(), bbox_inches="tight")
    shown.seek(0)
    return np.asarray(imread(shown))


def test_every_picture_is_drawn_on_paper() -> None:
    functions = draws()
    assert len(functions) >= 13
    assert [one.__name__ for one in functions if inspect.unwrap(one).__code__ is one.__code__] == []


def test_a_picture_is_the_same_whatever_matplotlib_is_set_to_and_leaves_that_as_it_was() -> None:
    counted = {"cpu0": [900, 950, 1000], "cpu1": [700, 700, 700]}
    light = pixels(raw_counters(counted, "user"))
    with matplotlib.style.context("dark_background"):
        dark = pixels(raw_counters(counted, "user"))
        assert rcParams["text.color"] == "white"
    np.testing.assert_array_equal(light, dark)
    assert light[..., -1].min() == 1, "nothing of the page shines through"
    assert tuple(light[0, 0, :3]) == (1, 1, 1)


def test_a_picture_that_is_saved_keeps_its_paper(tmp_path: Path) -> None:
    with matplotlib.style.context("dark_background"):
        path = save(raw_counters({"cpu0": [1, 2]}, "user"), tmp_path / "one.png")
    assert tuple(imread(path)[0, 0]) == (1, 1, 1, 1)


def test_where_a_picture_cannot_be_drawn_the_settings_are_as_they_were() -> None:
    @on_paper
    def fails() -> Figure:
        raise ValueError("no data")

    with matplotlib.style.context("dark_background"):
        with pytest.raises(ValueError, match="no data"):
            fails()
        assert rcParams["figure.facecolor"] == "black"


#: What is left of the three parts of light for eyes that lack one kind of cone. Source: Machado and others, 2009.
EYES = {
    "all cones": np.eye(3),
    "no red": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "no green": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "no blue": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


def lab(busy: float, eyes: np.ndarray[Any, Any], veil: float) -> np.ndarray[Any, Any]:
    """A share -> its colour as L*, a* and b* (CIE 1976), seen by those eyes, with so much other light on the screen."""
    coded = np.array(to_rgb(BUSY(busy / 100)))
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(eyes @ light, 0, 1) * (1 - veil) + veil
    x, y, z = np.cbrt(np.maximum(XYZ @ seen / [0.9505, 1, 1.089], 0.0089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("veil", [0, 0.15], ids=["on a screen", "on a projector in a bright room"])
@pytest.mark.parametrize("eyes", EYES)
def test_idle_half_and_busy_differ_clearly_and_more_is_always_darker(eyes: str, veil: float) -> None:
    idle, half, full = (lab(busy, EYES[eyes], veil) for busy in (0.0, 50.0, 100.0))
    assert min(np.linalg.norm(idle - half), np.linalg.norm(half - full)) > 30
    lightness = [lab(busy, EYES[eyes], veil)[0] for busy in np.linspace(0, 100, 21)]
    assert max(np.diff(lightness)) < 0
