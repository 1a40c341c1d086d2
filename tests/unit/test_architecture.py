"""How the modules stand to each other: what a learner reads first needs nothing that comes later."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import labkit
from benchmarks.side_by_side.code_lines import code_lines

ROOT = Path(labkit.__file__).parent
#: The data path, each module after those that it needs.
READING_ORDER = (
    "errors", "settings",
    "procfs", "recording", "sources", "avro_codec", "registry", "kafka_admin", "producer", "consumer",
    "metrics",
    "flink", "flink.names", "flink.home", "flink.session", "flink.enrichment", "flink.parquet_sink",
    "parquet_io", "analysis", "plots",
)  # fmt: skip
DATA_PATH_LINES = 1500
#: The enrichment in batches does what is on the data path once more, faster; who reads it has read that.
FAST_LINES = 600


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(file): file for file in sorted(ROOT.rglob("*.py")) if file.parent != ROOT or file.stem[0] != "_"}
TREES = {name: ast.parse(file.read_text()) for name, file in MODULES.items()}
AROUND = {name for name in MODULES if name in ("cli", "view") or name.split(".")[0] in ("ops", "workshop", "fast")}
FAST = {name for name in MODULES if name.split(".")[0] == "fast"}
DATA_PATH = sorted(set(MODULES) - AROUND)


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
    """The modules of labkit that `name` imports: {"procfs", "flink.names"}."""
    return {full.removeprefix("labkit.") for full in imported(name) if full.startswith("labkit.")}


def test_every_module_of_the_data_path_has_its_place_in_the_reading_order() -> None:
    assert sorted(READING_ORDER) == DATA_PATH


@pytest.mark.parametrize("name", READING_ORDER)
def test_a_module_imports_only_what_is_read_before_it(name: str) -> None:
    assert own_imports(name) <= set(READING_ORDER[: READING_ORDER.index(name)])


def test_what_runs_the_lab_knows_nothing_of_the_workshop() -> None:
    around = {name for name in MODULES if name == "view" or name.split(".")[0] == "ops"}
    assert {name for name in around if any(used.split(".")[0] == "workshop" for used in own_imports(name))} == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    TopologicalSorter({name: own_imports(name) for name in MODULES}).prepare()


@pytest.mark.parametrize(("name", "allowed"), [("procfs", {"errors"}), ("metrics", {"procfs"})])
def test_the_pure_core_needs_the_standard_library_and_nothing_that_does_io(name: str, allowed: set[str]) -> None:
    others = {full.split(".")[0] for full in imported(name)} - {"labkit"}
    assert own_imports(name) <= allowed
    assert others <= sys.stdlib_module_names - {"os", "io", "pathlib", "socket", "subprocess", "time"}


def test_a_learner_reads_the_data_path_in_an_evening() -> None:
    lines = sum(code_lines(MODULES[name]) for name in DATA_PATH)
    assert lines < DATA_PATH_LINES


def test_the_fast_way_is_short_and_needs_the_data_path_only() -> None:
    files = [*(MODULES[name] for name in FAST), *(ROOT / "fast").glob("*.java")]
    assert sum(code_lines(file) for file in files) < FAST_LINES
    assert {used for name in FAST for used in own_imports(name)} <= {*FAST, *DATA_PATH}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pyflink")  # it decorates its own old names at import
@pytest.mark.parametrize("name", MODULES)
def test_every_name_in_all_exists_and_is_public(name: str) -> None:
    module = importlib.import_module(f"labkit.{name}")
    names = getattr(module, "__all__", [])
    assert [word for word in names if not hasattr(module, word) or word.startswith("_")] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_class_and_function_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(TREES[name]), "the module says nothing"
    assert [node.name for node in public(TREES[name]) if not ast.get_docstring(node)] == []


def public(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)
