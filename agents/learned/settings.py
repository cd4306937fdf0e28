"""Settings of Stable-Baselines3's algorithms for many slots and one short run.

The defaults of Stable-Baselines3 are for few environments and long episodes, such as a single update of 32 transitions
for a thousand new ones. The discount is 0 throughout, since a slot shows an unrelated sample at the next step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_select_gym.agents.learned.algorithm import Settings
from data_select_gym.agents.learned.off_policy import CentredReplayBuffer, SlotNoise
from data_select_gym.arguments import check_least
from data_select_gym.envs import SamplewiseVecEnv

REPLAYED_STEPS = 20
MINIBATCHES = 8
EXPLORING = {"exploration_fraction": 0.3, "exploration_final_eps": 0.05}
DETERMINISTIC: dict[str, Any] = {"noise": 0.2, "learning_rate": 1e-3, "replay_buffer_class": CentredReplayBuffer}


def on_policy(*, minibatches: bool = True, **fixed: Any) -> Settings:
    """Settings with discount 0 and, if the algorithm has ``minibatches``, equal ones."""

    def settings(env: SamplewiseVecEnv, given: Mapping[str, Any]) -> dict[str, Any]:
        fitted = {"policy": "MlpPolicy", "gamma": 0.0, "gae_lambda": 1.0, "device": "cpu", **fixed, **given}
        cut = {"batch_size": even_batch(fitted["n_steps"] * env.num_envs)} if minibatches else {}
        return cut | fitted

    return settings


def even_batch(transitions: int) -> int:
    """The size of equal minibatches: eight, or the next smaller number that divides ``transitions``."""
    count = next(count for count in range(MINIBATCHES, 0, -1) if transitions % count == 0)
    return transitions // count


def off_policy(**fixed: Any) -> Settings:
    """Settings with discount 0 and a replay buffer of the last twenty steps; ``noise`` explores the scores of slots."""
    usual: dict[str, Any] = {
        "policy": "MlpPolicy",
        "gamma": 0.0,
        "learning_rate": 3e-3,
        "learning_starts": 0,
        "train_freq": (1, "step"),
        "gradient_steps": 4,
        "policy_kwargs": {"net_arch": [64, 64]},
        "device": "cpu",
        "noise": 0.0,
    }

    def settings(env: SamplewiseVecEnv, given: Mapping[str, Any]) -> dict[str, Any]:
        sizes = {"batch_size": min(512, 4 * env.num_envs), "buffer_size": REPLAYED_STEPS * env.num_envs}
        fitted = {**usual, **sizes, **fixed, **given}
        noise = check_least("noise", fitted.pop("noise"), 0)
        explore = {"action_noise": SlotNoise(noise, env.num_envs)} if noise else {}
        return explore | fitted

    return settings


def over_runs(env: SamplewiseVecEnv, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of ARS: a linear policy, with one weight for each feature, evaluated by the return of a whole run."""
    return {
        "policy": "LinearPolicy",
        "n_delta": 4,
        "learning_rate": 0.05,
        "delta_std": 0.05,
        "n_eval_episodes": env.num_envs,
        "policy_kwargs": {"squash_output": True},
        "device": "cpu",
        **given,
    }
