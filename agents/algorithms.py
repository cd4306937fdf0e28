"""Settings of Stable-Baselines3's algorithms that fit this problem: hundreds of slots, a bandit, one short run.

The defaults are for few environments and long episodes: a single update of 32 transitions for a thousand new ones, say.
The discount is 0 throughout, since a slot shows an unrelated sample at the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.data_agent import DataAgent
from data_select_gym.agents.off_policy import SlotDQN, SlotNoise
from data_select_gym.envs import SamplewiseVecEnv

Make = Callable[[SamplewiseVecEnv], BaseAlgorithm]
REPLAYED_STEPS = 20
MINIBATCHES = 8


@dataclass(frozen=True)
class Algorithm:
    """How a learned policy is made.

    Attributes:
        description: a line for lists.
        action: the kind of action of the samplewise view, ``"keep"`` or ``"score"``.
        make: from the environment to the model.
        environment: arguments of the environment that it needs, by name.
    """

    description: str
    action: str
    make: Make
    environment: dict[str, Any]


def on_policy(kind: type[PPO] | type[A2C], **settings: Any) -> Make:
    """A maker of ``kind`` with discount 0."""

    def make(env: SamplewiseVecEnv) -> BaseAlgorithm:
        cut: dict[str, Any] = {"batch_size": even_batch(settings["n_steps"] * env.num_envs)} if kind is PPO else {}
        return kind("MlpPolicy", env, gamma=0.0, gae_lambda=1.0, device="cpu", **cut, **settings)

    return make


def even_batch(transitions: int) -> int:
    """The size of equal minibatches, eight of them or the next smaller number that divides ``transitions``."""
    count = next(count for count in range(MINIBATCHES, 0, -1) if transitions % count == 0)
    return transitions // count


def off_policy(kind: type[SlotDQN] | type[SAC] | type[TD3], *, noise: float = 0.0, **settings: Any) -> Make:
    """A maker of ``kind`` with discount 0, four updates a step, and a replay buffer of the last twenty steps."""

    def make(env: SamplewiseVecEnv) -> BaseAlgorithm:
        explore: dict[str, Any] = {"action_noise": SlotNoise(noise, env.num_envs)} if noise else {}
        return kind(
            "MlpPolicy",
            env,
            gamma=0.0,
            learning_rate=3e-3,
            learning_starts=0,
            train_freq=(1, "step"),
            gradient_steps=4,
            batch_size=min(512, 4 * env.num_envs),
            buffer_size=REPLAYED_STEPS * env.num_envs,
            policy_kwargs={"net_arch": [64, 64]},
            device="cpu",
            **explore,
            **settings,
        )

    return make


ALGORITHMS = {
    "data-agent": Algorithm(
        "Data Agent, ours: from signals, for the priced reward, with discount 0", "score", DataAgent, {}
    ),
    "data-agent-paper": Algorithm(
        "Data Agent as published, arXiv 2603.07433",
        "score",
        DataAgent.paper,
        {"features": ("embedding",), "reward": "minibatch-composite"},
    ),
    "ppo": Algorithm(
        "PPO, a keep or drop for each slot", "keep", on_policy(PPO, n_steps=10, n_epochs=4, learning_rate=3e-3), {}
    ),
    "a2c": Algorithm("A2C, a keep or drop for each slot", "keep", on_policy(A2C, n_steps=2, learning_rate=3e-3), {}),
    "dqn": Algorithm(
        "DQN, a keep or drop for each slot, each exploring on its own",
        "keep",
        off_policy(SlotDQN, exploration_fraction=0.3, exploration_final_eps=0.05),
        {},
    ),
    "sac": Algorithm("SAC, a score for each slot", "score", off_policy(SAC), {}),
    "td3": Algorithm("TD3, a score for each slot", "score", off_policy(TD3, noise=0.1), {}),
    "ddpg": Algorithm("DDPG, a score for each slot", "score", off_policy(DDPG, noise=0.1), {}),
}
