"""The keys of a comparison's runs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from data_select_gym.experiments.results import Failure


@dataclass(frozen=True)
class RunKey:
    """Identifies one run of a comparison.

    Attributes:
        policy: name of the policy.
        keep_ratio: the share of candidates meant to be kept; 1 for a policy to which it makes no difference.
        seed: of the run.
        cost: that was asked for, from which the keep ratio follows; None where the keep ratio was given.
    """

    policy: str
    keep_ratio: float
    seed: int
    cost: float | None = None

    def __str__(self) -> str:
        budget = f"keep ratio {self.keep_ratio:g}" if self.cost is None else f"cost {self.cost:g}"
        return f"{self.policy}, {budget}, seed {self.seed}"

    @property
    def name(self) -> str:
        """A name for files that no other run has."""
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", self.policy)[:100]
        # Replaced letters, or letters that differ in case only, could give two policies the same name.
        if plain.lower() != self.policy:
            plain += "-" + hashlib.sha256(repr(self.policy).encode()).hexdigest()[:8]
        budget = f"keep_{self.keep_ratio}" if self.cost is None else f"cost_{self.cost}"
        return f"{plain}-{budget}-seed_{self.seed}"


def failed(key: RunKey, error: str, where: str) -> Failure:
    """The failure of a run."""
    return Failure(key.policy, key.keep_ratio, key.seed, error, where, key.cost)
