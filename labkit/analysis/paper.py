"""What every picture of the lab is drawn on: white paper, with dark words, whatever is around it.

    @on_paper
    def speeds(runs) -> Figure: …

A page may be dark (JupyterLab's dark theme), and a notebook may have set `matplotlib.style.use("dark_background")`.
A picture has colours of its own that were chosen for white, so it brings the white with it, and takes nothing from
the page or from what matplotlib was set to. What is HTML (a verdict, `watch`) goes the other way: it has no colour
for its words, and so takes that of the theme.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import matplotlib
from matplotlib.figure import Figure

__all__ = ["PAPER", "on_paper"]

PAPER = "white"
P = ParamSpec("P")


def on_paper(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """`draw`, with matplotlib as it is by itself meanwhile; what the caller has set is untouched afterwards."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            figure = draw(*args, **kwargs)
            figure.set_facecolor(PAPER)
            for axes in figure.axes:  # matplotlib makes ticks when it needs them, in the colours of that moment
                for axis in (axes.xaxis, axes.yaxis):
                    axis.get_major_ticks()
                    axis.get_minor_ticks()
            return figure

    return drawn
