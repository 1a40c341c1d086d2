"""Answers to the exercises of 07 that people give, and what the check has to say to them."""

_GROUPED = """
found = cpus[high].groupby(["hostname", "cpu_id", "stretch"], as_index=False).agg(
    begin=("begin", "min"), end=("ts", "max"), user=("user_pct", "sum"), system=("system_pct", "sum")
)
found = found[found["end"] - found["begin"] >= pd.Timedelta("10s")]
kind = found[["user", "system"]].idxmax(axis=1)
return list(zip(found["hostname"], found["cpu_id"], found["begin"], found["end"], kind))
"""
_BEGIN = 'cpus["begin"] = cpus["ts"] - pd.to_timedelta(cpus["time_delta_ms"], unit="ms")\n'
_CHANGES = """
high = cpus["total_busy_pct"] >= 40
cpus["stretch"] = (high != high.shift()).cumsum()
"""
_FOLLOWS = """
high = cpus["total_busy_pct"] >= 40
cpus["stretch"] = (~((high == high.shift()) & (cpus["begin"] == cpus["ts"].shift()))).cumsum()
"""
_SORTED = '.sort_values(["hostname", "cpu_id", "ts"])\n'

_MEAN = "sum(total_busy_pct * time_delta_ms) / sum(time_delta_ms)"


def _query(mean: str = _MEAN, where: str = "cpu_id <> 'cpu'", order: str = "mean_busy DESC") -> str:
    return f"""return '''
    SELECT hostname, cpu_id, {mean} AS mean_busy FROM rows WHERE {where} GROUP BY hostname, cpu_id ORDER BY {order}
'''"""


def _burns(where: str = '(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)', sort: str = _SORTED,
           stretches: str = _FOLLOWS, end: str = _GROUPED) -> str:  # fmt: skip
    """The solution with one part of it changed."""
    return f"cpus = rows[{where}]{sort}{_BEGIN}{stretches}{end}"


WRONG = {
    "07a": [
        (
            "a plain mean",
            _query("avg(total_busy_pct)"),
            r"db_2\.local cpu0 has mean_busy 50\.0; it is 49\.2 \(busy 45 % for 3 s.*mean of the rows, whatever their",
            "rounded|number of rows",
        ),
        (
            "the total line counts as a CPU",
            _query(where="true"),
            r"a row for the line cpu.*all CPUs together",
            "GROUP BY",
        ),
        (
            "the hosts' CPUs are thrown together",
            f"""return '''SELECT any_value(hostname) AS hostname, cpu_id, {_MEAN} AS mean_busy
                FROM rows WHERE cpu_id <> 'cpu' GROUP BY cpu_id ORDER BY mean_busy DESC'''""",
            r"with 6 CPUs: the answer has 3 rows.*GROUP BY hostname, cpu_id",
            "the order is",
        ),
        (
            "weighted, but divided by the number of rows",
            _query("sum(total_busy_pct * time_delta_ms / 1000) / count(*)"),
            r"has mean_busy .*; it is .*divided by the number of rows",
            "whatever their length",
        ),
        (
            "in the order of names",
            _query(order="hostname, cpu_id"),
            r"the order is app cpu0 15\.3, app cpu1 0\.0, db.*sort by mean_busy alone",
            "DESC",
        ),
        (
            "the least busy first",
            _query(order="mean_busy"),
            r"the order is app cpu1 0\.0.*least busy first.*DESC",
            "by host first",
        ),
        (
            "rounded as the example is",
            _query(f"round({_MEAN}, 1)"),
            r"has mean_busy (\d+\.\d+); it is (?!\1)\d+\.\d+ .*It is rounded",
            "as long as it lasted",
        ),
        (
            "intervals that are long are left out",
            _query(where="cpu_id <> 'cpu' AND time_delta_ms <= 3000"),
            r"web-1 cpu0 has mean_busy 80\.0; it is 9\.5.*Without the long intervals",
            "number of rows",
        ),
        (
            "user_pct instead of total_busy_pct",
            _query(_MEAN.replace("total_busy_pct", "user_pct")),
            r"mean of user_pct alone",
            "as long as it lasted",
        ),
        (
            "the two CPUs of the recording, by name",
            _query(where="cpu_id IN ('cpu0', 'cpu1')"),
            r"no row for web-1 cpu10, and 5 rows in all; there are 6 CPUs",
            "Two hosts|GROUP BY",
        ),
        (
            "one column more",
            _query(f"count(*) AS n, {_MEAN}"),
            r"has the columns hostname, cpu_id, n, mean_busy; .* and no other",
            "AS mean_busy",
        ),
        (
            "the mean has no name",
            _query().replace("AS mean_busy", "").replace("mean_busy DESC", "3 DESC"),
            r"has to have hostname, cpu_id and mean_busy.*AS mean_busy",
            "Two hosts",
        ),
        (
            "a text that is no SQL",
            """return "SELECT FROM rows" """,
            r"DuckDB (says|cannot read)",
            "return",
        ),
        (
            "the rows instead of a text",
            f"return duckdb.sql('''SELECT hostname, cpu_id, {_MEAN} AS mean_busy FROM rows GROUP BY ALL''').df()",
            r"query\(\) gives .*it has to give the text of a SELECT",
            "no return",
        ),
    ],
    "07b": [
        (
            "the total line counts as a CPU",
            _burns(where='rows["time_delta_ms"] <= 3000'),
            r"you found lab cpu 09:00:20 – 09:00:40 system, which is none.*Leave out the line cpu",
            "sort|first interval",
        ),
        (
            "a burn begins at the end of its first interval",
            _burns(end='cpus["begin"] = cpus["ts"]\n' + _GROUPED),
            r"cpu0 09:00:21 – 09:00:40 system, which should be lab cpu0 09:00:20.*that interval's end",
            "line cpu",
        ),
        (
            "one busy second is a burn",
            _burns(end=_GROUPED.replace("10s", "1s")),
            r"you found lab cpu0 09:00:50 – 09:00:51 user, which is none.*shorter stretches are none",
            "line cpu|first interval",
        ),
        (
            "two hosts are one",
            _burns(sort='.sort_values(["cpu_id", "ts"])\n', stretches=_CHANGES),
            r"Two hosts.*did not find web_2\.local cpu0",
            "line cpu|first interval",
        ),
        (
            "a pause is a burn (the notebook's first try)",
            _burns(where='rows["cpu_id"] != "cpu"', stretches=_CHANGES),
            r"A pause of a minute.*you found lab cpu[01].*more than 3 s belongs to no burn",
            "neighbours",
        ),
        (
            "the rows around a pause become neighbours",
            _burns(stretches=_CHANGES),
            r"8 s of load, a pause.*you found lab cpu0.*which is none.*neighbours",
            "more than 3 s",
        ),
        (
            "10 s themselves are not enough for it",
            _burns(end=_GROUPED.replace('>= pd.Timedelta("10s")', '> pd.Timedelta("10s")')),
            r"10 s of load.*did not find lab cpu0 09:00:10 – 09:00:20 system.*10 s themselves are enough",
            "number of rows",
        ),
        (
            "9 s are enough for it",
            _burns(end=_GROUPED.replace("10s", "9s")),
            r"10 s of load.*you found lab cpu0 09:00:30 – 09:00:39 user, which is none.*9 s are not",
            "number of rows",
        ),
        (
            "ten rows instead of 10 s",
            _burns(end=_GROUPED.replace('user=("user', 'n=("ts", "size"), user=("user')
                   .replace('found["end"] - found["begin"] >= pd.Timedelta("10s")', 'found["n"] >= 10')),
            r"0\.99 s.*you found lab cpu0 09:00:00 – 09:00:09\.900 user, which is none.*not the number of rows",
            "round",
        ),
        (
            "40 % itself is not enough for it",
            _burns(stretches=_FOLLOWS.replace(">= 40", "> 40")),
            r"12 s at 40 %.*did not find lab cpu0 09:00:10 – 09:00:22 user.*40 % itself",
            "round",
        ),
        (
            "an interval of 3 s is a pause for it",
            _burns(where='(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] < 3000)'),
            r"intervals of 3 s.*did not find lab cpu0 09:00:00 – 09:00:12 user.*3 s themselves are no pause",
            "3\\.001 s are",
        ),
        (
            "an interval of 4 s is no pause for it",
            _burns(where='(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 4000)'),
            r"later of 3\.001 s.*you found lab cpu[01] 09:00:26\.999 – 09:00:39\.003 user, which is none.*are a pause",
            "no pause yet",
        ),
        (
            "kind is what was more in the first interval",
            _burns(end=_GROUPED.replace('"sum"', '"first"')),
            r"09:00:20 – 09:00:40 user, which should be .* system.*you take its first interval",
            "begins where",
        ),
        (
            "kind is what was more in most intervals",
            """cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)].copy()
cpus["user_pct"] = (cpus["user_pct"] > cpus["system_pct"]).astype(float)
cpus["system_pct"] = 1 - cpus["user_pct"]
cpus = cpus"""
            + f"{_SORTED}{_BEGIN}{_FOLLOWS}{_GROUPED}",
            r"09:00:00 – 09:00:12 user, which should be .* system.*you count the intervals in which each was more",
            "highest share|first interval",
        ),
        (
            "kind has the names of the columns",
            _burns(end=_GROUPED.replace('kind = found[["user", "system"]].idxmax(axis=1)',
                                        'kind = found[["user", "system"]].idxmax(axis=1) + "_pct"')),
            r"kind is 'system_pct'.*\"user\" or \"system\"",
            "first interval",
        ),
        (
            "it does not sort",
            _burns(sort=".copy()\n"),
            r"One burn of 20 s.*Sorted by host, CPU and ts, the same rows give the right burns",
            "line cpu|pause|first interval",
        ),
        (
            "its list is not emptied",
            "global _kept\n_kept = globals().get('_kept', [])\n"
            + _burns(end=_GROUPED.replace("return list(", "_kept += list(") + "return _kept\n"),
            r"you found lab cpu0 09:00:20 – 09:00:40 system 2 times.*begin empty",
            "line cpu",
        ),
        (
            "it changes the rows",
            'rows["begin"] = rows["ts"] - pd.to_timedelta(rows["time_delta_ms"], unit="ms")\n' + _burns(),
            r"changed what it was given \(rows\)",
            "line cpu",
        ),
        (
            "it prints and returns nothing",
            'print(rows[rows["total_busy_pct"] >= 40])',
            r"burns gave None.*return",
            "line cpu",
        ),
    ],
}  # fmt: skip

_BY_HAND = """
found = []
for (host, cpu), lines in rows[rows["cpu_id"] != "cpu"].groupby(["hostname", "cpu_id"]):
    begin = end = None
    parts = [0.0, 0.0]
    def close():
        if begin is not None and (end - begin).total_seconds() >= 10:
            found.append([host, cpu, begin, end, "user" if parts[0] > parts[1] else "system"])
    for row in lines.sort_values("ts").to_dict("records"):
        since = row["ts"] - pd.Timedelta(milliseconds=row["time_delta_ms"])
        fits = row["total_busy_pct"] >= 40 and row["time_delta_ms"] <= 3000
        if begin is not None and (not fits or since != end):
            close()
            begin = None
        if fits:
            if begin is None:
                begin, parts = since, [0.0, 0.0]
            end = row["ts"]
            for place, name in enumerate(("user_pct", "system_pct")):
                parts[place] += row[name] * row["time_delta_ms"]
    close()
return found
"""

RIGHT = {
    "07a": [
        ("a WITH, GROUP BY ALL, a semicolon", f"""return '''
            WITH busy AS (SELECT hostname, cpu_id, {_MEAN} AS mean_busy FROM rows WHERE NOT cpu_id = 'cpu' GROUP BY ALL)
            FROM busy SELECT mean_busy, cpu_id, hostname ORDER BY 1 DESC;
        '''"""),
        ("a window, then DISTINCT", """return '''
            SELECT DISTINCT hostname, cpu_id,
                   sum(total_busy_pct * time_delta_ms) OVER each / sum(time_delta_ms) OVER each AS mean_busy
            FROM rows WHERE cpu_id LIKE 'cpu_%' WINDOW each AS (PARTITION BY hostname, cpu_id) ORDER BY mean_busy DESC
        '''"""),
        ("in seconds, as a subquery", """return '''
            SELECT * FROM (SELECT hostname, cpu_id, sum(p * s) / sum(s) AS mean_busy FROM
                (SELECT hostname, cpu_id, total_busy_pct AS p, time_delta_ms / 1000.0 AS s FROM rows)
                WHERE cpu_id != 'cpu' GROUP BY hostname, cpu_id) ORDER BY mean_busy DESC NULLS LAST
        '''"""),
    ],
    "07b": [
        ("a loop, lists, the kind weighted by time", _BY_HAND),
        ("a generator", _BY_HAND.replace("return found", "yield from found")),
        ("a set of tuples with times of Python", _BY_HAND.replace(
            "return found", "return {(h, c, b.to_pydatetime(), e.to_pydatetime(), k) for h, c, b, e, k in found}")),
    ],
}  # fmt: skip
