"""The Java parts: read jars.lock, fetch what is missing, check every SHA-256, unpack the registry.

    kafka org.apache.kafka:kafka_2.13:4.3.1:jar 5872025 9f0c…   ->  jars/kafka/kafka_2.13-4.3.1.jar

Files come from Maven Central, or from the mirror in ~/.m2/settings.xml or LABKIT_MAVEN_MIRROR;
proxies and certificates are those of the environment (HTTPS_PROXY, SSL_CERT_FILE).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx2

from labkit.errors import LabkitError
from labkit.system import disk_space

__all__ = ["Artifact", "copy_all", "fetch_all", "missing", "read_lock", "unpack_registry"]

MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
_CHUNK = 1 << 18
_TRIES = 4
_SERVER_ERROR = 500
_WORD = "[A-Za-z0-9_][A-Za-z0-9._-]*"  # no / and no .. at the beginning: files are called by it
_LINE = re.compile(
    rf"(?P<set>[a-z]+) +(?P<coordinates>{_WORD}(:{_WORD}){{3,4}}) +(?P<size>[0-9]+) +(?P<sha256>[0-9a-f]{{64}})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One line of jars.lock: which set it belongs to, its coordinates, size in bytes and SHA-256."""

    set: str
    coordinates: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """kafka_2.13-4.3.1.jar, apicurio-registry-app-3.3.3-all.tar.gz"""
        _, name, version, kind, *classifier = self.coordinates.split(":")
        return "-".join([name, version, *classifier]) + f".{kind}"

    @property
    def url_path(self) -> str:
        """The path below a Maven repository's root."""
        group, name, version, *_ = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{name}/{version}/{self.filename}"

    def path(self, install_dir: Path) -> Path:
        """Where the file lies once it is fetched."""
        return install_dir / "jars" / self.set / self.filename


def read_lock(file: Path) -> list[Artifact]:
    """jars.lock -> its artifacts. Lines: set, coordinates, size, SHA-256; # starts a comment.

    Raises `LabkitError` for a line that is none, names that lead to another folder included.
    """
    artifacts = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line and line[0] != "#":
            found = _LINE.fullmatch(line)
            if found is None:
                raise LabkitError(f"Line {number} of {file} names no Java archive.", "`make lock` makes it anew.")
            artifacts.append(Artifact(found["set"], found["coordinates"], int(found["size"]), found["sha256"]))
    return artifacts


def missing(artifacts: Iterable[Artifact], install_dir: Path) -> list[Artifact]:
    """The artifacts whose file is not there in full. A finished file was checked when it was fetched."""

    def there(artifact: Artifact) -> bool:
        path = artifact.path(install_dir)
        return path.exists() and path.stat().st_size == artifact.size

    return [artifact for artifact in artifacts if not there(artifact)]


def fetch_all(artifacts: list[Artifact], install_dir: Path, on_bytes: Callable[[Artifact, int], None]) -> None:
    """Fetch `artifacts`, six at a time; `on_bytes(artifact, n)` hears of every n bytes that are there.

    A broken download goes on where it stopped. A file with a wrong SHA-256 is refused by name and
    removed; it raises `LabkitError`, as does a repository that does not answer.
    """
    base = os.environ.get("LABKIT_MAVEN_MIRROR") or mirror_of_central() or MAVEN_CENTRAL
    context = ssl.create_default_context()
    with (
        httpx2.Client(verify=context, follow_redirects=True, timeout=60) as client,
        ThreadPoolExecutor(6) as pool,
    ):
        jobs = [
            pool.submit(_fetch, client, base.rstrip("/"), artifact, install_dir, on_bytes)
            for artifact in sorted(artifacts, key=lambda artifact: -artifact.size)
        ]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(
    client: httpx2.Client,
    base: str,
    artifact: Artifact,
    install_dir: Path,
    on_bytes: Callable[[Artifact, int], None],
) -> None:
    target = artifact.path(install_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    told = 0
    for attempt in range(1, _TRIES + 1):
        have = part.stat().st_size if part.exists() else 0
        if have > told:
            on_bytes(artifact, have - told)
            told = have
        try:
            _download(client, f"{base}/{artifact.url_path}", part, have, artifact, on_bytes)
            break
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            told = max(told, part.stat().st_size if part.exists() else 0)
            answered = isinstance(error, httpx2.InvalidURL) or (
                isinstance(error, httpx2.HTTPStatusError) and error.response.status_code < _SERVER_ERROR
            )
            if answered or attempt == _TRIES:
                raise LabkitError(
                    f"{artifact.filename} could not be fetched ({_reason(error)}).",
                    "Check the network, HTTPS_PROXY or your Maven mirror, and run the same command again: "
                    "it goes on where it stopped.",
                ) from None
    _keep(part, artifact, target)


def copy_all(artifacts: Iterable[Artifact], jars: Path, install_dir: Path) -> None:
    """Copy `artifacts` from `jars`, a folder kafka/, flink/, registry/, and check every SHA-256.

    Raises `LabkitError` where one is missing or another one, and where it cannot be written; `OSError` for a full disk.
    """
    for artifact in artifacts:
        target = artifact.path(install_dir)
        part = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(jars / artifact.set / artifact.filename, part)
        except OSError as error:
            part.unlink(missing_ok=True)
            if disk_space.is_full(error):
                raise  # the disk that is written to, not the folder that is read
            raise LabkitError(f"{artifact.filename} could not be copied from {jars}: {error.strerror}.") from None
        _keep(part, artifact, target)


def _keep(part: Path, artifact: Artifact, target: Path) -> None:
    """The finished file, where it is the one that jars.lock names."""
    if _sha256(part) != artifact.sha256:
        part.unlink()
        raise LabkitError(
            f"{artifact.filename} is not the file that jars.lock names: its SHA-256 differs. It was removed."
        )
    part.replace(target)


def _download(
    client: httpx2.Client,
    url: str,
    part: Path,
    have: int,
    artifact: Artifact,
    on_bytes: Callable[[Artifact, int], None],
) -> None:
    if have >= artifact.size:
        return
    # identity: a repository that packs a .tar.gz once more would hand over other bytes
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with client.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        resumed = response.status_code == httpx2.codes.PARTIAL_CONTENT
        if have and not resumed:
            on_bytes(artifact, -have)
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_raw(_CHUNK):
                file.write(chunk)
                on_bytes(artifact, len(chunk))
                if file.tell() > artifact.size:  # another file; its check will say so, and a disk has an end
                    return


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.HTTPStatusError):
        return f"the repository answered {error.response.status_code}"
    return str(error) or type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mirror_of_central(settings_xml: Path | None = None) -> str | None:
    """The mirror of Maven Central that ~/.m2/settings.xml names, or None.

    Source: https://maven.apache.org/guides/mini/guide-mirror-settings.html
    """
    file = settings_xml or Path.home() / ".m2" / "settings.xml"
    try:
        root = ET.parse(file).getroot()
    except (OSError, ET.ParseError):
        return None
    wildcard = None
    for mirror in root.iterfind(".//{*}mirror"):
        covered = "".join((mirror.findtext("{*}mirrorOf") or "").split()).split(",")
        url = (mirror.findtext("{*}url") or "").strip() or None
        if covered == ["central"]:
            return url
        if "!central" not in covered and {"*", "external:*", "central"} & set(covered):
            wildcard = wildcard or url
    return wildcard


def unpack_registry(artifacts: list[Artifact], install_dir: Path) -> Path:
    """Unpack the registry's archive once, in one step that is seen whole or not at all.

    Raises `LabkitError` where anything but files and folders below its own folder is in it.
    """
    (archive,) = (artifact for artifact in artifacts if artifact.set == "registry")
    home = install_dir / "registry"
    stamp = home / ".sha256"
    if stamp.exists() and stamp.read_text() == archive.sha256:
        return home
    shutil.rmtree(home, ignore_errors=True)
    fresh = install_dir / "registry.part"
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(archive.path(install_dir)) as tar:
        members = tar.getmembers()
        for member in members:
            _require_harmless(member, archive)
        # Debian 12's Python 3.11.2 does not know it, so the above does without.
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(fresh, members)
    (fresh / ".sha256").write_text(archive.sha256)
    fresh.replace(home)
    return home


def _require_harmless(member: tarfile.TarInfo, archive: Artifact) -> None:
    """The registry's archive has files and folders. Links, devices and ways out of the folder are not of it."""
    way = PurePosixPath(member.name)
    if not (member.isfile() or member.isdir()) or way.is_absolute() or ".." in way.parts:
        raise LabkitError(f"{archive.filename} was not unpacked: {member.name!r} does not belong into it.")
    member.mode &= 0o755  # no set-user-id, nothing that others may write
