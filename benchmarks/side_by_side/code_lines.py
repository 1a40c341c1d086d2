"""How many lines of code a program has: without blank lines, comments and docstrings."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

_NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip


def code_lines(file: Path) -> int:
    """Of a file in Python, SQL or Java."""
    text = file.read_text()
    beginnings = {".sql": ("--",), ".java": ("//", "/*", "*")}.get(file.suffix)
    return _of_python(text) if beginnings is None else _of_others(text, beginnings)


def _of_others(text: str, beginnings: tuple[str, ...]) -> int:
    """Where a line of comment begins with one of `beginnings`."""
    lines = (line.strip() for line in text.splitlines())
    return sum(bool(line) and not line.startswith(beginnings) for line in lines)


def _of_python(text: str) -> int:
    tokens = (token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in _NO_CODE)
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)
