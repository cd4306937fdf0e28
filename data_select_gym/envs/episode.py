"""One episode: a run of training as an environment shows it, pays for it and counts it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.envs.arrays import to_host
from data_select_gym.envs.config import EnvConfig
from data_select_gym.envs.features import observe
from data_select_gym.envs.kept_loss_histogram import KeptLossHistogram
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.envs.step_info import problem_shares, step_outcome, where_in_run
from data_select_gym.rewards import Price, score_of
from data_select_gym.signals import Signals
from data_select_gym.tasks import Task
from data_select_gym.training import Plan, RunCallback, StepRecord, TrainingRun
from data_select_gym.training.checkpoint_state import State, StateError

# Where in its run an episode is: before its first step, between two steps, or after its last one.
WARM_UP, SELECTION, ANNEALING = PHASES = ("warm-up", "selection", "annealing")


class Episode:
    """One episode of an environment.

    Attributes:
        config: of the environment.
        phase: where in its run it is, one of :data:`PHASES`.
        price: of keeping a sample, moved after each step.
        signals: the recorded signals of the pool now shown.
        record: what the last step did; None before the first.
        keep_fractions: pools shown and the share kept, of each step.
        problem_shares: the share of the kept samples that have a known problem, of each step, by its name.
        total_reward: of all steps.
        kept_loss_histogram: of the losses of what was kept.
    """

    signals: Signals

    def __init__(self, config: EnvConfig, problems: Mapping[str, Tensor]) -> None:
        """An episode without a run; see :meth:`begin`.

        Args:
            config: of the environment.
            problems: bool ``(N,)`` by name, which training samples have a known problem.
        """
        self.config = config
        self.problems = problems
        self.reward = config.made_reward
        self.phase = WARM_UP
        self.price = Price(config.keep_ratio)
        self.record: StepRecord | None = None
        self.keep_fractions: list[tuple[int, float]] = []
        self.problem_shares: dict[str, list[float]] = {name: [] for name in problems}
        self.total_reward = 0.0
        self.kept_loss_histogram = KeptLossHistogram(0, "cpu")
        self._run: TrainingRun | None = None
        self._warned = False

    def begin(self, task: Task, plan: Plan, seed: int, callbacks: Sequence[RunCallback]) -> None:
        """Make the run. Nothing is trained yet."""
        run = TrainingRun(task, self.config.run, seed=seed, plan=plan, callbacks=callbacks)
        self.kept_loss_histogram = KeptLossHistogram(plan.selection_pools, run.device)
        run.callbacks.insert(0, self.kept_loss_histogram)
        self._run = run

    @property
    def run(self) -> TrainingRun:
        """The run.

        Raises:
            ResetNeeded: there is none yet.
        """
        if self._run is None:
            raise ResetNeeded("there is no run before reset()")
        return self._run

    @property
    def has_run(self) -> bool:
        """Whether there is a run."""
        return self._run is not None

    def warm_up(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Train what is left of the warm-up epochs; of the annealing epochs too, if the run resumes within them.

        Returns:
            Observation and info.
        """
        run, fresh = self.run, self.phase == WARM_UP and self.config.observe == "fresh"
        with run.timer.phase("bookkeeping"):
            run.go_on_warming_up()
            run.anneal()
            self.phase = SELECTION
            (observation,) = self._to_host(self.observe(fresh=fresh))
            info = where_in_run(run)
            if run.evaluations:
                info["eval"] = run.evaluations[-1].metrics()
        return observation, info

    def check_ready(self) -> None:
        """Check that a step can be taken.

        Raises:
            ResetNeeded: there is no run, it is over, or an error ended it in its warm-up or at its last step.
        """
        if self.run.done:
            raise ResetNeeded("the run is over; call reset() before the next step")
        if not self.run.plan.warmup_pools <= self.run.pool_number < self.run.plan.anneal_start:
            raise ResetNeeded("an error ended the run in its warm-up or at its last step; call reset() for a new one")

    def step(
        self, weights: Tensor, action: Tensor, chosen: Tensor
    ) -> tuple[NDArray[np.float32], float, dict[str, Any]]:
        """Train on what is kept of the pool, and on the annealing epochs if they are reached.

        Args:
            weights: ``(P,)`` on the host, a keep mask or loss weights.
            action: float ``(P,)`` on the host, the scores that were given, or the keep mask.
            chosen: bool ``(P,)`` on the host, what the action keeps.

        Returns:
            Observation, reward and info.
        """
        run = self.run
        with run.timer.phase("bookkeeping"):
            price, pool_number, evaluated = self.price.value, run.pool_number + 1, len(run.evaluations)
            record = run.select(weights)
            rewards, terms = self.reward(step_outcome(record, action, chosen, price))
            shares = self._count(record, pool_number)
            on_device = [term.to(rewards.device, non_blocking=True) for term in terms.values()]
            observation, sample_rewards, numbers = self._observe_and_pay(
                rewards, torch.stack([record.train_loss, rewards.isnan().all().float(), *on_device])
            )
            if numbers[1] and self.config.custom_reward:
                self._warn_of_nan()
            reward = float(sample_rewards.mean(dtype=np.float64))
            self.total_reward += reward
            if run.pool_number >= run.plan.anneal_start:
                self.phase = ANNEALING
                run.anneal()
                (observation,) = self._to_host(self.observe(fresh=False))
                record = replace(record, evaluations=tuple(run.evaluations[evaluated:]))
            self.record = record
            reward_terms = {"price": price} | dict(zip(terms, map(float, numbers[2:]), strict=True))
            info = where_in_run(run) | {
                "indices": record.indices.numpy().copy(),
                "kept": record.kept.numpy().copy(),
                "sample_rewards": sample_rewards,
                "reward_terms": reward_terms,
                "train_loss": float(numbers[0]),
                **shares,
            }
            if record.evaluations:
                info["eval"] = record.evaluations[-1].metrics()
        return observation, reward, info

    def observe(self, *, fresh: bool) -> Tensor:
        """Observe the pool now shown, float32 ``(P, F)`` on the device; ``fresh`` runs the model over it first."""
        self.signals = self.run.read_pool(fresh=fresh)
        view = PoolView.of(self.run, self.signals, self.price.value, score_of(self.reward))
        return observe(self.config.feature_names, view)

    def state_dict(self) -> State:
        """Everything that the episode resumes from. Tensors are not copied: write or copy them before the next step."""
        return {
            "phase": self.phase,
            "run": self.run.state_dict(),
            "price": self.price.value,
            "keep_fractions": self.keep_fractions,
            "problem_shares": self.problem_shares,
            # Named as in version 0.1, whose checkpoints can be loaded.
            "episode_return": self.total_reward,
            "tally": self.kept_loss_histogram.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Continue where another episode was. Its run has just been made from the state's seed.

        Raises:
            StateError: the state is of other settings or another task, or does not fit.
        """
        self.run.load_state_dict(state["run"])
        try:
            self.phase = state["phase"]
            self.price.value = float(state["price"])
            self.keep_fractions = [(int(pools), float(share)) for pools, share in state["keep_fractions"]]
            told = upgraded_shares(state)
            self.problem_shares = {name: [float(share) for share in told[name]] for name in self.problems}
            self.total_reward = float(state["episode_return"])
            self.kept_loss_histogram.load_state_dict(state["tally"])
        # Whatever stands where numbers and tensors should.
        except Exception as error:
            raise StateError(f"the checkpoint does not fit this environment: {error}") from error

    def close(self) -> None:
        """End the processes that read the run's data."""
        if self._run is not None:
            self._run.close()

    def _count(self, record: StepRecord, pool_number: int) -> dict[str, float]:
        """Count a step and move the price; returns the shares that it kept."""
        keep_fraction = record.kept.float().mean().item()
        self.price.move(keep_fraction)
        self.keep_fractions.append((pool_number, keep_fraction))
        shares = problem_shares(record, self.problems)
        for name, share in shares.items():
            self.problem_shares[name].append(share)
        return {"keep_fraction": keep_fraction, **shares}

    def _observe_and_pay(
        self, rewards: Tensor, numbers: Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Observation, sample rewards and numbers on the host, in one copy.

        Nothing is observed before the annealing epochs, which come first.
        """
        rewards = rewards.float().nan_to_num()
        if self.run.pool_number >= self.run.plan.anneal_start:
            observation: NDArray[np.float32] = np.empty(0, dtype=np.float32)
            sample_rewards, numbers_there = self._to_host(rewards, numbers)
        else:
            observation, sample_rewards, numbers_there = self._to_host(
                self.observe(fresh=self.config.observe == "fresh"), rewards, numbers
            )
        return observation, sample_rewards, numbers_there

    def _warn_of_nan(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"reward={self.config.reward!r:.100} gave only NaN for a pool, which counts as 0; later pools of this "
                "run do not warn again",
                UserWarning,
                stacklevel=5,
            )

    def _to_host(self, *tensors: Tensor) -> list[NDArray[np.float32]]:
        with self.run.timer.phase("copy"):
            return to_host(*tensors)


def upgraded_shares(state: State) -> dict[str, list[float]]:
    """The shares of known problems in a state, which version 0.1 may have written."""
    old = "mislabelled" in state
    shares: dict[str, list[float]] = {"mislabelled": state["mislabelled"]} if old else state["problem_shares"]
    return shares
