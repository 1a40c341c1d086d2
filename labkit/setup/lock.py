"""Makes jars.lock anew from jars.toml: every file's coordinates, size and SHA-256.

    python -m labkit.setup.lock

jgo resolves what the broker needs at run time, as Maven would, and fetches it once to hash it.
"""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from pathlib import Path

from jgo.maven import Dependency, MavenContext

from labkit.system.repository import REPOSITORY

_HEADER = """\
# Made by `make lock` from jars.toml; do not edit.
# set, group:artifact:version:type[:classifier], bytes, SHA-256
"""


def main() -> None:
    """Write jars.lock beside jars.toml."""
    wanted = tomllib.loads((REPOSITORY / "jars.toml").read_text())
    lines = []
    with tempfile.TemporaryDirectory() as cache:
        context = MavenContext(repo_cache=Path(cache))
        for name, spec in wanted.items():
            for dependency in _resolve(context, spec["artifacts"], spec["transitive"]):
                lines.append(_line(name, dependency))
    (REPOSITORY / "jars.lock").write_text(_HEADER + "\n".join(sorted(lines)) + "\n")
    print(f"jars.lock: {len(lines)} files")


def _resolve(context: MavenContext, artifacts: list[str], transitive: bool) -> list[Dependency]:
    roots = []
    for coordinates in artifacts:
        group, name, version, kind, *classifier = coordinates.split(":")
        component = context.project(group, name).at_version(version)
        artifact = component.artifact(classifier="".join(classifier), packaging=kind)
        # raw: else jgo takes each artifact for a BOM too, and log4j's names an older kafka-clients
        roots.append(Dependency(artifact, raw=True))
    if not transitive:
        return roots
    inputs, others = context.resolver.resolve(roots)
    return [*inputs, *(dep for dep in others if dep.scope in ("compile", "runtime") and not dep.optional)]


def _line(set_name: str, dependency: Dependency) -> str:
    artifact = dependency.artifact
    data = Path(artifact.resolve()).read_bytes()
    parts = [artifact.groupId, artifact.artifactId, artifact.version, artifact.packaging]
    coordinates = ":".join([*parts, *filter(None, [artifact.classifier])])
    return f"{set_name} {coordinates} {len(data)} {hashlib.sha256(data).hexdigest()}"


if __name__ == "__main__":
    main()
