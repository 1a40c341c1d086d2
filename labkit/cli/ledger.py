"""The ledger, and faults on purpose that it is looked at before and after."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from labkit.cli.app import (
    StreamName,
    command,
    err,
    out,
    print_ledger,
    require_one_of,
    require_positive,
    settings_of_this_lab,
)
from labkit.errors import BadInput
from labkit.settings import load_settings
from labkit.system.signals import stop_signals

__all__ = ["burn", "chaos", "ledger"]


@command("ledger", "labkit ledger")
def ledger(stream: StreamName = None) -> None:
    """Compare what must have come out of the snapshots with what is there. Exit status 0 only where it balances."""
    from labkit.cli.view import LedgerView
    from labkit.jobs.failure import causes
    from labkit.lab.account import measure

    settings = settings_of_this_lab(stream=stream)
    with LedgerView(out) as view:
        account = measure(settings, view)
    for sentence in causes(settings):
        err.print(sentence, markup=False)
    print_ledger(account)


@command("burn", "labkit burn --cpu 1 --seconds 20")
def burn(
    cpu: Annotated[int, typer.Option("--cpu", help="Which CPU: 0, 1, …")] = 0,
    seconds: Annotated[float, typer.Option("--seconds", help="For how long.")] = 20.0,
    kind: Annotated[str, typer.Option("--kind", help="user or system")] = "user",
) -> None:
    """Keep one CPU of this machine busy, so that there is something to find in the data. Ctrl-C ends it."""
    from labkit.chaos.burn import burn as burning

    require_positive("--seconds", seconds)
    with stop_signals("the burn ends", lambda: True) as stop, burning(cpu, kind):
        out.print(f"CPU {cpu} is busy for {seconds:g} s, from {datetime.now(UTC):%H:%M:%S} UTC on …")
        stop.wait(seconds)


@command("chaos", "labkit chaos kill taskmanager")
def chaos(
    action: Annotated[str, typer.Argument(help="kill, pause or full-disk")],
    target: Annotated[
        str | None,
        typer.Argument(help="taskmanager, jobmanager, kafka, registry or producer; full-disk takes none"),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="How long a pause or a full disk lasts.")] = 20.0,
) -> None:
    """Do harm on purpose, and say what came of it: the ledger before, when it was back, the ledger after.

    kill sends SIGKILL. pause freezes with SIGSTOP. full-disk puts the Parquet files on a small disk (root only).
    Only processes of this lab are touched. Exit status 0 only where the ledger balances at the end.
    """
    from labkit.chaos import faults as harm

    require_positive("--seconds", seconds)
    require_one_of("action", action, ("kill", "pause", "full-disk"))
    if action == "full-disk":
        if target is not None:
            raise BadInput("full-disk takes no service.", "For example: labkit chaos full-disk --seconds 20")
    elif target is None:
        raise BadInput(f"{action} needs to know what: {', '.join(harm.TARGETS)}.")
    else:
        require_one_of("target", target, harm.TARGETS)
    settings = load_settings()
    harm.require_possible(settings, target)
    with out.status("counting, before the fault …"):
        before = harm.account(settings)
    out.print(f"before: {before or 'no topics yet'}", markup=False)
    with out.status("the fault, and until everything is back …"):
        if target is None:
            fault = harm.full_disk(settings, seconds, say=lambda text: out.print(f"{text} …", markup=False))
        elif action == "kill":
            fault = harm.kill(settings, target)
        else:
            fault = harm.pause(settings, target, seconds)
    out.print(str(fault), markup=False)
    with out.status("counting, after the fault …"):
        after = harm.account(settings)
    out.print("after:  ", end="")
    if after is None:
        out.print("no topics yet")
    else:
        print_ledger(after)
