"""What lesson 09 is played from: three hosts, one of which has no network for ten minutes and then sends all of it."""

from __future__ import annotations

from collections import Counter

from labkit.settings import load_settings
from labkit.workshop.parts.sleep import Busy, arriving, minute_ms

PIECES = arriving(load_settings())
ZERO = PIECES.before[0].timestamp - 10_000


def seconds(rows: list[Busy], host: str) -> list[int]:
    return [(one.timestamp - ZERO) // 1000 for one in rows if one.host == host]


def test_a_host_is_away_from_second_200_on_and_brings_all_of_it() -> None:
    assert seconds(PIECES.before, "host-002") == list(range(10, 200, 10))
    assert seconds(PIECES.back, "host-002") == list(range(200, 800, 10))
    assert seconds(PIECES.after, "host-002") == list(range(800, 910, 10))
    assert {one.host for one in PIECES.back} == {"host-002"}


def test_the_others_go_on_meanwhile() -> None:
    for host in ("host-000", "host-001"):
        assert seconds(PIECES.before, host) == list(range(10, 800, 10))
        assert seconds(PIECES.after, host) == list(range(800, 910, 10))


def test_every_host_has_ninety_rows_and_the_one_that_is_away_works_hardest() -> None:
    rows = [*PIECES.before, *PIECES.back, *PIECES.after]
    assert Counter(one.host for one in rows) == {"host-000": 90, "host-001": 90, "host-002": 90}
    assert max(one.busy for one in [*PIECES.before, *PIECES.after]) < 50 < max(one.busy for one in PIECES.back)


def test_a_minute_takes_six_seconds_live() -> None:
    assert (minute_ms(), minute_ms("live")) == (60_000, 6_000)
