"""Whether a policy that decides how much to keep stays near the keep ratio."""

from __future__ import annotations

from collections.abc import Sequence

LAST_STEPS = 10
# Of the keep ratio: at 0.5, a share from 0.4 to 0.6 is fine.
MARGIN = 0.2


class BudgetWarning(UserWarning):
    """A frozen model keeps another share than the keep ratio, so a run costs more or less than intended."""


def off_budget(shares: Sequence[float], keep_ratio: float) -> str:
    """A warning about a policy that decides how much to keep; empty if that is near the keep ratio.

    Args:
        shares: kept at each step so far; the last ten count.
        keep_ratio: the share to keep.
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
