"""Classes of sb3-contrib, an extra, as they are or with what slots need."""

from __future__ import annotations

from typing import Any

from sb3_contrib import ARS, QRDQN, TQC, TRPO, CrossQ, RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from data_select_gym.agents.learned.off_policy import SlotExploration
from data_select_gym.agents.learned.one_run import samplewise

__all__ = ["TQC", "TRPO", "CrossQ", "RecurrentPPO", "SlotARS", "SlotQRDQN"]


class SlotQRDQN(SlotExploration, QRDQN):
    """QR-DQN in which every slot explores on its own."""


class SlotARS(ARS):
    """ARS that judges each candidate by one whole run, all slots of it; for learning over many runs.

    With as many evaluation episodes as there are slots, the parent counts every step once for each slot again.
    """

    def evaluate_candidates(self, candidate_weights: Tensor, callback: BaseCallback, async_eval: Any) -> Tensor:
        """The sum of the slots' returns of a run for each candidate; each run is begun by the parent itself."""
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
