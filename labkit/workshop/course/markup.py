"""Text of the lessons as HTML: `code` is shown as code.

    in_html("Its line is `cpu0 1 2`.")   ->  "Its line is <code>cpu0 1 2</code>."
    in_html("PARTITIONED BY (`date`)")   ->  the same: these backticks are SQL's own, and have to be typed

Code begins after a space, and ends before a space or a full stop, comma, colon and the like. What stands closer to
its surroundings is a quoted name of SQL.
"""

from __future__ import annotations

import html
import re

__all__ = ["in_html"]

_CODE = re.compile(r"(?<!\S)`([^`\n]+)`(?=[.,:;!?]*(?:\s|$))")


def in_html(text: str) -> str:
    """`text` (anybody's) for a page: nothing in it is taken for HTML, and `code` is in the tag for it."""
    return _CODE.sub(r"<code>\1</code>", html.escape(text))
