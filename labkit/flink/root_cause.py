"""Flink's trace of a failure, a hundred lines of Java -> the one line that says why, and where in whose Python.

    java.lang.reflect.InvocationTargetException
        at java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(Unknown Source) …
    Caused by: pemja.core.PythonException: <class 'ValueError'>: no such column
        at /lab/labkit/streams/procstat/intervals.compare_all(intervals.py:48) …
    ->  "ValueError: no such column (labkit/streams/procstat/intervals.py, line 48)"

Python fails in one of two shapes. Inside the TaskManager's JVM (pemja) its frames stand among those of Java, the
innermost first. In a process (Beam) its own traceback is the message of a Java exception, the innermost last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.system.printable import printable
from labkit.system.repository import REPOSITORY

__all__ = ["Frame", "RootCause", "root_cause"]

_AT_MOST = 300


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in labkit's code or the learner's: `file` is relative where it is inside the repository.

    `text` is the line itself, where the trace has it.
    """

    file: str
    line: int
    function: str
    text: str = ""

    @property
    def is_of_a_cell(self) -> bool:
        """Whether this is how Python names a notebook's cell."""
        return "ipykernel_" in self.file or "<ipython-input" in self.file

    def __str__(self) -> str:
        if self.is_of_a_cell:
            return f"{self.function}, line {self.line} of its cell"
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True, slots=True)
class RootCause:
    """`cause` is one line without its full stop, "" where Flink gave none; `frame` the innermost of whose Python it is.

    `is_python`: the job's own code raised it, so that it will again. `state_does_not_fit`: Flink says that the saved
    state is not of this job.
    """

    cause: str
    frame: Frame | None = None
    is_python: bool = False
    state_does_not_fit: bool = False

    def __str__(self) -> str:
        where = f" ({self.frame})" if self.frame else ""
        return f"{self.cause or 'no reason given'}{where}"


def root_cause(trace: str, repository: Path = REPOSITORY) -> RootCause:
    """What a trace comes down to: a Python exception, where one is in it, else the last "Caused by".

    `trace` is Flink's, or that of a client (`traceback.format_exception`) with Flink's inside.
    """
    in_jvm = list(_IN_JVM.finditer(trace))
    if in_jvm:
        last = in_jvm[-1]
        return RootCause(_line(_shorter(f"{last['kind']}: {last['said']}")),
                         _innermost(_frames_of_pemja(trace[last.end() :]), repository), is_python=True)  # fmt: skip
    in_process = trace.rfind(_IN_PROCESS)
    if in_process >= 0:
        return _of_traceback(trace[in_process + 2 :], repository)
    causes = _CAUSED_BY.findall(trace) or _JAVA_FIRST.findall(trace)[:1]
    if causes:
        return RootCause(_line(_shorter(_unwrapped(causes[-1]))), state_does_not_fit=bool(_MISFIT.search(trace)))
    if trace.startswith(_BEGIN):
        return _of_traceback(trace, repository)
    return RootCause(_line(_shorter(_unwrapped(next((line for line in trace.splitlines() if line.strip()), "")))))


# ---------------------------------------------------------------------------------------------------------- Python

_IN_JVM = re.compile(r"pemja\.core\.PythonException: <class '(?P<kind>[^']+)'>:? ?(?P<said>.*)")
_OF_PEMJA = re.compile(r"^\s+at (?P<path>.+)\.(?P<function>[^.()/]+)\((?P<name>[^()/]+):(?P<line>\d+)\)$", re.M)
_BEGIN = "Traceback (most recent call last):"
#: Behind the name of the Java exception whose message it is; one that stands alone is a client's.
_IN_PROCESS = f": {_BEGIN}"
_FRAME = re.compile(
    r'^ +File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)\n(?P<rest>(?:(?! +File )[ \t]+.*\n)*)', re.M
)
_NOT_OURS = ("site-packages/", "dist-packages/", "lib/python3", "apache_beam/", "pyflink/", "<frozen")


def _of_traceback(text: str, repository: Path) -> RootCause:
    """A traceback as Python writes it; of several that led to one another, the last."""
    java = re.search(r"^(?:\t(?:at |\.\.\. )|Caused by: )", text, re.M)
    last = (text[: java.start()] if java else text).rpartition(_BEGIN)[2]
    frames = list(_FRAME.finditer(last))
    after = last[frames[-1].end() :] if frames else last
    said = next((line for line in after.splitlines() if line[:1].strip()), "")
    said = re.sub(r" \[while running .*", "", said)  # Beam's words, behind the message
    return RootCause(_line(_shorter(said)), _innermost(reversed(frames), repository), is_python=True)


def _frames_of_pemja(text: str) -> Iterator[re.Match[str]]:
    """Those of Python: "at /lab/labkit/streams/procstat/intervals.compare_all(intervals.py:48)"."""
    return (frame for frame in _OF_PEMJA.finditer(text) if not frame["name"].endswith((".java", ".scala")))


def _innermost(frames: Iterable[re.Match[str]], repository: Path) -> Frame | None:
    """The first of `frames` that is neither a package's nor Python's own."""
    for frame in frames:
        found = frame.groupdict()
        path = Path(found["path"]).with_name(found["name"]) if "name" in found else Path(found["path"])
        own = path.relative_to(repository) if path.is_relative_to(repository) else path
        if not any(part in str(own) for part in _NOT_OURS):
            text = (found.get("rest") or "").strip().split("\n")[0]
            return Frame(printable(str(own)), int(found["line"]), found["function"], text)
    return None


# ------------------------------------------------------------------------------------------------------------ Java

_CAUSED_BY = re.compile(r"^Caused by: (.+)$", re.M)
#: The first line of a trace without causes; py4j puts ": " before it, PyFlink the name of its own exception.
_JAVA_FIRST = re.compile(r"^(?::\s*|[\w.]+: )?((?:java|javax|org|com)\.[\w.$]+(?:Exception|Error).*)$", re.M)
_WRAPPED = re.compile(r"^(?:\w+\.)+[\w$]+: (?=(?:[a-z]\w*\.)+[\w$]*(?:Exception|Error|Throwable)(?:: |$))")
_PACKAGES = re.compile(r"^(?:[A-Za-z_]\w*\.)+(?=[\w$]+(?:: |$))")
#: Flink's words where saved state is of another job than the one that is to go on from it; no others. A trace that has
#: "savepoint" in it may as well be about a disk.
_MISFIT = re.compile(
    r"StateMigrationException"
    r"|Cannot map checkpoint/savepoint state for operator"
    r"|Max parallelism mismatch between checkpoint/savepoint state"
    r"|There is no operator for the state"
    r"|must (?:not be in|be )compatible with the (?:old|previous) "
    r"|Incompatible (?:key/value state types|state names|state assignment modes)\."
)


def _unwrapped(line: str) -> str:
    """Without the names of exceptions that only hold another: "CompletionException: java.io.EOFException"."""
    while wrapper := _WRAPPED.match(line):
        line = line[wrapper.end() :]
    return line


def _shorter(line: str) -> str:
    """ "java.io.IOException: No space left" -> "IOException: No space left" """
    return _PACKAGES.sub("", line)


def _line(text: str) -> str:
    """One line that a terminal can show, without the full stop (or colon) that it ends in."""
    line = printable(text.strip()).rstrip(".: ")
    return line if len(line) <= _AT_MOST else f"{line[: _AT_MOST - 1]}…"
