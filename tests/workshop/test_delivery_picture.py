"""The bars of missing and twice have the ledger's numbers, a 0 too; the title says whose account is right."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from labkit.errors import LabkitError
from labkit.ledger.report import TableReport
from labkit.workshop.pictures.delivery import deliveries

LEDGERS = {
    "none": TableReport("metrics", 900, 860, missing=70, duplicates=30),
    "at-least-once": TableReport("metrics", 900, 1020, duplicates=120),
    "exactly-once": TableReport("metrics", 900, 900),
}


def heights(figure: Figure) -> list[float]:
    return [patch.get_height() for patch in figure.axes[0].patches]


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_there_is_a_bar_for_missing_and_one_for_twice_for_each_promise() -> None:
    assert heights(deliveries(LEDGERS)) == [70, 0, 0, 30, 120, 0]


def test_every_bar_has_its_number_on_it_a_nought_too() -> None:
    said = texts(deliveries(LEDGERS))
    assert {"70", "30", "120"} <= set(said)
    assert said.count("0") >= 3
    assert "none\n860 found, 900 expected" in said


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["none", "at-least-once", "exactly-once"], "Nothing missing, nothing twice: exactly-once"),
        (["none", "at-least-once"], "Nothing missing, nothing twice: none of them"),
        (["exactly-once"], "Nothing missing, nothing twice: none of them was hit"),
    ],
)
def test_the_title_says_who_kept_the_account_right(names: list[str], words: str) -> None:
    figure = deliveries({name: LEDGERS[name] for name in names})
    assert figure.axes[0].get_title(loc="left") == words


def test_no_ledger_is_a_clear_error() -> None:
    with pytest.raises(LabkitError, match="at least one ledger"):
        deliveries({})
