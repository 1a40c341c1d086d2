"""Long traces -> one sentence and what to type.

    %load_ext labkit.workshop.explain      in a notebook: from then on each error that is known is explained

    ValidationException: Unable to create a source …  (90 lines)
    ->  Flink knows no connector or format called 'kafak'. It knows: blackhole, datagen, filesystem, kafka, print.
        Check the spelling; …                           and below it, folded, the 90 lines

`explained` is the pure function behind it, `KINDS` the table of what is known. An error that is not known is shown as
IPython always shows it. The cell has failed either way: whoever runs the notebook gets its error message.
"""

from __future__ import annotations

import html
import linecache
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any

from labkit.errors import LabkitError
from labkit.flink.root_cause import Frame, root_cause

__all__ = [
    "KINDS",
    "Explanation",
    "Kind",
    "explained",
    "is_of_a_cell",
    "load_ipython_extension",
    "unload_ipython_extension",
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened, and what to do or type about it (may be empty)."""

    what: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.todo}".rstrip()


Words = dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of trace: `pattern` finds it, its groups and what `see` reads from the trace fill the two texts."""

    name: str
    pattern: str
    what: str
    todo: str
    see: Callable[[str], Words] = lambda _: {}


# ------------------------------------------------------------------------------------- what is read from a trace


def _available(trace: str) -> Words:
    """Flink lists what it knows, one a line, below "Available factory identifiers are:"; not for every format."""
    found = re.search(r"Available factory identifiers are:\s+((?:[\w-]+\s*\n)+)", trace)
    return {"known": f" It knows: {', '.join(found[1].split())}." if found else ""}


def _own_line(trace: str) -> Words:
    """The last line of the learner's own in a worker's trace, and what was raised there.

    A function of a cell has travelled to the worker without its text; this kernel still has it.
    """
    found = root_cause(trace)
    return {"error": found.cause or "an error", "where": f", in {_shown(found.frame)}" if found.frame else ""}


def _shown(frame: Frame) -> str:
    """ "share, line 3 of its cell: return part / total"; where it is no cell's, with its file."""
    line = linecache.getline(frame.file, frame.line).strip() or frame.text
    where = str(frame) if frame.is_of_a_cell else f"{frame}, in {frame.function}"
    return f"{where}: {line}".rstrip(": ")


def _root_cause(trace: str) -> Words:
    """What a Java trace comes down to, with short names of classes.

    Beside it: the lines on types that the planner writes below it, and what to do. What the planner refuses never
    becomes a job, so no log has a word about it.
    """
    types = (f"{whose} schema: {is_}" for whose, is_ in re.findall(r"^(Query|Sink) schema: +(.+)$", trace, re.M))
    said = ". ".join(dict.fromkeys([str(root_cause(trace)), *types]))
    refused = _PLANNER.search(trace) and "JobExecutionException" not in trace
    return {"cause": re.sub(r"\b(?:[a-z]\w*\.)+(?=[A-Z])", "", said), "todo": _NO_JOB if refused else _IN_THE_LOG}


_PLANNER = re.compile(r"org\.apache\.(?:calcite|flink\.table\.(?:planner|api\.\w*(?:Validation|Parser)\w*Exception))")
_NO_JOB = (
    "Look in your statements and types for what it names: it was refused before there was a job, so no log has more"
)
_IN_THE_LOG = "If that is not enough: labkit logs taskmanager"


# ------------------------------------------------------------------------------------------- what is known, in order

_WORKER = r"(?s)(?:Error received from SDK harness|pemja\.core\.PythonException).*"
_REFUSED = r"(?:Connection refused|ConnectError|ConnectTimeout|ConnectException|Failed to establish)"

#: The first whose pattern is found explains the trace, so the narrow ones stand above the wide ones.
KINDS = (
    Kind(
        "a worker without a module",
        _WORKER + r"ModuleNotFoundError(?:'>)?: No module named '(?P<module>\w+)[^']*'",
        "A Python worker of Flink cannot import {module}: it has what is installed, not your own files.",
        'Ship the file before you submit: env.add_python_file("{module}.py"), or put its functions into a cell.',
    ),
    Kind(
        "a Python error in a function of yours",
        _WORKER,
        "Your function raised {error} in a Python worker of Flink{where}.",
        "Call it here with such a record, until it works; then submit again.",
        _own_line,
    ),
    Kind(
        "no connector or format",
        r"Could not find any (?:format )?factory for identifier '(?P<name>[^']*)'",
        "Flink knows no connector or format called {name!r} here.{known}",
        "Check the spelling. If it is right: restart the kernel, and make the first environment with "
        "labkit.flink.environment.remote_environment, which brings the lab's jars.",
        _available,
    ),
    Kind(
        "no slots",
        r"NoResourceAvailableException|Could not acquire the minimum required resources",
        "The cluster has no free slot for this job: other jobs hold them, or it asks for more than there are.",
        "End a job that you do not need (tidy(settings), or Cancel on Flink's page), or call env.set_parallelism(1).",
    ),
    Kind(
        "exactly once without a name",
        r"transactional-?[iI]d-?[pP]refix(?: must be specified| to be set)",
        "A Kafka sink that delivers exactly once needs a name for its transactions, and checkpoints to commit them.",
        "Add 'sink.transactional-id-prefix' = 'some-name', and call env.enable_checkpointing(10_000).",
    ),
    Kind(
        "SQL that cannot be read",
        r"(?m)\.ParseException: (?P<said>(?:Encountered|Incorrect syntax|Non-query).*?)\.?$",
        "Flink cannot read this SQL: {said}.",
        "A column whose name is a word of SQL stands in backticks: `timestamp`, `user`, `date`. If it is not that, "
        "something is missing just before that place: a comma, a bracket, a quote.",
    ),
    Kind(
        "a result that changes",
        r"Table sink '(?:[^'.]+\.)*(?P<table>[^'.]+)' doesn't support consuming update(?: and delete)? changes",
        "The rows of this query are replaced later (a GROUP BY without a window does that), and the table {table} "
        "only takes new rows.",
        "Where each record gives a row of its own, take GROUP BY or DISTINCT away. Where groups are meant, give each "
        "an end (a window), or write to a table by key ('connector' = 'upsert-kafka', with a PRIMARY KEY).",
    ),
    Kind(
        "two times of event in a row",
        r"more than one rowtime attribute column \[(?P<columns>[^\]]+)\]",
        "This query gives several columns of event time ({columns}), and a row that is written has one at most.",
        "Make plain times of all but one, CAST(m.ts AS TIMESTAMP_LTZ(3)), or select the number of ms in the record.",
    ),
    Kind(
        "a table without versions",
        r"Temporal Table Join requires [^\n]*?versioned table, but no (?P<lacks>[\w ]+?) can be found",
        "FOR SYSTEM_TIME AS OF looks into a table that knows its versions, and this one has no {lacks}.",
        "Give it a PRIMARY KEY (… NOT ENFORCED) and a WATERMARK on the time from which on a row holds.",
    ),
    Kind(
        "times of two types",
        r"requires same rowtime types?[^\n]*?, but the (?:rowtime )?types are (?P<one>.+?) and (?P<other>.+?)\.?\n",
        "The times of both tables have to be of one type; here they are {one} and {other}.",
        "Declare both as TIMESTAMP_LTZ(3): METADATA FROM 'timestamp', or TO_TIMESTAMP_LTZ(ms, 3).",
    ),
    Kind(
        "no visible Parquet file",
        r"No files found that match the pattern \"(?P<where>[^\"]+)\"",
        "There is no visible file at {where}: Flink shows its files when a checkpoint completes, never before.",
        "Flink's page shows a job's checkpoints. If it makes none: env.enable_checkpointing(10_000), and submit again.",
    ),
    Kind(
        "the JobManager is away",
        rf"(?s)(?:JobSubmissionException|Failed to submit|RestClusterClient|runtime\.rest\.).*{_REFUSED}",
        "Flink's JobManager does not answer, so nobody took the job.",
        "Type: labkit status; then labkit up starts what is stopped.",
    ),
    Kind(
        "the registry is away",
        rf"(?s)(?:schema_registry|apis/ccompat).*{_REFUSED}",
        "The schema registry does not answer.",
        "Type: labkit status; then labkit up starts what is stopped.",
    ),
    Kind(
        "a schema that was refused",
        r"HTTP status code:? 409|409 Conflict",
        "The registry refuses this schema: with it, records that are in the topic already could not be read any more.",
        "Give every new field a default, and leave the types of the old ones as they are.",
    ),
    Kind(
        "a topic that is not there",
        r"UNKNOWN_TOPIC_OR_PART|_UNKNOWN_TOPIC|UnknownTopicOrPartition|does not host this topic-partition",
        "Kafka has no topic of that name.",
        "Type: kafka-topics --list. The pipeline's own are made by make setup, a lesson's by begin(…).",
    ),
    Kind(
        "a topic that is there already",
        r"TOPIC_ALREADY_EXISTS.*?Topic '(?P<topic>[^']+)'",
        "The topic {topic} is there already: this cell has run before.",
        "Go on with the next cell. To begin anew, run all cells from begin on.",
    ),
    Kind(
        "a consumer that is closed",
        r"RuntimeError: Consumer (?:already )?closed",
        "This consumer is closed: the cell that closes it has run.",
        "Run the cell that makes it once more, then this one; or run all cells from begin on.",
    ),
    Kind(
        "the broker is away",
        r"Broker transport failure|_TRANSPORT|_ALL_BROKERS_DOWN|brokers? are down"
        r"|Timed out waiting for a node assignment|Failed to (?:get metadata|list subscribed topic partitions)"
        r"|Call\(callName=\w+.*timed out",
        "Kafka does not answer.",
        "Type: labkit status; then labkit up starts what is stopped.",
    ),
    Kind(
        "a port that is taken",
        r"Address already in use|java\.net\.BindException",
        "Another program listens on that port already.",
        "Type: labkit doctor, which names it. To move the whole lab: port_offset = 100 in labkit.toml.",
    ),
    Kind(
        "no Parquet among the Parquet files",
        r"(?:'(?P<file>[^']+)'[^']*)Parquet magic bytes not found",
        "{file} is no Parquet file, and whoever reads the whole folder stumbles over it.",
        "Move it elsewhere (pictures belong in output/plots), then read again.",
    ),
    Kind(
        "PyFlink's JVM is gone",
        r"Py4JNetworkError|Answer from Java side is empty"
        r"|Java gateway process exited|: (?:org|java) does not exist in the JVM",
        "The Java process behind this notebook's PyFlink has ended.",
        "Restart the kernel (menu Kernel), then run the cells from the top.",
    ),
    Kind(
        "a plan that was handed over already",
        r"No operators defined in streaming topology",
        "There is nothing to hand over: this environment's plan was handed over already, or has no sink yet.",
        "Run again from the cell that calls remote_environment.",
    ),
    Kind(
        "a planner in another thread",
        r"NullPointerException: metadataHandlerProvider",
        "Flink's planner was called in another thread than the one that made this environment, for instance "
        "after a cell was interrupted (FLINK-36298).",
        "Run again from the cell that calls remote_environment.",
    ),
    Kind(
        "cells out of order",
        r"(?m)^NameError: name '(?P<name>\w+)' is not defined",
        "There is no {name} in this kernel: the cell that makes it has not run.",
        "Menu Run → Run All Above Selected Cell.",
    ),
    Kind(
        "Flink's own words",
        r"Py4JJavaError|An error occurred while calling|pyflink\.util\.exceptions|org\.apache\.flink",
        "Flink says: {cause}.",
        "{todo}.",
        _root_cause,
    ),
)


def explained(error: BaseException | str) -> Explanation | None:
    """An error, or the text of a trace -> one sentence and what to type; None where the kind is not known.

    An error of labkit is its own sentence already.
    """
    if isinstance(error, LabkitError):
        return Explanation(error.what, error.todo)
    trace = error if isinstance(error, str) else _evidence(error)
    for kind in KINDS:
        found = re.search(kind.pattern, trace)
        if found is not None:
            words = {**found.groupdict(), **kind.see(trace)}
            return Explanation(kind.what.format_map(words), kind.todo.format_map(words))
    return None


def _evidence(error: BaseException) -> str:
    """The whole trace, and the address that was asked: httpx2 keeps that beside its message."""
    asked = ""
    with suppress(Exception):  # httpx2 raises where an error has no request
        asked = f"request to {error.request.url}\n"  # type: ignore[attr-defined]
    return asked + "".join(traceback.format_exception(error))


# ------------------------------------------------------------------------------------------------- IPython's part


def load_ipython_extension(shell: Any) -> None:
    """%load_ext labkit.workshop.explain: explain what a cell raises."""
    shell.set_custom_exc((Exception,), _show)


def unload_ipython_extension(shell: Any) -> None:
    """%unload_ext: show errors as IPython does by itself."""
    shell.set_custom_exc((), None)


def _show(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
) -> None:
    """IPython calls this for what a cell raised, and leaves the showing to it.

    A notebook gets an error message of a sentence, and the trace folded below; a terminal, which is read from its
    end, the trace and then the sentence. %tb shows the trace in both.
    """
    told = None
    with suppress(Exception):  # a trace that cannot be had (the JVM is gone) must not hide the error
        told = explained(error)
    if told is None or getattr(shell, "kernel", None) is None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        if told is not None:
            print(f"\n{_BOLD}{told.what}{_PLAIN}\n{told.todo}")
        return
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    whole = "".join(traceback.format_exception(kind, error, trace.tb_next))  # the first frame is IPython's own
    # What `showtraceback` does in the end: it sends the error message, for which a cell counts as failed.
    shell._showtraceback(kind, str(told), _sentence(kind, told, trace))
    _display(told, whole)


_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def _sentence(kind: type[BaseException], told: Explanation, trace: TracebackType) -> list[str]:
    where = _line_of_the_cell(trace)
    return [f"{_BOLD}{told.what}{_PLAIN}", *filter(None, [told.todo]), "", f"({kind.__name__}{where})"]


def _line_of_the_cell(trace: TracebackType | None) -> str:
    """Which line of the cell led there: ", line 3 of this cell: env.execute()"; "" where that cannot be found."""
    while trace is not None:
        file, number = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if is_of_a_cell(file):
            return f", line {number} of this cell: {linecache.getline(file, number).strip()}"
        trace = trace.tb_next
    return ""


@cache
def is_of_a_cell(file: str) -> bool:
    """Whether Python knows a notebook's cell under this name of a file."""
    return Frame(file, 0, "").is_of_a_cell


def _display(told: Explanation, whole: str) -> None:
    from IPython.display import display

    folded = f"<details><summary>The whole trace</summary><pre>{html.escape(whole)}</pre></details>"
    display({"text/html": folded, "text/plain": f"{whole}\n{told}"}, raw=True)  # type: ignore[no-untyped-call]
