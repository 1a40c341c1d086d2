"""The errors a person may meet. Each says what happened and, where it helps, what to type.

`LabkitError("Kafka does not answer at 127.0.0.1:9092.", todo="labkit up")`
prints as one sentence, and the command ends with exit status 2.
"""

from __future__ import annotations

__all__ = ["BadInput", "LabkitError"]


class LabkitError(Exception):
    """What happened (one sentence), and what to type about it (`todo`, may be empty).

    `exit_status` is what the command line returns: 1 where something went wrong on the way.
    """

    exit_status = 1

    def __init__(self, what: str, todo: str = "") -> None:
        if what.endswith("..") and not what.endswith("..."):
            what = what[:-1]  # the words of others, at the end of a sentence, often bring a full stop of their own
        super().__init__(what)
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what} {self.todo}" if self.todo else self.what


class BadInput(LabkitError):
    """The person (or the machine) asked for something that cannot be: nothing was changed."""

    exit_status = 2
