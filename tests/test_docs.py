"""README.md and CONTRIBUTING.md name what is there: files, commands with their options, make targets, modules."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
import typer
import yaml
from typer.main import get_command

from docs import layout
from labkit.cli.main import app
from labkit.settings import REPOSITORY

PAGES = ("README.md", "CONTRIBUTING.md")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
MAKEFILE = (REPOSITORY / "Makefile").read_text()
#: A link's target that is in this repository; what is after # is looked for as a heading.
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
#: `tests/conftest.py`, `labkit/cli/lab.py`: a path has a slash in it, or is the name of a file at the top.
PATH = re.compile(r"^(?:[\w.-]+/)+[\w.*-]*$|^[\w-]+\.(?:py|md|toml|in|txt|yml|yaml|lock)$")
WORDS_THAT_RUN = re.compile(r"^(?:\.venv/bin/)?(labkit|make|python -m)(?: |$)")


def code(page: str) -> Iterator[str]:
    """What stands between ` and `, and each line of an indented block without the words that explain it."""
    text = re.sub(r"^```.*?^```", "", (REPOSITORY / page).read_text(), flags=re.M | re.S)
    for line in text.splitlines():
        if line.startswith("    ") and line[4:5].strip():
            yield re.split(r" {2,}", line.strip())[0]
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands(page: str) -> Iterator[list[str]]:
    """["labkit", "logs", "kafka"], ["make", "install"], ["python", "-m", "pytest", …] of a page."""
    for words in code(page):
        for part in words.split(" && "):
            if WORDS_THAT_RUN.match(part):
                yield shlex.split(part.removeprefix(".venv/bin/"), comments=True)


def named(page: str, program: str) -> list[list[str]]:
    found = [words[1:] for words in commands(page) if words[0] == program]
    assert found, f"{page} names none: is it read rightly?"
    return found


def is_there(path: str) -> bool:
    """In the repository, or made by the lab: then git is told to leave it alone."""
    if any(REPOSITORY.glob(path)):
        return True
    return subprocess.run(["git", "check-ignore", "-q", path], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_is_there(page: str) -> None:
    found = {words for words in code(page) if PATH.match(words)}
    assert len(found) > 5
    assert [path for path in sorted(found) if not is_there(path)] == []


@pytest.mark.parametrize("page", [*PAGES, "docs/benchmarks.md", "docs/when-not-flink.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    folder = (REPOSITORY / page).parent
    for link in LINK.findall((REPOSITORY / page).read_text()):
        path, _, heading = link.partition("#")
        assert (folder / path).exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", (folder / path).read_text(), re.M)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, link


def test_what_is_said_of_other_tools_has_only_figures_that_were_measured() -> None:
    page = (REPOSITORY / "docs" / "when-not-flink.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    measured = (REPOSITORY / "docs" / "benchmarks.md").read_text().replace("| 1058 |", "| 1,058 |")
    kinds = {kind: [row for row in rows if row[1] == kind] for kind in ("measured", "read")}
    assert [len(found) for found in kinds.values()] == [6, 3]
    for _, _, _, figures, _ in kinds["measured"]:
        numbers = re.findall(r"\d[\d,.]*\d|\d", figures)
        assert len(numbers) >= 4
        assert [number for number in numbers if not re.search(rf"(?<![\d,.]){number}(?![\d,.])", measured)] == []
    assert {figures for _, _, _, figures, _ in kinds["read"]} == {"none"}


@pytest.mark.parametrize("page", PAGES)
def test_every_labkit_command_that_is_named_takes_the_words_it_is_given(page: str) -> None:
    for words in named(page, "labkit"):
        if not words or words == ["--help"]:
            continue
        assert words[0] in COMMANDS, words
        try:
            COMMANDS[words[0]].make_context(words[0], words[1:], resilient_parsing=len(words) == 1)
        except typer.TyperException as error:
            pytest.fail(f"{page}: labkit {shlex.join(words)}: {error}")


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_is_named_is_in_the_makefile(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    for words in named(page, "make"):
        given = [word.split("=")[0] for word in words if "=" in word]
        assert {word for word in words if "=" not in word} <= targets, words
        assert [name for name in given if not re.search(rf"\b{name}\b", MAKEFILE)] == []


def test_every_python_module_and_every_test_that_is_named_is_there() -> None:
    for _, module, *words in named("CONTRIBUTING.md", "python"):
        assert importlib.util.find_spec(module) is not None, module
        assert [word for word in words if "/" in word and "=" not in word and not (REPOSITORY / word).exists()] == []


def test_a_name_that_is_wrong_would_be_found() -> None:
    assert not is_there("labkit/flink/record_at_a_time.py")
    assert is_there(".lab/log")
    with pytest.raises(typer.TyperException):
        COMMANDS["logs"].make_context("logs", ["kafka", "--bogus"])


def test_contributing_is_one_page() -> None:
    lines = (REPOSITORY / "CONTRIBUTING.md").read_text().splitlines()
    assert len(lines) <= 110
    assert [line for line in lines if len(line) > 140] == []


def test_the_readme_says_of_every_package_what_it_is_in_the_order_of_the_house() -> None:
    assert tuple(layout.words()) == layout.ORDER


def test_the_picture_of_the_layout_is_that_of_the_real_imports() -> None:
    assert layout.PICTURE.read_text() == layout.svg(), "type: python -m docs.layout"


def test_the_picture_has_an_arrow_for_what_no_other_arrow_says() -> None:
    down = layout.arrows()
    assert "pipeline" in down["workshop"]
    assert "kafka" not in down["pipeline"], "it goes there by way of lab"
    assert all(
        layout.ORDER.index(name) < layout.ORDER.index(other) for name, others in down.items() for other in others
    )


def test_a_commit_is_checked_by_what_make_check_runs() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    (recipe,) = re.findall(r"^check:.*\n\t@(.+)$", MAKEFILE, re.M)
    assert [hook["entry"] for hook in hooks] == recipe.replace("$(BIN)", ".venv/bin").split(" && ")
    assert {repo["repo"] for repo in config["repos"]} == {"local"}, "another one is downloaded"
    assert {(hook["language"], hook["pass_filenames"]) for hook in hooks} == {("system", False)}


def test_format_mends_what_check_looks_at() -> None:
    (recipe,) = re.findall(r"^format:.*\n\t@(.+)$", MAKEFILE, re.M)
    assert recipe == "$(BIN)/ruff check --fix-only . && $(BIN)/ruff format ."
