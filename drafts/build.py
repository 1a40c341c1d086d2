"""Cells as text -> an ipynb. Markdown cells begin with `%%md`, code cells with `%%`, `%%id NAME` names the next one."""

import json, re, sys
from pathlib import Path


def build(source, target):
    cells, number = [], 0
    for block in re.split(r"^%%", Path(source).read_text(), flags=re.M)[1:]:
        head, _, body = block.partition("\n")
        words = head.split()
        kind = "markdown" if words and words[0] == "md" else "code"
        ids = [w for w in words if w not in ("md", "code")]
        name = ids[0] if ids else f"cell-{number:03}"
        if not ids:
            number += 1
        body = body.strip("\n")
        lines = [line + "\n" for line in body.split("\n")]
        lines[-1] = lines[-1][:-1]
        cell = {"cell_type": kind, "id": name, "metadata": {}, "source": lines}
        if kind == "code":
            cell = {
                "cell_type": kind,
                "execution_count": None,
                "id": name,
                "metadata": {},
                "outputs": [],
                "source": lines,
            }
        cells.append(cell)
    nb = {
        "cells": cells,
        "metadata": {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    Path(target).write_text(json.dumps(nb, indent=1, ensure_ascii=False) + "\n")


build(sys.argv[1], sys.argv[2])
