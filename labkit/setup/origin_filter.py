"""00-origin-filter.jar: two classes that close what Flink leaves open. Set-up makes it from Flink's own jars.

    labkit/OriginFilter.class                 refuses requests that other pages send to Flink's REST API
    org/apache/beam/…ServerFactory.class    listens on 127.0.0.1, not on every address: see class_file.py

Janino compiles OriginFilter.java: see janino.py.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from labkit.flink.home import flink_home
from labkit.setup import class_file, janino

__all__ = ["NAME", "build", "fingerprint"]

#: Flink's scripts load the jars of a folder by name: this one has to come before flink-python-….jar.
NAME = "00-origin-filter.jar"
_JAVA = Path(__file__).with_name("OriginFilter.java")
_SERVERS = "org/apache/beam/sdk/fn/server/ServerFactory$InetSocketAddressServerFactory.class"
_SERVICE = "META-INF/services/org.apache.flink.runtime.io.network.netty.InboundChannelHandlerFactory"


def fingerprint() -> str:
    """Changes when what 00-origin-filter.jar is made of does."""
    return janino.fingerprint([_JAVA, Path(__file__), Path(class_file.__file__)])


def build(target: Path) -> Path:
    """Make 00-origin-filter.jar at `target`; returns that. Raises `LabkitError` where Flink's jars are other ones."""
    (python_jar,) = (flink_home() / "opt").glob("flink-python-*.jar")
    with zipfile.ZipFile(python_jar) as jar:
        servers = class_file.listen_where_told(jar.read(_SERVERS))
    own = {_SERVERS: servers, _SERVICE: b"labkit.OriginFilter\n"}
    return janino.write_jar(target, own | janino.compiled(_JAVA))
