"""Two texts of SQL that an answer gives: of the kinds that are asked for, with the address that it is given.

texts = two_statements(answer, settings, ("CREATE", "INSERT"), "A CREATE TABLE first …", "The first is CREATE …")
name = made_table(tables, texts[0])                         the table that the first one makes
options = require_topic(name, table_text(tables, name), "procstat_hosts")      {"connector": "kafka", "topic": …}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from labkit.settings import Settings
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.outcome import NotYet

__all__ = ["made_table", "require_address", "require_same", "require_topic", "table_text", "two_statements"]

_ELSEWHERE = {"kafka_host": "broker.example", "kafka_port": 19092}


def two_statements(
    answer: Any, settings: Settings, kinds: tuple[str, str], no_two_texts: str, other_kind: str
) -> list[str]:
    """The two texts that `answer(settings)` gives, without a semicolon at the end.

    The first word of each, in capital letters, is of its kind: a regular expression for all of the word. Raises
    `NotYet` with the hint `no_two_texts` or `other_kind`.
    """
    found = called(answer, (settings,), "the settings", names=("settings",))
    if not isinstance(found, list | tuple) or len(found) != 2 or not all(isinstance(text, str) for text in found):
        raise NotYet(f"statements returned {shown(found)}, no list of two texts.", no_two_texts)
    for place, text, kind in zip(("first", "second"), found, kinds, strict=True):
        first = (_without_comments(text).split() or ["nothing"])[0].upper()
        if not re.fullmatch(kind, first):
            raise NotYet(f"The {place} text begins with {first}.", other_kind)
    return [re.sub(r";\s*\Z", "", text) for text in found]


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.S)


def require_address(ask: Callable[[Settings], Sequence[str]], settings: Settings) -> None:
    """Raise `NotYet` where the texts that `ask` gives for another broker do not have its address."""
    elsewhere = settings.model_copy(update=_ELSEWHERE)
    texts, address = ask(elsewhere), elsewhere.kafka_bootstrap
    if not any(address in text for text in texts):
        raise NotYet(
            f"Asked with settings whose kafka_bootstrap is {address}, it gave a CREATE TABLE without that address.",
            "The text needs an f before its quotes." if any("{settings." in text for text in texts) else
            "The address comes from the settings that it is given: settings.kafka_bootstrap.",
        )  # fmt: skip


def require_same(first: Any, again: Any) -> None:
    """Raise `NotYet` where an answer gave something else when it was asked again."""
    if first != again:
        raise NotYet(f"Asked twice, it gave {shown(first)}, and then {shown(again)}.", "")


def made_table(tables: Any, create: str) -> str:
    """Run `create`; the name of the table that it made. Raises `NotYet` where there is no new one."""
    before = set(tables.list_tables())
    tables.execute_sql(create)
    name = next(iter(set(tables.list_tables()) - before), "")
    if not name:
        raise NotYet("The first statement made no table.", "It is CREATE TABLE …, of a name that is not there yet.")
    return str(name)


def table_text(tables: Any, name: str) -> str:
    """The CREATE TABLE of that table, as Flink writes it."""
    with tables.execute_sql(f"SHOW CREATE TABLE `{name}`").collect() as rows:
        return str(next(iter(rows))[0])


def require_topic(name: str, text: str, topic: str) -> dict[str, str]:
    """The options in the text of the table `name`. Raises `NotYet` for another topic, for which a job would wait."""
    options = dict(re.findall(r"'([\w.\-]+)' = '([^']*)'", text))
    if options.get("topic") != topic:
        raise NotYet(f"The table {name} is of the topic {options.get('topic')}.", f"It is {topic}.")
    return options
