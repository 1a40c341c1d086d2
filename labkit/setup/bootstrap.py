"""Set-up, from a bare Python to a finished .venv. Uses nothing but the standard library.

    python3.11 labkit/setup/bootstrap.py              what the lab needs
    python3.11 labkit/setup/bootstrap.py --dev        and what only its tests need
    python3.11 labkit/setup/bootstrap.py --bundle X   what the lab needs, from an offline bundle, with no network

Makes .venv, installs uv into it and with uv everything that requirements.txt pins, checked by hash;
then `python -m labkit.setup.install` fetches the Java parts. Every step can be broken off and run again.
With --packages-only it stops before labkit and the Java parts: a Dockerfile keeps that as a layer of its own.
"""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, List, Optional, Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.abspath(os.environ.get("LABKIT_VENV") or os.path.join(ROOT, ".venv"))
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".labkit-installed")
SCRATCH = VENV + ".bundle"
PROC_STAT = "/proc/stat"
DEV_STAMP = os.path.join(VENV, ".labkit-dev-installed")
LOCKS = (
    "requirements.txt", "jars.lock", "pyproject.toml", "labkit/setup/OriginFilter.java", "labkit/setup/class_file.py",
    "labkit/setup/origin_filter.py", "labkit/setup/operators.py", "labkit/setup/janino.py",
    "labkit/flink/ToRecordBatches.java", "labkit/flink/FromResultBatches.java",
)  # fmt: skip
DEV_LOCKS = (*LOCKS, "requirements-dev.txt")
NEEDED_DISK_MB = 4000
NEEDED_MEMORY_MB = 3000
FULL_MB = 50


def main() -> int:
    """Bring .venv to what the lock files say; does nothing where it is there already."""
    options = sys.argv[1:]
    dev = "--dev" in options
    wanted, wanted_dev = fingerprint(LOCKS), fingerprint(DEV_LOCKS)
    if read(DEV_STAMP) == wanted_dev if dev else read(STAMP) == wanted:
        return 0
    problem = python_problem() or machine_problem()
    if problem:
        sys.stderr.write(problem + "\n")
        return 2
    bundle = None
    try:
        if "--bundle" in options:
            bundle = checked_bundle(options[options.index("--bundle") + 1])
            if bundle is None:
                return 2
        install(bundle, dev, "--packages-only" in options)
        if "--packages-only" not in options:
            stamp(STAMP, wanted)
            if dev:
                stamp(DEV_STAMP, wanted_dev)
    except (subprocess.CalledProcessError, OSError) as error:
        reason = "exit status %d" % error.returncode if isinstance(error, subprocess.CalledProcessError) else str(error)
        sys.stderr.write("Set-up stopped (%s). The same command goes on where this one was.\n" % reason)
        sys.stderr.write("".join(sentence + "\n" for sentence in full_disks()))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The same command goes on where this one was.\n")
        return 130
    finally:
        if "--bundle" in options:
            shutil.rmtree(SCRATCH, ignore_errors=True)
    return 0


def stamp(path: str, text: str) -> None:
    """Say that set-up is done; the file is seen whole or not at all."""
    with open(path + ".part", "w") as file:
        file.write(text)
    os.replace(path + ".part", path)


def full_disks() -> List[str]:
    """A sentence for each folder that set-up writes to and whose disk is full."""
    cache = os.environ.get("UV_CACHE_DIR") or os.path.join(os.path.expanduser("~"), ".cache", "uv")
    sentences = []
    for folder, needed in ((VENV, room_needed()), (cache, NEEDED_DISK_MB // 5), (tempfile.gettempdir(), FULL_MB)):
        free = free_mb(folder)
        if free < FULL_MB:
            words = (folder, free, needed)
            sentences.append("The disk of %s is full: %d MB are free, %d are needed. Make room there first." % words)
    return sentences


def room_needed() -> int:
    """MB that set-up still takes where .venv is, and a reserve."""
    there = 0
    for folder, _, names in os.walk(VENV):
        there += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    return max(NEEDED_DISK_MB - there // 10**6, NEEDED_DISK_MB // 5)


def free_mb(folder: str) -> int:
    """MB that are free where `folder` is, or will be."""
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return shutil.disk_usage(folder).free // 10**6


def install(bundle: Any, dev: bool, packages_only: bool) -> None:
    """The steps, from what an index and a Maven repository have, or from a bundle."""
    began = time.monotonic()
    if not (os.path.exists(PYTHON) and os.path.exists(os.path.join(VENV, "bin", "pip"))):
        say("making .venv")
        run([sys.executable, "-m", "venv", "--clear", VENV])
    wheels = ["--no-index", "--find-links", str(bundle.folder / "wheels")] if bundle else []
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wheels]
    say("installing uv")
    run([*pip, "--require-hashes", "-r", one_requirement("uv")], offline_environment() if bundle else None)
    size = "1.4 GB on disk" if bundle else "about 680 MB to download, 1.4 GB on disk"
    say("installing the Python packages (%s)" % size)
    uv = [os.path.join(VENV, "bin", "uv"), "pip", "install", "--python", PYTHON, *wheels]
    environment = offline_environment() if bundle else uv_environment()
    run([*uv, "--require-hashes", "-r", requirements_with(bundle)], environment)
    if packages_only:
        return
    if dev:
        run([*uv, "--require-hashes", "-r", os.path.join(ROOT, "requirements-dev.txt")], environment)
    run([*uv, "-q", "--no-deps", "--no-build-isolation", "-e", "."], environment)  # a path could be taken for more
    run([PYTHON, "-m", "labkit.setup.install", *([str(bundle.folder / "jars")] if bundle else [])])
    if bundle:
        say("installed in %d s, without a network" % (time.monotonic() - began))


def checked_bundle(path: str) -> Any:
    """The bundle, every file of it checked; None where it does not fit, which has been said then."""
    sys.path.insert(0, ROOT)
    from pathlib import Path

    from labkit.errors import BadInput
    from labkit.setup.bundle import open_bundle

    began = time.monotonic()
    say("checking the bundle (about a gigabyte has to be read)")
    try:
        bundle = open_bundle(Path(path).expanduser().absolute(), Path(ROOT), Path(SCRATCH))
    except BadInput as error:
        sys.stderr.write("%s\n" % error)
        return None
    sizes = (len(bundle.manifest.files), bundle.manifest.size // 10**6, time.monotonic() - began)
    say("%d files, %d MB, each with its SHA-256: %d s" % sizes)
    return bundle


def requirements_with(bundle: Any) -> str:
    """requirements.txt; for a bundle a copy, with the hashes of the wheels that were built from source."""
    lock = os.path.join(ROOT, "requirements.txt")
    if bundle is None:
        return lock
    from labkit.setup.bundle import requirements

    path = os.path.join(VENV, "bundle-requirements.txt")
    with open(path, "w") as file:
        file.write(requirements(bundle, read(lock)))
    return path


def python_problem() -> Optional[str]:
    """A sentence about an unfit Python, or None."""
    if sys.version_info[:2] not in ((3, 11), (3, 12)):
        return (
            "The lab needs Python 3.11 or 3.12, this is %d.%d; nothing was changed. " % sys.version_info[:2]
            + "Install python3.11 with its venv module, or type: make PYTHON=/path/to/python3.11 install"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return (
            "This Python has no venv module; nothing was changed. "
            "On Debian and Ubuntu type: sudo apt-get install python%d.%d-venv" % sys.version_info[:2]
        )
    return None


def machine_problem() -> Optional[str]:
    """A sentence about a machine that is too small or not Linux, or None."""
    if not sys.platform.startswith("linux"):
        return (
            "There is no /proc/stat on this system, only Linux has it (WSL2 counts); "
            "docker compose runs the lab elsewhere. Nothing was changed."
        )
    try:
        with open(PROC_STAT, "rb") as file:
            hidden = "" if file.read(1) else "%s is empty: this container hides what the kernel writes there. "
    except FileNotFoundError:
        hidden = "There is no %s here; this is Linux, so a container may hide it. "
    except OSError as error:
        return (
            "%s is there and cannot be read: %s. Nothing was changed. Type: ls -l %s. "
            "Where you may read it, a container or a security module hides it."
        ) % (PROC_STAT, error.strerror, PROC_STAT)
    if hidden:
        return hidden % PROC_STAT + (
            "Nothing was changed. Ask whoever runs this container to let it see the file, or run the lab outside of it."
        )
    if re.search(r"[][{}:\\\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]", ROOT):
        return (
            "Java cannot take the path of this folder (%r): it has a colon, a backslash, a bracket, a brace, "
            "a control character, a character beyond U+FFFF (such as an emoji), or bytes that are no UTF-8; "
            "nothing was changed. Clone into another folder." % ROOT
        )
    free, needed = free_mb(VENV), room_needed()
    if free < needed:
        words = (free, VENV, needed)
        return "%d MB are free on the disk of %s, set-up needs %d there; nothing was changed. Make room first." % words
    return memory_problem()


def memory_problem() -> Optional[str]:
    """A sentence about too little memory, by the machine or by a limit that holds here; or None."""
    sys.path.insert(0, ROOT)
    from labkit.system import limits

    memory = limits.memory()
    usable = memory.limit_mib * 2**20 // 10**6
    if usable >= NEEDED_MEMORY_MB:
        return None
    if memory.set_by:
        words = (usable, memory.set_by, memory.machine_mib * 2**20 // 10**6, NEEDED_MEMORY_MB)
        return (
            "%d MB of memory may be used, %s (the machine has %d MB); the lab needs %d. Nothing was changed. "
            "Raise that limit: of a container --memory or mem_limit, of systemd MemoryMax." % words
        )
    return "This machine has %d MB of memory, the lab needs %d; nothing was changed." % (usable, NEEDED_MEMORY_MB)


def fingerprint(names: Sequence[str]) -> str:
    """Changes when one of these files or the Python does."""
    digest = hashlib.sha256(repr((sys.version_info[:3], VENV)).encode())
    for name in names:
        digest.update(read(os.path.join(ROOT, name)).encode())
    return digest.hexdigest()


def one_requirement(name: str) -> str:
    """A file with only `name` and its hashes, out of requirements.txt."""
    text = read(os.path.join(ROOT, "requirements.txt"))
    (block,) = re.findall(r"^%s==.*?(?=^\S|\Z)" % re.escape(name), text, re.M | re.S)
    path = os.path.join(VENV, "uv-requirement.txt")
    with open(path, "w") as file:
        file.write(block)
    return path


def uv_environment() -> Dict[str, str]:
    """uv reads none of pip's settings: hand it the index, the mirror and the certificates that pip uses."""
    listing = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    pip = {}
    # global.index-url='https://…'; what comes from the environment (:env:.index-url=…) wins
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        pip[name.split(".")[-1]] = " ".join(str(ast.literal_eval(value)).split())
    environment = dict(os.environ)
    for option, variable in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("extra-index-url", "UV_INDEX"),
        ("find-links", "UV_FIND_LINKS"),
        ("cert", "SSL_CERT_FILE"),
        ("proxy", "ALL_PROXY"),
        ("trusted-host", "UV_INSECURE_HOST"),
        ("no-index", "UV_NO_INDEX"),
    ):
        if option in pip:
            environment.setdefault(variable, pip[option])
    environment.setdefault("UV_SYSTEM_CERTS", "true")
    environment.setdefault("UV_HTTP_TIMEOUT", "180")
    return environment


def offline_environment() -> Dict[str, str]:
    """No index, no settings and no cache of the person's: a bundle has all there is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environment.update(
        PIP_CONFIG_FILE=os.devnull, PIP_NO_CACHE_DIR="1", UV_NO_CONFIG="1", UV_OFFLINE="1", UV_PYTHON_DOWNLOADS="never"
    )
    environment["UV_CACHE_DIR"] = os.path.join(SCRATCH, "uv-cache")  # on .venv's disk: linked, not copied
    return environment


def run(words: List[str], environment: Optional[Dict[str, str]] = None) -> None:
    """Run a step; its own output goes to the person."""
    subprocess.run(words, check=True, env=environment, cwd=ROOT)


def say(text: str) -> None:
    """One line about the step that begins."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def read(path: str) -> str:
    """The text of a file, or "" where it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
