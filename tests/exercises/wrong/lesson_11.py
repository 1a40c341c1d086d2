"""Wrong answers to the exercises of lesson 11: what is wrong, the code, and what the check has to say about it."""

from __future__ import annotations

from tests.support.answers import but

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
_WRITES = "draft.write_text(json.dumps([offset, totals]))\n        draft.replace(file)"
_OFFSET, _TOTALS = "place, offset", "sums, totals"


#: A sentence that none of these answers may hear, where no other one is near.
_STEP = "in one step"

WRONG = {
    "11a": [
        (
            "the last record that was read counts as unread",
            but(_AGAIN, "upto)) for", "upto + 1)) for"),
            "said .*123.*123.*was not read yet|said .*123.*that record was not read yet",
            "first and the last|is read again\\.$",
        ),
        (
            "one too few at the beginning",
            but(_AGAIN, "get(number, 0), upto", "get(number, 0) + 1, upto"),
            "said .*121, 122.*that record is read again",
            "not read yet",
        ),
        (
            "the first of the list is taken for the newest",
            but(_AGAIN, 'max(complete, key=lambda one: one["completed"], default={"offsets": {}})',
                 '(complete or [{"offsets": {}}])[0]'),
            "the oldest first.*wherever it stands",
            "That is the oldest",
        ),
        (
            "the last of the list is taken for the newest",
            but(_AGAIN, 'max(complete, key=lambda one: one["completed"], default={"offsets": {}})',
                 '(complete or [{"offsets": {}}])[-1]'),
            "the newest first.*wherever it stands",
            "That is the oldest",
        ),
        (
            "the newest that was begun",
            but(_AGAIN, 'one["completed"] is not None and one["completed"] <= killed', 'one["triggered"] <= killed')
            .replace('key=lambda one: one["completed"]', 'key=lambda one: one["triggered"]'),
            "being made when the job was killed.*not complete is worth nothing",
            "compare with killed",
        ),
        (
            "one that completed after the crash",
            but(_AGAIN, ' and one["completed"] <= killed', ""),
            "after it had come back.*compare with killed",
            "not complete is worth nothing",
        ),
        (
            "None is compared with a number",
            but(_AGAIN, 'one["completed"] is not None and ', ""),
            "raised TypeError.*, line .*being made when.*completed is None",
            "none to go back to",
        ),
        (
            "only the partitions of the checkpoint",
            but(_AGAIN, "upto in read.items()}", 'upto in read.items() if number in newest["offsets"]}'),
            "does not know yet.*begins at 0",
            "left out",
        ),
        (
            "a partition that is not in the checkpoint is not looked for",
            but(_AGAIN, '.get(number, 0)', "[number]"),
            "raised KeyError: 2.*Partition 2 is not in the checkpoint",
            "Without a complete checkpoint",
        ),
        (
            "a partition of which nothing is read again",
            but(_AGAIN, " if offsets}", "}"),
            r"said \{0: \[120, 121, 122\], 1: \[\]\}.*Of partition 1 nothing is read again: it is left out",
            "begins at 0",
        ),
        (
            "an error without a checkpoint",
            but(_AGAIN, ', default={"offsets": {}}', ""),
            "raised ValueError.*offset 0",
            "completed is None",
        ),
        (
            "how many instead of which",
            but(_AGAIN, "number: offsets for", "number: len(offsets) for"),
            r"returned \{0: 3, 1: 2\}: 3 is no list of offsets.*offsets themselves",
            "left out|not read yet",
        ),
        (
            "the list that was given is sorted",
            "checkpoints.sort(key=lambda one: one['triggered'], reverse=True)\n" + _AGAIN,
            r"changed what it was given \(checkpoints\).*work on a copy",
            "wherever it stands",
        ),
    ],
    "11b": [
        (
            "the position of its own life, not of the log",
            """
file, draft = folder / "state.json", folder / "state.draft"
offset, sums = json.loads(file.read_text()) if file.exists() else (0, {})
for number, (host, busy) in enumerate(read(offset)):
    sums[host] = sums.get(host, 0) + busy
    draft.write_text(json.dumps([number + 1, sums]))
    draft.replace(file)
return sums
""",
            r"Killed, the second time.*counts from the start of the log, in every life",
            "one step|was not kept|do not belong",
        ),
        (
            "the position first, then the sums",
            _TWO_FILES.replace("FIRST", _OFFSET).replace("SECOND", _TOTALS),
            r"Killed.* in job, line \d+ of its cell: .*was lost.*offset.json.*in one step",
            "counted twice|one too far",
        ),
        (
            "the sums first, then the position",
            _TWO_FILES.replace("FIRST", _TOTALS).replace("SECOND", _OFFSET),
            r"Killed.* in job, line \d+ of its cell: .*counted twice.*totals.json.*in one step",
            "lost|one behind",
        ),
        (
            "one file, written in place",
            but(_JOB, _WRITES, "file.write_text(json.dumps([offset, totals]))"),
            r"it raised JSONDecodeError.*checkpoint.json \(0 bytes\).*rename",
            "So it went with",
        ),
        (
            "one file, opened and written in one line",
            but(_JOB, _WRITES, 'data = json.dumps([offset, totals]); open(file, "w").write(data)'),
            r"it raised JSONDecodeError.*checkpoint.json \(0 bytes\).*rename",
            "So it went with",
        ),
        (
            "the old file is removed before the new one is there",
            but(_JOB, "draft.replace(file)", "file.unlink(missing_ok=True); draft.rename(file)"),
            r"(took \d+ records again|was lost|counted twice).*draft.json.*no moment without",
            "Nothing of what it has done",
        ),
        (
            "nothing is kept",
            but(_JOB, "offset % 5 == 0", "False"),
            r"it took \d+ records again; 5 are allowed. Its folder was empty then.*Nothing of what it has done",
            "no moment without",
        ),
        (
            "kept, and read from the start all the same",
            but(_JOB, "in read(offset):", "in list(read(0))[offset:]:"),
            r"it took \d+ records again.*read\(0\) each time|it took \d+ records again.*takes the whole log",
            "Nothing of what it has done",
        ),
        (
            "what was kept is taken away as soon as it was read",
            but(_JOB, "for host,", "file.unlink(missing_ok=True)\nfor host,"),
            r"Killed, the second time.*took \d+ records again.*life before had kept in checkpoint.json was gone",
            "Nothing of what it has done|Up to|no moment without",
        ),
        (
            "counters that are added",
            "from collections import Counter\n"
            + but(_JOB, _ADD, "    totals = Counter(totals) + Counter({host: busy_ms})\n"),
            r"on a log of 5 records, it returned .*'idle': 0.*A host that was busy for 0 ms has a sum",
            "Killed|not in it",
        ),
        (
            "the newest file by its name as text",
            """
kept = sorted(folder.glob("upto-*.json"))
totals = json.loads(kept[-1].read_text()) if kept else {}
offset = int(kept[-1].stem[5:]) if kept else 0
for host, ms in read(offset):
    totals[host] = totals.get(host, 0) + ms
    offset += 1
    if offset % 5 == 0:
        (folder / "draft").write_text(json.dumps(totals))
        os.rename(folder / "draft", folder / f"upto-{offset}.json")
return totals
""",
            r"took \d+ records again.*Sorted as text upto-5.json comes after upto-\d\d.json",
            "Up to|Nothing of what it has done",
        ),
        (
            "the newest offset as text",
            """
file, draft = folder / "all.json", folder / "draft"
kept = json.loads(file.read_text()) if file.exists() else {}
offset = max(kept, default="0")
totals = dict(kept.get(offset, {}))
for number, (host, ms) in enumerate(read(int(offset)), int(offset) + 1):
    totals[host] = totals.get(host, 0) + ms
    kept[str(number)] = dict(totals)
    draft.write_text(json.dumps(kept))
    draft.replace(file)
return totals
""",
            r'took \d+ records again.*began with read\(9\) however far it had come.*"9" comes after "10"',
            "Up to|Nothing of what it has done",
        ),
        (
            "written down every eight records",
            but(_JOB, "offset % 5 == 0", "offset % 8 == 0"),
            r"took \d records again.*Up to \d records had been taken",
            "Nothing of what it has done|no moment without",
        ),
        (
            "the position is written down before the record is added",
            but(_JOB, _ADD, "").replace("replace(file)\n", f"replace(file)\n{_ADD}"),
            r"record \d+ was lost.*So it went with .* kills.*one too far",
            _STEP,
        ),
        (
            "the position is one behind",
            but(_JOB, "json.dumps([offset, totals])", "json.dumps([offset - 1, totals])"),
            r"record \d+ was counted twice.*So it went with .* kills.*one behind",
            _STEP,
        ),
        (
            "kept beside the folder",
            but(_JOB, 'folder / "checkpoint.json", folder / "draft.json"',
                 'Path("checkpoint.json"), Path("draft.json")'),
            r"another folder, a new and empty one, it began with read\(20\).*every file has to be folder / ",
            "Killed",
        ),
        (
            "what was written down last is returned",
            but(_JOB, "return totals", "return json.loads(file.read_text())[1]"),
            "Without any crash, on a log of 22 records.*The last 2 records are not in it",
            "Killed",
        ),
        (
            "a sum over one host only",
            but(_JOB, "totals[host] = totals.get(host, 0)", 'totals["all"] = totals.get("all", 0)'),
            r"Without any crash.*returned \{'all': 1573\}.*one for each is wanted",
            "Killed|not in it",
        ),
        (
            "the records instead of their ms",
            but(_JOB, "+ busy_ms", "+ 1"),
            "Without any crash.*numbers of records: add up their ms",
            "Killed|not in it",
        ),
        (
            "the offset too",
            but(_JOB, "return totals", "return offset, totals"),
            r"Without any crash.*returned \(22, \{.*nothing beside it",
            "Killed",
        ),
    ],
}  # fmt: skip

RIGHT = {
    "11a": [
        (
            "sorted, by id",
            """
best = {}
for one in sorted(checkpoints, key=lambda one: one["id"]):
    if one["completed"] is not None and not one["completed"] > killed:
        best = one["offsets"]
out = {}
for partition in read:
    begin = best.get(partition, 0)
    if read[partition] > begin:
        out[partition] = [begin + number for number in range(read[partition] - begin)]
return out
""",
        ),
        (
            "ranges, in a dict with a default",
            """
from collections import defaultdict

there = [one for one in checkpoints if one["completed"] and one["completed"] <= killed]
offsets = max(there, key=lambda one: one["triggered"])["offsets"] if there else {}
again = defaultdict(list)
for partition, upto in read.items():
    if upto - offsets.get(partition, 0):
        again[partition] = range(offsets.get(partition, 0), upto)
return again
""",
        ),
        (
            "with numpy",
            """
import numpy

newest = {"completed": -1, "offsets": {}}
for one in checkpoints:
    if one["completed"] is None or one["completed"] > killed:
        continue
    if one["completed"] > newest["completed"]:
        newest = one
found = {number: numpy.arange(newest["offsets"].get(number, 0), upto) for number, upto in read.items()}
return {number: offsets for number, offsets in found.items() if offsets.size}
""",
        ),
        (
            "the largest offset of each partition",
            """
best = dict.fromkeys(read, 0)
for one in checkpoints:
    if one["completed"] is not None and one["completed"] <= killed:
        for number, offset in one["offsets"].items():
            best[number] = max(best.get(number, 0), offset)
return {number: tuple(range(best[number], read[number])) for number in read if best[number] < read[number]}
""",
        ),
    ],
    "11b": [
        (
            "pickled after each record, in a class",
            """
import pickle

class State:
    def __init__(self):
        self.file = folder / "state"
        self.offset, self.sums = pickle.loads(self.file.read_bytes()) if self.file.exists() else (0, {})

    def keep(self):
        with open(folder / "state.new", "wb") as out:
            pickle.dump((self.offset, self.sums), out)
        os.replace(folder / "state.new", self.file)

state = State()
for state.offset, (host, ms) in enumerate(read(state.offset), start=state.offset + 1):
    state.sums[host] = state.sums.get(host, 0) + ms
    state.keep()
return state.sums
""",
        ),
        (
            "a line for each record, in one write",
            """
from collections import Counter

file, totals = folder / "log", Counter()
lines = file.read_text().splitlines() if file.exists() else []
for line in lines:
    host, ms = line.split()
    totals[host] += int(ms)
out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for host, ms in read(len(lines)):
    os.write(out, f"{host} {ms}\\n".encode())
    totals[host] += ms
os.close(out)
return totals
""",
        ),
        (
            "five at a time, a file for each",
            """
from collections import Counter
from itertools import islice

kept = sorted(folder.glob("upto-*.json"))
totals = Counter(json.loads(kept[-1].read_text()) if kept else {})
offset = int(kept[-1].stem[5:]) if kept else 0
records = iter(read(offset))
while batch := list(islice(records, 5)):
    for host, ms in batch:
        totals[host] += ms
    offset += len(batch)
    (folder / "draft").write_text(json.dumps(totals))
    os.rename(folder / "draft", folder / f"upto-{offset:06}.json")
return totals
""",
        ),
    ],
}
