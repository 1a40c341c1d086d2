"""Hand the statements of job.sql to the lab's Flink, in the way that this project submits its own jobs.

    BENCH_INPUT=… python -m benchmarks.side_by_side.flink_sql.submit

Flink's SQL client would do without this file; PyFlink's wheel brings it without the gateway that it needs.
"""

import os
from pathlib import Path
from string import Template

from labkit.flink.environment import remote_environment
from labkit.settings import load_settings


def main() -> None:
    """Every statement in its turn; the last one is the job, which goes on when this ends."""
    words = {name.removeprefix("BENCH_"): value for name, value in os.environ.items() if name.startswith("BENCH_")}
    statements = Template(Path(__file__).with_name("job.sql").read_text()).substitute(words)
    processes = int(words["PROCESSES"])
    _, tables = remote_environment(load_settings().cluster, words["JOB"], parallelism=processes, resume_from=None)
    tables.get_config().set("table.exec.state.ttl", "31 d")
    for statement in statements.split(";\n"):
        if statement.strip():
            tables.execute_sql(statement)


if __name__ == "__main__":
    main()
