"""Answers to an exercise that differ from another one in one thing."""

from __future__ import annotations


def but(answer: str, right: str, wrong: str) -> str:
    """The answer with one thing changed, which has to be in it."""
    assert right in answer, right
    return answer.replace(right, wrong)
