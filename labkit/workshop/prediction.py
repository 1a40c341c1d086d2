"""A line for what the learner thinks will come, and later that line beside what came.

    prediction("05-1", "601")       Your prediction 05-1: 601
    came("05-1", len(made))         You wrote 601 │ What came 600

The text stands in the notebook itself, between the quotes of the first.
An empty one stops nobody. What was written is kept (`labkit.workshop.course.predictions`), and judged by nobody.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

from labkit.errors import BadInput
from labkit.settings import load_settings
from labkit.workshop.course import predictions
from labkit.workshop.course.contents import lesson

__all__ = ["Came", "Prediction", "came", "prediction"]

_NONE = "no prediction written"
_GREY, _BLUE = "#888888", "#0072B2"
_BOX = "border-left: 6px solid {colour}; padding: 0.4em 0.8em"
_CELL = "text-align: left; vertical-align: top; white-space: pre-wrap"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted; `text` may be empty. `before` is what was written at another time, if this one is."""

    name: str
    text: str
    before: str = ""

    def __str__(self) -> str:
        if self.text:
            return f"Your prediction {self.name}: {self.text}"
        if self.before:
            return f"Nothing between the quotes; before, you wrote: {self.before}"
        return f"{self.name}: {_NONE}. Write it between the quotes and run this cell again, or just go on."

    def _repr_html_(self) -> str:
        colour = _BLUE if self.text else _GREY
        text = html.escape(str(self)).replace("\n", "<br>")
        return f'<div style="{_BOX.format(colour=colour)}{"" if self.text else f"; color: {_GREY}"}">{text}</div>'


@dataclass(frozen=True, slots=True)
class Came:
    """What was predicted beside what came; where `what` is empty that is the output above."""

    name: str
    text: str
    what: str

    def __str__(self) -> str:
        return f"You wrote: {self.text or _NONE}\nWhat came: {self._what}"

    @property
    def _what(self) -> str:
        return self.what or "look above"

    def _repr_html_(self) -> str:
        wrote = html.escape(self.text) if self.text else f'<span style="color: {_GREY}">{_NONE}</span>'
        heads = "".join(f'<th style="{_CELL}">{head}</th>' for head in ("You wrote", "What came"))
        cells = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in (wrote, html.escape(self._what)))
        table = f'<table style="margin: 0"><tr>{heads}</tr><tr>{cells}</tr></table>'
        return f'<div style="{_BOX.format(colour=_BLUE if self.text else _GREY)}">{table}</div>'


def prediction(name: str, text: object = "") -> Prediction:
    """Keep `text` as the prediction of that name ("05-1"), and show it. Raises `BadInput` for a name of no lesson.

    An empty text takes nothing away: whoever runs the original beside a copy is not to lose what stands there.
    """
    _require(name)
    settings, written = load_settings(), str(text).strip()
    if written:
        predictions.keep(settings, name, written)
        return Prediction(name, written)
    return Prediction(name, "", predictions.kept(settings).get(name, ""))


def came(name: str, what: object = "") -> Came:
    """What was predicted under `name`, beside `what` came. Of {"cpu0": 18.4} each entry is a line."""
    _require(name)
    lines = [f"{key}: {value}" for key, value in what.items()] if isinstance(what, Mapping) else [str(what)]
    return Came(name, predictions.kept(load_settings()).get(name, ""), "\n".join(lines))


def _require(name: str) -> None:
    if not re.fullmatch(r"\d\d-\d+", name):
        raise BadInput(f"There is no prediction {name!r}.", 'Its name is a lesson\'s number and another: "05-1".')
    lesson(name[:2])
