"""The Java half of set-up, run by bootstrap.py once the Python packages are there. Also importable.

    python -m labkit.setup.install        fetch the jars and the registry, make the class archive
    python -m labkit.setup.install JARS   copy them from that folder, which an offline bundle has

Leaves, below `install_dir` (.venv/share/labkit): jars/, registry/, flink-lib/ (what a Flink process
loads: the wheel's own jars, PyFlink's, the connectors, origin_filter.jar and operators.jar), class-archives/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from labkit.errors import LabkitError
from labkit.flink.home import flink_home, flink_lib, java
from labkit.flink.jvm import clean
from labkit.setup import artifacts, operators, origin_filter
from labkit.setup.place import install_dir
from labkit.system import disk_space
from labkit.system.repository import REPOSITORY

__all__ = ["install", "require_installed"]

LOCK = REPOSITORY / "jars.lock"
#: The unpacked registry, and Java's class archives.
_MADE_MIB = 330


def require_installed(folder: Path) -> None:
    """Raise `LabkitError` where set-up has not been finished, or was that of another version."""
    done = folder / "installed"
    if not LOCK.exists() or not done.exists():
        raise LabkitError("The Java parts are not installed.", "Type: make install")
    if done.read_text() != _made_of():
        raise LabkitError("The Java parts are those of another version of this lab.", "Type: make install")


def _made_of() -> str:
    """What set-up makes its folder of; another version may need something else."""
    own = "".join(f"# {jar.NAME} {jar.fingerprint()}\n" for jar in (origin_filter, operators))
    return f"{LOCK.read_text()}{own}"


def install(folder: Path, console: Console, jars: Path | None = None) -> None:
    """Bring `folder` to what jars.lock names; does nothing where it already is.

    `jars` is a folder to copy from; nothing is fetched then.
    """
    wanted = artifacts.read_lock(LOCK)
    done = folder / "installed"
    made_of = _made_of()
    absent = artifacts.missing(wanted, folder)
    if not absent and done.exists() and done.read_text() == made_of:
        return
    disk_space.require_room(folder, _needed_mib(absent), "nothing was fetched")
    done.unlink(missing_ok=True)
    if absent and jars:
        console.print(f"copying {len(absent)} Java archives from the bundle")
        artifacts.copy_all(absent, jars, folder)
    elif absent:
        _fetch(absent, folder, console)
    console.print("unpacking the registry")
    artifacts.unpack_registry(wanted, folder)
    _link_flink_lib(wanted, folder)
    console.print("making Java's class archive (later starts are faster)")
    (folder / "class-archives").mkdir(exist_ok=True)
    subprocess.run([java(), "-Xshare:dump"], env=clean(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                   text=True)  # fmt: skip
    part = done.with_name("installed.part")  # `installed` is seen whole or not at all
    part.write_text(made_of)
    part.replace(done)


def _needed_mib(absent: list[artifacts.Artifact]) -> int:
    """What is still to be fetched, and what is made of it: the unpacked registry and the class archive."""
    return sum(artifact.size for artifact in absent) // 2**20 + _MADE_MIB


def _fetch(absent: list[artifacts.Artifact], install_dir: Path, console: Console) -> None:
    total = sum(artifact.size for artifact in absent)
    console.print(f"fetching {len(absent)} Java archives, {total / 1e6:.0f} MB")
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("jars", total=total)
        tenths = 0

        def on_bytes(_: artifacts.Artifact, count: int) -> None:
            nonlocal tenths
            progress.advance(bar, count)
            reached = int(10 * progress.tasks[0].completed / total)
            if not console.is_terminal and reached > tenths:
                tenths = reached
                console.print(f"  {tenths * 10} %")

        artifacts.fetch_all(absent, install_dir, on_bytes)


def _link_flink_lib(wanted: list[artifacts.Artifact], install_dir: Path) -> None:
    folder = flink_lib(install_dir)
    folder.mkdir(parents=True, exist_ok=True)
    sources = [
        *sorted((flink_home() / "lib").glob("*.jar")),
        *sorted((flink_home() / "opt").glob("flink-python-*.jar")),
        *(artifact.path(install_dir) for artifact in wanted if artifact.set == "flink"),
    ]
    names = {source.name for source in sources} | {origin_filter.NAME, operators.NAME}
    for old in folder.iterdir():
        if old.name not in names:
            old.unlink()
    for source in sources:
        link = folder / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(source, folder))
    origin_filter.build(folder / origin_filter.NAME)
    operators.build(folder / operators.NAME)


def main() -> int:
    """Entry point of `python -m labkit.setup.install`."""
    console = Console(highlight=False)
    try:
        install(install_dir(), console, Path(sys.argv[1]) if sys.argv[1:] else None)
    except LabkitError as error:
        console.print(f"{error}", soft_wrap=True, markup=False)
        return error.exit_status
    except OSError as error:
        folder = install_dir()
        absent = artifacts.missing(artifacts.read_lock(LOCK), folder)
        full = disk_space.is_full(error)
        words = (
            disk_space.full(folder, _needed_mib(absent)) if full else f"The Java parts could not be written: {error}."
        )
        console.print(f"{words}", soft_wrap=True, markup=False)
        return 1
    except subprocess.CalledProcessError as error:
        console.print(f"Java's class archive could not be made: {error.stderr.strip()[-300:]}", soft_wrap=True,
                      markup=False)  # fmt: skip
        return 1
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on where this one was.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
