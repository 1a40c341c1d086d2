"""Wrong answers to the exercises of 20, and the message that is meant for each."""

_HOSTS = """
    CREATE TABLE hosts (
        hostname STRING, records BIGINT, newest BIGINT, PRIMARY KEY (hostname) NOT ENFORCED)
    WITH ('connector' = 'upsert-kafka', 'topic' = 'procstat_hosts_ex20',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
        'key.format' = 'raw', 'value.format' = 'json')"""


def _two(table: str, insert: str) -> str:
    return f'return [f"""{table}""", """{insert}"""]'


WRONG = {
    "20a": [
        (
            "new starts are not looked for",
            'return "`timestamp` > earlier.`timestamp` AND `timestamp` - earlier.`timestamp` <= 2592000000"',
            r"interval of 60000 ms is kept.*started anew.*btime is another",
        ),
        (
            "btime to the second",
            """
return '''`timestamp` > earlier.`timestamp` AND `timestamp` - earlier.`timestamp` <= 2592000000
    AND btime = earlier.btime'''
""",
            r"interval of 1000 ms is missing.*clock was set right.*either direction",
        ),
        (
            "btime only forward",
            """
return '''`timestamp` > earlier.`timestamp` AND `timestamp` - earlier.`timestamp` <= 2592000000
    AND btime - earlier.btime <= 1'''
""",
            r"kept.*set back by days.*ABS",
        ),
        (
            "the same moment again",
            """
return '''`timestamp` >= earlier.`timestamp` AND `timestamp` - earlier.`timestamp` <= 2592000000
    AND ABS(btime - earlier.btime) <= 1'''
""",
            r"interval of 0 ms is kept.*came twice.*Newer means",
        ),
        (
            "no end",
            'return "`timestamp` > earlier.`timestamp` AND ABS(btime - earlier.btime) <= 1"',
            r"interval of 2592000001 ms is kept.*30 days and 1 ms.*2592000000 at most",
        ),
        (
            "two seconds are no new start",
            """
return '''`timestamp` > earlier.`timestamp` AND `timestamp` - earlier.`timestamp` <= 2592000000
    AND ABS(btime - earlier.btime) < 10'''
""",
            r"interval of 3000 ms is kept.*two seconds later.*<= 1",
        ),
        (
            "the word WHERE once more",
            'return "WHERE `timestamp` > earlier.`timestamp`"',
            r"begins with WHERE.*there already",
        ),
        (
            "fails at run time",
            'return "1000 / (`timestamp` - earlier.`timestamp`) >= 0"',
            r"Flink says: .*/ by zero",
        ),
        (
            "a word of SQL without its backticks",
            'return "timestamp > earlier.`timestamp`"',
            r"cannot read this SQL: Encountered \"timestamp >\".*stands in backticks",
        ),
    ],
    "20b": [
        (
            "a topic of plain messages",
            _two(
                """
    CREATE TABLE hosts (hostname STRING, records BIGINT, newest BIGINT)
    WITH ('connector' = 'kafka', 'topic' = 'procstat_hosts_ex20',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
        'key.format' = 'raw', 'key.fields' = 'hostname', 'value.format' = 'json')""",
                "INSERT INTO hosts SELECT hostname, COUNT(*), MAX(`timestamp`) FROM snapshots GROUP BY hostname",
            ),
            r"replaced later.*table hosts only takes new rows.*upsert-kafka",
        ),
        (
            "no key",
            _two(
                _HOSTS.replace(", PRIMARY KEY (hostname) NOT ENFORCED", ""),
                "INSERT INTO hosts SELECT hostname, COUNT(*), MAX(`timestamp`) FROM snapshots GROUP BY hostname",
            ),
            r"^Flink says: .*PRIMARY KEY",
        ),
        (
            "the key as JSON",
            _two(
                _HOSTS.replace("'key.format' = 'raw'", "'key.format' = 'json'"),
                "INSERT INTO hosts SELECT hostname, COUNT(*), MAX(`timestamp`) FROM snapshots GROUP BY hostname",
            ),
            r"has the key b'\{\"hostname\":\"\w+\"\}', which is no host.*'raw'",
        ),
        (
            "a topic that there is not",
            _two(
                _HOSTS.replace("procstat_hosts_ex20", "procstat_host_ex20"),
                "INSERT INTO hosts SELECT hostname, COUNT(*), MAX(`timestamp`) FROM snapshots GROUP BY hostname",
            ),
            r"table hosts is of the topic procstat_host_ex20; there is no topic of that name.*procstat_hosts_ex20",
        ),
        (
            "moments instead of snapshots",
            _two(
                _HOSTS,
                "INSERT INTO hosts SELECT hostname, COUNT(DISTINCT `timestamp`), MAX(`timestamp`) "
                "FROM snapshots GROUP BY hostname",
            ),
            r"twice has 3 snapshots; its last message says records = 2.*also those that come twice",
        ),
        (
            "the last instead of the newest",
            _two(
                _HOSTS,
                "INSERT INTO hosts SELECT hostname, COUNT(*), LAST_VALUE(`timestamp`) FROM snapshots GROUP BY hostname",
            ),
            r"newest snapshot of late is of 1795368347000; .*newest = 1795368346000.*MAX",
        ),
    ],
}
