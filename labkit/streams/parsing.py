"""Text of the kernel that cannot be read: which file, line and column, and why."""

from __future__ import annotations

from labkit.errors import LabkitError

__all__ = ["COUNT_END", "ReadingError", "count", "split_lines", "whole_lines"]

#: Avro's long; the kernel's u64 counters take 2.9e9 years to get there at 100 Hz.
COUNT_END = 2**63
_DIGITS = len(str(COUNT_END))


class ReadingError(LabkitError):
    """A line of a file of /proc that cannot be read: `line` and `column` count from 1."""

    def __init__(self, reads: str, why: str, line: int, column: int) -> None:
        super().__init__(f"{reads} line {line}, column {column}: {why}.")
        self.line = line
        self.column = column


def split_lines(reads: str, text: str) -> tuple[list[str], ReadingError | None]:
    """The lines of a text as the kernel writes it, and what is wrong where it ends in the middle of one."""
    *lines, rest = text.split("\n")
    why = "the text ends in the middle of a line"
    return lines, ReadingError(reads, why, len(lines) + 1, len(rest.split())) if rest else None


def whole_lines(reads: str, text: str) -> list[str]:
    """The lines of a text as the kernel writes it. Raises `ReadingError` where it ends in the middle of one."""
    lines, cut = split_lines(reads, text)
    if cut is not None:
        raise cut
    return lines


def count(reads: str, word: str, line: int, column: int) -> int:
    """A count as the kernel writes it: "4705" -> 4705. Raises `ReadingError` where it is none, or has over 63 bits."""
    if not (word.isascii() and word.isdigit()):
        raise ReadingError(reads, f"{word!r} is not a count", line, column)
    if len(word) > _DIGITS or int(word) >= COUNT_END:
        raise ReadingError(reads, "the count does not fit into 63 bits", line, column)
    return int(word)
