"""Wrong answers to the exercises of lesson 11: what is wrong, the code, and what the check has to say about it."""

from __future__ import annotations

_AGAIN = """
complete = [one for one in checkpoints if one["completed"] is not None and one["completed"] <= killed]
newest = max(complete, key=lambda one: one["completed"], default={"offsets": {}})
again = {number: list(range(newest["offsets"].get(number, 0), upto)) for number, upto in read.items()}
return {number: offsets for number, offsets in again.items() if offsets}
"""

_JOB = """
file, draft = folder / "checkpoint.json", folder / "draft.json"
offset, totals = json.loads(file.read_text()) if file.exists() else (0, {})
for host, busy_ms in read(offset):
    totals[host] = totals.get(host, 0) + busy_ms
    offset += 1
    if offset % 5 == 0:
        draft.write_text(json.dumps([offset, totals]))
        draft.replace(file)
return totals
"""

_ADD = "    totals[host] = totals.get(host, 0) + busy_ms\n"

_TWO_FILES = """
place, sums = folder / "offset.json", folder / "totals.json"
offset = json.loads(place.read_text()) if place.exists() else 0
totals = json.loads(sums.read_text()) if sums.exists() else {}
for host, busy_ms in read(offset):
    totals[host] = totals.get(host, 0) + busy_ms
    offset += 1
    for file, value in ((FIRST), (SECOND)):
        draft = folder / "draft.json"
        draft.write_text(json.dumps(value))
        draft.replace(file)
return totals
"""
_OFFSET, _TOTALS = "place, offset", "sums, totals"


def _but(answer: str, right: str, wrong: str) -> str:
    """The right answer with one thing changed."""
    assert right in answer, right
    return answer.replace(right, wrong)


WRONG = {
    "11a": [
        (
            "the last record that was read counts as unread",
            _but(_AGAIN, "upto)) for", "upto + 1)) for"),
            "said .*123.*123 was not read yet",
        ),
        (
            "the first of the list is taken for the newest",
            _but(_AGAIN, 'max(complete, key=lambda one: one["completed"], default={"offsets": {}})',
                 '(complete or [{"offsets": {}}])[0]'),
            "the oldest first.*wherever it stands",
        ),
        (
            "the newest that was begun",
            _but(_AGAIN, 'one["completed"] is not None and one["completed"] <= killed', 'one["triggered"] <= killed')
            .replace('key=lambda one: one["completed"]', 'key=lambda one: one["triggered"]'),
            "being made when the job was killed.*not complete is worth nothing",
        ),
        (
            "one that completed after the crash",
            _but(_AGAIN, ' and one["completed"] <= killed', ""),
            "after it had come back.*compare with killed",
        ),
        (
            "only the partitions of the checkpoint",
            _but(_AGAIN, "upto in read.items()}", 'upto in read.items() if number in newest["offsets"]}'),
            "does not know yet.*begins at 0",
        ),
        ("an error without a checkpoint", _but(_AGAIN, ', default={"offsets": {}}', ""), "raised ValueError.*offset 0"),
    ],
    "11b": [
        (
            "the position first, then the sums",
            _TWO_FILES.replace("FIRST", _OFFSET).replace("SECOND", _TOTALS),
            "a record is lost.*in one step",
        ),
        (
            "the sums first, then the position",
            _TWO_FILES.replace("FIRST", _TOTALS).replace("SECOND", _OFFSET),
            "a record was counted twice.*in one step",
        ),
        (
            "one file, written in place",
            _but(_JOB, "draft.write_text(json.dumps([offset, totals]))\n        draft.replace(file)",
                 "file.write_text(json.dumps([offset, totals]))"),
            "it raised JSONDecodeError.*rename",
        ),
        ("nothing is kept", _but(_JOB, "offset % 5 == 0", "False"), "sums are right, but .* read again.*Keep where"),
        (
            "the position is written down before the record is added",
            _but(_JOB, _ADD, "").replace("replace(file)\n", f"replace(file)\n{_ADD}"),
            "a record is lost.*in one step",
        ),
        ("a sum over one host only", _but(_JOB, "totals[host] =", 'totals["all"] ='), "Without any crash, it returned"),
    ],
}  # fmt: skip
