"""Wrong answers to the exercises of 20, the message that is meant for each, and right ones in other shapes."""

_HOSTS = """
    CREATE TABLE hosts (
        hostname STRING, records BIGINT, newest BIGINT, PRIMARY KEY (hostname) NOT ENFORCED)
    WITH ('connector' = 'upsert-kafka', 'topic' = 'procstat_hosts_ex20',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
        'key.format' = 'raw', 'value.format' = 'json')"""
_INSERT = "INSERT INTO hosts SELECT hostname, COUNT(*), MAX(`timestamp`) FROM snapshots GROUP BY hostname"

_NEWER = "`timestamp` > earlier.`timestamp`"
_LIMIT = "`timestamp` - earlier.`timestamp` <= 2592000000"
_BTIME = "ABS(btime - earlier.btime) <= 1"


def _two(table: str, insert: str = _INSERT) -> str:
    return f'return [f"""{table}""", """{insert}"""]'


def _but(right: str, wrong: str) -> str:
    """The right table with one thing changed."""
    assert right in _HOSTS, right
    return _two(_HOSTS.replace(right, wrong))


def _all(*parts: str) -> str:
    return f'return """{" AND ".join(parts)}"""'


WRONG = {
    "20a": [
        (
            "OR without parentheses",
            _all(_NEWER, _LIMIT, "btime = earlier.btime OR btime = earlier.btime + 1 OR btime = earlier.btime - 1"),
            r"kept.*btime is a second later.*AND binds closer than OR",
            "forward or back",
        ),
        (
            "new starts are not looked for",
            _all(_NEWER, _LIMIT),
            r"interval of 60000 ms is kept.*started anew.*part on btime",
            "ABS",
        ),
        (
            "btime to the second",
            _all(_NEWER, _LIMIT, "btime = earlier.btime"),
            r"interval of 1000 ms is missing.*clock was set right.*forward or back",
            "INT",
        ),
        (
            "btime only forward",
            _all(_NEWER, _LIMIT, "btime - earlier.btime <= 1"),
            r"kept.*two seconds earlier.*back by days.*ABS",
            "btime may move forward",
        ),
        (
            "the same moment again",
            _all(_NEWER.replace(">", ">="), _LIMIT, _BTIME),
            r"interval of 0 ms is kept.*came twice.*same moment again is not newer",
            "btime|older",
        ),
        (
            "an older one as well",
            _all("`timestamp` <> earlier.`timestamp`", _LIMIT, _BTIME),
            r"interval of -1000 ms is kept.*older snapshot came last.*older snapshot does not count",
            "btime",
        ),
        ("no end", _all(_NEWER, _BTIME), r"interval of 2592000001 ms is kept.*30 days and 1 ms.*2592000000", "seconds"),
        (
            "30 days exactly do not count",
            _all(_NEWER, _LIMIT.replace("<=", "<"), _BTIME),
            r"interval of 2592000000 ms is missing.*30 days to the ms.*so <=",
            "INT|btime",
        ),
        (
            "two seconds are no new start",
            _all(_NEWER, _LIMIT, _BTIME.replace("<= 1", "<= 2")),
            r"interval of 3000 ms is kept.*two seconds later.*Two seconds are a new start",
            "forward|in seconds",
        ),
        (
            "ms taken for seconds",
            _all(_NEWER, _LIMIT.replace("2592000000", "2592000"), _BTIME),
            r"interval of 3600000 ms is missing.*silent for an hour.*in ms: 2592000000",
            "INT",
        ),
        (
            "a number that is too large for INT",
            _all(_NEWER, _LIMIT.replace("2592000000", "30 * 86400000"), _BTIME),
            r"keeps no pair at all.*too large for an INT",
            "btime|in ms",
        ),
        (
            "both ways round",
            _all("earlier.`timestamp` > `timestamp`", _LIMIT, _BTIME),
            r"interval of .* is missing.*other way round: `timestamp` is the newer|keeps no pair|-1000 ms is kept",
            "INT|in seconds",
        ),
        (
            "the first one too",
            _all(f"(earlier IS NULL OR {_NEWER})", "(earlier IS NULL OR " + _LIMIT + ")",
                 "(earlier IS NULL OR " + _BTIME + ")"),
            r"first snapshot of a host is kept.*IS NULL",
            "btime",
        ),
        (
            "the word WHERE once more",
            'return "WHERE `timestamp` > earlier.`timestamp`"',
            r"begins with WHERE.*there already",
            "Flink says",
        ),
        (
            "fails at run time",
            'return "1000 / (`timestamp` - earlier.`timestamp`) >= 0"',
            r"Flink says: .*/ by zero",
            "btime",
        ),
        (
            "a word of SQL without its backticks",
            'return "timestamp > earlier.`timestamp`"',
            r"cannot read this SQL: Encountered \"timestamp >\".*stands in backticks",
            "btime moved",
        ),
        ("nothing returned", 'text = "`timestamp` > earlier.`timestamp`"', r"returned None, no text", "Flink says"),
    ],
    "20b": [
        (
            "a topic of plain messages",
            _two(
                """
    CREATE TABLE hosts (hostname STRING, records BIGINT, newest BIGINT)
    WITH ('connector' = 'kafka', 'topic' = 'procstat_hosts_ex20',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
        'key.format' = 'raw', 'key.fields' = 'hostname', 'value.format' = 'json')"""
            ),
            r"replaced later.*table hosts only takes new rows.*upsert-kafka",
            "topic of that name|raw",
        ),
        (
            "no key",
            _but(", PRIMARY KEY (hostname) NOT ENFORCED", ""),
            r"^Flink says: .*PRIMARY KEY",
            "begins with",
        ),
        (
            "the key as JSON",
            _but("'key.format' = 'raw'", "'key.format' = 'json'"),
            r"table hosts, 'key.format' is 'json'; 'raw' is asked for",
            "no host",
        ),
        (
            "the value as CSV",
            _but("'value.format' = 'json'", "'value.format' = 'csv'"),
            r"table hosts, 'value.format' is 'csv'; 'json' is asked for",
            "the check came to",
        ),
        (
            "a topic that there is not",
            _but("procstat_hosts_ex20", "procstat_host_ex20"),
            r"table hosts is of the topic procstat_host_ex20.*It is procstat_hosts_ex20",
            "did not end",
        ),
        (
            "an address of its own",
            _but("{settings.kafka_bootstrap}", "127.0.0.1:9092"),
            r"kafka_bootstrap is broker.example:19092.*without that address.*comes from the settings",
            "needs an f",
        ),
        (
            "no f before the quotes",
            _two(_HOSTS).replace('return [f"', 'return ["'),
            r"without that address.*needs an f",
            "that it is given",
        ),
        (
            "a column of another name",
            _but("records BIGINT", "snapshots BIGINT"),
            r"has the columns hostname, snapshots, newest.*They are hostname, records, newest",
            "last message",
        ),
        (
            "a column of another type",
            _but("newest BIGINT", "newest STRING"),
            r"column newest is STRING; BIGINT is asked for",
            "last message",
        ),
        (
            "moments instead of snapshots",
            _two(_HOSTS, _INSERT.replace("COUNT(*)", "COUNT(DISTINCT `timestamp`)")),
            r"twice: one snapshot came twice.*'records': 2.*records should be 3.*without DISTINCT",
            "MAX|order",
        ),
        (
            "the last instead of the newest",
            _two(_HOSTS, _INSERT.replace("MAX(", "LAST_VALUE(")),
            r"late: an older snapshot came last.*newest should be 1795368347000.*came last: MAX",
            "DISTINCT|oldest",
        ),
        (
            "the columns in another order",
            _two(_HOSTS, _INSERT.replace("COUNT(*), MAX(`timestamp`)", "MAX(`timestamp`), COUNT(*)")),
            r"go to those of the table in their order, not by name",
            "DISTINCT",
        ),
        (
            "only hosts with two snapshots",
            _two(_HOSTS, _INSERT + " HAVING COUNT(*) > 1"),
            r"18 of 19 hosts have a message; none has the key web-1.lab_A.*HAVING",
            "records should",
        ),
        (
            "a SELECT only",
            _two(_HOSTS, _INSERT.replace("INSERT INTO hosts ", "")),
            r"second text begins with SELECT.*INSERT INTO",
            "did not end",
        ),
        (
            "the INSERT first",
            f'return ["{_INSERT}", f"""{_HOSTS}"""]',
            r"first text begins with INSERT.*first is CREATE TABLE",
            "Flink says",
        ),
        ("one text", f'return f"""{_HOSTS}; {_INSERT}"""', r"no list of two texts.*CREATE TABLE first", "begins with"),
    ],
}  # fmt: skip

RIGHT = {
    "20a": [
        (
            "a function of SQL for each part",
            """
return '''
    SIGN(`timestamp` - earlier.`timestamp`) = 1
    AND (`timestamp` - earlier.`timestamp`) / 1000.0 <= 30 * 24 * 60 * 60  -- 30 days
    AND btime - earlier.btime IN (-1, 0, 1)'''
""",
        ),
        (
            "BETWEEN, twice",
            """
month = 30 * 86_400_000
return f"`timestamp` - earlier.`timestamp` BETWEEN 1 AND {month} AND earlier.btime - btime BETWEEN -1 AND 1"
""",
        ),
        (
            "NOT, OR and CASE",
            """
parts = [
    "NOT (`timestamp` <= earlier.`timestamp` OR `timestamp` > earlier.`timestamp` + CAST(2592000000 AS BIGINT))",
    "CASE WHEN btime > earlier.btime THEN btime - earlier.btime ELSE earlier.btime - btime END < 2",
]
return " AND ".join(parts)
""",
        ),
    ],
    "20b": [
        (
            "a temporary table, with columns in another order, a tuple",
            """
address = settings.kafka_bootstrap
create = '''
-- the newest of each host
create temporary table `newest of each` (
    newest BIGINT, hostname STRING, records BIGINT NOT NULL, PRIMARY KEY (hostname) NOT ENFORCED
) with (
    'connector' = 'upsert-kafka', 'topic' = 'procstat_hosts_ex20', 'properties.bootstrap.servers' = '%s',
    'key.format' = 'raw', 'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY');
''' % address
insert = '''
insert into `newest of each` (hostname, newest, records)
select hostname, max(`timestamp`), count(1) from snapshots group by hostname;
'''
return create, insert
""",
        ),
        (
            "a subquery, and rows written once",
            """
table = '''CREATE TABLE IF NOT EXISTS t (hostname STRING, records BIGINT, newest BIGINT,
    CONSTRAINT pk PRIMARY KEY (hostname) NOT ENFORCED) WITH (''' + ", ".join(f"'{key}' = '{value}'" for key, value in {
        "connector": "upsert-kafka", "topic": "procstat_hosts_ex20", "key.format": "raw", "value.format": "json",
        "properties.bootstrap.servers": settings.kafka_bootstrap, "sink.parallelism": 1,
    }.items()) + ")"
return [table, '''INSERT INTO t SELECT * FROM (
    SELECT hostname, COUNT(`timestamp`) AS records, MAX(`timestamp`) AS newest FROM snapshots GROUP BY hostname)''']
""",
        ),
        (
            "a table expression",
            _two(
                _HOSTS,
                """
INSERT INTO hosts
WITH singles AS (SELECT hostname, CAST(1 AS BIGINT) AS record, `timestamp` AS moment FROM snapshots)
SELECT hostname, SUM(record), MAX(moment) FROM singles GROUP BY hostname""",
            ),
        ),
    ],
}
