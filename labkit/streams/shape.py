"""What the rows of a result look like, read from its dataclass: the one source of tables, columns and keys.

    Metrics(hostname, timestamp, time_delta_ms, cpu_metrics=(CpuUtilization(cpu_id, user_pct, …), …))
    ->  hostname  ts  time_delta_ms  cpu_id  user_pct  …        one row a CPU; key: hostname, ts, cpu_id

A result has a hostname, a timestamp (ms), a time_delta_ms and any other counts, numbers and texts; of its fields one
may be a tuple of parts, each of which is a row of its own, known by its texts. A result without parts is one row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

__all__ = ["Column", "Shape", "shape_of"]


class Column(NamedTuple):
    """A column: its name, and str, int or float."""

    name: str
    kind: type


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """`fields` are those of a result that are no parts, as they stand in JSON; `parts` is the field of those, or ""."""

    fields: tuple[Column, ...]
    parts: str
    part_fields: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a row. `ts` is the result's timestamp: in a row a time, not a number."""
        return (*(column._replace(name=_in_row(column.name)) for column in self.fields), *self.part_fields)

    @property
    def key(self) -> tuple[str, ...]:
        """What a row is known by: hostname, ts, and the texts of its part."""
        return ("hostname", "ts", *self.part_key)

    @property
    def part_key(self) -> tuple[str, ...]:
        """What tells the parts of a result apart: their texts; nothing where there are no parts."""
        return tuple(column.name for column in self.part_fields if column.kind is str)

    @property
    def values(self) -> tuple[Column, ...]:
        """The columns that are no part of the key."""
        return tuple(column for column in self.columns if column.name not in self.key)

    def rows(self, result: Any) -> Iterator[tuple[Any, ...]]:
        """A result -> its rows, in the order of `columns`; `ts` in ms."""
        own = tuple(getattr(result, column.name) for column in self.fields)
        if not self.parts:
            yield own
            return
        for part in getattr(result, self.parts):
            yield (*own, *(getattr(part, column.name) for column in self.part_fields))


@cache
def shape_of(result: type) -> Shape:
    """The shape of a result's dataclass. Raises `TypeError` for one that has no rows of this kind."""
    fields, parts = _columns(result)
    names = [column.name for column in fields]
    if len(parts) > 1 or not {"hostname", "timestamp", "time_delta_ms"} <= set(names):
        raise TypeError(
            f"{result.__name__} needs hostname, timestamp and time_delta_ms, and at most one tuple of parts"
        )
    if not parts:
        return Shape(fields, "", ())
    ((name, kind),) = parts.items()
    part_fields, nested = _columns(kind)
    if nested or not any(column.kind is str for column in part_fields):
        raise TypeError(f"{kind.__name__} needs a text that tells its parts apart, and no parts of its own")
    return Shape(fields, name, part_fields)


def _columns(kind: type) -> tuple[tuple[Column, ...], dict[str, type]]:
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is no dataclass, as a result and its parts have to be")
    hints = get_type_hints(kind)
    fields, parts = [], {}
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if get_origin(hint) is tuple:
            parts[field.name] = get_args(hint)[0]
        elif hint in (str, int, float):
            fields.append(Column(field.name, hint))
        else:
            raise TypeError(f"{kind.__name__}.{field.name} is neither text, count, number nor a tuple of parts")
    return tuple(fields), parts


def _in_row(name: str) -> str:
    return "ts" if name == "timestamp" else name
