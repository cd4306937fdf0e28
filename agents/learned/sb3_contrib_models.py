"""Classes of sb3-contrib, which is an extra, some of them adapted to slots."""

from __future__ import annotations

from typing import Any

from sb3_contrib import ARS, QRDQN, TQC, TRPO, CrossQ, RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from data_select_gym.agents.learned.off_policy import SlotExploration
from data_select_gym.agents.learned.one_run import samplewise

__all__ = ["TQC", "TRPO", "CrossQ", "RecurrentPPO", "SlotARS", "SlotQRDQN"]


class SlotQRDQN(SlotExploration, QRDQN):
    """QR-DQN in which each slot explores independently."""


class SlotARS(ARS):
    """ARS that evaluates each candidate by all slots of one whole run; for learning over many runs.

    With as many evaluation episodes as slots, the parent counts every step once more for each slot.
    """

    def evaluate_candidates(self, candidate_weights: Tensor, callback: BaseCallback, async_eval: Any) -> Tensor:
        """The sum of the slots' returns over a run for each candidate; the parent begins each run itself."""
        env = samplewise(self.env)
        before, env.autoreset = env.autoreset, False
        try:
            return super().evaluate_candidates(candidate_weights, callback, async_eval)
        finally:
            env.autoreset = before

    def _trigger_callback(
        self, _locals: dict[str, Any], _globals: dict[str, Any], callback: BaseCallback, n_envs: int
    ) -> None:
        if _locals["i"] == n_envs - 1:
            # The parent leaves the callback with the variables of learn(), which has no steps.
            callback.update_locals(_locals)
            super()._trigger_callback(_locals, _globals, callback, n_envs)
