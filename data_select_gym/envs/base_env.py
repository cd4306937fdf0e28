"""The base of the environment: what can be read of its run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.envs.argument import Argument, Fixed
from data_select_gym.envs.callbacks import EnvCallbackList, Heard
from data_select_gym.envs.config import EnvConfig
from data_select_gym.envs.episode import Episode
from data_select_gym.envs.kept_loss_histogram import KeptLossHistogram
from data_select_gym.envs.regimes import DrawnRegime, RegimeSource
from data_select_gym.envs.tensorboard import RunWriter
from data_select_gym.randomness import RNGScope
from data_select_gym.rewards import Price, Reward
from data_select_gym.selection import best_share, kept_count
from data_select_gym.signals import Signals
from data_select_gym.tasks import Task
from data_select_gym.tasks.class_shares import class_labels
from data_select_gym.training import Plan, StepRecord, TrainingRun
from data_select_gym.training.checkpoint_state import State, StateError
from data_select_gym.training.plan import LEAST_KEPT
from data_select_gym.training.returned_checks import make_model


class EpisodeEnv(Heard, gym.Env[NDArray[np.float32], NDArray[Any]]):
    """An environment with one :class:`~data_select_gym.envs.episode.Episode` at a time.

    Attributes:
        regimes: give the task of each run.
        task: what is trained.
        plan: the counts of a run.
        episode: the present one.
        seconds: time spent in ``reset`` and ``step`` since the environment was made.
    """

    keep_ratio = Argument[float]()
    balance_classes = Argument[bool]()
    rescale_loss = Argument[bool]()
    observe = Argument[str]()
    device = Argument[str]()
    channels_last = Argument[bool]()
    compile = Argument[bool]()
    on_non_finite = Argument[str]()
    tensorboard_log = Argument["Path | None"]()
    profile = Argument[bool]()

    action = Fixed[str](lambda env: env.config.action)
    flat_observation = Fixed[bool](lambda env: env.config.flat_observation)
    pool_size = Fixed[int](lambda env: env.plan.pool_size)
    warmup_epochs = Fixed[int](lambda env: env.config.run.warmup_epochs)
    anneal_fraction = Fixed[float](lambda env: env.config.run.anneal_fraction)
    schedule_fraction = Fixed[float](lambda env: env.config.run.schedule_fraction)
    off_target = Fixed[Any](lambda env: env.config.off_target)

    regimes: RegimeSource
    task: Task
    plan: Plan
    episode: Episode
    _config: EnvConfig

    def __init__(self, arguments: dict[str, Any], task_options: dict[str, Any]) -> None:
        """Remember the arguments as they were given."""
        super().__init__()
        self._arguments = arguments
        self._task_options = task_options
        self._labels: Tensor | None = None
        self._drawn: DrawnRegime | None = None
        self._pending: State | None = None
        self.curves = RunWriter(None)
        self.seconds = 0.0

    @Fixed
    def config(self) -> EnvConfig:
        """The arguments that the environment was made with, but those of the task."""
        return self._config

    @Fixed
    def reward(self) -> Reward:
        """What pays each candidate."""
        return self._config.made_reward

    @Fixed
    def features(self) -> tuple[str, ...]:
        """Names of the observation's columns."""
        return self.config.feature_names

    @Fixed
    def reward_given(self) -> Any:
        """The reward as it was given: a name, weights for names or a function."""
        return self.config.reward

    @property
    def run(self) -> TrainingRun:
        """The present run.

        Raises:
            ResetNeeded: ``reset`` was not called yet.
        """
        return self.episode.run

    @property
    def phase(self) -> str:
        """Where in its run the environment is: ``"warm-up"``, ``"selection"`` or ``"annealing"``."""
        return self.episode.phase

    @property
    def price(self) -> Price:
        """The price of keeping a sample, moved after each step."""
        return self.episode.price

    @property
    def signals(self) -> Signals:
        """The recorded signals of the pool now shown."""
        return self.episode.signals

    @property
    def record(self) -> StepRecord | None:
        """What the last step did; None before the first."""
        return self.episode.record

    @property
    def keep_fractions(self) -> list[tuple[int, float]]:
        """Pools shown and the share kept, of each step of the present run."""
        return self.episode.keep_fractions

    @Fixed
    def regime(self) -> str | None:
        """The regime of the present run; None if there is none."""
        return self.regimes.fixed if self._drawn is None else self._drawn.name

    @Fixed
    def regime_seed(self) -> int | None:
        """The seed that the regime of the present run is applied with; None if there is no regime."""
        if self._drawn is not None:
            return self._drawn.seed
        return None if self.regimes.fixed is None else self.regimes.seed

    @property
    def problem_shares(self) -> dict[str, list[float]]:
        """The share of the kept samples that have a known problem, of each step of the present run, by its name."""
        return self.episode.problem_shares

    @property
    def mislabelled(self) -> list[float]:
        """Those of the problem ``"mislabelled"``; empty where the true labels are not known."""
        return self.problem_shares.get("mislabelled", [])

    @property
    def episode_return(self) -> float:
        """Sum of the rewards of the present run."""
        return self.episode.total_reward

    @property
    def kept_loss_histogram(self) -> KeptLossHistogram:
        """Counts of what the present run kept, by where in its pool a candidate's recorded loss stands."""
        return self.episode.kept_loss_histogram

    @property
    def kept_by_loss(self) -> list[list[float]]:
        """Which share of the kept had a recorded loss in each tenth of the pool's, lowest first, in three lists.

        They are of the first, second and last third of the present run's steps; zeros where nothing was kept.
        """
        return self.kept_loss_histogram.thirds()

    @property
    def pool_labels(self) -> Tensor | None:
        """Labels of the pool now shown, int64 ``(P,)`` on the host, within each of which it is chosen.

        None without ``balance_classes``.
        """
        if self._labels is None or not self.episode.config.balance_classes:
            return None
        return self._labels[self.run.pool]

    def keep_best(self, scores: Tensor) -> Tensor:
        """What :meth:`DataSelectEnv.step_scores` keeps of scores, float ``(P,)`` without NaN.

        Returns:
            ``(P,)``, an action for ``step``: a keep mask, bool; with ``rescale_loss`` loss weights, float32.
        """
        config = self.episode.config
        kept = best_share(scores, config.keep_ratio, self.pool_labels)
        return kept / config.keep_ratio if config.rescale_loss else kept

    @torch.inference_mode(False)
    def check_run(self) -> None:
        """Make a run of which nothing is trained, to see whether there can be one.

        Raises:
            Exception: there cannot, for a reason that only shows with model, data and device together.
        """
        self._new_episode(0).close()

    def close(self) -> None:
        """Close the TensorBoard file, and end the processes that read data."""
        self.episode.close()
        self.curves.close()

    def _new_episode(self, seed: int | None = None, config: EnvConfig | None = None) -> Episode:
        """An episode, with a run if there is a seed; ``config`` is None for that of the environment."""
        episode = Episode(self.config if config is None else config, self.task.problems)
        if seed is not None:
            plan = self.plan if config is None else Plan.of(self.task, config.run)
            episode.begin(self.task, plan, seed, [self._callbacks])
        return episode

    def _embedding_dim(self) -> int:
        if "embedding" not in self.features:
            return 0
        with RNGScope(0, torch.device("cpu")):
            return self.task.objective.embedding_dim(make_model(self.task.make_model))

    def _take_task(self, task: Task) -> None:
        """Train this task from the next run on."""
        self.task = task
        self._labels = None
        self._read_labels(self.config)

    def _read_labels(self, config: EnvConfig) -> None:
        """Read the labels of the task if classes are balanced.

        Raises:
            TypeError: the task has no classes.
        """
        if config.balance_classes and self._labels is None:
            self._labels = class_labels(self.task)

    def _configure(self, config: EnvConfig) -> None:
        """Train with this configuration from the next run on.

        Raises:
            ValueError: it does not fit the task.
            TypeError: classes are balanced, and the task has none.
        """
        plan = Plan.of(self.task, config.run)
        if kept_count(plan.pool_size, config.keep_ratio) < LEAST_KEPT:
            raise ValueError(
                f"keep_ratio={config.keep_ratio!r} of pool_size={plan.pool_size} is a single candidate; an update "
                f"needs {LEAST_KEPT}"
            )
        self._read_labels(config)
        self._config, self.plan = config, plan
        if not self.episode.has_run:
            self.episode = self._new_episode()

    def _begin(self, seed: int, state: State | None, log: Path | None, config: EnvConfig | None = None) -> None:
        """Make an episode, where that of the ``state`` was, with curves in ``log``, of another ``config`` if given."""
        drawn = self.regimes.draw(self.np_random) if state is None else self.regimes.drawn_in(state)
        self.close()
        if drawn is not None:
            self._take_task(self.regimes.task_of(drawn))
        self._drawn = drawn
        self._read_labels(self.config if config is None else config)
        self.episode = self._new_episode(seed, config)
        folder = run = None
        if state is not None:
            try:
                self.episode.load_state_dict(state)
                self._restore_generator(state)
            except StateError:
                self.close()
                self.episode = self._new_episode()  # this one is half restored
                raise
            folder, run = state["curves"], self.episode.run
        self.curves = RunWriter(log, folder, run, profile=self.profile)

    def _restore_generator(self, state: State) -> None:
        try:
            self.np_random.bit_generator.state = state["np_random"]
        # Whatever stands where the state of a generator should.
        except Exception as error:
            raise StateError(f"the checkpoint does not fit this environment: {error}") from error

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Within the block, seconds are the environment's."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began

    @contextmanager
    def _calling(self) -> Iterator[EnvCallbackList]:
        """Within the block, seconds are those of callbacks; it gets what to call."""
        with self._timed(), self.run.timer.phase("bookkeeping"):
            yield EnvCallbackList([self.curves, self._callbacks])
