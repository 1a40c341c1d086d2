"""The workshop: JupyterLab, and a lesson's start, check and copies."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from labkit.cli.app import (
    StreamName,
    command,
    out,
    shown,
)
from labkit.settings import load_settings

__all__ = ["check", "goto", "hint", "lab", "restore", "solution"]


@command("lab", "labkit lab")
def lab() -> None:
    """JupyterLab on 127.0.0.1 with its token, the services up. Ctrl-C ends it; the services stay up.

    It opens your own copies of the notebooks, in work/; what you wrote there is never overwritten.
    """
    from labkit.cli.lab import up
    from labkit.lab import services
    from labkit.lab.jupyter import address, require_free_port, serve
    from labkit.workshop.course import folder, glossary, index

    settings = load_settings()
    if settings.in_containers:
        out.print(f"JupyterLab: {address(settings)}", markup=False)
        return
    require_free_port(settings)
    folder.fill(settings)
    up()
    glossary.write(settings)
    index.write(settings)
    status = serve(settings, lambda text: out.print(text, markup=False))
    if services.processes(settings):
        out.print("JupyterLab has ended; the services are still up. To stop them: labkit down")
    else:
        out.print("JupyterLab has ended; the services are down, too.")
    raise typer.Exit(status)


@command("goto", "labkit goto 05")
def goto(
    number: Annotated[str, typer.Argument(help="The lesson's number, such as 05.")],
    live: Annotated[bool, typer.Option("--live", help="A minute of this machine instead of the recording.")] = False,
    stream: StreamName = None,
) -> None:
    """Bring services, topics, schema, jobs and data to the start of a lesson, as its first cell does."""
    from labkit.workshop.course.contents import Start, lesson
    from labkit.workshop.lesson import begin

    chosen = lesson(number)
    values: dict[str, Any] = {} if stream is None else {"stream": stream}
    begin(chosen.no, "live" if live else "replay", lambda text: out.print(text, markup=False), **values)
    if chosen.start == Start.NOTHING:
        out.print(f"{chosen.no} {chosen.title} needs nothing to be there.")
    out.print(f"Open {chosen.filename} in JupyterLab: make lab")


@command("check", "labkit check 05")
def check(number: Annotated[str, typer.Argument(help="The lesson's number, such as 05; or 05a.")]) -> None:
    """Run your exercises of a lesson in a fresh kernel and judge them. Exit status 1 where one is not solved."""
    from labkit.workshop.course.contents import LESSONS, lesson
    from labkit.workshop.course.folder import exercise_copy
    from labkit.workshop.headless import judged

    chosen = next((each for each in LESSONS if number in each.exercises), None) or lesson(number)
    file = exercise_copy(load_settings(), chosen)
    asked = [number] if number in chosen.exercises else list(chosen.exercises)
    passed = []
    with out.status("") as status:
        verdicts = judged(file, chosen, only=asked)
        for name in asked:
            status.update(f"{name}: running {shown(file)} in a fresh kernel")
            verdict = next(verdicts)
            out.print(str(verdict), markup=False)
            passed.append(verdict.passed)
    if not all(passed):
        raise typer.Exit(1)


@command("hint", "labkit hint 05a")
def hint(exercise: Annotated[str, typer.Argument(help="The exercise, such as 05a.")]) -> None:
    """The next of three hints to an exercise. Each says more than the one before; the last is nearly the answer.

    In a cell of the exercises it is hint("05a"), and both count the same steps.
    """
    from labkit.workshop.hints import next_hint

    out.print(str(next_hint(load_settings(), exercise)), markup=False)


@command("solution", "labkit solution 05a")
def solution(exercise: Annotated[str, typer.Argument(help="The exercise, such as 05a.")]) -> None:
    """A solution of an exercise, and a word on other good answers, once an answer of yours has been checked."""
    from labkit.workshop.hints import shown_solution

    out.print(str(shown_solution(load_settings(), exercise)), markup=False)


@command("restore", "labkit restore 05")
def restore(number: Annotated[str, typer.Argument(help="The lesson's number, such as 05.")]) -> None:
    """Bring back a lesson's notebook and exercises as they were; yours are kept in work/earlier.

    Its ticks and hints are forgotten.
    """
    from labkit.workshop.course import folder, index, progress
    from labkit.workshop.course.contents import lesson

    settings, chosen = load_settings(), lesson(number)
    known = progress.states(settings).keys() & set(chosen.exercises)
    done = folder.restore(settings, chosen)
    for copy, kept in done:
        out.print(f"{shown(copy)} is as it was" + (f"; yours is {shown(kept)} now." if kept else "."), markup=False)
    if done:
        out.print("If it is open in JupyterLab: File → Reload Notebook from Disk. Never choose Overwrite there.")
    else:
        out.print(f"Nothing was changed in {chosen.filename} and its exercises; there is nothing to bring back.")
    if known:
        out.print(f"Ticks and hints of {', '.join(sorted(known))} are forgotten.")
    index.refresh(settings)
