"""Whether a policy that nothing holds to the keep ratio keeps as much as was asked for."""

from __future__ import annotations

from collections.abc import Sequence

LAST_STEPS = 10
# Over the keep ratio: at 0.5, from 0.4 to 0.6 is as asked for.
MARGIN = 0.2


class BudgetWarning(UserWarning):
    """A model that was frozen keeps another share than was asked for, so that a run costs more or less than meant."""


def off_budget(shares: Sequence[float], keep_ratio: float) -> str:
    """What there is to tell of a policy that keeps as much as it likes; empty if that is near what was asked for.

    Args:
        shares: kept at each step so far; the last ten count.
        keep_ratio: the share that was asked for.
    """
    last = shares[-LAST_STEPS:]
    share = sum(last) / len(last)
    if abs(share - keep_ratio) <= MARGIN * keep_ratio:
        return ""
    return (
        f"it kept {share:.0%} over the last {len(last)} step{'s' * (len(last) > 1)}, and keep_ratio={keep_ratio:g} was "
        f"asked for, which it misses by more than {MARGIN:.0%} of it; a model that keeps or drops keeps as much as it "
        "has learned to: let it learn at this keep ratio on a task like this one, or use one that gives scores"
    )
