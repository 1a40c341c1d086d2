"""The house: packages of one noun, imports that go down only, and a face for each that says what others may use."""

from __future__ import annotations

import ast
import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import labkit

ROOT = Path(labkit.__file__).parent
#: From the top down: a package imports from those below it, never from one above.
ORDER = (
    "cli", "workshop", "pipeline", "chaos", "dead_letters", "lab", "jobs", "settings",  # below: nobody reads settings
    "watch", "ledger", "analysis", "setup", "flink", "parquet", "sources", "kafka", "streams", "system", "errors",
)  # fmt: skip
#: At one level of a package; a check for each lesson is excepted.
MODULES_AT_ONE_LEVEL = 11
#: What a pure module may not take from the standard library.
IO = {"os", "io", "pathlib", "socket", "subprocess", "time", "threading"}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(file): file for file in sorted(ROOT.rglob("*.py")) if file != ROOT / "__init__.py"}
TREES = {name: ast.parse(file.read_text()) for name, file in MODULES.items()}
PACKAGES = sorted(name for name, file in MODULES.items() if file.stem == "__init__")


def imported(name: str) -> Iterator[str]:
    """The absolute names of the modules that `name` imports, at its top or inside a function."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{name} has a relative import"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [full for full in inside if full.removeprefix("labkit.") in MODULES]
            yield from modules or [node.module]


def own_imports(name: str) -> set[str]:
    """The modules of labkit that `name` imports: {"streams.procstat.metrics", "errors"}."""
    return {full.removeprefix("labkit.") for full in imported(name) if full.startswith("labkit.")}


def package(name: str) -> str:
    return name.split(".")[0]


def test_every_package_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted({package(name) for name in MODULES})


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down_only(name: str) -> None:
    below = set(ORDER[ORDER.index(package(name)) :])
    assert {used for used in own_imports(name) if package(used) not in below} == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    TopologicalSorter({name: own_imports(name) for name in MODULES}).prepare()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_one_noun_of_few_modules(name: str) -> None:
    inside = Counter(MODULES[module].parent for module in MODULES if MODULES[module].stem != "__init__")
    if name != "workshop.checks":
        assert inside[MODULES[name].parent] <= MODULES_AT_ONE_LEVEL


def face(name: str) -> list[str]:
    """`__all__` of a package: the modules that others may use."""
    (found,) = (ast.literal_eval(node.value) for node in TREES[name].body if isinstance(node, ast.Assign))
    return list(found)


@pytest.mark.parametrize("name", PACKAGES)
def test_what_others_may_use_is_there(name: str) -> None:
    assert [module for module in face(name) if f"{name}.{module}" not in MODULES] == []
    assert face(name) == sorted(set(face(name)))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_others_use_only_what_a_package_shows(name: str) -> None:
    for used in own_imports(name):
        owner = used.rpartition(".")[0]
        while owner:
            if not name.startswith(f"{owner}.") and name != owner:
                assert used.removeprefix(f"{owner}.").split(".")[0] in face(owner), f"{name} uses {used}"
            owner = owner.rpartition(".")[0]


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if package(name) == "streams"])
def test_what_flows_is_pure(name: str) -> None:
    assert {package(used) for used in own_imports(name)} <= {"streams", "errors"}
    assert {full.split(".")[0] for full in imported(name)} & (IO & sys.stdlib_module_names) <= {"io"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pyflink")  # it decorates its own old names at import
@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if name != "cli.__main__"])
def test_every_name_in_all_exists_and_is_public(name: str) -> None:
    module = importlib.import_module(f"labkit.{name}")
    names = getattr(module, "__all__", [])
    if name in PACKAGES:
        for inner in names:
            importlib.import_module(f"labkit.{name}.{inner}")
    assert [word for word in names if not hasattr(module, word) or word.startswith("_")] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_public_class_and_function_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(TREES[name]), "the module says nothing"
    assert [node.name for node in public(TREES[name]) if not ast.get_docstring(node)] == []


def public(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


def test_no_test_imports_from_another_test() -> None:
    tests = Path(__file__).parent
    found = {
        f"{file.relative_to(tests)} imports {node.module}"
        for file in tests.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and any(part.startswith("test_") for part in (node.module or "").split("."))
    }
    assert found == set()
