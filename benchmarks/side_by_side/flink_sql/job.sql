-- The same in Flink SQL. Names in capitals after a dollar sign are filled in by submit.py.
-- LAG gives a host's previous snapshot, CPUs are matched by name, and a window of a second puts the lines together again.
-- iowait is compared with the one before, not the highest: that takes rows keyed by CPU, and their order is lost then.
CREATE TABLE snapshots (
    hostname STRING,
    `timestamp` BIGINT,
    cpus ARRAY<ROW<
        id STRING, `user` BIGINT, nice BIGINT, `system` BIGINT, idle BIGINT,
        iowait BIGINT, irq BIGINT, softirq BIGINT, steal BIGINT
    >>,
    btime BIGINT,
    taken_at AS TO_TIMESTAMP_LTZ(`timestamp`, 3),
    arrived_at AS PROCTIME(),
    WATERMARK FOR taken_at AS taken_at
) WITH (
    'connector' = 'kafka',
    'topic' = '$INPUT',
    'properties.bootstrap.servers' = '$BOOTSTRAP',
    'properties.group.id' = '$GROUP',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'value.format' = 'avro-confluent',
    'value.avro-confluent.url' = '$REGISTRY'
);

CREATE TABLE metrics (
    hostname STRING,
    `timestamp` BIGINT,
    time_delta_ms BIGINT,
    cpu_metrics ARRAY<ROW<
        cpu_id STRING, user_pct DOUBLE, nice_pct DOUBLE, system_pct DOUBLE, idle_pct DOUBLE, iowait_pct DOUBLE,
        irq_pct DOUBLE, softirq_pct DOUBLE, steal_pct DOUBLE, total_busy_pct DOUBLE
    >>
) WITH (
    'connector' = 'kafka',
    'topic' = '$OUTPUT',
    'properties.bootstrap.servers' = '$BOOTSTRAP',
    'properties.transaction.timeout.ms' = '3600000',
    'properties.batch.size' = '262144',
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = '$JOB',
    'key.format' = 'raw',
    'key.fields' = 'hostname',
    'value.format' = 'json'
);

CREATE VIEW pairs AS
SELECT
    hostname, `timestamp`, taken_at, btime, cpus,
    LAG(CAST(
        ROW(`timestamp`, btime, cpus) AS ROW<`timestamp` BIGINT, btime BIGINT, cpus ARRAY<ROW<
            id STRING, `user` BIGINT, nice BIGINT, `system` BIGINT, idle BIGINT,
            iowait BIGINT, irq BIGINT, softirq BIGINT, steal BIGINT
        >>>
    )) OVER (PARTITION BY hostname ORDER BY arrived_at) AS earlier
FROM snapshots;

CREATE VIEW good_pairs AS
SELECT
    hostname, `timestamp`, taken_at, `timestamp` - earlier.`timestamp` AS time_delta_ms, cpus,
    earlier.cpus AS earlier_cpus
FROM pairs
WHERE `timestamp` > earlier.`timestamp`
    AND `timestamp` - earlier.`timestamp` <= 2592000000
    AND ABS(btime - earlier.btime) <= 1;

CREATE VIEW deltas AS
SELECT
    hostname, `timestamp`, taken_at, time_delta_ms, cpu.id,
    GREATEST(0, cpu.`user` - was.`user`) AS `user`,
    GREATEST(0, cpu.nice - was.nice) AS nice,
    GREATEST(0, cpu.`system` - was.`system`) AS `system`,
    GREATEST(0, cpu.idle - was.idle) AS idle,
    GREATEST(0, cpu.iowait - was.iowait) AS iowait,
    GREATEST(0, cpu.irq - was.irq) AS irq,
    GREATEST(0, cpu.softirq - was.softirq) AS softirq,
    GREATEST(0, cpu.steal - was.steal) AS steal
FROM good_pairs
CROSS JOIN UNNEST(cpus) AS cpu (id, `user`, nice, `system`, idle, iowait, irq, softirq, steal)
CROSS JOIN UNNEST(earlier_cpus) AS was (id, `user`, nice, `system`, idle, iowait, irq, softirq, steal)
WHERE cpu.id = was.id AND was.idle - cpu.idle < 300;

CREATE VIEW totals AS
SELECT *, `user` + nice + `system` + idle + iowait + irq + softirq + steal AS total FROM deltas;

CREATE VIEW shares AS
SELECT hostname, `timestamp`, taken_at, time_delta_ms, CAST(ROW(
    id, `user` * 1E2 / total, nice * 1E2 / total, `system` * 1E2 / total, idle * 1E2 / total, iowait * 1E2 / total,
    irq * 1E2 / total, softirq * 1E2 / total, steal * 1E2 / total, (total - idle) * 1E2 / total
) AS ROW<
    cpu_id STRING, user_pct DOUBLE, nice_pct DOUBLE, system_pct DOUBLE, idle_pct DOUBLE, iowait_pct DOUBLE,
    irq_pct DOUBLE, softirq_pct DOUBLE, steal_pct DOUBLE, total_busy_pct DOUBLE
>) AS cpu
FROM totals WHERE total > 0;

INSERT INTO metrics
SELECT hostname, `timestamp`, time_delta_ms, ARRAY_AGG(cpu)
FROM TABLE(TUMBLE(TABLE shares, DESCRIPTOR(taken_at), INTERVAL '1' SECOND))
GROUP BY hostname, `timestamp`, time_delta_ms, window_start, window_end;
