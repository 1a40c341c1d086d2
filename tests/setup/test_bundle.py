"""The offline bundle: what is not whole, not right or not for this machine is refused before anything is changed.

One small real bundle is made and installed here with no network: uv, a package that comes as source, one jar.
The whole bundle takes minutes, so it is tried by hand, as root, in a fresh clone and with an empty home folder
(so that no cache of uv, pip or Maven can help):

    make bundle
    HOME=/tmp/empty unshare -n make install BUNDLE=/path/to/streaming-lab-bundle-….tar
    HOME=/tmp/empty unshare -n sh -c 'ip link set lo up; .venv/bin/labkit up; .venv/bin/labkit run --seconds 10'
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import BadInput, LabkitError
from labkit.settings import REPOSITORY, load_settings
from labkit.setup import bundle
from labkit.setup.artifacts import Artifact, copy_all, missing, read_lock
from labkit.setup.bundle import Bundle, Manifest, Packed, make, open_bundle, requirements

FILES = {"wheels/toy-1.0-py3-none-any.whl": b"w" * 3000, "jars/kafka/broker-1.0.jar": b"j" * 700}
TOP = "streaming-lab-bundle-of-a-test"
LATE = "{}.{}.29".format(*sys.version_info)  # a patch of this Python that is still to come
PINNED = "toy==1.0 \\\n    --hash=sha256:{}\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the lock files that the bundle is for."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "requirements.txt").write_text(PINNED.format("0" * 64))
    (folder / "jars.lock").write_text("# empty\n")
    return folder


@pytest.fixture
def manifest(root: Path) -> Manifest:
    """Of a bundle that fits this machine."""
    locks = {name: sha256((root / name).read_bytes()) for name in bundle.LOCKS}
    files = {name: Packed(len(content), sha256(content)) for name, content in FILES.items()}
    return Manifest("{}.{}".format(*sys.version_info), os.uname().machine, "2.5", locks, files)


def tar_of(folder: Path, manifest: bytes, files: dict[str, bytes], change: Any = None) -> Path:
    """A tar with that manifest and those members; `change` may turn each member into another one."""
    path = folder / f"{TOP}.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in {"manifest.json": manifest, **files}.items():
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size = len(content)
            if change and name != "manifest.json":
                change(member)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def tar(tmp_path: Path, manifest: Manifest) -> Path:
    """A bundle as it should be."""
    return tar_of(tmp_path, manifest.to_json(), FILES)


def refusal(path: Path, root: Path) -> str:
    """What is said about a bundle that is refused; nothing is left of it."""
    scratch = root / ".venv.bundle"
    before = sorted(root.parent.rglob("*"))
    with pytest.raises(BadInput, match=r"Nothing was changed\.$") as caught:
        open_bundle(path, root, scratch)
    assert sorted(root.parent.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_tar_is_unpacked_and_every_file_is_what_was_packed(tar: Path, root: Path) -> None:
    opened = open_bundle(tar, root, root / ".venv.bundle")
    assert {name: (opened.folder / name).read_bytes() for name in opened.manifest.files} == FILES


def test_a_folder_is_read_where_it_is(tar: Path, root: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", tar, "-C", tmp_path], check=True)
    opened = open_bundle(tmp_path / TOP, root, root / ".venv.bundle")
    assert opened.folder == tmp_path / TOP
    assert not (root / ".venv.bundle").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"python": "3.99"}, r"is for Python 3\.99, this is 3\.1\d\. Type: make PYTHON=python3\.99 install"),
        ({"machine": "riscv64"}, r"is for riscv64 with glibc 2\.5 or newer, this machine is \w+ with glibc 2\."),
        ({"glibc": "2.99"}, r"with glibc 2\.99 or newer, this machine is"),
        ({"locks": {}}, r"another version of requirements\.txt and jars\.lock than lies here"),
    ],
)
def test_a_bundle_for_others_is_refused_in_one_sentence(
    change: dict[str, Any], words: str, manifest: Manifest, root: Path, tmp_path: Path
) -> None:
    path = tar_of(tmp_path, replace(manifest, **change).to_json(), FILES)
    assert re.search(words, refusal(path, root))


@pytest.mark.parametrize("lock", bundle.LOCKS)
def test_a_bundle_does_not_outlive_a_change_of_a_lock_file(lock: str, tar: Path, root: Path) -> None:
    (root / lock).write_text("# a newer one\n")
    assert f"another version of {lock} than lies here" in refusal(tar, root)


@pytest.mark.parametrize(
    "name",
    ["../../evil", "wheels/../../evil", "/tmp/evil", "wheels/..", "wheels/a/b.whl", "jars/evil", "manifest.json"],
)
def test_a_manifest_that_names_a_place_outside_is_no_manifest(
    name: str, manifest: Manifest, root: Path, tmp_path: Path
) -> None:
    text = replace(manifest, files={name: Packed(4, sha256(b"evil"))}).to_json()
    assert "is not a bundle of this lab" in refusal(tar_of(tmp_path, text, {name: b"evil"}), root)


def climbs(member: tarfile.TarInfo) -> None:
    member.name = f"{TOP}/../../evil"


def starts_at_the_root(member: tarfile.TarInfo) -> None:
    member.name = "/tmp/evil"


def is_a_link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0


def is_a_hard_link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname, member.size = tarfile.LNKTYPE, "/etc/passwd", 0


def is_a_device(member: tarfile.TarInfo) -> None:
    member.type, member.size = tarfile.CHRTYPE, 0


def comes_twice(member: tarfile.TarInfo) -> None:
    member.name = f"{TOP}/{next(iter(FILES))}"


@pytest.mark.parametrize("change", [climbs, starts_at_the_root, is_a_link, is_a_hard_link, is_a_device, comes_twice])
def test_a_member_that_does_not_belong_there_is_not_written_anywhere(
    change: Callable[[tarfile.TarInfo], None], manifest: Manifest, root: Path, tmp_path: Path
) -> None:
    path = tar_of(tmp_path, manifest.to_json(), FILES, change)
    assert re.search(r"is broken: '.*' does not belong there\. Copy it once more\.", refusal(path, root))


def test_a_bundle_that_ends_too_early_is_refused_wherever_it_ends(tar: Path, root: Path) -> None:
    whole = tar.read_bytes()
    (last,) = re.finditer(b"j" * 700, whole)
    for length in range(0, last.end(), 512):
        tar.write_bytes(whole[:length])
        assert re.search(r"is not a bundle|is broken", refusal(tar, root))


def test_a_damaged_byte_is_found_or_does_no_harm(tar: Path, root: Path) -> None:
    whole = bytearray(tar.read_bytes())
    chance = random.Random(7)
    found = 0
    for _ in range(300):
        place, other = chance.randrange(len(whole)), chance.randrange(1, 256)
        tar.write_bytes(bytes([*whole[:place], whole[place] ^ other, *whole[place + 1 :]]))
        try:
            opened = open_bundle(tar, root, root / ".venv.bundle")
        except BadInput:
            found += 1
        else:
            assert {name: (opened.folder / name).read_bytes() for name in FILES} == FILES
    assert found > 100


@pytest.mark.parametrize("left_out", FILES)
def test_a_missing_file_is_named(left_out: str, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    files = {name: content for name, content in FILES.items() if name != left_out}
    path = tar_of(tmp_path, manifest.to_json(), files)
    assert f"{left_out} is missing" in refusal(path, root)
    subprocess.run(["tar", "-xf", path, "-C", tmp_path], check=True)
    assert f"{left_out} is missing" in refusal(tmp_path / TOP, root)


@pytest.mark.parametrize("changed", FILES)
def test_a_changed_file_is_named_in_a_tar_and_in_a_folder(
    changed: str, manifest: Manifest, root: Path, tmp_path: Path
) -> None:
    path = tar_of(tmp_path, manifest.to_json(), {**FILES, changed: FILES[changed][:-1] + b"x"})
    assert f"{changed} is not the file that was packed" in refusal(path, root)
    subprocess.run(["tar", "-xf", path, "-C", tmp_path], check=True)
    assert f"{changed} is not the file that was packed" in refusal(tmp_path / TOP, root)


def test_what_is_no_bundle_is_called_that(root: Path, tmp_path: Path) -> None:
    assert "There is no bundle at" in refusal(tmp_path / "nowhere.tar", root)
    (tmp_path / "text").write_text("a page that says 404\n" * 100)
    assert "is not a bundle of this lab" in refusal(tmp_path / "text", root)
    assert "is not a bundle of this lab" in refusal(root, root)
    for text in (b"", b"[]", b"{}", b'{"files": {"wheels/a.whl": {}}}', b"\xff", b"[" * 100_000):
        assert "is not a bundle of this lab" in refusal(tar_of(tmp_path, text, FILES), root)


def test_a_disk_with_too_little_room_is_named_before_anything_is_unpacked(
    tar: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(root)._replace(free=3_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "0 MB are free on this disk, unpacking the bundle takes 0" in refusal(tar, root)


def test_only_what_was_built_here_gets_one_more_hash(manifest: Manifest) -> None:
    files = {"wheels/Big_Toy-1.0-py3-none-any.whl": Packed(1, "b" * 64, built=True), **manifest.files}
    opened = Bundle(Path("/nowhere"), replace(manifest, files=files))
    text = (
        "toy==1.0 \\\n    --hash=sha256:1\nbig-toy==1.0 ; os_name == 'posix' \\\n    --hash=sha256:2\nbig-toy-two==1\n"
    )
    assert requirements(opened, text) == text.replace("sha256:2", f"sha256:2 \\\n    --hash=sha256:{'b' * 64}")


def test_a_bundle_is_for_every_patch_of_its_python() -> None:
    minor = "{}.{}".format(*sys.version_info)
    lock = (
        f"new==2 ; python_full_version >= '{minor}.29' \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n"
        f"here==1 ; python_full_version < '{minor}.29' \\\n    --hash=sha256:3\n"
        "old==1 ; python_full_version < '3.9.2' \\\n    --hash=sha256:4\n"
        "elsewhere==1 ; sys_platform == 'win32' \\\n    --hash=sha256:5\n"
        "everywhere==1 \\\n    --hash=sha256:6\n"
    )
    assert bundle._for_other_patches(lock) == ["new==2 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n"]


@pytest.mark.parametrize(
    ("name", "glibc"),
    [
        ("numpy-2.1.3-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", (2, 17)),
        ("duckdb-2.0.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", (2, 27)),
        ("protobuf-5.29.6-cp38-abi3-manylinux2014_x86_64.whl", (2, 17)),
        ("toy-1.0-py3-none-any.whl", (0,)),
        ("toy-1.0-cp311-cp311-linux_x86_64.whl", (2, 34)),
    ],
)
def test_the_glibc_that_a_wheel_needs_is_in_its_name_or_in_its_code(
    name: str, glibc: tuple[int, ...], tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as wheel:
        wheel.writestr("toy.py", "GLIBC_2.99")
        if "linux_x86_64" in name:
            wheel.writestr("_toy.cpython-311-x86_64-linux-gnu.so", b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.4\0")
    assert bundle._glibc_needed(tmp_path / name) == glibc


def test_jars_are_copied_from_the_bundle_whole_and_right_or_not_at_all(tmp_path: Path) -> None:
    jar = Artifact("kafka", "org.example:broker:1.0:jar", 700, sha256(b"j" * 700))
    jars, home = tmp_path / "jars", tmp_path / "home"
    with pytest.raises(LabkitError, match=r"broker-1.0.jar could not be copied from .*: No such file"):
        copy_all([jar], jars, home)
    (jars / "kafka").mkdir(parents=True)
    (jars / "kafka" / jar.filename).write_bytes(b"k" * 700)
    with pytest.raises(LabkitError, match=r"broker-1.0.jar is not the file that jars.lock names"):
        copy_all([jar], jars, home)
    assert list((home / "jars" / "kafka").iterdir()) == []
    (jars / "kafka" / jar.filename).write_bytes(b"j" * 700)
    copy_all([jar], jars, home)
    assert missing([jar], home) == []
    assert [file.name for file in (home / "jars" / "kafka").iterdir()] == [jar.filename]


# a small real bundle


def wheel_of_uv(folder: Path) -> Path:
    """uv as a wheel once more, from where it is installed: so that the test needs no network."""
    uv = importlib.metadata.distribution("uv")
    tags = [line.removeprefix("Tag: ") for line in (uv.read_text("WHEEL") or "").splitlines() if line[:4] == "Tag:"]
    platforms = ".".join(tag.split("-")[-1] for tag in tags)
    path = folder / f"uv-{uv.version}-py3-none-{platforms}.whl"
    record = f"uv-{uv.version}.dist-info/RECORD"
    made_later = ("RECORD", "INSTALLER", "REQUESTED", ".pyc")
    with zipfile.ZipFile(path, "w") as wheel:
        names = []
        for file in uv.files or []:
            if not str(file).endswith(made_later):
                is_script = file.parts[-2] == "bin"
                names.append(f"uv-{uv.version}.data/scripts/{file.name}" if is_script else str(file))
                wheel.write(file.locate(), names[-1])
        wheel.writestr(record, "".join(f"{name},,\n" for name in [*names, record]))
    return path


def sdist_of_toy(folder: Path) -> Path:
    """A package that comes as source only, as four of requirements.txt do."""
    parts = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: lab-toy\nVersion: 1.0\n",
        "setup.py": "from setuptools import setup\nsetup(name='lab-toy', version='1.0', py_modules=['lab_toy'])\n",
        "lab_toy.py": "ANSWER = 42\n",
    }
    path = folder / "lab_toy-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in parts.items():
            member = tarfile.TarInfo(f"lab_toy-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def wheel_for_a_later_patch(folder: Path) -> Path:
    """A package that this Python does not need and must not have, but a later one of the same minor version."""
    info = "lab_late-1.0.dist-info"
    parts = {
        "lab_late.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: lab-late\nVersion: 1.0\nRequires-Python: >={LATE}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    path = folder / "lab_late-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in parts.items():
            wheel.writestr(name, text)
    return path


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two packages and one jar, with the real bootstrap.py; pip knows no index, only a folder."""
    clone, index = tmp_path / "clone", tmp_path / "index"
    (clone / "labkit" / "setup").mkdir(parents=True)
    index.mkdir()
    for name in ("__init__.py", "errors.py", "setup/__init__.py", "setup/bootstrap.py", "setup/bundle.py"):
        shutil.copyfile(REPOSITORY / "labkit" / name, clone / "labkit" / name)
    late = f"lab-late==1.0 ; python_full_version >= '{LATE}'"
    pins = {
        f"uv=={importlib.metadata.version('uv')}": wheel_of_uv(index),
        "lab-toy==1.0": sdist_of_toy(index),
        late: wheel_for_a_later_patch(index),
    }
    (clone / "requirements.txt").write_text(
        "".join(f"{pin} \\\n    --hash=sha256:{sha256(file.read_bytes())}\n" for pin, file in pins.items())
    )
    smallest = min(read_lock(REPOSITORY / "jars.lock"), key=lambda artifact: artifact.size)
    (clone / "jars.lock").write_text(f"{smallest.set} {smallest.coordinates} {smallest.size} {smallest.sha256}\n")
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return clone


def without_network() -> list[str]:
    """What to put before a command so that it has no network; [] where this machine does not allow that."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        try:
            if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
                return words
        except FileNotFoundError:
            break
    return []


def test_a_bundle_is_made_and_installed_with_no_network_and_no_cache(clone: Path, tmp_path: Path) -> None:
    said: list[str] = []
    tar = make(clone, load_settings().install_dir, said.append)
    assert re.fullmatch(r"streaming-lab-bundle-py31\d-\w+-[0-9a-f]{8}\.tar", tar.name)
    assert "  building lab-toy" in said
    assert not list(clone.glob("*.part"))
    environment = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "LABKIT_VENV": str(clone / ".venv")}
    command = [sys.executable, clone / "labkit" / "setup" / "bootstrap.py", "--packages-only", "--bundle", tar]
    done = subprocess.run(
        [*without_network(), *command], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"4 files, \d+ MB, each with its SHA-256: \d+ s", done.stdout)
    answer = [clone / ".venv" / "bin" / "python", "-c", "import lab_toy; print(lab_toy.ANSWER)"]
    assert subprocess.run(answer, capture_output=True, text=True, check=True).stdout == "42\n"
    assert not (clone / ".venv.bundle").exists()
    assert not (tmp_path / "home" / ".cache").exists()

    opened = open_bundle(tar, clone, clone / ".venv.bundle")
    assert "wheels/lab_late-1.0-py3-none-any.whl" in opened.manifest.files
    assert opened.built == ["wheels/lab_toy-1.0-py3-none-any.whl"]
    copy_all(read_lock(clone / "jars.lock"), opened.folder / "jars", clone / "share")
    assert missing(read_lock(clone / "jars.lock"), clone / "share") == []


def test_a_package_that_pip_cannot_get_is_said_and_no_bundle_is_left(clone: Path) -> None:
    with (clone / "requirements.txt").open("a") as lock:
        lock.write(PINNED.format("0" * 64))
    before = sorted(clone.rglob("*"))
    with pytest.raises(LabkitError, match=r"^pip could not collect the wheels\. ERROR: .*toy==1\.0") as caught:
        make(clone, load_settings().install_dir, lambda _: None)
    assert caught.value.exit_status == 1
    assert sorted(clone.rglob("*")) == before


def test_a_jar_that_is_another_one_is_not_packed(clone: Path, tmp_path: Path) -> None:
    (jar,) = read_lock(clone / "jars.lock")
    (clone / "requirements.txt").write_text("")
    with pytest.raises(LabkitError, match=r"is missing\. Type: make install"):
        make(clone, tmp_path, lambda _: None)
    jar.path(tmp_path).parent.mkdir(parents=True)
    jar.path(tmp_path).write_bytes(b"j" * jar.size)
    with pytest.raises(LabkitError, match=rf"{re.escape(jar.filename)} is not the file that jars.lock names"):
        make(clone, tmp_path, lambda _: None)
    assert not list(clone.glob("streaming-lab-bundle-*"))


def test_the_manifest_says_what_it_read(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert json.loads(manifest.to_json())["files"].keys() == FILES.keys()
