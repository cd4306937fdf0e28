"""A policy that learns within the run that it controls."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.fingerprint import Given
from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.learned.one_run import check_learns, learn_run
from data_select_gym.agents.learned.resume_learning import resume_learning
from data_select_gym.agents.policy import Policy
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.ledger import Ledger
from data_select_gym.randomness import RNGScope
from data_select_gym.training import Plan
from data_select_gym.training.device import choose_device


class OnlinePolicy(Policy):
    """A Stable-Baselines3 model that learns from scratch within the run that it controls.

    Attributes:
        algorithm: how the model is made.
        options: arguments of the model's class that were given.
        model: the model of the last run; None before the first.
    """

    def __init__(self, algorithm: Algorithm, **options: Any) -> None:
        """Make the policy.

        Args:
            algorithm: how its models are made.
            options: arguments of the model's class, instead of the bundled settings.

        Raises:
            TypeError: there is no such option.
            ValueError: an option is of another type.
        """
        self.algorithm = algorithm
        self.options = Given(algorithm.check_options(options))
        self.model: BaseAlgorithm | None = None

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        return self.algorithm.required_config(plan, keep_ratio)

    def check(self, env: DataSelectEnv) -> None:
        """Check the environment and that the model would learn.

        Raises:
            ValueError: the environment lacks what the policy needs, or the model would not learn from a single run.
            ImportError: the algorithm is one of sb3-contrib's, which is not installed.
        """
        if self.algorithm.across_runs:
            raise ValueError(self.algorithm.across_runs)
        super().check(env)
        with RNGScope(0, choose_device("auto")):
            slots = SamplewiseVecEnv(env, action=self.algorithm.action)
            check_learns(self.algorithm.make(slots, **self.options), slots.steps_per_run)

    def unfit_for_loop(self, ledger: Ledger) -> str:
        return (
            "learns within the run that it steers, which takes the environment; learn it there over several runs, with "
            "data_select_gym.agents.learned.pretrain or 'data-select-gym train', and give its file"
        )

    def run(self, env: DataSelectEnv, seed: int) -> None:
        """Learn from one run, with a new model."""
        slots = SamplewiseVecEnv(env, action=self.algorithm.action)
        # A model on a GPU draws its actions there.
        randomness = RNGScope(seed, choose_device("auto"))
        with randomness:
            self.model = self.algorithm.make(slots, **self.options)
            slots.seed(seed)
            if self.checkpointer is None:
                learn_run(self.model, log_interval=slots.num_envs)
            else:
                resume_learning(self.model, self.checkpointer, randomness)
