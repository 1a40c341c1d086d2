"""The command line: `labkit up`, `labkit run`, … Each command calls one function of the package.

Errors that a person can cause are one sentence on stderr and exit status 2, never a trace.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from labkit.cli import data, jobs, lab, ledger, workshop
from labkit.cli.app import app, err
from labkit.cli.typed import AS_TYPED, way
from labkit.errors import LabkitError
from labkit.flink.gateway import close_client
from labkit.settings import Settings, load_settings
from labkit.system.signals import ends_in_order

__all__ = ["app", "main"]

#: The families of commands; importing one registers its commands.
_FAMILIES = (lab, jobs, data, ledger, workshop)


def main() -> None:
    """Entry point of `labkit`."""
    with ends_in_order():
        _main(sys.argv[1:] or ["--help"])


#: What a shell gives for a program that Ctrl-C ended (128 + SIGINT). Typer swallows the interrupt and returns this.
_INTERRUPTED = 130


def _main(words: list[str]) -> None:
    try:
        try:
            _forward(words)
            status = app(words, standalone_mode=False)
            if status == _INTERRUPTED:
                raise KeyboardInterrupt
            sys.exit(status)
        finally:
            close_client()
    except OSError as error:
        from labkit.system import disk_space

        if not disk_space.is_full(error):
            raise
        err.print(str(disk_space.fullest(_needed_mib(load_settings()))), markup=False)
        sys.exit(1)
    except LabkitError as error:
        err.print(str(error), markup=False)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        err.print("Stopped.")
        sys.exit(_INTERRUPTED)
    except typer.TyperException as error:
        text, context = error.format_message(), getattr(error, "ctx", None)
        command = f"labkit {context.info_name}" if context is not None and context.parent is not None else "labkit"
        err.print(f"{text}{'' if text.endswith(('.', '?')) else '.'} See: {command} --help", markup=False)
        sys.exit(2)


def _forward(words: list[str]) -> None:
    """Where the compose lab of this folder is up, its JupyterLab's container does the work, and this ends here."""
    if "--help" not in words:
        from labkit.lab.containers import compose

        if compose.is_up(load_settings()):
            compose.run(words, **{AS_TYPED: way()})


def _needed_mib(settings: Settings) -> dict[Path, int]:
    from labkit.system.disk_space import OUTPUT_MIB, STATE_MIB, WORK_MIB

    return {settings.state_dir: STATE_MIB, settings.output_dir: OUTPUT_MIB, settings.work_dir: WORK_MIB}
