"""The offline bundle: all that `make install` would download, in one file, for machines without a network.

    make bundle                             -> streaming-lab-bundle-py311-x86_64-3f2a9c1b.tar
    make install BUNDLE=/media/stick/….tar  or the folder that the tar unpacks to

    streaming-lab-bundle-…/manifest.json    for which Python, machine and lock files; SHA-256 of every file
    streaming-lab-bundle-…/wheels/*.whl     what requirements.txt pins; sdists are built to wheels once, here
    streaming-lab-bundle-…/jars/kafka/*.jar as they lie in .venv/share/labkit/jars

Reading it takes nothing but the standard library: bootstrap.py does so before anything is installed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from labkit.errors import BadInput, LabkitError

__all__ = ["Bundle", "Manifest", "Packed", "make", "open_bundle", "requirements"]

LOCKS = ("requirements.txt", "jars.lock")
MANIFEST = "manifest.json"
_UNCHANGED = "Nothing was changed."
_NAME = re.compile(r"(wheels|jars/[a-z]+)/[A-Za-z0-9][A-Za-z0-9._+!-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LARGEST_MANIFEST = 4_000_000
_CHUNK = 1 << 20
#: What the older tags of wheels stand for. Source: https://peps.python.org/pep-0600/
_OLD_TAGS = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_PATCHES = range(30)


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of a bundle; `built` where it is a wheel whose SHA-256 is not among those of requirements.txt."""

    size: int
    sha256: str
    built: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """For whom a bundle is, and what is in it: {"wheels/numpy-….whl": Packed(16_000_000, "9f…"), …}"""

    python: str
    machine: str
    glibc: str
    locks: dict[str, str]
    files: dict[str, Packed]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(packed.size for packed in self.files.values())

    def to_json(self) -> bytes:
        """The text of manifest.json."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Read manifest.json. Raises `ValueError` for anything else, names that lead elsewhere included."""
        try:
            raw: Any = json.loads(text)
            files = {name: Packed(**packed) for name, packed in raw.pop("files").items()}
            manifest = cls(files=files, **raw)
            good = all(_NAME.fullmatch(name) and _is_sound(packed) for name, packed in files.items())
            words = (manifest.python, manifest.machine, manifest.glibc)
            good = good and all(isinstance(word, str) for word in words) and isinstance(manifest.locks, dict)
            _version(manifest.glibc)
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(str(error)) from None
        if not good:
            raise ValueError("a name, a size or a SHA-256 is none")
        return manifest

    def misfit(self, root: Path) -> str:
        """Why this bundle is not for this machine and these lock files, or ""."""
        if self.python != _python():
            return (
                f"The bundle is for Python {self.python}, this is {_python()}. "
                f"Type: make PYTHON=python{self.python} install BUNDLE=…, or make one with Python {_python()}."
            )
        if self.machine != platform.machine() or _version(self.glibc) > _glibc():
            here = f"this machine is {platform.machine()} with glibc {'.'.join(map(str, _glibc()))}"
            return f"The bundle is for {self.machine} with glibc {self.glibc} or newer, {here}."
        other = [name for name in LOCKS if self.locks.get(name) != _sha256_of(root / name)]
        if other:
            return (
                f"The bundle was made for another version of {' and '.join(other)} than lies here. "
                "Take the same version of this repository, or a new bundle."
            )
        return ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was checked from end to end, and the folder where its files lie now."""

    folder: Path
    manifest: Manifest

    @property
    def built(self) -> list[str]:
        """The wheels that were built from source where the bundle was made."""
        return sorted(name for name, packed in self.manifest.files.items() if packed.built)


# reading


def open_bundle(path: Path, root: Path, scratch: Path) -> Bundle:
    """Check a bundle for the lock files in `root`; a tar is unpacked into `scratch`, a folder is read where it is.

    Raises `BadInput` where there is none, where it is for another machine, Python or version, and where
    it is broken; `scratch` is gone then, and nothing was changed.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        if path.is_dir():
            return _read_folder(path, root)
        return _unpack(path, root, scratch)
    except BaseException as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, FileNotFoundError):
            raise BadInput(f"There is no bundle at {path}.", _UNCHANGED) from None
        if isinstance(error, tarfile.TarError):
            raise _broken(path, "it ends too early or was damaged") from None
        if isinstance(error, OSError):
            raise BadInput(f"{path} could not be read or unpacked: {_reason(error)}.", _UNCHANGED) from None
        raise


def requirements(bundle: Bundle, text: str) -> str:
    """requirements.txt, with one more hash for each wheel that was built where the bundle was made."""
    for name in bundle.built:
        package = re.sub(r"[-_.]+", "-", Path(name).name.split("-")[0]).lower()
        more = f" \\\n    --hash=sha256:{bundle.manifest.files[name].sha256}"
        block = rf"^{re.escape(package)}==.*(?:\n .*)*"
        text = re.sub(block, lambda found, more=more: found[0] + more, text, flags=re.MULTILINE)  # type: ignore[misc]
    return text


def _unpack(path: Path, root: Path, scratch: Path) -> Bundle:
    """Write what the manifest names, and nothing else; never asks tarfile to place a file."""
    try:
        tar = tarfile.open(path, "r:")  # noqa: SIM115
    except tarfile.ReadError:
        raise _no_bundle(path) from None
    with tar:
        first = tar.next()
        top = first.name.partition("/")[0] if first else ""
        if first is None or not first.isfile() or first.name != f"{top}/{MANIFEST}" or first.size > _LARGEST_MANIFEST:
            raise _no_bundle(path)
        manifest = _fitting(_content(tar, first).read(), path, root)
        free = shutil.disk_usage(scratch.parent).free
        if free < manifest.size:
            needs = f"unpacking the bundle takes {manifest.size / 1e6:,.0f}"
            raise BadInput(f"{free / 1e6:,.0f} MB are free on this disk, {needs}.", _UNCHANGED)
        left = dict(manifest.files)
        while member := tar.next():
            name = member.name.removeprefix(f"{top}/")
            packed = left.pop(name, None)
            if packed is None or not member.isfile():
                raise _broken(path, f"{member.name!r} does not belong there")
            target = scratch / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                _require_same(path, name, packed, _chunks(_content(tar, member)), file.write)
        if left:
            raise _broken(path, f"{min(left)} is missing")
    return Bundle(scratch, manifest)


def _read_folder(path: Path, root: Path) -> Bundle:
    file = path / MANIFEST
    if not file.is_file() or file.stat().st_size > _LARGEST_MANIFEST:
        raise _no_bundle(path)
    manifest = _fitting(file.read_bytes(), path, root)
    for name, packed in manifest.files.items():
        try:
            with (path / name).open("rb") as content:
                _require_same(path, name, packed, _chunks(content))
        except FileNotFoundError:
            raise _broken(path, f"{name} is missing") from None
    return Bundle(path, manifest)


def _fitting(text: bytes, path: Path, root: Path) -> Manifest:
    try:
        manifest = Manifest.from_json(text)
    except ValueError:
        raise _no_bundle(path) from None
    misfit = manifest.misfit(root)
    if misfit:
        raise BadInput(misfit, _UNCHANGED)
    return manifest


def _require_same(
    path: Path, name: str, packed: Packed, chunks: Iterable[bytes], write: Callable[[bytes], object] | None = None
) -> None:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        if write:
            write(chunk)
    if digest.hexdigest() != packed.sha256:
        raise _broken(path, f"{name} is not the file that was packed, its SHA-256 differs")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None  # a regular file has some
    return content


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


def _no_bundle(path: Path) -> BadInput:
    return BadInput(f"{path} is not a bundle of this lab; `make bundle` makes one.", _UNCHANGED)


def _broken(path: Path, why: str) -> BadInput:
    return BadInput(f"The bundle {path} is broken: {why}. Copy it once more.", _UNCHANGED)


def _reason(error: OSError) -> str:
    return "the disk is full" if error.errno == errno.ENOSPC else error.strerror or type(error).__name__


def _is_sound(packed: Packed) -> bool:
    return isinstance(packed.size, int) and packed.size >= 0 and _SHA256.fullmatch(packed.sha256) is not None


def _python() -> str:
    return "{}.{}".format(*sys.version_info)


def _glibc() -> tuple[int, ...]:
    """(2, 36); (0,) where the C library is another one, so that no bundle fits."""
    try:
        return _version((os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc "))
    except (ValueError, OSError):
        return (0,)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _sha256_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


# making


def make(root: Path, install_dir: Path, say: Callable[[str], None]) -> Path:
    """Collect the wheels and the jars that the lock files in `root` name; returns the tar, which lies in `root`.

    `install_dir` holds jars/. Raises `LabkitError` where pip cannot get or build a package, where a jar is
    not the one that jars.lock names, and where the disk is full; no tar is left then.
    """
    from labkit.setup.artifacts import read_lock

    try:
        with tempfile.TemporaryDirectory(dir=root, prefix="streaming-lab-bundle-", suffix=".part") as scratch:
            wheels = Path(scratch) / "wheels"
            _collect_wheels(root / "requirements.txt", wheels, say)
            files = {f"wheels/{wheel.name}": wheel for wheel in sorted(wheels.glob("*.whl"))}
            files |= {
                f"jars/{artifact.set}/{artifact.filename}": artifact.path(install_dir)
                for artifact in read_lock(root / "jars.lock")
            }
            manifest = _manifest(root, files)
            _require_locked_jars(root, manifest)
            say(f"packing {len(files)} files, {manifest.size / 1e6:,.0f} MB")
            locks = hashlib.sha256("".join(manifest.locks.values()).encode()).hexdigest()[:8]
            python = manifest.python.replace(".", "")
            name = f"streaming-lab-bundle-py{python}-{manifest.machine}-{locks}"
            part = Path(scratch) / "tar"
            _pack(part, name, manifest, files)
            return part.replace(root / f"{name}.tar")
    except FileNotFoundError as error:
        raise LabkitError(f"{error.filename} is missing.", "Type: make install") from None
    except OSError as error:
        raise LabkitError(f"The bundle could not be written: {_reason(error)}.", "What was begun is gone.") from None


def _collect_wheels(lock: Path, folder: Path, say: Callable[[str], None]) -> None:
    """pip checks every hash of the lock. Built without isolation: the setuptools at work is the pinned one."""
    say("collecting the wheels; what comes as source is built")
    options = ["--no-build-isolation", "--use-pep517", "--wheel-dir", str(folder)]
    _pip(["wheel", *options, "--requirement", str(lock)], say)
    # pip wheel has this option too, but does not heed it
    options = ["--ignore-requires-python", "--only-binary", ":all:", "--dest", str(folder)]
    for number, requirement in enumerate(_for_other_patches(lock.read_text())):
        one = folder / f"{number}.txt"
        one.write_text(requirement)
        _pip(["download", *options, "--requirement", str(one)], say)


def _pip(words: list[str], say: Callable[[str], None]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *words]
    tail: deque[str] = deque(maxlen=20)
    collected = 0
    with subprocess.Popen(
        [*command, "--no-deps", "--require-hashes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            tail.append(line)
            collected += line.startswith("Collecting ")
            if line.startswith("Collecting ") and collected % 20 == 0:
                say(f"  {collected} packages")
            elif built := re.match(r"Building wheel for (\S+) .*: started", line.strip()):
                say(f"  building {built[1]}")
    if pip.returncode:
        why = " ".join(line.strip() for line in tail if line.startswith("ERROR: ")) or "".join(tail)
        if f"[Errno {errno.ENOSPC}]" in why:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise LabkitError(f"pip could not collect the wheels. {why}", "The same command tries again.")


def _for_other_patches(lock: str) -> list[str]:
    """What 3.11.2 needs and 3.11.7 does not, or the other way round: a bundle is for every 3.11.

    soupsieve==2.10 ; python_full_version < '3.11.5' --hash=…  ->  soupsieve==2.10 --hash=…
    """
    from packaging.markers import Marker

    others = []
    for block in re.findall(r"^\S+==.*(?:\n .*)*", lock, re.MULTILINE):
        head, _, hashes = block.partition(" \\\n")
        pinned, _, marker = head.partition(" ; ")
        if marker and not Marker(marker).evaluate():
            versions = ({"python_full_version": f"{_python()}.{patch}"} for patch in _PATCHES)
            if any(Marker(marker).evaluate(version) for version in versions):
                others.append(f"{pinned} \\\n{hashes}\n")
    return others


def _manifest(root: Path, files: dict[str, Path]) -> Manifest:
    known = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", (root / "requirements.txt").read_text()))
    packed = {}
    for name, file in files.items():
        sha256 = _sha256_of(file)
        packed[name] = Packed(file.stat().st_size, sha256, built=name.startswith("wheels/") and sha256 not in known)
    glibc = max((_glibc_needed(file) for file in files.values() if file.suffix == ".whl"), default=(0,))
    locks = {name: _sha256_of(root / name) for name in LOCKS}
    return Manifest(_python(), platform.machine(), ".".join(map(str, glibc)), locks, packed)


def _glibc_needed(wheel: Path) -> tuple[int, ...]:
    """numpy-…-manylinux_2_17_x86_64.manylinux2014_x86_64.whl -> (2, 17); of one built here, what its code asks for."""
    tags = wheel.stem.split("-")[-1]
    named = [(int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_", tags)]
    named += [version for tag, version in _OLD_TAGS.items() if f"{tag}_" in tags]
    if named:
        return min(named)
    asked: list[tuple[int, ...]] = [(0,)]
    with zipfile.ZipFile(wheel) as parts:
        for part in parts.namelist():
            if ".so" in Path(part).suffixes:
                asked += [_version(text.decode()) for text in re.findall(rb"GLIBC_(\d+\.\d+)", parts.read(part))]
    return max(asked)


def _require_locked_jars(root: Path, manifest: Manifest) -> None:
    from labkit.setup.artifacts import read_lock

    for artifact in read_lock(root / "jars.lock"):
        if manifest.files[f"jars/{artifact.set}/{artifact.filename}"].sha256 != artifact.sha256:
            raise LabkitError(
                f"{artifact.filename} is not the file that jars.lock names: its SHA-256 differs.",
                "Remove it from .venv/share/labkit/jars, then type: make install",
            )


def _pack(part: Path, top: str, manifest: Manifest, files: dict[str, Path]) -> None:
    with tarfile.open(part, "w") as tar:
        _add(tar, f"{top}/{MANIFEST}", io.BytesIO(manifest.to_json()))
        for name, file in files.items():
            with file.open("rb") as content:
                _add(tar, f"{top}/{name}", content)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size = content.seek(0, os.SEEK_END)
    content.seek(0)
    member.mtime = int(time.time())
    tar.addfile(member, content)


def main() -> int:
    """Entry point of `python -m labkit.setup.bundle`."""
    from labkit.setup.install import require_installed
    from labkit.setup.place import install_dir
    from labkit.system.repository import REPOSITORY

    began = time.monotonic()
    try:
        require_installed(install_dir())
        tar = make(REPOSITORY, install_dir(), lambda text: print(text, flush=True))
    except LabkitError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("\nStopped; no bundle was made.", file=sys.stderr)
        return 130
    print(f"{tar.name}: {tar.stat().st_size / 1e6:,.0f} MB, made in {time.monotonic() - began:.0f} s.")
    print(f"On the other machines type: make install BUNDLE=/path/to/{tar.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
