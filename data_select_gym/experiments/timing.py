"""Whether the seconds of runs can be compared: they depend on the machine as much as on the policy."""

from __future__ import annotations

from collections.abc import Sequence

from data_select_gym.experiments.statistics import Summary

# A process with a core to itself takes one CPU second per second of the clock, or more with threads.
LEAST_BUSY = 0.9


def why_not_comparable(summaries: Sequence[Summary]) -> str:
    """Why the seconds of these runs are not comparable, in a sentence; empty if they are."""
    reasons = []
    jobs = max((summary.jobs for summary in summaries), default=1)
    if jobs > 1:
        reasons.append(f"up to {jobs} runs went on at the same time and shared the machine")
    threads = sorted({number for summary in summaries for number in summary.threads})
    if len(threads) > 1:
        reasons.append(f"runs had different numbers of threads ({', '.join(map(str, threads))})")
    busy = min((summary.busy for summary in summaries if summary.busy is not None), default=1.0)
    if busy < LEAST_BUSY:
        reasons.append(
            f"a run had a processor for only {busy:.0%} of its seconds, and waited for other programs or for data in "
            "the others"
        )
    return f"Seconds are not comparable here: {'; '.join(reasons)}." if reasons else ""
