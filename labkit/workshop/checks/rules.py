"""What a check has to find out: every exercise is built by this list, and says in its module how it meets it.

MEETS = {"02a": {"task": "keys, partitions, order, times and values of 30 records; the number", …}}

A test holds that no rule is left out. Where one cannot apply, the line says why: "nothing: it is given no limit".
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BY_THE_FRAME", "RULES", "Meets"]

#: {exercise: {rule: how its check finds that out}}
Meets = Mapping[str, Mapping[str, str]]

RULES: Mapping[str, str] = {
    "task": "Every sentence of the task is tried.",
    "boundaries": "Each boundary is tried from both sides: fewer than, as many as and more than there are; exactly at "
    "a limit and beside it; unequal totals; intervals that are not 1 s; names with every separator that is allowed.",
    "given": "What the answer was given is not changed.",
    "world": "Nothing else in the world is changed: no other topic, no subject, no compatibility, no job.",
    "arguments": "Every argument is used: it is called with another address, another name.",
    "ends": "It ends by itself, also where nothing comes, and leaves nothing open, after success too.",
    "twice": "The same twice gives the same.",
    "point": "What the lesson is about is really used.",
}

#: What every check does by itself, through `called`, `guarded` and `check`: an exercise says more where there is more.
BY_THE_FRAME: Mapping[str, str] = {
    "given": "`called` compares what was given before and after each call.",
    "world": "`check` compares topics, subjects, compatibility and jobs before and after, and takes away what is new.",
    "ends": "`called` gives each call 30 s, and says in which line it was then.",
}
