"""Backticks of a sentence become code; those of SQL stay, and nothing is taken for HTML."""

from __future__ import annotations

import pytest

from labkit.workshop.check import Verdict
from labkit.workshop.course.markup import in_html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Its line is `cpu0 1 2`. Look.", "Its line is <code>cpu0 1 2</code>. Look."),
        ("`Obj`: an Avro file", "<code>Obj</code>: an Avro file"),
        ("`a < b` and `c`", "<code>a &lt; b</code> and <code>c</code>"),
        ("TO_TIMESTAMP_LTZ(`timestamp`, 3).", "TO_TIMESTAMP_LTZ(`timestamp`, 3)."),
        ("(`timestamp` > earlier.`timestamp`)", "(`timestamp` &gt; earlier.`timestamp`)"),
        ("`default`.`tables`", "`default`.`tables`"),
        ("one ` alone, <b>", "one ` alone, &lt;b&gt;"),
        ("", ""),
    ],
)
def test_what_stands_between_backticks_is_code(text: str, shown: str) -> None:
    assert in_html(text) == shown


def test_a_verdict_shows_code_in_its_reason_and_in_its_hint_and_its_words_in_the_colour_of_the_theme() -> None:
    shown = Verdict("01a", False, "Its line is `cpu0 1`.", "Say `parse`.")._repr_mimebundle_()
    assert "<code>cpu0 1</code>." in shown["text/html"]
    assert "<b>Hint:</b> Say <code>parse</code>." in shown["text/html"]
    assert shown["text/plain"] == "✗ 01a  Its line is `cpu0 1`. Hint: Say `parse`."
    assert " color" not in shown["text/html"], "black words cannot be read on a dark theme"
    assert "background" not in shown["text/html"]
