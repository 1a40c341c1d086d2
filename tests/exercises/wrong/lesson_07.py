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

WRONG = {
    "07a": [
        (
            "a plain mean",
            '''
            return """
                SELECT hostname, cpu_id, avg(total_busy_pct) AS mean_busy
                FROM rows WHERE cpu_id <> 'cpu' GROUP BY hostname, cpu_id ORDER BY mean_busy DESC
            """
            ''',
            r"web-1 cpu0 has mean_busy 58\.7; it is 8\.5.*as long as it lasted",
        ),
        (
            "the total line counts as a CPU",
            '''
            return """
                SELECT hostname, cpu_id, sum(total_busy_pct * time_delta_ms) / sum(time_delta_ms) AS mean_busy
                FROM rows GROUP BY hostname, cpu_id ORDER BY mean_busy DESC
            """
            ''',
            r"a row for cpu.*all CPUs together",
        ),
        (
            "the hosts' CPUs are thrown together",
            '''
            return """
                SELECT any_value(hostname) AS hostname, cpu_id,
                       sum(total_busy_pct * time_delta_ms) / sum(time_delta_ms) AS mean_busy
                FROM rows WHERE cpu_id <> 'cpu' GROUP BY cpu_id ORDER BY mean_busy DESC
            """
            ''',
            r"cpu0 is there 0 times.*GROUP BY hostname, cpu_id",
        ),
        (
            "weighted, but divided by the number of rows",
            '''
            return """
                SELECT hostname, cpu_id, sum(total_busy_pct * time_delta_ms / 1000) / count(*) AS mean_busy
                FROM rows WHERE cpu_id <> 'cpu' GROUP BY hostname, cpu_id ORDER BY mean_busy DESC
            """
            ''',
            r"web-1 cpu0 has mean_busy 176\.7; it is 8\.5.*divide by the time",
        ),
        (
            "in the order of names",
            '''
            return """
                SELECT hostname, cpu_id, sum(total_busy_pct * time_delta_ms) / sum(time_delta_ms) AS mean_busy
                FROM rows WHERE cpu_id <> 'cpu' GROUP BY hostname, cpu_id ORDER BY hostname, cpu_id
            """
            ''',
            r"The order is db-1 cpu0, web-1 cpu0, web-1 cpu1.*ORDER BY mean_busy DESC",
        ),
        (
            "a text that is no SQL",
            '''return "SELECT FROM rows"''',
            r"DuckDB says",
        ),
    ],
    "07b": [
        (
            "the total line counts as a CPU",
            'cpus = rows[rows["time_delta_ms"] <= 3000]' + _SORTED + _BEGIN + _FOLLOWS + _GROUPED,
            r"you found lab cpu 09:00:20 – 09:00:40 system, which is none.*line cpu",
        ),
        (
            "a burn begins at the end of its first interval",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]' + _SORTED + _BEGIN + _FOLLOWS
            + 'cpus["begin"] = cpus["ts"]\n' + _GROUPED,
            r"cpu0 09:00:21 – 09:00:40 system, which should be lab cpu0 09:00:20.*first interval begins",
        ),
        (
            "one busy second is a burn",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]' + _SORTED + _BEGIN + _FOLLOWS
            + _GROUPED.replace("10s", "1s"),
            r"you found lab cpu0 09:00:50 – 09:00:51 user, which is none.*10 s or more",
        ),
        (
            "two hosts are one",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]'
            + '.sort_values(["cpu_id", "ts"])\n' + _BEGIN + _CHANGES + _GROUPED,
            r"Two hosts.*did not find web-1 cpu0.*group by host and CPU",
        ),
        (
            "a pause is a burn (the notebook's first try)",
            'cpus = rows[rows["cpu_id"] != "cpu"]' + _SORTED + _BEGIN + _CHANGES + _GROUPED,
            r"A pause of a minute.*you found lab cpu[01].*more than 3 s",
        ),
        (
            "the rows around a pause become neighbours",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]' + _SORTED + _BEGIN + _CHANGES
            + _GROUPED,
            r"8 s of load, a pause.*you found lab cpu0.*which is none.*neighbours",
        ),
        (
            "10 s themselves are not enough for it",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]' + _SORTED + _BEGIN + _FOLLOWS
            + _GROUPED.replace('>= pd.Timedelta("10s")', '> pd.Timedelta("10s")'),
            r"10 s of load.*did not find lab cpu0 09:00:10 – 09:00:20 user.*10 s are enough",
        ),
        (
            "9 s are enough for it",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]' + _SORTED + _BEGIN + _FOLLOWS
            + _GROUPED.replace("10s", "9s"),
            r"10 s of load.*you found lab cpu0 09:00:30 – 09:00:39 user, which is none.*9 s are not",
        ),
        (
            "40 % itself is not enough for it",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]' + _SORTED + _BEGIN
            + _FOLLOWS.replace(">= 40", "> 40") + _GROUPED,
            r"12 s at 40 %.*did not find lab cpu0 09:00:10 – 09:00:22 user.*40 % itself",
        ),
        (
            "an interval of 3 s is a pause for it",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] < 3000)]' + _SORTED + _BEGIN + _FOLLOWS
            + _GROUPED,
            r"intervals of 3 s.*did not find lab cpu0 09:00:00 – 09:00:12 user.*3 s is no pause yet",
        ),
        (
            "an interval of 4 s is no pause for it",
            'cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 4000)]' + _SORTED + _BEGIN + _FOLLOWS
            + _GROUPED,
            r"later of 4 s.*you found lab cpu[01] 09:00:26 – 09:00:42 user, which is none.*one of 4 s is",
        ),
        (
            "it prints and returns nothing",
            'print(rows[rows["total_busy_pct"] >= 40])',
            r"burns gives a NoneType.*return",
        ),
    ],
}  # fmt: skip
