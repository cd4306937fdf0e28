"""Settings of the algorithms of Stable-Baselines3 and sb3-contrib that fit this problem: many slots, one short run.

The defaults are for few environments and long episodes: a single update of 32 transitions for a thousand new ones, say.
The discount is 0 throughout, since a slot shows an unrelated sample at the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.data_agent import PRIOR, DataAgent
from data_select_gym.agents.off_policy import CentredReplayBuffer, SlotDQN, SlotNoise
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.training import Plan

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
        environment: from the plan of a run and the keep ratio to the arguments of the environment that it needs.
        contrib: whether it is one of sb3-contrib's, which is an extra.
        across_runs: why it cannot learn within the run that it steers, but only across runs; empty if it can.
    """

    description: str
    action: str
    make: Make
    environment: Callable[[Plan, float], dict[str, Any]] = lambda plan, keep_ratio: {}
    contrib: bool = False
    across_runs: str = ""


def class_of(kind: type[BaseAlgorithm] | str) -> Callable[..., BaseAlgorithm]:
    """``kind`` itself, or the class of that name in ``data_select_gym.agents.contrib``.

    Raises:
        ImportError: the class is one of sb3-contrib's, which is not installed.
    """
    if not isinstance(kind, str):
        return kind
    try:
        contrib = import_module("data_select_gym.agents.contrib")
    except ImportError as error:
        raise ImportError(f"{kind} needs sb3-contrib: pip install 'data-select-gym[contrib]'") from error
    made: Callable[..., BaseAlgorithm] = getattr(contrib, kind)
    return made


def on_policy(kind: type[BaseAlgorithm] | str, *, policy: str = "MlpPolicy", **settings: Any) -> Make:
    """A maker of ``kind`` with discount 0."""

    def make(env: SamplewiseVecEnv) -> BaseAlgorithm:
        # Of these only A2C has no minibatches.
        cut = {} if kind is A2C else {"batch_size": even_batch(settings["n_steps"] * env.num_envs)}
        return class_of(kind)(policy, env, gamma=0.0, gae_lambda=1.0, device="cpu", **cut, **settings)

    return make


def even_batch(transitions: int) -> int:
    """The size of equal minibatches, eight of them or the next smaller number that divides ``transitions``."""
    count = next(count for count in range(MINIBATCHES, 0, -1) if transitions % count == 0)
    return transitions // count


def off_policy(kind: type[BaseAlgorithm] | str, *, noise: float = 0.0, **settings: Any) -> Make:
    """A maker of ``kind`` with discount 0 and a replay buffer of the last twenty steps."""
    fitted: dict[str, Any] = {
        "gamma": 0.0,
        "learning_rate": 3e-3,
        "learning_starts": 0,
        "train_freq": (1, "step"),
        "gradient_steps": 4,
        "policy_kwargs": {"net_arch": [64, 64]},
        "device": "cpu",
    }

    def make(env: SamplewiseVecEnv) -> BaseAlgorithm:
        sizes: dict[str, Any] = {
            "batch_size": min(512, 4 * env.num_envs),
            "buffer_size": REPLAYED_STEPS * env.num_envs,
        }
        explore = {"action_noise": SlotNoise(noise, env.num_envs)} if noise else {}
        return class_of(kind)("MlpPolicy", env, **(fitted | sizes | explore | settings))

    return make


def over_runs(env: SamplewiseVecEnv) -> BaseAlgorithm:
    """ARS, linear: a policy of a number for each feature is judged by the return of a whole run."""
    return class_of("SlotARS")(
        "LinearPolicy",
        env,
        n_delta=4,
        learning_rate=0.05,
        delta_std=0.05,
        n_eval_episodes=env.num_envs,
        policy_kwargs={"squash_output": True},
        device="cpu",
    )


def without_annealing(plan: Plan, keep_ratio: float) -> dict[str, Any]:
    """The environment of ``data-agent``: it selects to the end, and keeps more of each pool for what that saves."""
    return {
        "features": (PRIOR, *DEFAULT_FEATURES),
        "anneal_fraction": 0.0,
        "keep_ratio": plan.spread(keep_ratio),
    }


EXPLORING = {"exploration_fraction": 0.3, "exploration_final_eps": 0.05}
DETERMINISTIC: dict[str, Any] = {
    "noise": 0.2,
    "learning_rate": 1e-3,
    "replay_buffer_class": CentredReplayBuffer,
}

ALGORITHMS = {
    "data-agent": Algorithm(
        "Data Agent, ours: begins with the greedy rule, learns from signals for the priced reward, does not anneal",
        "score",
        DataAgent,
        without_annealing,
    ),
    "data-agent-paper": Algorithm(
        "Data Agent as published, arXiv 2603.07433",
        "score",
        DataAgent.paper,
        lambda plan, keep_ratio: {"features": ("embedding",), "reward": "minibatch-composite"},
    ),
    "ppo": Algorithm(
        "PPO, a keep or drop for each slot", "keep", on_policy(PPO, n_steps=10, n_epochs=4, learning_rate=3e-3)
    ),
    "a2c": Algorithm(
        "A2C, a keep or drop for each slot", "keep", on_policy(A2C, n_steps=2, ent_coef=0.01, learning_rate=3e-3)
    ),
    "dqn": Algorithm(
        "DQN, a keep or drop for each slot, each exploring on its own", "keep", off_policy(SlotDQN, **EXPLORING)
    ),
    "sac": Algorithm("SAC, a score for each slot", "score", off_policy(SAC)),
    "td3": Algorithm("TD3, a score for each slot", "score", off_policy(TD3, **DETERMINISTIC)),
    "ddpg": Algorithm("DDPG, a score for each slot", "score", off_policy(DDPG, **DETERMINISTIC)),
    "trpo": Algorithm(
        "TRPO, a keep or drop for each slot",
        "keep",
        on_policy("TRPO", n_steps=5, target_kl=0.05, learning_rate=3e-3),
        contrib=True,
    ),
    "qrdqn": Algorithm(
        "QR-DQN, a keep or drop for each slot, each exploring on its own",
        "keep",
        off_policy("SlotQRDQN", policy_kwargs={"net_arch": [64, 64], "n_quantiles": 5}, **EXPLORING),
        contrib=True,
    ),
    "tqc": Algorithm(
        "TQC, a score for each slot",
        "score",
        off_policy(
            "TQC",
            batch_size=256,
            top_quantiles_to_drop_per_net=0,
            policy_kwargs={"net_arch": [64, 64], "n_quantiles": 5},
        ),
        contrib=True,
    ),
    "crossq": Algorithm(
        "CrossQ, a score for each slot",
        "score",
        off_policy(
            "CrossQ",
            batch_size=256,
            learning_rate=1e-2,
            gradient_steps=2,
            policy_delay=1,
            policy_kwargs={"net_arch": [32, 32], "batch_norm_momentum": 0.1},
        ),
        contrib=True,
    ),
    "ars": Algorithm(
        "ARS, a score for each slot, linear in the features; it learns over many runs and not within one",
        "score",
        over_runs,
        contrib=True,
        across_runs="ars cannot learn within one run: it judges each change of its weights by whole runs; pre-train it "
        "with 'data-select-gym train' instead",
    ),
    "recurrent-ppo": Algorithm(
        "PPO with an LSTM, a keep or drop for each slot; a slot's memory is of other samples, so it has no meaning",
        "keep",
        on_policy(
            "RecurrentPPO",
            policy="MlpLstmPolicy",
            n_steps=10,
            n_epochs=4,
            learning_rate=3e-3,
            policy_kwargs={"net_arch": [32], "lstm_hidden_size": 32},
        ),
        contrib=True,
    ),
}
