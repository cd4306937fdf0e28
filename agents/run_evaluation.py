"""Evaluation over whole runs; that of Stable-Baselines3 counts every slot as an episode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from data_select_gym.agents.factory import make_policy
from data_select_gym.agents.runner import RunResult, run_policy, run_with_checkpoints
from data_select_gym.arguments import check_count
from data_select_gym.envs import as_base_env

# Fields of a run's result, and what they are called in the log.
LOGGED = {"validation": "validation", "quality": "test_quality", "cost": "cost", "keep_fraction": "keep_fraction"}


def evaluate_runs(
    policy: Any, env: gym.Env[Any, Any], seeds: Sequence[int] | NDArray[np.integer[Any]]
) -> list[RunResult]:
    """Run a policy once for each seed.

    Args:
        policy: as for :func:`~data_select_gym.agents.make_policy`; a model is frozen.
        env: the environment, with what the policy needs, such as the features that a model knows;
            :func:`~data_select_gym.agents.make_env` makes one.
        seeds: of the runs.

    Raises:
        ValueError: there are no seeds, one is out of its range, or the policy cannot serve this environment.
        TypeError: ``env`` is another kind of environment, or ``seeds`` is no sequence.
    """
    checked, chosen = check_seeds(seeds), make_policy(policy)
    return [run_policy(chosen, env, seed) for seed in checked]


def check_seeds(seeds: Sequence[int] | NDArray[np.integer[Any]]) -> list[int]:
    """Return ``seeds`` as a list.

    Raises:
        ValueError: there are none, or one is not a whole number of at least 0.
        TypeError: they are not in a sequence.
    """
    if not isinstance(seeds, Sequence) and not (isinstance(seeds, np.ndarray) and seeds.ndim == 1):
        raise TypeError(f"seeds={seeds!r} is not a sequence of whole numbers")
    if len(seeds) == 0:
        raise ValueError(f"seeds={seeds!r} is empty; at least one is needed")
    return [check_count(f"seeds[{place}]", seed, least=0) for place, seed in enumerate(seeds)]


class EvalRunsCallback(BaseCallback):
    """Evaluates the model at intervals, over whole runs of a separate environment.

    Logs ``eval/mean_reward`` (mean return of a run), ``eval/validation`` (quality on the validation set, to choose by),
    ``eval/test_quality``, ``eval/cost`` and ``eval/keep_fraction``.

    Attributes:
        results: of each evaluation, in order.
    """

    def __init__(
        self, env: gym.Env[Any, Any], *, eval_freq: int, seeds: Sequence[int] | NDArray[np.integer[Any]] = (0,)
    ) -> None:
        """Make the callback.

        Args:
            env: a joint environment, not the one that is learned from.
            eval_freq: steps of the vector environment between evaluations.
            seeds: of the runs of an evaluation.

        Raises:
            ValueError: ``eval_freq`` is below 1, there are no seeds, or one is out of its range.
            TypeError: ``env`` is another kind of environment, or ``seeds`` is no sequence.
        """
        super().__init__()
        self.env = as_base_env(env)
        self.eval_freq = check_count("eval_freq", eval_freq)
        self.seeds = check_seeds(seeds)
        self.results: list[list[RunResult]] = []

    def _init_callback(self) -> None:
        # Refuse a model that cannot be evaluated before it learns.
        make_policy(self.model)

    def _on_step(self) -> bool:
        if self.n_calls % self.eval_freq == 0:
            # Not by run_policy, which would warn each time that a model that still learns misses the keep ratio.
            policy = make_policy(self.model)
            results = [run_with_checkpoints(policy, self.env, seed, None, "") for seed in self.seeds]
            self.results.append(results)
            self.logger.record("eval/mean_reward", float(np.mean([result.episode_return for result in results])))
            for name, logged in LOGGED.items():
                self.logger.record(f"eval/{logged}", float(np.mean([getattr(result, name) for result in results])))
        return True
