"""Breaks each rule of the metrics arithmetic on purpose, and shows which test says so. Run by hand:

    python tests/mutations.py        one line a mutation: the rule that was broken, the test that failed

Exit status 1 where a mutation goes unnoticed. Works on a copy; nothing in the repository is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests/streams/test_procstat_metrics.py"
METRICS = "labkit/streams/procstat/metrics.py"
RULES = "labkit/streams/rules.py"

# ruff: noqa: E501
#: What is broken, the test that has to say so, the file, the words in it, what they become.
MUTATIONS = (
    ('guest is added to user', 'test_guest_time_is_inside_user_and_never_added_twice', METRICS,
     '    total = user +',
     '    user += max(0, after.guest - before.guest)\n    total = user +'),
    ('guest_nice is added to nice', 'test_guest_time_is_inside_user_and_never_added_twice', METRICS,
     '    total = user +',
     '    nice += max(0, after.guest_nice - before.guest_nice)\n    total = user +'),
    ('guest is taken off user', 'test_guest_time_is_inside_user_and_never_added_twice', METRICS,
     '    total = user +',
     '    user -= min(user, after.guest - before.guest)\n    total = user +'),
    ('a reset CPU is clamped to 0 instead of left out', 'test_a_cpu_whose_idle_falls_by_300_ticks_or_more_starts_over_alone', METRICS,
     '    if _started_over(before, after):\n        return None\n',
     ''),
    ('300 ticks are not enough for a reset', 'test_a_cpu_whose_idle_falls_by_300_ticks_or_more_starts_over_alone', METRICS,
     '>= IDLE_RESET_TICKS',
     '> IDLE_RESET_TICKS'),
    ('200 ticks are a reset', 'test_idle_that_falls_by_less_than_300_ticks_counts_as_0', METRICS,
     'IDLE_RESET_TICKS = 300',
     'IDLE_RESET_TICKS = 200'),
    ('a counter that steps back counts as it is', 'test_a_counter_that_steps_back_counts_as_0', METRICS,
     'new - old if new > old else 0',
     'new - old'),
    ('a counter that steps back counts as huge', 'test_a_counter_that_steps_back_counts_as_0', METRICS,
     'new - old if new > old else 0',
     '(new - old) % 2**64'),
    ('iowait that comes back is new', 'test_iowait_that_falls_and_comes_back_is_not_new', METRICS,
     'now._replace(iowait=before.iowait)',
     'now'),
    ('the highest iowait outlives its CPU', 'test_a_cpu_that_starts_over_begins_with_the_iowait_that_it_has_then', METRICS,
     'now.iowait >= before.iowait or _started_over(before, now)',
     'now.iowait >= before.iowait'),
    ('a CPU without a tick is kept', 'test_a_cpu_whose_total_is_0_is_left_out_of_that_interval', METRICS,
     '    if total == 0:\n        return None\n',
     '    total = total or 1\n'),
    ('iowait is not busy', 'test_iowait_is_busy_and_only_idle_is_not', METRICS,
     '(total - idle) * 100.0 / total',
     '(total - idle - iowait) * 100.0 / total'),
    ('steal is left out of the total', 'test_shares_lie_between_0_and_100_and_sum_to_100', METRICS,
     ' + softirq + steal',
     ' + softirq'),
    ('a share is divided before it is multiplied', 'test_a_share_is_delta_times_100_divided_by_total_rounded_once', METRICS,
     'user_pct=user * 100.0 / total',
     'user_pct=user / total * 100.0'),
    ('CPUs are matched by position', 'test_cpus_are_matched_by_name_and_stay_in_the_order_of_the_new_snapshot', METRICS,
     'cpu_utilization(earlier[cpu.id], cpu) for cpu in now.cpus if cpu.id in earlier',
     'cpu_utilization(old, cpu) for old, cpu in zip(before.cpus, now.cpus)'),
    ('CPUs are in the order of the older snapshot', 'test_cpus_are_matched_by_name_and_stay_in_the_order_of_the_new_snapshot', METRICS,
     'for cpu in now.cpus if cpu.id in earlier)',
     'for cpu in sorted(now.cpus, key=lambda one: [*earlier].index(one.id) if one.id in earlier else 0) if cpu.id in earlier)'),
    ('a CPU that is new counts from 0', 'test_a_cpu_that_disappears_and_comes_back_leaves_the_others_untouched', METRICS,
     'cpu_utilization(earlier[cpu.id], cpu) for cpu in now.cpus if cpu.id in earlier',
     'cpu_utilization(earlier.get(cpu.id, CpuTimes(cpu.id, 0, 0, 0, 0)), cpu) for cpu in now.cpus'),
    ('the next is compared with a rejected snapshot', 'test_a_repeated_or_older_snapshot_is_rejected_and_the_next_is_compared_with_the_last_good', METRICS,
     'Comparison(Verdict.REJECTED, before, None)',
     'Comparison(Verdict.REJECTED, next_state, None)'),
    ('a repeated snapshot is good', 'test_a_repeated_or_older_snapshot_is_rejected_and_the_next_is_compared_with_the_last_good', RULES,
     'now_ms <= before_ms',
     'now_ms < before_ms'),
    ('an older snapshot is good', 'test_a_repeated_or_older_snapshot_is_rejected_and_the_next_is_compared_with_the_last_good', RULES,
     'now_ms <= before_ms',
     'now_ms == before_ms'),
    ('a second of btime is a reboot', 'test_btime_that_moves_by_a_second_is_a_clock_adjustment', METRICS,
     '> BTIME_SLACK_S',
     '>= BTIME_SLACK_S'),
    ('two seconds of btime are no reboot', 'test_btime_that_moves_by_more_is_a_reboot_even_at_an_older_time', METRICS,
     'BTIME_SLACK_S = 1',
     'BTIME_SLACK_S = 2'),
    ('a btime that moves back is no reboot', 'test_btime_that_moves_by_more_is_a_reboot_even_at_an_older_time', METRICS,
     'abs(now.btime - before.btime)',
     '(now.btime - before.btime)'),
    ('a reboot with an older time is rejected', 'test_btime_that_moves_by_more_is_a_reboot_even_at_an_older_time', METRICS,
     '    if before is not None and abs(',
     '    if before is not None and now.timestamp <= before.timestamp:\n        return Comparison(Verdict.REJECTED, before, None)\n    if before is not None and abs('),
    ('a reboot keeps the snapshot of before', 'test_btime_that_moves_by_more_is_a_reboot_even_at_an_older_time', METRICS,
     'Comparison(Verdict.REBOOT, next_state, None)',
     'Comparison(Verdict.REBOOT, before, None)'),
    ('the first snapshot of a host is counted since boot', 'test_the_first_snapshot_of_a_host_emits_nothing', METRICS,
     'return Comparison(Verdict.FIRST, next_state, None)',
     'before = LastGood(now.timestamp - 1, now.btime, tuple(CpuTimes(cpu.id, 0, 0, 0, 0) for cpu in now.cpus))'),
    ('an interval across a pause is a second long', 'test_an_interval_across_a_pause_has_its_true_time_delta_ms', METRICS,
     'interval_ms = now.timestamp - before.timestamp',
     'interval_ms = min(1000, now.timestamp - before.timestamp)'),
    ('an interval carries the time of its begin', 'test_intervals_follow_each_other_and_never_overlap', METRICS,
     'Metrics(now.hostname, now.timestamp,',
     'Metrics(now.hostname, before.timestamp,'),
    ('a host is never forgotten', 'test_a_host_that_was_silent_for_longer_is_a_new_one', RULES,
     '> FORGET_AFTER_MS',
     '> 2**62'),
    ('a host is forgotten after a day', 'test_a_host_that_was_silent_for_up_to_30_days_goes_on', RULES,
     'FORGET_AFTER_MS = 30 * 86_400_000',
     'FORGET_AFTER_MS = 86_400_000'),
)  # fmt: skip


def fails(folder: Path, test: str) -> bool:
    """Whether `test` fails on the copy of labkit in `folder`, and not for want of a test of that name."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", test, TESTS],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout
    return done.returncode == 1


def main() -> int:
    """Try every mutation."""
    unnoticed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("labkit", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        assert not fails(folder, "test_"), "the tests fail before anything is broken"
        for what, test, file, old, new in MUTATIONS:
            module = folder / file
            good = module.read_text()
            assert good.count(old) >= 1, f"{what}: its words are not in {file} any more"
            module.write_text(good.replace(old, new, 1))
            noticed = fails(folder, test)
            module.write_text(good)
            unnoticed += not noticed
            print(f"{what} | {test if noticed else f'NOT NOTICED by {test}'}", flush=True)
    print(f"{len(MUTATIONS) - unnoticed} of {len(MUTATIONS)} mutations are noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
