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

__all__ = ["check", "goto", "lab", "restore"]


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
    with out.status(f"running {shown(file)} in a fresh kernel"):
        said = judged(file, chosen)
    if number in chosen.exercises:
        said = [verdict for verdict in said if verdict.exercise == number]
    for verdict in said:
        out.print(str(verdict), markup=False)
    if not all(verdict.passed for verdict in said):
        raise typer.Exit(1)


@command("restore", "labkit restore 05")
def restore(number: Annotated[str, typer.Argument(help="The lesson's number, such as 05.")]) -> None:
    """Bring back a lesson's notebook and exercises as they were; yours are kept in work/earlier."""
    from labkit.workshop.course import folder
    from labkit.workshop.course.contents import lesson

    done = folder.restore(load_settings(), lesson(number))
    for copy, kept in done:
        out.print(f"{shown(copy)} is as it was" + (f"; yours is {shown(kept)} now." if kept else "."), markup=False)
    if done:
        out.print("If it is open in JupyterLab: File → Reload Notebook from Disk. Never choose Overwrite there.")
    else:
        out.print(
            f"Nothing was changed in {lesson(number).filename} and its exercises; there is nothing to bring back."
        )
