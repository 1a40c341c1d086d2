"""What `labkit dead-letters` shows: a table of letters, and one letter from its headers to its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from labkit.dead_letters.letters import DeadLetter, Diagnosis
from labkit.dead_letters.resend import identity
from labkit.kafka.avro import HEADER_BYTES, MAGIC
from labkit.system.printable import printable

__all__ = ["letter_lines", "letters_table"]

_HEX_BYTES = 16
_CPU_LINES = 16
_WIDTH = 100


def letters_table(letters: Iterable[DeadLetter], sent_again: Mapping[str, str]) -> Table:
    """A row a letter; `sent_again` is what `labkit.dead_letters.resend.sent_again` returns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("number", justify="right")
    table.add_column("since (UTC)", no_wrap=True)
    for title in ("came from", "key"):
        table.add_column(title)
    table.add_column("bytes", justify="right")
    for title in ("reason", "re-sent to"):
        table.add_column(title)
    for letter in letters:
        cells = [
            str(letter.number), _time(letter.time_ms), letter.came_from or "–", _key(letter), _size(letter),
            printable(letter.reason), sent_again.get(identity(letter), ""),
        ]  # fmt: skip
        table.add_row(*map(Text, cells))  # a Text is shown as it is, a str would be read as markup
    return table


def letter_lines(examination: Diagnosis, sent_again: Mapping[str, str]) -> Iterator[str]:
    """One letter in lines; `sent_again` as above."""
    letter = examination.letter
    yield f"dead letter {letter.number}, since {_time(letter.time_ms)} UTC"
    yield f"came from  {letter.came_from or 'nobody said where'}"
    yield f"key        {_key(letter)}"
    yield f"reason     {printable(letter.reason)}"
    if examination.still != letter.reason:
        yield f"by now     {printable(examination.still) or 'it can be read'}"
    headers = [f"{printable(name)}={printable(text)}" for name, text in letter.headers if name != "reason"]
    yield "headers    " + ", ".join(headers)
    yield f"value      {_size(letter)} bytes" if letter.value is not None else "value      null"
    yield from _frame(examination)
    yield from _body(examination)
    if letter.value and letter.value[0] != MAGIC:
        yield from _text(letter.value)
    if identity(letter) in sent_again:
        yield f"Its repair was sent to {sent_again[identity(letter)]}."
    elif examination.repair is not None:
        yield f"Repair: {examination.repair.what}. To send that: labkit dead-letters {letter.number} --repair"
    else:
        yield (
            "There is no obvious repair. To edit what could be read: "
            f"labkit dead-letters {letter.number} --export letter-{letter.number}.json"
        )


def _frame(examination: Diagnosis) -> Iterator[str]:
    letter, read = examination.letter, examination.read
    value = letter.value or b""
    if not value:
        return
    yield _hex(value, 0, 1, "magic byte" if value[0] == MAGIC else f"not the magic byte 0x{MAGIC:02x}")
    if len(value) > 1:
        name = examination.schema_name or "which the registry does not know"
        said = "" if letter.schema_id is None else f"schema id {letter.schema_id}, {name}"
        yield _hex(value, 1, HEADER_BYTES, said or "no schema id of a record")
    if len(value) <= HEADER_BYTES:
        return
    end = len(value) if read is None or read.broke else read.end
    yield _hex(value, HEADER_BYTES, end, f"body, {end - HEADER_BYTES} bytes")
    if read is not None and read.broke and read.end < len(value):
        yield _hex(value, read.end, len(value), "here it breaks")
    elif end < len(value):
        yield _hex(value, end, len(value), f"{len(value) - end} bytes left over")


def _text(value: bytes) -> Iterator[str]:
    """What was sent without a frame is often JSON or another text."""
    with suppress(UnicodeDecodeError):
        yield f"As text: {printable(value.decode())[:_WIDTH]}"


def _body(examination: Diagnosis) -> Iterator[str]:
    read = examination.read
    if read is None:
        return
    yield (
        "Read as if it were a snapshot, which the frame does not say:"
        if examination.guessed
        else f"Read as {examination.schema_name}:"
    )
    if isinstance(read.value, dict):
        for name, value in read.value.items():
            yield from _field(name, value, as_cpus=examination.of_ours and name == "cpus")
    else:
        yield f"  {_short(read.value)}"
    if read.broke:
        yield f"It breaks at byte {read.end}, in {read.broke}."


def _field(name: str, value: Any, *, as_cpus: bool) -> Iterator[str]:
    if as_cpus and isinstance(value, list):
        yield f"  {name:<14} {len(value)}"
        for cpu in value[:_CPU_LINES]:
            yield "    " + printable(" ".join(map(str, cpu.values())))
        if len(value) > _CPU_LINES:
            yield f"    … and {len(value) - _CPU_LINES} more"
    elif name == "timestamp" and isinstance(value, int):
        yield f"  {name:<14} {value}  ({_time(value)} UTC)"
    else:
        yield f"  {name:<14} {_short(value)}"


def _hex(value: bytes, begin: int, end: int, what: str) -> str:
    shown = value[begin : min(end, begin + _HEX_BYTES)]
    dots = " …" if end - begin > _HEX_BYTES else ""
    return f"  {begin:>7}  {shown.hex(' ') + dots:<{3 * _HEX_BYTES + 1}}  {what}"


def _short(value: Any) -> str:
    text = printable(json.dumps(value[:_WIDTH] if isinstance(value, list) else value, ensure_ascii=False, default=str))
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _time(time_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "no time"


def _key(letter: DeadLetter) -> str:
    return "null" if letter.key is None else printable(letter.key.decode(errors="backslashreplace"))


def _size(letter: DeadLetter) -> str:
    return "null" if letter.value is None else f"{len(letter.value):,}"
