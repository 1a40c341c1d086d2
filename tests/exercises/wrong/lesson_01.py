"""Answers to the exercises of 01 that people give, and what the check has to say to them, and must not."""

WRONG = {
    "01a": [
        (
            "a CPU anywhere in a line",
            """
            import re
            times = {}
            for name, numbers in re.findall(r"(cpu\\d*)((?:[ \\t]+\\d+)+)", text):
                numbers = [int(number) for number in numbers.split()][:10]
                times[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return times
            """,
            r"a kernel that writes other lines before the CPUs and between them",
            r"all ten columns|Columns after the tenth",
        ),
        (
            "what an old kernel does not write is missing",
            """
            lines = [line.split() for line in text.splitlines() if line.startswith("cpu")]
            return {name: dict(zip(CPU_COLUMNS, map(int, words))) for name, *words in lines}
            """,
            r"Linux 2\.4.*cpu has no iowait.*all ten columns",
            r"return|two blanks|begin with cpu",
        ),
        (
            "split at one blank",
            """
            found = {}
            for line in text.splitlines():
                if line.startswith("cpu"):
                    name, *words = line.split(" ")
                    numbers = [int(word) for word in words[:10]]
                    found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"raised ValueError.*two blanks",
            r"begin with cpu|It has \d+ numbers",
        ),
        (
            "every line is read as numbers",
            """
            found = {}
            for line in text.splitlines():
                name, *words = line.split()
                numbers = [int(word) for word in words[:10]]
                if name.startswith("cpu"):
                    found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"raised ValueError.*Linux 2\.4.*Line 4 of it.*disk_io.*begin with cpu",
            r"two blanks|may be empty",
        ),
        (
            "every line has a first word",
            """
            found = {}
            for line in text.splitlines():
                words = line.split()
                if words[0].startswith("cpu"):
                    numbers = [int(word) for word in words[1:11]]
                    found[words[0]] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"raised IndexError.*Linux 2\.4.*Line 7 of it breaks your function: it is empty.*may be empty",
            r"begin with cpu",
        ),
        (
            "the total line is thrown away",
            """
            found = {}
            for line in text.splitlines():
                if line.startswith("cpu") and line[3].isdigit():
                    name, *words = line.split()
                    numbers = [int(word) for word in words[:10]]
                    found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"cpu is missing\. Your function gives cpu0, cpu1.*line cpu belongs",
            r"return|more than one digit",
        ),
        (
            "system stands before nice, as in many tools",
            """
            order = ["user", "system", "nice", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"]
            found = {}
            for line in text.splitlines():
                if line.startswith("cpu"):
                    name, *words = line.split()
                    numbers = [int(word) for word in words[:10]]
                    found[name] = dict(zip(order, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"cpu has nice 2240; it is 300.*2240 is number 3 of the line",
            r"text|is 0",
        ),
        (
            "the columns stay text",
            """
            found = {}
            for line in text.splitlines():
                if line.startswith("cpu"):
                    name, *words = line.split()
                    found[name] = dict(zip(CPU_COLUMNS, words[:10] + ["0"] * (10 - len(words))))
            return found
            """,
            r"cpu has user '9410'; it is 9410.*text: int\(\)",
            r"The order is|float",
        ),
        (
            "return stands inside the loop",
            """
            found = {}
            for line in text.splitlines():
                if line.startswith("cpu"):
                    name, *words = line.split()
                    numbers = [int(word) for word in words[:10]]
                    found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
                    return found
            """,
            r"cpu0 is missing\. Your function gives cpu\..*inside the loop",
            r"more than one digit|made anew",
        ),
        (
            "the dict is made anew for each line",
            """
            for line in text.splitlines():
                if line.startswith("cpu"):
                    found = {}
                    name, *words = line.split()
                    numbers = [int(word) for word in words[:10]]
                    found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"cpu is missing\. Your function gives cpu1\..*made anew inside the loop",
            r"line cpu belongs|return",
        ),
        (
            "one row is shared by all",
            """
            found, row = {}, dict.fromkeys(CPU_COLUMNS, 0)
            for line in text.splitlines():
                if line.startswith("cpu"):
                    name, *words = line.split()
                    row.update(zip(CPU_COLUMNS, map(int, words[:10])))
                    found[name] = row
            return found
            """,
            r"share one and the same dict.*new dict for each line",
            r"The order is|return",
        ),
        (
            "a dict that outlives the call",
            """
            global _found
            try:
                _found
            except NameError:
                _found = {}
            for line in text.splitlines():
                if line.startswith("cpu"):
                    name, *words = line.split()
                    numbers = [int(word) for word in words[:10]]
                    _found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return _found
            """,
            r"Linux 2\.4.*'cpu1' is no CPU of this file.*called with before",
            r"begin with cpu are",
        ),
        (
            "stops at the first line that is no CPU",
            """
            found = {}
            for line in text.splitlines():
                if not line.startswith("cpu"):
                    break
                name, *words = line.split()
                numbers = [int(word) for word in words[:10]]
                found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"other lines before the CPUs and between them: cpu is missing\. Your function gives no CPU",
            r"return|line cpu belongs",
        ),
        (
            "cpu anywhere in the line",
            """
            found = {}
            for line in text.splitlines():
                if "cpu" in line:
                    name, *words = line.split()
                    numbers = [int(word) for word in words[:10] if word.isdigit()]
                    found[name] = dict(zip(CPU_COLUMNS, numbers + [0] * (10 - len(numbers))))
            return found
            """,
            r"'version' is no CPU.*does not begin with cpu",
            r"called with before",
        ),
        (
            "floats of numpy",
            """
            import numpy
            found = {}
            for line in text.splitlines():
                if line.startswith("cpu"):
                    name, *words = line.split()
                    numbers = numpy.zeros(10)
                    numbers[: len(words[:10])] = words[:10]
                    found[name] = dict(zip(CPU_COLUMNS, numbers))
            return found
            """,
            r"it is 9007199254740993.*float holds 15 digits",
            r"The order is|text",
        ),
    ],
    "01b": [
        (
            "one reading only",
            """
            shares = {c.id: 100 * (sum(c[1:9]) - c.idle - c.iowait) / sum(c[1:9]) for c in after.cpus[1:]}
            return max(shares.items(), key=lambda pair: pair[1])
            """,
            r"cpu1 with 31\.2 %; you say cpu0.*subtract",
            r"not by the time",
        ),
        (
            "ticks divided by the milliseconds between the snapshots",
            """
            earlier = {c.id: c for c in before.cpus}
            seconds = (after.timestamp - before.timestamp) / 1000
            worked = {}
            for c in after.cpus[1:]:
                old = earlier[c.id]
                busy = sum(c[1:9]) - sum(old[1:9]) - (c.idle - old.idle) - (c.iowait - old.iowait)
                worked[c.id] = busy / seconds
            return max(worked.items(), key=lambda pair: pair[1])
            """,
            r"31\.2 %; you say cpu1 with 30\.0 %.*Divide by the ticks",
            r"subtract|iowait",
        ),
        (
            "waiting counts as work",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                ticks = [new - old for old, new in zip(earlier[c.id][1:9], c[1:9])]
                busy = 100 * (sum(ticks) - ticks[3]) / sum(ticks)
                best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"cpu1 with 20\.0 %; you say cpu0 with 65\.0 %.*waiting, not work",
            r"guest|steps back|300",
        ),
        (
            "guest is added to user",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                ticks = [new - old for old, new in zip(earlier[c.id][1:], c[1:])]
                busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"virtual machine.*you say cpu0 with 65\.5 %.*guest is inside user",
            r"steps back|300|iowait is",
        ),
        (
            "a step back makes the sum smaller",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                ticks = [new - old for old, new in zip(earlier[c.id][1:9], c[1:9])]
                busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"steps back.*cpu1 with 33\.0 %; you say cpu0 with 37\.5 %.*counts as 0",
            r"guest|300 or more",
        ),
        (
            "a CPU that started over is taken for a busy one",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"started over.*you say cpu0 with 100\.0 %.*300 ticks",
            r"max\(0|guest",
        ),
        (
            "a fall of 300 is not enough for it",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                if c.id not in earlier or earlier[c.id].idle - c.idle > 300:
                    continue
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                if sum(ticks):
                    busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                    best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"exactly 300: it is cpu1 with 9\.0 %; you say cpu0 with 60\.0 %.*300 ticks are enough",
            r"stepped back",
        ),
        (
            "any step back of idle is a CPU that started over",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                if c.id not in earlier or c.idle < earlier[c.id].idle:
                    continue
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                if sum(ticks):
                    busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                    best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"fell by 299: it is cpu0 with 60\.0 %; you say cpu1 with 9\.0 %.*fewer than 300",
            r"are enough",
        ),
        (
            "CPUs are matched by their place",
            """
            best = None
            for old, c in list(zip(before.cpus, after.cpus))[1:]:
                if old.idle - c.idle >= 300:
                    continue
                ticks = [max(0, y - x) for x, y in zip(old[1:9], c[1:9])]
                busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                if best is None or busy > best[1]:
                    best = (c.id, busy)
            return best
            """,
            r"cpu1 is gone.*cpu2 with 12\.0 %.*by its name",
            r"was not there before",
        ),
        (
            "the total line takes part",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus:
                if c.id not in earlier or earlier[c.id].idle - c.idle >= 300:
                    continue
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                if sum(ticks):
                    busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                    best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"you say cpu with 63\.3 %.*no CPU",
            r"are enough|stepped back",
        ),
        (
            "nothing counted is divided by",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                if c.id not in earlier or earlier[c.id].idle - c.idle >= 300:
                    continue
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                busy = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                best = max(best or (c.id, busy), (c.id, busy), key=lambda pair: pair[1])
            return best
            """,
            r"raised ZeroDivisionError.*counted no tick.*nothing to divide by",
            r"is None",
        ),
        (
            "the most ticks win",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                if c.id not in earlier or earlier[c.id].idle - c.idle >= 300:
                    continue
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                worked = sum(ticks) - ticks[3] - ticks[4]
                if sum(ticks) and (best is None or worked > best[0]):
                    best = (worked, c.id, 100 * worked / sum(ticks))
            return best and best[1:]
            """,
            r"fewer ticks.*cpu1 with 85\.0 %; you say cpu0 with 50\.0 %.*largest share is asked for",
            r"not by the time",
        ),
        (
            "0 % is no share",
            """
            best = None
            most = 0
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                if c.id not in earlier or earlier[c.id].idle - c.idle >= 300:
                    continue
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                if sum(ticks) == 0:
                    continue
                worked = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                if worked > most:
                    best, most = (c.id, worked), worked
            return best
            """,
            r"idle all the time: it is cpu0 with 0\.0 %; you say None.*0 % is a share",
            r"return",
        ),
        (
            "a new CPU counts from 0",
            """
            best = None
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                old = earlier.get(c.id, ["", *[0] * 10])
                if old[4] - c.idle >= 300:
                    continue
                ticks = [max(0, new - old) for old, new in zip(old[1:9], c[1:9])]
                if sum(ticks) == 0:
                    continue
                worked = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
                if best is None or worked > best[1]:
                    best = (c.id, worked)
            return best
            """,
            r"cpu1 is new and works hard: it is cpu0 with 4\.0 %; you say cpu1.*not there before has no share",
            r"line cpu|subtract",
        ),
        (
            "max of nothing",
            """
            shares = []
            earlier = {c.id: c for c in before.cpus}
            for c in after.cpus[1:]:
                if c.id not in earlier or earlier[c.id].idle - c.idle >= 300:
                    continue
                ticks = [max(0, new - old) for old, new in zip(earlier[c.id][1:9], c[1:9])]
                if sum(ticks):
                    shares.append((100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks), c.id))
            share, name = max(shares)
            return name, share
            """,
            r"raised ValueError.*The only CPU started over.*the answer is None",
            r"divide|not there before",
        ),
    ],
}

#: Right ones that do not look like the solution.
RIGHT = {
    "01a": [
        (
            "a comprehension, zip_longest",
            """
            from itertools import zip_longest
            rows = [line.split() for line in text.split("\\n") if line.startswith("cpu")]
            return {row[0]: {c: int(v) for c, v in zip_longest(CPU_COLUMNS, row[1:11], fillvalue=0)} for row in rows}
            """,
        ),
        (
            "a regular expression",
            """
            import re
            return {
                found[1]: dict(zip(CPU_COLUMNS, ([int(n) for n in found[2].split()] + [0] * 10)[:10]))
                for found in re.finditer(r"^(cpu\\d*)\\s+(.*)$", text, re.MULTILINE)
            }
            """,
        ),
        (
            "whole numbers of numpy, and an OrderedDict",
            """
            import numpy
            from collections import OrderedDict
            found = OrderedDict()
            for line in text.splitlines():
                if line[:3] == "cpu":
                    words = line.split()
                    row = numpy.zeros(10, dtype=numpy.int64)
                    row[: len(words[1:11])] = [int(word) for word in words[1:11]]
                    found[words[0]] = dict(zip(CPU_COLUMNS, row))
            return found
            """,
        ),
        (
            "a class with attributes, and default 0",
            """
            class Reader:
                def row(self, words):
                    return {column: int(words[n]) if n < len(words) else 0 for n, column in enumerate(CPU_COLUMNS)}

            found = {}
            for words in map(str.split, text.splitlines()):
                if words and words[0].startswith("cpu"):
                    found[words[0]] = Reader().row(words[1:])
            return found
            """,
        ),
    ],
    "01b": [
        (
            "columns by their names, a list of two",
            """
            names = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
            old = {c.id: c for c in before.cpus}
            shares = []
            for c in after.cpus:
                if c.id == "cpu" or c.id not in old or c.idle <= old[c.id].idle - 300:
                    continue
                d = {name: max(getattr(c, name) - getattr(old[c.id], name), 0) for name in names}
                if any(d.values()):
                    shares.append([c.id, 100.0 * (1 - (d["idle"] + d["iowait"]) / sum(d.values()))])
            return max(shares, key=lambda pair: pair[1], default=None)
            """,
        ),
        (
            "the function of labkit",
            """
            from labkit.streams.procstat.metrics import cpu_utilization
            earlier = {c.id: c for c in before.cpus}
            found = [cpu_utilization(earlier[c.id], c) for c in after.cpus if c.id != "cpu" and c.id in earlier]
            found = [(s.total_busy_pct - s.iowait_pct, s.cpu_id) for s in found if s]
            return max(found)[::-1] if found else None
            """,
        ),
        (
            "pandas and numpy",
            """
            import numpy as np
            import pandas as pd
            x, y = (pd.DataFrame(s.cpus).set_index("id").drop("cpu") for s in (before, after))
            both = [name for name in y.index if name in x.index]
            x, y = x.loc[both], y.loc[both]
            ticks = (y - x).clip(lower=0).iloc[:, :8]
            keep = ((x.idle - y.idle) < 300) & (ticks.sum(axis=1) > 0)
            if not keep.any():
                return None
            ticks = ticks[keep]
            share = 100 * (1 - (ticks.idle + ticks.iowait) / ticks.sum(axis=1))
            return share.idxmax(), np.float64(share.max())
            """,
        ),
        (
            "a share of one digit",
            """
            best = (None, -1)
            earlier = dict((c[0], c) for c in before.cpus)
            for c in after.cpus[1:]:
                if c[0] in earlier and earlier[c[0]][4] - c[4] < 300:
                    t = [b - a if b > a else 0 for a, b in zip(earlier[c[0]][1:9], c[1:9])]
                    if sum(t) and 100 - 100 * (t[3] + t[4]) / sum(t) > best[1]:
                        best = (c[0], 100 - 100 * (t[3] + t[4]) / sum(t))
            return None if best[0] is None else (best[0], round(best[1], 1))
            """,
        ),
    ],
}
