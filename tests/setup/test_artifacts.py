"""The Java parts, fetched from a small Maven repository on 127.0.0.1: whole and right, or not at all."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import subprocess
import tarfile
import threading
import tomllib
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labkit.errors import LabkitError
from labkit.settings import REPOSITORY
from labkit.setup.artifacts import Artifact, fetch_all, mirror_of_central, missing, read_lock, unpack_registry

CONTENT = bytes(range(256)) * 4096  # 1 MiB
CHUNK = 2**18
JAR = Artifact("kafka", "org.example:broker:1.0:jar", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
SECOND = replace(JAR, set="flink", coordinates="org.example:connector:2.0:jar:all")
LOCK = REPOSITORY / "jars.lock"


class Maven(ThreadingHTTPServer):
    """A Maven repository: files by path, and how it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MavenHandler)
        self.files = {f"/{artifact.url_path}": CONTENT for artifact in (JAR, SECOND)}
        self.knows_ranges = True
        self.breaks_off_after: list[int] = []  # bytes, one for each of the next answers
        self.failures: list[int] = []  # status codes of the next answers
        self.served = 0
        self.asked: list[tuple[str, str | None]] = []  # path and Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class MavenHandler(BaseHTTPRequestHandler):
    server: Maven

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append((self.path, wanted))
        content = self.server.files.get(self.path)
        if content is None or self.server.failures:
            self.send_error(self.server.failures.pop(0) if self.server.failures else 404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.knows_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = self.server.breaks_off_after.pop(0) if self.server.breaks_off_after else len(content)
        self.wfile.write(content[start:end])
        self.server.served += end - start

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Heard:
    """What `on_bytes` was told."""

    bytes: dict[Artifact, int] = field(default_factory=dict)

    def __call__(self, artifact: Artifact, count: int) -> None:
        self.bytes[artifact] = self.bytes.get(artifact, 0) + count


@pytest.fixture
def maven(monkeypatch: pytest.MonkeyPatch) -> Iterator[Maven]:
    with Maven() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("LABKIT_MAVEN_MIRROR", server.url + "/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
        server.shutdown()


def files_below(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def part_of(artifact: Artifact, folder: Path, content: bytes) -> None:
    """What a fetch that was killed leaves behind."""
    path = artifact.path(folder)
    path.parent.mkdir(parents=True)
    path.with_name(path.name + ".part").write_bytes(content)


def test_what_is_missing_is_fetched_and_then_there_is_nothing_to_do(maven: Maven, tmp_path: Path) -> None:
    heard = Heard()
    assert missing([JAR, SECOND], tmp_path) == [JAR, SECOND]
    fetch_all([JAR, SECOND], tmp_path, heard)
    assert missing([JAR, SECOND], tmp_path) == []
    assert files_below(tmp_path) == ["jars/flink/connector-2.0-all.jar", "jars/kafka/broker-1.0.jar"]
    assert JAR.path(tmp_path).read_bytes() == CONTENT
    assert heard.bytes == {JAR: JAR.size, SECOND: SECOND.size}


def test_a_file_that_is_too_short_is_missing(tmp_path: Path) -> None:
    JAR.path(tmp_path).parent.mkdir(parents=True)
    JAR.path(tmp_path).write_bytes(CONTENT[:-1])
    assert missing([JAR], tmp_path) == [JAR]


def test_a_full_disk_leaves_nothing_that_is_taken_for_whole_and_it_goes_on_when_there_is_room(
    maven: Maven, small_disk: Path
) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        fetch_all([JAR, SECOND], small_disk, Heard())
    assert missing([JAR, SECOND], small_disk)
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    served = maven.served
    fetch_all(missing([JAR, SECOND], small_disk), small_disk, Heard())
    assert [artifact.path(small_disk).read_bytes() == CONTENT for artifact in (JAR, SECOND)] == [True, True]
    assert maven.served - served < len(CONTENT) * 2, "what was there already is not fetched again"


def test_of_a_file_that_does_not_end_no_more_is_written_than_the_locked_one_has(maven: Maven, tmp_path: Path) -> None:
    maven.files[f"/{JAR.url_path}"] = CONTENT * 40
    heard = Heard()
    with pytest.raises(LabkitError, match="SHA-256"):
        fetch_all([JAR], tmp_path, heard)
    assert heard.bytes[JAR] <= JAR.size + CHUNK < len(CONTENT) * 40
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("served", [CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT[:-1]], ids=["other", "more", "less"])
def test_another_file_than_the_locked_one_is_refused_by_name_and_removed(
    served: bytes, maven: Maven, tmp_path: Path
) -> None:
    maven.files[f"/{JAR.url_path}"] = served
    with pytest.raises(LabkitError, match=r"broker-1\.0\.jar .*SHA-256") as caught:
        fetch_all([JAR], tmp_path, Heard())
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == []


def test_a_fetch_that_breaks_off_goes_on_where_it_stopped(maven: Maven, tmp_path: Path) -> None:
    maven.breaks_off_after = [300_000, 700_000]
    heard = Heard()
    fetch_all([JAR], tmp_path, heard)
    assert JAR.path(tmp_path).read_bytes() == CONTENT
    assert len(maven.asked) == 3
    assert maven.served <= len(CONTENT) + 2 * CHUNK, "at most a chunk is fetched again for each break"
    assert heard.bytes == {JAR: JAR.size}


def test_a_fetch_that_was_killed_is_continued_by_the_next(maven: Maven, tmp_path: Path) -> None:
    part_of(JAR, tmp_path, CONTENT[:1000])
    heard = Heard()
    fetch_all([JAR], tmp_path, heard)
    assert maven.asked == [(f"/{JAR.url_path}", "bytes=1000-")]
    assert heard.bytes == {JAR: JAR.size}
    assert files_below(tmp_path) == ["jars/kafka/broker-1.0.jar"]


def test_a_repository_that_knows_no_ranges_sends_it_all_again(maven: Maven, tmp_path: Path) -> None:
    maven.knows_ranges = False
    maven.breaks_off_after = [300_000]
    heard = Heard()
    fetch_all([JAR], tmp_path, heard)
    assert JAR.path(tmp_path).read_bytes() == CONTENT
    assert heard.bytes == {JAR: JAR.size}


@pytest.mark.parametrize("left", [CONTENT[:-1] + b"x", b"x" * 1000], ids=["whole", "beginning"])
def test_a_part_with_other_bytes_is_thrown_away_and_the_next_call_succeeds(
    left: bytes, maven: Maven, tmp_path: Path
) -> None:
    part_of(JAR, tmp_path, left)
    with pytest.raises(LabkitError, match="SHA-256"):
        fetch_all([JAR], tmp_path, Heard())
    fetch_all([JAR], tmp_path, Heard())
    assert JAR.path(tmp_path).read_bytes() == CONTENT


def test_a_file_that_the_repository_does_not_have_is_one_sentence_at_once(maven: Maven, tmp_path: Path) -> None:
    maven.files.clear()
    with pytest.raises(LabkitError, match=r"broker-1\.0\.jar .*answered 404.*Maven mirror") as caught:
        fetch_all([JAR], tmp_path, Heard())
    assert "\n" not in str(caught.value)
    assert len(maven.asked) == 1
    assert files_below(tmp_path) == []


def test_a_repository_that_is_busy_is_asked_again(maven: Maven, tmp_path: Path) -> None:
    maven.failures = [503, 502]
    fetch_all([JAR], tmp_path, Heard())
    assert missing([JAR], tmp_path) == []


def test_a_repository_that_does_not_answer_is_one_sentence(maven: Maven, tmp_path: Path) -> None:
    maven.shutdown()
    maven.server_close()
    with pytest.raises(LabkitError, match=r"broker-1\.0\.jar could not be fetched") as caught:
        fetch_all([JAR], tmp_path, Heard())
    assert "\n" not in str(caught.value)


def test_the_mirror_of_the_persons_own_maven_settings_is_used(
    maven: Maven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABKIT_MAVEN_MIRROR")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text(settings_xml(("central", maven.url)))
    fetch_all([JAR], tmp_path / "share", Heard())
    assert len(maven.asked) == 1


def settings_xml(*mirrors: tuple[str, str], namespace: str = "") -> str:
    items = "".join(f"<mirror><mirrorOf>{of}</mirrorOf><url>{url}</url></mirror>" for of, url in mirrors)
    return f"<settings {namespace}><mirrors>{items}</mirrors></settings>"


MAVEN_NAMESPACE = 'xmlns="http://maven.apache.org/SETTINGS/1.2.0"'
SETTINGS = {
    "central": (settings_xml(("central", "A")), "A"),
    "everything": (settings_xml(("*", "A")), "A"),
    "everything outside": (settings_xml(("external:*", "A")), "A"),
    "a list": (settings_xml(("snapshots,central", "A")), "A"),
    "with a namespace": (settings_xml(("central", "A"), namespace=MAVEN_NAMESPACE), "A"),
    "another one first": (settings_xml(("snapshots", "A"), ("central", "B")), "B"),
    "the exact name before the wildcard": (settings_xml(("*", "A"), ("central", "B")), "B"),
    "spread over lines": (settings_xml(("\n  central\n", "\n  A\n")), "A"),
    "everything but central": (settings_xml(("*,!central", "A")), None),
    "plain http only": (settings_xml(("external:http:*", "A")), None),
    "none": (settings_xml(), None),
    "no xml": ("central = A", None),
}


@pytest.mark.parametrize(("text", "mirror"), SETTINGS.values(), ids=SETTINGS.keys())
def test_the_mirror_of_central_is_the_one_that_maven_would_take(text: str, mirror: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.xml"
    file.write_text(text)
    assert mirror_of_central(file) == mirror


def test_without_maven_settings_there_is_no_mirror(tmp_path: Path) -> None:
    assert mirror_of_central(tmp_path / "settings.xml") is None


def archive(folder: Path, *members: str) -> Artifact:
    """An archive of small files where the fetched one would lie."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in members:
            tar.addfile(tarfile.TarInfo(name))
    return placed(buffer.getvalue(), folder)


def placed(content: bytes, folder: Path) -> Artifact:
    sha256 = hashlib.sha256(content).hexdigest()
    artifact = Artifact("registry", "org.example:registry:1.0:tar.gz:all", len(content), sha256)
    artifact.path(folder).parent.mkdir(parents=True, exist_ok=True)
    artifact.path(folder).write_bytes(content)
    return artifact


def test_the_registry_is_unpacked_once_and_anew_for_another_archive(tmp_path: Path) -> None:
    home = unpack_registry([JAR, archive(tmp_path, "run.jar", "lib/a.jar")], tmp_path)
    assert files_below(home) == [".sha256", "lib/a.jar", "run.jar"]
    (home / "lib" / "a.jar").unlink()
    again = archive(tmp_path, "run.jar", "lib/a.jar", "lib/b.jar")
    unpack_registry([again], tmp_path)
    assert files_below(home) == [".sha256", "lib/a.jar", "lib/b.jar", "run.jar"]
    (home / "lib" / "a.jar").unlink()
    unpack_registry([again], tmp_path)
    assert not (home / "lib" / "a.jar").exists(), "the same archive was unpacked a second time"


def packed(*members: tarfile.TarInfo) -> bytes:
    """An archive of these members; a file among them has some bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"evil"))
    return buffer.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, leads_to: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, leads_to, mode
    made.size = 4 if kind == tarfile.REGTYPE else 0
    return made


OUTSIDE = {
    "a way up": [entry("../../evil")],
    "a way up from below": [entry("lib/../../../evil")],
    "an absolute name": [entry("{outside}/evil")],
    "a link to outside": [entry("lib", tarfile.SYMTYPE, "{outside}"), entry("lib/evil")],
    "a link to a link": [entry("a", tarfile.SYMTYPE, "."), entry("b", tarfile.SYMTYPE, "a/../.."), entry("b/evil")],
    "a hard link to outside": [entry("run.jar", tarfile.LNKTYPE, "{outside}/mine"), entry("run.jar")],
    "a folder that is outside": [entry("../evil", tarfile.DIRTYPE)],
    "a device": [entry("null", tarfile.CHRTYPE)],
    "a pipe": [entry("pipe", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("knows_filters", [True, False], ids=["", "Python 3.11.2"])
@pytest.mark.parametrize("members", OUTSIDE.values(), ids=OUTSIDE)
def test_an_archive_that_climbs_out_of_its_folder_is_refused(
    members: list[tarfile.TarInfo], knows_filters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not knows_filters:  # Debian 12 has a Python without them
        monkeypatch.delattr(tarfile, "data_filter")
        monkeypatch.setattr(tarfile.TarFile, "extraction_filter", staticmethod(lambda member, _: member))
    (tmp_path / "mine").write_text("mine")
    share = tmp_path / "share"
    members = [copy(member) for member in members]
    for member in members:
        member.name = member.name.replace("{outside}", str(tmp_path))
        member.linkname = member.linkname.replace("{outside}", str(tmp_path))
    with pytest.raises(LabkitError, match=r"was not unpacked: .* does not belong into it"):
        unpack_registry([placed(packed(entry("run.jar"), *members), share)], share)
    assert not (share / "registry").exists()
    assert (tmp_path / "mine").read_text() == "mine"
    assert [file.name for file in tmp_path.rglob("*evil*")] == []


def test_nothing_that_is_unpacked_runs_as_its_owner_or_can_be_written_by_others(tmp_path: Path) -> None:
    home = unpack_registry([placed(packed(entry("run.jar", mode=0o6777)), tmp_path)], tmp_path)
    assert stat.S_IMODE((home / "run.jar").stat().st_mode) & 0o7022 == 0


def test_an_unpacking_that_fails_leaves_no_half_registry_and_the_next_succeeds(tmp_path: Path) -> None:
    whole = archive(tmp_path, *(f"lib/{number}.jar" for number in range(200)))
    content = whole.path(tmp_path).read_bytes()
    with pytest.raises((EOFError, tarfile.TarError)):
        unpack_registry([placed(content[: len(content) // 2], tmp_path)], tmp_path)
    assert not (tmp_path / "registry").exists()
    home = unpack_registry([placed(content, tmp_path)], tmp_path)
    assert len(files_below(home)) == 201


def test_jars_lock_names_every_file_with_its_size_and_hash() -> None:
    locked = read_lock(LOCK)
    assert len({artifact.path(Path()) for artifact in locked}) == len(locked) > 0
    assert all(re.fullmatch(r"[0-9a-f]{64}", artifact.sha256) and artifact.size > 0 for artifact in locked)
    assert [artifact.set for artifact in locked].count("registry") == 1


def test_jars_lock_has_every_root_of_jars_toml_and_no_other_set() -> None:
    wanted = tomllib.loads((REPOSITORY / "jars.toml").read_text())
    locked = {(artifact.set, artifact.coordinates) for artifact in read_lock(LOCK)}
    roots = {(name, coordinates) for name, spec in wanted.items() for coordinates in spec["artifacts"]}
    assert roots <= locked
    assert {name for name, _ in locked} == set(wanted)
    fixed = {name for name, spec in wanted.items() if not spec["transitive"]}
    assert {line for line in locked - roots if line[0] in fixed} == set()


def test_the_broker_and_everything_of_kafka_beside_it_have_one_version() -> None:
    coordinates = [artifact.coordinates.split(":") for artifact in read_lock(LOCK)]
    versions = {name: version for group, name, version, *_ in coordinates if group == "org.apache.kafka"}
    assert {"kafka_2.13", "kafka-clients", "kafka-tools"} <= set(versions)
    assert set(versions.values()) == {versions["kafka_2.13"]}


@pytest.mark.parametrize(
    "line",
    [
        "../kafka org.example:broker:1.0:jar 5 {sha}",
        "kafka org.example:../../broker:1.0:jar 5 {sha}",
        "kafka org.example:broker:../../1.0:jar 5 {sha}",
        "kafka org.example:broker:1.0:jar/../../x 5 {sha}",
        "kafka org.example:broker:1.0:jar:/etc/x 5 {sha}",
        "kafka /org/example:..:1.0:jar 5 {sha}",
        "kafka org.example:broker:1.0 5 {sha}",
        "kafka org.example:broker:1.0:jar five {sha}",
        "kafka org.example:broker:1.0:jar 5 abc",
        "kafka org.example:broker:1.0:jar 5",
    ],
)
def test_a_line_of_jars_lock_that_leads_elsewhere_or_is_none_is_refused_by_its_number(
    line: str, tmp_path: Path
) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# made by hand\n{line.format(sha='0' * 64)}\n")
    with pytest.raises(LabkitError, match=r"^Line 2 of .*jars\.lock names no Java archive\."):
        read_lock(lock)
