"""Settings of the algorithms of Stable-Baselines3 and sb3-contrib that fit this problem: many slots, one short run.

The defaults are for few environments and long episodes: a single update of 32 transitions for a thousand new ones, say.
The discount is 0 throughout, since a slot shows an unrelated sample at the next step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.learned.data_agent import PRIOR, DataAgent
from data_select_gym.agents.learned.off_policy import CentredReplayBuffer, SlotDQN, SlotNoise
from data_select_gym.arguments import check_least, is_whole, unexpected
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.training import Plan

# From the environment and what is given by name to the arguments of the algorithm's class.
Settings = Callable[[SamplewiseVecEnv, Mapping[str, Any]], dict[str, Any]]
REPLAYED_STEPS = 20
MINIBATCHES = 8
# Arguments of the classes that are not the user's to give: the run has its own.
NOT_GIVEN = ("env", "seed", "tensorboard_log", "_init_setup_model")


@dataclass(frozen=True)
class Algorithm:
    """How a learned policy is made.

    Attributes:
        description: a line for lists.
        action: the kind of action of the samplewise view, ``"keep"`` or ``"score"``.
        kind: the class of the model, or its name in ``data_select_gym.agents.learned.contrib``.
        settings: from the environment, and the arguments that are given by name, to all arguments of the class.
        required_config: from the plan of a run and the keep ratio to the arguments of the environment that it needs.
        across_runs: why it cannot learn within the run that it steers, but only across runs; empty if it can.
    """

    description: str
    action: str
    kind: type[BaseAlgorithm] | str
    settings: Settings
    required_config: Callable[[Plan, float], dict[str, Any]] = lambda plan, keep_ratio: {}
    across_runs: str = ""

    @property
    def contrib(self) -> bool:
        """Whether it is one of sb3-contrib's, which is an extra."""
        return isinstance(self.kind, str)

    def make(self, env: SamplewiseVecEnv, **options: Any) -> BaseAlgorithm:
        """The model.

        Args:
            env: that it learns from.
            options: arguments of its class that take the place of ours.

        Raises:
            ValueError: the class does not take the values of the ``options``.
            ImportError: the class is one of sb3-contrib's, which is not installed.
        """
        try:
            return class_of(self.kind)(env=env, **self.settings(env, options))
        except Exception as error:
            if not options:
                raise
            given = ", ".join(f"{name}={value!r}" for name, value in options.items())
            raise ValueError(f"{given}: {error}") from error

    def takes(self) -> dict[str, Any]:
        """The options that :meth:`make` takes, by name, with the defaults of the class.

        Raises:
            ImportError: the class is one of sb3-contrib's, which is not installed.
        """
        known = inspect.signature(class_of(self.kind)).parameters
        noise = {"noise": 0.0} if "action_noise" in known else {}
        return {name: entry.default for name, entry in known.items() if name not in NOT_GIVEN} | noise

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options, NumPy's whole numbers as Python's.

        Raises:
            TypeError: there is no such option.
            ValueError: one whose default is a whole number is a fraction, a text or a truth value.
            ImportError: the class is one of sb3-contrib's, which is not installed.
        """
        known = self.takes() if options else {}
        unknown = [name for name in options if name not in known]
        if unknown:
            raise unexpected(unknown, f"this policy takes: {', '.join(known)}", known)
        whole = [name for name in options if type(known[name]) is int]
        for name in whole:
            if isinstance(options[name], bool | float | str):
                raise ValueError(f"{name}={options[name]!r} is not a whole number")
        return {name: int(value) if name in whole and is_whole(value) else value for name, value in options.items()}


def class_of(kind: type[BaseAlgorithm] | str) -> Callable[..., BaseAlgorithm]:
    """``kind`` itself, or the class of that name in ``data_select_gym.agents.learned.contrib``.

    Raises:
        ImportError: the class is one of sb3-contrib's, which is not installed.
    """
    if not isinstance(kind, str):
        return kind
    try:
        contrib = import_module("data_select_gym.agents.learned.contrib")
    except ImportError as error:
        raise ImportError(f"{kind} needs sb3-contrib: pip install 'data-select-gym[contrib]'") from error
    made: Callable[..., BaseAlgorithm] = getattr(contrib, kind)
    return made


def on_policy(*, minibatches: bool = True, **fixed: Any) -> Settings:
    """Settings with discount 0 and, if the algorithm has ``minibatches``, equal ones."""

    def settings(env: SamplewiseVecEnv, given: Mapping[str, Any]) -> dict[str, Any]:
        fitted = {"policy": "MlpPolicy", "gamma": 0.0, "gae_lambda": 1.0, "device": "cpu", **fixed, **given}
        cut = {"batch_size": even_batch(fitted["n_steps"] * env.num_envs)} if minibatches else {}
        return cut | fitted

    return settings


def even_batch(transitions: int) -> int:
    """The size of equal minibatches, eight of them or the next smaller number that divides ``transitions``."""
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
    """Settings of ARS, linear: a policy of a number for each feature is judged by the return of a whole run."""
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
        lambda env, given: dict(given),
        without_annealing,
    ),
    "data-agent-paper": Algorithm(
        "Data Agent as published, arXiv 2603.07433",
        "score",
        DataAgent,
        lambda env, given: {**DataAgent.paper_settings(), **given},
        lambda plan, keep_ratio: {"features": ("embedding",), "reward": "minibatch-composite"},
    ),
    "ppo": Algorithm(
        "PPO, a keep or drop for each slot", "keep", PPO, on_policy(n_steps=10, n_epochs=4, learning_rate=3e-3)
    ),
    "a2c": Algorithm(
        "A2C, a keep or drop for each slot",
        "keep",
        A2C,
        on_policy(minibatches=False, n_steps=2, ent_coef=0.01, learning_rate=3e-3),
    ),
    "dqn": Algorithm(
        "DQN, a keep or drop for each slot, each exploring on its own", "keep", SlotDQN, off_policy(**EXPLORING)
    ),
    "sac": Algorithm("SAC, a score for each slot", "score", SAC, off_policy()),
    "td3": Algorithm("TD3, a score for each slot", "score", TD3, off_policy(**DETERMINISTIC)),
    "ddpg": Algorithm("DDPG, a score for each slot", "score", DDPG, off_policy(**DETERMINISTIC)),
    "trpo": Algorithm(
        "TRPO, a keep or drop for each slot",
        "keep",
        "TRPO",
        on_policy(n_steps=5, target_kl=0.05, learning_rate=3e-3),
    ),
    "qrdqn": Algorithm(
        "QR-DQN, a keep or drop for each slot, each exploring on its own",
        "keep",
        "SlotQRDQN",
        off_policy(policy_kwargs={"net_arch": [64, 64], "n_quantiles": 5}, **EXPLORING),
    ),
    "tqc": Algorithm(
        "TQC, a score for each slot",
        "score",
        "TQC",
        off_policy(
            batch_size=256,
            top_quantiles_to_drop_per_net=0,
            policy_kwargs={"net_arch": [64, 64], "n_quantiles": 5},
        ),
    ),
    "crossq": Algorithm(
        "CrossQ, a score for each slot",
        "score",
        "CrossQ",
        off_policy(
            batch_size=256,
            learning_rate=1e-2,
            gradient_steps=2,
            policy_delay=1,
            policy_kwargs={"net_arch": [32, 32], "batch_norm_momentum": 0.1},
        ),
    ),
    "ars": Algorithm(
        "ARS, a score for each slot, linear in the features; it learns over many runs and not within one",
        "score",
        "SlotARS",
        over_runs,
        across_runs="ars cannot learn within one run: it judges each change of its weights by whole runs; pre-train it "
        "with 'data-select-gym train' instead",
    ),
    "recurrent-ppo": Algorithm(
        "PPO with an LSTM, a keep or drop for each slot; a slot's memory is of other samples, so it has no meaning",
        "keep",
        "RecurrentPPO",
        on_policy(
            policy="MlpLstmPolicy",
            n_steps=10,
            n_epochs=4,
            learning_rate=3e-3,
            policy_kwargs={"net_arch": [32], "lstm_hidden_size": 32},
        ),
    ),
}
