"""What lesson 10 is played from: five hosts, of which one falls silent and one has a clock that is ahead."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

from labkit.settings import load_settings
from labkit.workshop.parts.disorder import played
from labkit.workshop.parts.silence import SCENARIO, arriving

PIECES = arriving(load_settings())
ALL = {field.name: getattr(PIECES, field.name) for field in fields(PIECES)}
ZERO = PIECES.first[0].timestamp


def seconds(piece: str, host: str) -> list[int]:
    return [(one.timestamp - ZERO) // 1000 for one in ALL[piece] if one.hostname == host]


def test_every_snapshot_is_in_one_piece_in_the_order_in_which_it_arrives() -> None:
    found = played(load_settings(), "replay", SCENARIO, 5, 70, str)
    assert sorted(map(repr, found)) == sorted(repr(one) for piece in ALL.values() for one in piece)
    places = {(one.hostname, one.timestamp): place for place, one in enumerate(found)}
    for piece in ALL.values():
        order = [places[one.hostname, one.timestamp] for one in piece]
        assert order == sorted(order)


def test_a_host_is_silent_from_second_20_on_and_comes_back_with_all_of_it() -> None:
    assert seconds("first", "host-003") == list(range(20))
    assert seconds("more", "host-003") == seconds("further", "host-003") == []
    assert seconds("back", "host-003") == list(range(20, 60))
    assert seconds("last", "host-003") == list(range(60, 70))
    assert {one.hostname for one in PIECES.back} == {"host-003"}


def test_the_others_go_on_ten_seconds_at_a_time() -> None:
    for host in ("host-000", "host-001", "host-002"):
        found = [seconds(piece, host) for piece in ("first", "more", "further", "last")]
        assert found == [list(range(40)), list(range(40, 50)), list(range(50, 60)), list(range(60, 70))]


def test_a_host_whose_clock_is_three_minutes_ahead_comes_last_first_with_one_snapshot() -> None:
    assert seconds("ahead", "host-004") == [240]
    assert seconds("last", "host-004") == list(range(241, 250))
    assert Counter(one.hostname for piece in ALL.values() for one in piece)["host-004"] == 10
