"""A training loop of one's own, as a policy sees it."""

from typing import Any

from data_select_gym.agents import Selector
from data_select_gym.ledger import Ledger


def eight(policy: Any, **options: Any) -> Selector:
    """For eight samples, shown in one pool an epoch."""
    ledger = options.pop("ledger", None) or Ledger(8)
    return Selector(policy, ledger, **({"keep_ratio": 0.5, "epochs": 30, "pools_per_epoch": 1} | options))
