"""Waiting ends when the thing is there, and says what was waited for when it is not."""

from __future__ import annotations

import pytest

from labkit.errors import LabkitError
from labkit.workshop.waiting import wait_until


def test_the_answer_is_the_first_true_one() -> None:
    answers = iter([0, "", None, 7, 8])
    assert wait_until(lambda: next(answers), "A number has come") == 7


def test_what_does_not_come_is_named() -> None:
    with pytest.raises(LabkitError, match=r"A number has come: not within 0 s\."):
        wait_until(lambda: 0, "A number has come", within_s=0)
