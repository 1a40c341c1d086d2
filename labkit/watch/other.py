"""A host of a stream that has no CPUs, as `labkit watch` shows it: a bar for what is stacked, a number for the rest.

memory     ████████████▓▓▓▓▓▓▓··········  used 44.0  cache 30.4  free 25.6 %
swap used  swap 0.0 %
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from labkit.streams.stream import Panel, Stream

__all__ = ["other_block", "other_height", "other_line"]

_WIDEST_BAR = 60
_FILLED, _PLAIN, _LAST = "█", "#=-+", "·"


def other_block(stream: Stream, result: Any, width: int, plain: bool) -> list[Text]:
    """The lines below a host's head; as many as `other_height` says."""
    lines = []
    for panel in stream.plot.panels:
        for name, values in _rows(stream, result, panel):
            text = Text(f"{' '.join((panel.title, *name))}  ")
            words = f"  {_words(panel, values)}"
            room = min(_WIDEST_BAR, width - len(text) - len(words))
            if panel.kind == "stacked" and panel.most and room > 0:
                text.append_text(_bar(panel, values, room, plain))
            lines.append(text.append(words.strip() if panel.kind == "lines" else words))
    return lines


def other_height(stream: Stream, result: Any) -> int:
    """How many lines `other_block` gives."""
    parts = len(getattr(result, stream.shape.parts)) if stream.shape.parts else 1
    return parts * len(stream.plot.panels)


def other_line(stream: Stream, result: Any) -> str:
    """All of it in one line: "used 44.0  cache 30.4  free 25.6 %, swap 0.0 %"."""
    rows = ((panel, name, values) for panel in stream.plot.panels for name, values in _rows(stream, result, panel))
    return ", ".join(" ".join((*name, _words(panel, values))) for panel, name, values in rows)


def _rows(stream: Stream, result: Any, panel: Panel) -> Iterator[tuple[tuple[str, ...], list[float]]]:
    """The names of each part (none where there are no parts), and the values of the panel's bands."""
    places = {column.name: place for place, column in enumerate(stream.shape.columns)}
    names = [places[name] for name in stream.shape.part_key]
    for row in stream.shape.rows(result):
        values = [sum(row[places[column]] for column in band.columns) for band in panel.bands]
        yield tuple(str(row[place]) for place in names), values


def _words(panel: Panel, values: list[float]) -> str:
    said = "  ".join(f"{band.name} {value:,.1f}" for band, value in zip(panel.bands, values, strict=True))
    return f"{said} {panel.unit}"


def _bar(panel: Panel, values: list[float], width: int, plain: bool) -> Text:
    text, done, reached = Text(), 0, 0.0
    for number, (band, value) in enumerate(zip(panel.bands, values, strict=True)):
        reached += value
        end = min(width, max(done, round(reached * width / (panel.most or 1.0))))
        last = number == len(panel.bands) - 1
        mark = _LAST if last else _PLAIN[number % len(_PLAIN)] if plain else _FILLED
        text.append(mark * (end - done), "dim" if last else "" if plain else band.colour)
        done = end
    return text
