"""A bandit over five rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.agents.rules.baselines import Random
from data_select_gym.agents.rules.low_loss import LowLoss
from data_select_gym.agents.rules.margin import Margin
from data_select_gym.agents.rules.top_loss import TopLoss
from data_select_gym.agents.rules.uncertainty import Uncertainty
from data_select_gym.arguments import check_count, check_part, check_positive, check_share
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.training import Plan, StepRecord

ARMS: tuple[type[Rule], ...] = (Random, TopLoss, LowLoss, Uncertainty, Margin)


@register_rule("bandit", paper="EXP3, Auer et al., 2002")
class Bandit(Rule):
    """Discounted EXP3 over random, top-loss, low-loss, uncertainty and margin, paid the fall of the validation loss.

    An arm chooses for a window of pools. Its pay r is the fall of the validation loss over the window, divided by what
    the window cost. Pays are scaled to [0, 1] by their running range: low <- min(r, d low + (1 - d) r) for discount d,
    and high in the same way, so that the large falls of the beginning are forgotten. The first pay counts as 1/2.

    For the arm a that was drawn with probability p_a, the estimate of each arm is x = r / p_a for a and 0 for the
    others. Then g <- d g + x for all arms. The next arm is drawn from p = (1 - e) softmax(l g) + e / 5, for exploration
    e and learning rate l. EXP3 has d = 1 and l = e / 5, which takes thousands of draws. On a small validation batch the
    pay is mostly noise, and the arms are drawn nearly alike.

    The fall is measured at each step on a batch of the validation set, an eighth of a pool, before and after the step:
    the reward ``validation-gain``, which this policy needs. The cost of the run includes these forward passes, a
    twelfth of training on each pool. It needs clean validation labels.

    Attributes:
        gains: g, float64 ``(5,)``.
        arm: number of the arm that chooses.
        chance: p of that arm when it was drawn.
    """

    def __init__(
        self, window: int = 5, discount: float = 0.95, exploration: float = 0.2, learning_rate: float = 0.1
    ) -> None:
        """Make the rule.

        Args:
            window: pools for which an arm chooses, at least 1.
            discount: of earlier pays at each draw, in [0, 1).
            exploration: share of the draws that is uniform over the arms, in (0, 1].
            learning_rate: above 0.

        Raises:
            ValueError: one is out of its range.
        """
        self.window = check_count("window", window)
        self.discount = check_part("discount", discount)
        self.exploration = check_share("exploration", exploration)
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.rules = [arm() for arm in ARMS]

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """A reward that has the fall of the validation loss measured, unless the given one does."""
        return {} if plan.validation_gain else {"reward": "validation-gain"}

    def unfit_for_loop(self, ledger: Ledger) -> str:
        return "is paid the fall of the validation loss, which an environment measures; use it by run_policy"

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.gains = torch.zeros(len(ARMS), dtype=torch.float64)
        self.arm, self.chance, self.left = 0, 1.0, 0
        self.low, self.high = math.inf, -math.inf
        self.fall = torch.zeros((), dtype=torch.float32, device=device)

    def start(self, env: DataSelectEnv) -> None:
        super().start(env)
        self.counted, self.cost_before = env.run.pool_number, env.run.cost

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        self._count(self.env.record)
        return super().select(observation)

    def state_dict(self) -> dict[str, Any]:
        # An environment that resumes has no record of the last step, so its fall is counted before.
        self._count(self.env.record)
        return super().state_dict()

    def choose(self, candidates: Candidates) -> Tensor:
        if self.left == 0:
            self._draw(candidates.generator)
        self.left -= 1
        return self.rules[self.arm].choose(candidates)

    def chances(self) -> Tensor:
        """The probability of each arm at the next draw, float64 ``(5,)`` on the host."""
        greedy = (self.learning_rate * self.gains.cpu()).softmax(dim=0)
        return (1 - self.exploration) * greedy + self.exploration / len(ARMS)

    def _draw(self, generator: torch.Generator) -> None:
        chances = self.chances()
        drawn = torch.rand((), generator=generator, dtype=torch.float64)
        self.arm = min(int((chances.cumsum(0) <= drawn).sum()), len(ARMS) - 1)
        self.chance, self.left = float(chances[self.arm]), self.window

    def _count(self, record: StepRecord | None) -> None:
        """Add the fall of the last step, once, and pay the arm at the end of its window."""
        run = self.env.run
        if record is None or run.pool_number == self.counted:
            return
        if record.validation_gain is None:
            raise ValueError("the record holds no validation_gain; make_env(policy, id) has it measured")
        self.counted = run.pool_number
        self.fall = self.fall + record.validation_gain.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        if self.left == 0:
            self.pay(float(self.fall) / (run.cost - self.cost_before))
            self.fall, self.cost_before = torch.zeros_like(self.fall), run.cost

    def pay(self, amount: float) -> None:
        """Pay the arm that chose, and discount what was paid before."""
        first, kept = math.isinf(self.low), self.discount
        self.low = amount if first else min(amount, kept * self.low + (1 - kept) * amount)
        self.high = amount if first else max(amount, kept * self.high + (1 - kept) * amount)
        width = self.high - self.low
        scaled = (amount - self.low) / width if width > 0 else 0.5
        self.gains = kept * self.gains.cpu()
        self.gains[self.arm] += scaled / self.chance
