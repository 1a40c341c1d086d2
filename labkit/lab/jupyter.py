"""JupyterLab, on 127.0.0.1 only and with a token of this lab's own."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2

from labkit.errors import BadInput
from labkit.settings import LOOPBACK, REPOSITORY, Settings
from labkit.system import own_http, ports
from labkit.system.waiting import patience, wait_until

__all__ = ["address", "command", "require_free_port", "serve", "token"]

#: The learner's way in, made by labkit.workshop.course.index.
_INDEX = "index.ipynb"
#: What JupyterLab loads besides its own: a script that shows the index as it is on disk.
_EXTENSIONS = Path(__file__).parent / "labextensions"
_PR_SET_PDEATHSIG = 1
_END_WITHIN_S = 20.0
_ANSWERS_WITHIN_S = 180.0


def address(settings: Settings) -> str:
    """The one address to open, its token included."""
    page = (settings.work_dir / _INDEX).relative_to(_root(settings))
    return f"http://{LOOPBACK}:{settings.jupyter_port}/lab/tree/{page}?token={token(settings)}"


def command(settings: Settings) -> list[str]:
    """JupyterLab's command line; its token goes by a file, in a container by the environment."""
    return [
        sys.executable, "-m", "jupyterlab", "--no-browser", f"--ip={settings.bind_host}",
        f"--port={settings.jupyter_port}", "--ServerApp.port_retries=0", "--log-level=WARN",
        f"--ServerApp.root_dir={_root(settings)}", f"--LabApp.app_settings_dir={_lab_settings(settings)}",
        f"--LabApp.extra_labextensions_path={_EXTENSIONS}",
        # Without keys every user of the machine could read from its port what a kernel prints.
        "--KernelManager.transport_encryption=auto",
        f"--ServerApp.terminado_settings={{'shell_command': {_shell(settings)}}}",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip


def _root(settings: Settings) -> Path:
    """What JupyterLab shows: this repository, or the learner's folder alone where that lies elsewhere."""
    return REPOSITORY if settings.work_dir.is_relative_to(REPOSITORY) else settings.work_dir


def token(settings: Settings) -> str:
    """This lab's token, made once; only the owner can read its file. A container's is in its environment."""
    if settings.in_containers:
        return os.environ["JUPYTER_TOKEN"]
    file = _token_file(settings)
    if not file.exists() or not file.stat().st_size:  # a full disk leaves an empty one
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


def _token_file(settings: Settings) -> Path:
    return settings.state_dir / "jupyter-token"


def require_free_port(settings: Settings) -> None:
    """Raise `BadInput` where another program holds JupyterLab's port."""
    port = settings.jupyter_port
    if not ports.is_free(port):
        raise BadInput(
            f"Port {port} (jupyter_port) is taken by {ports.holder(port)}.",
            "Stop that program, or set LABKIT_JUPYTER_PORT to another port.",
        )


def serve(settings: Settings, say: Callable[[str], None]) -> int:
    """Run JupyterLab in the foreground until Ctrl-C; returns its exit status."""
    require_free_port(settings)
    port = settings.jupyter_port
    # Not by the command line, which every user of the machine can read, and not by the environment either: every
    # kernel would have it, and show it with the first print of os.environ.
    token(settings)
    environment = own_http.environment(os.environ, settings.own_hosts)
    environment.pop("JUPYTER_TOKEN", None)
    environment["JUPYTER_TOKEN_FILE"] = str(_token_file(settings))
    process = subprocess.Popen(
        command(settings),
        env=environment,
        start_new_session=True,  # Ctrl-C comes to labkit alone; Jupyter would ask whether it is meant
        preexec_fn=partial(_end_with, os.getpid()),
    )
    try:
        _wait_until_it_answers(process, port)
        say(f"JupyterLab: {address(settings)}")
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kernels may keep JupyterLab from its end for a while; not for ever."""
    process.terminate()
    try:
        process.wait(patience(_END_WITHIN_S))
    except subprocess.TimeoutExpired:
        process.kill()  # kernels see that it is gone, and end
        process.wait()


def _end_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when `labkit lab` is gone, however it went. Source: PR_SET_PDEATHSIG(2const)"""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before that
        os.kill(os.getpid(), signal.SIGTERM)


def _lab_settings(settings: Settings) -> Path:
    """A folder with settings of JupyterLab: it asks nobody for news, and a closed tab gives its memory back."""
    overrides = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/notebook-extension:tracker": {"kernelShutdown": True},
    }
    (_folder(settings) / "overrides.json").write_text(json.dumps(overrides))
    return _folder(settings)


def _shell(settings: Settings) -> list[str]:
    """What a terminal of JupyterLab runs: the user's shell, with labkit on its PATH.

    A login shell, JupyterLab's default, sets PATH anew; so may ~/.bashrc.
    """
    shell = os.environ.get("SHELL") or "/bin/bash"
    if Path(shell).name != "bash":
        return [shell]
    start = _folder(settings) / "bashrc"
    scripts = shlex.quote(str(Path(sys.executable).parent))
    start.write_text(f"[ -f ~/.bashrc ] && . ~/.bashrc\nPATH={scripts}:$PATH\n")
    return [shell, "--rcfile", str(start)]


def _folder(settings: Settings) -> Path:
    folder = settings.state_dir / "jupyter"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    last = ""

    def answers() -> bool:
        if process.poll() is not None:
            raise BadInput(f"JupyterLab did not start (exit status {process.returncode}).")
        nonlocal last
        try:
            own_http.request("GET", f"http://{LOOPBACK}:{port}/api", timeout_s=1)
        except httpx2.HTTPError as error:
            last = str(error) or type(error).__name__
            return False
        return True

    wait_until(
        answers, "JupyterLab answers", _ANSWERS_WITHIN_S,
        seen=lambda: f"it runs (pid {process.pid}), and the last answer was: {last}", todo="Its words are above.",
    )  # fmt: skip
