"""Answers to the exercises of 01 that people give, and what the check has to say to them."""

WRONG = {
    "01a": [
        (
            "what an old kernel does not write is missing",
            """
            lines = [line.split() for line in text.splitlines() if line.startswith("cpu")]
            return {name: dict(zip(CPU_COLUMNS, map(int, words))) for name, *words in lines}
            """,
            r"Linux 2\.4.*cpu has no iowait.*all ten columns",
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
            r"raised ValueError.*Linux 2\.4.*Line 4 of it.*disk_io.*begins with cpu",
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
            r"cpu is missing.*line cpu belongs",
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
            r"cpu has nice 2240; it is 300",
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
            r"cpu has user '9410'; it is 9410",
        ),
    ],
    "01b": [
        (
            "one reading only",
            """
            shares = {c.id: 100 * (sum(c[1:9]) - c.idle - c.iowait) / sum(c[1:9]) for c in after.cpus[1:]}
            return max(shares.items(), key=lambda pair: pair[1])
            """,
            r"cpu1 with 29\.9 %; you say cpu0.*Subtract",
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
            r"29\.9 %; you say cpu1 with 30\.0 %.*divide by the ticks",
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
            r"fell by 299: it is cpu0 with 60\.0 %; you say cpu1 with 9\.0 %.*299 ticks are too few",
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
            r"cpu0 with 4\.0 %; you say cpu with 52\.0 %.*no CPU",
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
            r"raised ZeroDivisionError.*No tick.*None",
        ),
    ],
}
