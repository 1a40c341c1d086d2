"""Waiting ends when the thing is there, and says what was waited for when it is not."""

from __future__ import annotations

import os

import pytest

from labkit.errors import LabkitError
from labkit.system import waiting
from labkit.workshop.waiting import wait_until


class OwnTime:
    """A clock that goes only while somebody sleeps, so a busy machine changes nothing."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "time", OwnTime())
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(waiting, "_cpus", lambda: 2.0)


def test_the_answer_is_the_first_true_one() -> None:
    answers = iter([0, "", None, 7, 8])
    assert wait_until(lambda: next(answers), "A number has come") == 7


@pytest.mark.usefixtures("own_time")
def test_what_does_not_come_is_named() -> None:
    with pytest.raises(LabkitError, match=r"A number has come: not within 0 s\."):
        wait_until(lambda: 0, "A number has come", within_s=0, poll_s=0.05)


@pytest.mark.usefixtures("own_time")
def test_what_was_seen_last_is_told_and_what_to_type() -> None:
    seen: list[int] = []
    with pytest.raises(LabkitError) as caught:
        wait_until(
            lambda: seen.append(len(seen)), "Seven have come", within_s=1.5, poll_s=0.5,
            seen=lambda: f"{len(seen)} have", todo="Type: labkit status",
        )  # fmt: skip
    assert caught.value.what == "Seven have come: not within 1.5 s; 5 have."
    assert caught.value.todo == "Type: labkit status"


def test_an_error_of_the_condition_ends_the_waiting_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, "It is done", within_s=60)
