"""The lab's own services: up, down, status, logs, doctor, reset."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import Annotated

import typer
from rich.markup import escape

from labkit.cli.app import (
    Yes,
    command,
    confirm,
    err,
    out,
    require_one_of,
)
from labkit.errors import BadInput, LabkitError
from labkit.settings import Settings, load_settings

__all__ = ["doctor", "down", "logs", "reset", "status", "up"]


@command("up", "labkit up")
def up() -> None:
    """Start Kafka, the registry and the Flink cluster, and wait until they answer."""
    from labkit.cli.view import ServicesView, status_table
    from labkit.lab import run_state, services

    settings = load_settings()
    view = ServicesView(out)
    try:
        started = services.up(settings, view, _say)
    finally:
        view.close()
    out.print("All services are up." if started else "All services were up already.")
    out.print(status_table(services.status(settings)))
    run_state.hand_over(settings, services=True)
    _print_left_behind(settings)


@command("down", "labkit down")
def down() -> None:
    """Stop every service of this lab. Topics, schemas and job state stay."""
    from labkit.lab import services

    settings = load_settings()
    with services.no_run(settings):
        stopped = services.down(settings, _say)
    if stopped and settings.in_containers:
        out.print("The services are stopped; the containers and JupyterLab stay. To remove them: docker compose down")
        out.print("labkit up starts them again, and the jobs come back by themselves.")
    else:
        out.print("All services are stopped." if stopped else "No service was running.")


@command("status", "labkit status")
def status() -> None:
    """Show each service: health, address, pid, memory; and each job that fails. Exit status 1 where one is not well."""
    from labkit.cli.view import status_table
    from labkit.jobs.failure import Trouble, trouble
    from labkit.lab import ownership, services

    settings = load_settings()
    if not settings.in_containers and services.is_up(settings):
        ownership.require_same_ports(settings, *settings.ports)
    rows = services.status(settings)
    out.print(status_table(rows))
    troubles: list[Trouble] = []
    if any(row.pid for row in rows):
        with suppress(LabkitError):  # a cluster that does not answer stands in the table
            troubles = trouble(settings)
        for one in troubles:
            out.print(str(one), markup=False)
        _print_left_behind(settings)
    if any(one.fails for one in troubles) or not all(row.healthy for row in rows):
        raise typer.Exit(1)


@command("logs", "labkit logs kafka --lines 50")
def logs(
    service: Annotated[
        str,
        typer.Argument(help="kafka, registry, jobmanager or taskmanager; in containers also producer or jupyterlab"),
    ],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows.")] = False,
) -> None:
    """Show the end of a service's log."""
    from labkit.lab import services

    settings = load_settings()
    service = "registry" if service == "schema-registry" else service  # its name in docker-compose.yml
    require_one_of("service", service, services.services_of(settings))
    files = services.log_files(settings, service)
    if not files:
        raise BadInput(f"{service} has no log yet.", "Start the services: labkit up")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, files)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@command("doctor", "labkit doctor")
def doctor() -> None:
    """Look for what could keep the lab from running, and say what to type. Exit status 1 where it finds any."""
    from labkit.lab.doctor import examine

    findings = examine(load_settings())
    for finding in findings:
        mark = "[green]✓[/]" if finding.ok else "[red]✗[/]"
        out.print(f"{mark} {escape(finding.what)}")
        if not finding.ok:
            out.print(f"    {finding.todo}", markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@command("reset", "labkit reset")
def reset(
    yes: Yes = False,
    work: Annotated[bool, typer.Option("--work", help="Your copies of the notebooks and your ticks, too.")] = False,
) -> None:
    """Back to nothing: stop the services, remove topics, schemas, job state and output/."""
    from labkit.lab import services
    from labkit.lab.reset import reset as remove
    from labkit.lab.reset import what_goes

    settings = load_settings()
    if settings.in_containers:
        raise BadInput(
            "In the compose lab topics, schemas and job state are in Docker's volumes; nothing was removed.",
            "On the host, type: docker compose down --volumes",
        )
    goes = what_goes(settings, work=work)
    if not goes:
        out.print("There is nothing to remove.")
        return
    what = ", ".join(map(str, goes))
    confirm(f"This stops the lab and removes {what}.", yes)
    with services.no_run(settings):
        remove(settings, work=work)
    out.print(f"Removed: {what}.", markup=False)


def _say(what: str) -> None:
    """What a command waits for, before it does."""
    err.print(what, markup=False)


def _print_left_behind(settings: Settings) -> None:
    from labkit.lab import run_state

    left = run_state.left_behind(settings)
    if left is not None:
        out.print(f"{left.what} {left.todo}", markup=False)
