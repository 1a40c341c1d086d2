"""00-origin-filter.jar: made of Flink's own jars, the same each time, and never of a class that it does not know."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from labkit.errors import LabkitError
from labkit.flink.home import flink_home
from labkit.settings import REPOSITORY, load_settings
from labkit.setup import install, origin_filter
from labkit.setup.class_file import listen_where_told

SERVERS = "org/apache/beam/sdk/fn/server/ServerFactory$InetSocketAddressServerFactory.class"


@pytest.fixture(scope="module")
def as_it_came() -> bytes:
    """Beam's class for servers, out of the wheel."""
    (jar,) = (flink_home() / "opt").glob("flink-python-*.jar")
    return zipfile.ZipFile(jar).read(SERVERS)


def test_its_jar_is_the_same_each_time_and_loaded_before_the_jar_that_it_corrects(tmp_path: Path) -> None:
    jars = [origin_filter.build(tmp_path / f"{number}.jar") for number in range(2)]
    assert len({hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars}) == 1
    (corrected,) = (flink_home() / "opt").glob("flink-python-*.jar")
    assert sorted([origin_filter.NAME, corrected.name])[0] == origin_filter.NAME
    with zipfile.ZipFile(jars[0]) as jar:
        (service,) = (name for name in jar.namelist() if name.startswith("META-INF/services/"))
        assert f"{jar.read(service).decode().strip().replace('.', '/')}.class" in jar.namelist()


def test_the_class_for_servers_differs_in_one_call_and_has_three_constants_more(as_it_came: bytes) -> None:
    changed = listen_where_told(as_it_came)
    assert int.from_bytes(changed[8:10]) == int.from_bytes(as_it_came[8:10]) + 3
    assert (as_it_came.count(b"forAddress"), changed.count(b"forAddress")) == (0, 1)
    call = rb"\x2a?\x2b\xb6..\xb8(..)\x12"  # aload_1; getPort(); forPort(); ldc
    (found,) = re.findall(call, as_it_came, re.DOTALL)
    assert changed.count(b"\x2b\x00\x00\x00\xb8" + found) == 1


def test_a_class_that_was_changed_or_is_another_or_is_none_is_refused_in_one_sentence(as_it_came: bytes) -> None:
    (jar,) = (flink_home() / "opt").glob("flink-python-*.jar")
    another = zipfile.ZipFile(jar).read("org/apache/beam/sdk/fn/server/ServerFactory.class")
    renamed = as_it_came.replace(b"forPort", b"forPost")
    for code in (listen_where_told(as_it_came), another, renamed, as_it_came[:300], b""):
        with pytest.raises(LabkitError, match=r"^Beam's class for servers is another one .*make install$"):
            listen_where_told(code)


def test_an_image_is_built_with_all_that_our_own_jars_are_made_of() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    before_set_up = dockerfile.split("RUN python3.11 labkit/setup/bootstrap.py \\")[0]
    for package in ("setup", "flink"):  # OriginFilter.java, ToRecordBatches.java, FromResultBatches.java
        assert list((REPOSITORY / "labkit" / package).glob("*.java"))
        assert f"COPY labkit/{package} labkit/{package}" in before_set_up


def test_services_do_not_start_on_the_java_parts_of_another_version(tmp_path: Path) -> None:
    settings = load_settings(install_dir=tmp_path)
    with pytest.raises(LabkitError, match="not installed"):
        install.require_installed(settings.install_dir)
    (tmp_path / "installed").write_text(f"{install.LOCK.read_text()}# {origin_filter.NAME} of last week\n")
    with pytest.raises(LabkitError, match=r"of another version .*Type: make install"):
        install.require_installed(settings.install_dir)
