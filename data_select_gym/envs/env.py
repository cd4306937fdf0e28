"""The environment: one agent, a joint keep mask over the pool."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.arguments import MissingArgumentError, check_choice, check_flag, check_path, check_share
from data_select_gym.envs.around import Scores
from data_select_gym.envs.arrays import numpy_scalars, scores_of, to_host
from data_select_gym.envs.copies import copied, pickled, unpickle
from data_select_gym.envs.features import (
    DEFAULT_FEATURES,
    check_features,
    find_feature,
    observation_space,
    observe,
)
from data_select_gym.envs.forms import FORMS
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.envs.state import ANNEALING, SELECTION, WARM_UP, check_state, env_state, restore_env
from data_select_gym.envs.step_info import kept_shares, pool_outcome, where_in_run
from data_select_gym.envs.tally import KeptLossHistogram
from data_select_gym.envs.tensorboard import RunWriter
from data_select_gym.randomness import RNGScope
from data_select_gym.rewards import Price, StepOutcome, make_reward, score_of
from data_select_gym.selection import balanced, best_share, kept_count
from data_select_gym.signals import Signals
from data_select_gym.tasks import Task, make_task_for
from data_select_gym.tasks.class_shares import class_labels
from data_select_gym.training import FunctionCallback, Plan, RunConfig, StepRecord, TrainingRun
from data_select_gym.training.checkpoint_state import State, StateError
from data_select_gym.training.checkpoints import read_state, write_state
from data_select_gym.training.config import RECORDS
from data_select_gym.training.forks import one_thread_if_forked
from data_select_gym.training.plan import LEAST_KEPT
from data_select_gym.training.returned import make_model

OBSERVE = ("recorded", "fresh")
# What of the info is also a curve.
SCALARS = ("train_loss", "keep_fraction", "mislabelled")
METADATA: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}


class MissingArgument(gym.error.MissingArgument, MissingArgumentError):
    """An argument of the environment or of its task was left out that is needed."""


class DataSelectEnv(gym.Env[NDArray[np.float32], NDArray[Any]]):
    """One training of a neural network, as an environment.

    At each step a pool of P candidate samples is shown; the action says which of them to train on; the model is trained
    on those and the reward says how good they were. One episode is one run from initial weights to the end of the
    recipe.

    ## Action Space
    ``MultiBinary(P)``, the keep mask. :meth:`step` also takes non-negative loss weights, 0 for dropped. With
    ``balance_classes`` as many are kept as the action keeps, and the class shares of the kept are made those of the
    pool. The argument ``action`` gives other forms: ``Box(0, 1, (P,))`` for ``"scores"``, ``Discrete(5)`` for
    ``"keep-ratio"``, ``MultiDiscrete([2] * P)`` for ``"multi-discrete"``.

    ## Observation Space
    ``Box((P, F), float32)``, a row a candidate, a column a feature; see ``data_select_gym.envs.features``. With
    ``flat_observation`` it is ``(P * F,)``, row after row.

    ## Rewards
    The mean over the pool of per-sample rewards, which are in ``info["sample_rewards"]``.

    ## Starting State
    The model is built from the seed and trained on the warm-up epochs, so that every candidate has been seen.

    ## Episode End
    The step that reaches the annealing epochs trains them in full and terminates; there is no truncation.

    ## Info
    ``indices``, ``kept``, ``sample_rewards`` and ``reward_terms`` of the pool that was acted on, ``pool_indices`` of
    the pool now shown, ``keep_fraction``, ``train_loss``, ``cost``, ``epoch``, ``progress``, and ``eval`` whenever an
    evaluation ran. Where it is known which labels are wrong, also ``mislabelled``, the share of the kept samples that
    have a wrong one, 0 if nothing was kept; neither observations nor rewards are made of it. With
    ``on_non_finite="skip"`` also ``skipped``, how many minibatches of the run were skipped so far. Where samples have
    lengths also ``token_cost``, the cost in tokens. Numbers are scalars of NumPy.

    ## Pickles and Copies
    An environment is pickled by the arguments that it was given and by the state of its run, with which the other one
    goes on: a checkpoint in memory. So is it copied by ``copy.deepcopy``, which shares the task. The other one has no
    ``record`` and no ``on_pool``, and writes its curves to a folder of its own.

    Attributes:
        task: what is trained.
        plan: the counts of a run.
        keep_ratio: the share of candidates meant to be kept.
        balance_classes: whether the class shares of the kept are those of the pool.
        rescale_loss: whether what scores keep has the loss weight 1 / ``keep_ratio``.
        run: the present run.
        price: the price of keeping a sample, moved after each step.
        signals: the recorded signals of the pool now shown.
        record: what the last step did; None before the first.
        keep_fractions: pools shown and the share kept, of each step of the present run.
        mislabelled: the share of the kept samples that have a wrong label, of each of those steps; empty where the true
            labels are not known.
        episode_return: sum of the rewards of the present run.
        seconds: time spent in ``reset`` and ``step`` since the environment was made.
        on_pool: called with the run after every pool, also those of warm-up and annealing; None for nothing.
    """

    metadata = METADATA

    def __init__(
        self,
        task: str | Task | Callable[..., Task] | None = None,
        *,
        keep_ratio: float = 0.5,
        balance_classes: bool = False,
        rescale_loss: bool = False,
        pool_size: int | None = None,
        features: Sequence[str | Callable[[PoolView], Tensor]] = DEFAULT_FEATURES,
        observe: str = "recorded",
        action: str = "mask",
        flat_observation: bool = False,
        reward: str | Mapping[str, float] | Callable[[StepOutcome], Any] = "priced-composite",
        warmup_epochs: int = 1,
        anneal_fraction: float = 0.125,
        schedule_fraction: float = 1.0,
        device: str = "auto",
        channels_last: bool = False,
        compile: bool = False,
        on_non_finite: str = "stop",
        tensorboard_log: str | Path | None = None,
        profile: bool = False,
        render_mode: str | None = None,
        **task_options: Any,
    ) -> None:
        """Read the data; nothing is trained before ``reset``.

        Args:
            task: a built-in name, ``"module:function"``, a function that returns a task, or a task; one is needed.
                Objects make an environment whose ``spec`` cannot be written as JSON.
            keep_ratio: the share of candidates meant to be kept, in (0, 1], of which two at least must come of a pool:
                where fewer are kept there is no update.
            balance_classes: whether each class of a pool has the same share in what is kept, for a task of
                classification. Of scores the highest within each class are kept. Of a mask or of weights those beyond
                a class's share are dropped, and where it keeps too few, others of the class are kept with weight 1;
                neither is paid as if the action had chosen it.
            rescale_loss: whether the losses of what scores keep are multiplied by 1 / ``keep_ratio``, as Data Agent may
                do. Masks and weights are left as they are: give :meth:`step` the weights that you want.
            pool_size: P, from 2 to the size of the training set; eight minibatches, or the training set, if None.
            features: names of the observation's columns; one of your own is a function of a
                :class:`~data_select_gym.envs.PoolView`, ``"module:function"``, or a name that
                :func:`~data_select_gym.envs.register_feature` was told.
            observe: ``"recorded"`` shows what is on record and costs nothing; ``"fresh"`` runs the model over each pool
                first, which counts a third of training on it.
            action: the form of actions: ``"mask"``; ``"scores"``, of which the ``keep_ratio`` share with the highest is
                kept; ``"keep-ratio"``, a choice among 0.1, 0.3, 0.5, 0.7 and 1, the share with the highest recorded
                quality being kept; or ``"multi-discrete"``, a mask for algorithms that know no ``MultiBinary``. Those
                but the first, and ``flat_observation``, are for agents that look at the environment directly:
                policies of this package and the samplewise views refuse them.
            flat_observation: whether observations are one row of P * F numbers.
            reward: a name, weights for names, or a function of a :class:`~data_select_gym.rewards.StepOutcome`, also
                as ``"module:function"``.
            warmup_epochs: the first epochs, trained on all data.
            anneal_fraction: share of the epochs, rounded up, trained on all data at the end, in [0, 1].
            schedule_fraction: share of the recipe that is run, its schedule compressed, in (0, 1].
            device: a torch device, or ``"auto"`` for a GPU if there is one.
            channels_last: whether images, and the weights of convolutions over them, lie channels last in memory.
            compile: whether the model's updates are compiled by ``torch.compile``, on a GPU with CUDA graphs; all
                minibatches are then of one size, see :class:`~data_select_gym.training.TrainingRun`.
            on_non_finite: what is done where the loss of a minibatch is not finite, or the norm of its gradient if the
                recipe limits that: ``"stop"`` for a :class:`~data_select_gym.training.NonFiniteLossError`, the model
                as it was before that minibatch; ``"skip"`` to go on without it, its samples not kept.
            tensorboard_log: folder for TensorBoard curves, in which each run makes a folder ``run_<k>``; none if None.
            profile: whether each run also leaves a trace of ten of its steps in its folder, by ``torch.profiler``, for
                TensorBoard's profiler or https://ui.perfetto.dev; it takes some seconds.
            render_mode: ``"rgb_array"`` for a picture of the run, ``"ansi"`` for a line of text, None for nothing.
            task_options: arguments of the task, such as ``epochs`` or ``data_dir``; for any task of classification also
                those of label noise, such as ``label_noise``, and of a long tail, such as ``imbalance_factor``, see
                :func:`~data_select_gym.tasks.variants.make_variant`.

        Raises:
            MissingArgument: ``task`` or an argument that it needs is missing; Gymnasium's error and a ``ValueError``.
            ValueError: an argument is out of its range or unknown, or ``profile`` without ``tensorboard_log``.
            TypeError: an argument is of the wrong type, the task takes no such option, or ``balance_classes`` for a
                task that is not one of classification.
            FileNotFoundError: the task's data is not there.
        """
        self._given = {name: value for name, value in locals().items() if name not in ("self", "task_options")}
        self._given |= task_options
        self._task_options = tuple(task_options)
        if task is None:
            raise MissingArgument(
                "missing argument task: a name, 'module:function', a function that returns a Task, or a Task"
            )
        one_thread_if_forked()
        self.keep_ratio = check_share("keep_ratio", keep_ratio)
        self.features = check_features(features)
        self.observe = check_choice("observe", observe, OBSERVE)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.reward_given = reward
        self.reward = make_reward(reward)
        # A function that draws from global generators gives the same task each time, and they are left as they were.
        with RNGScope(0, torch.device("cpu")):
            try:
                self.task = make_task_for(tuple(signature(DataSelectEnv).parameters)[:-1], task, task_options)
            except MissingArgumentError as error:
                raise MissingArgument(str(error)) from None
            self._wrong = self.task.mislabelled
            self._labels = class_labels(self.task) if check_flag("balance_classes", balance_classes) else None
        self.balance_classes = balance_classes
        self.rescale_loss = check_flag("rescale_loss", rescale_loss)
        looks = self.reward.needs.union(*(find_feature(name).needs for name in self.features))
        self.run_config = RunConfig(
            pool_size=pool_size,
            warmup_epochs=warmup_epochs,
            anneal_fraction=anneal_fraction,
            schedule_fraction=schedule_fraction,
            device=device,
            channels_last=channels_last,
            compile=compile,
            on_non_finite=on_non_finite,
            record=looks.intersection(RECORDS) | ({"fresh"} if observe == "fresh" else set()),
        )
        self.plan = Plan.of(self.task, self.run_config)
        if kept_count(self.plan.pool_size, self.keep_ratio) < LEAST_KEPT:
            raise ValueError(
                f"keep_ratio={self.keep_ratio!r} of pool_size={self.plan.pool_size} is a single candidate; an update "
                f"needs {LEAST_KEPT}"
            )
        self.device, self.channels_last, self.compile = device, channels_last, compile
        self.tensorboard_log = None if tensorboard_log is None else check_path("tensorboard_log", tensorboard_log)
        self.profile = check_flag("profile", profile)
        if profile and tensorboard_log is None:
            raise ValueError("profile=True leaves its trace beside the curves; tensorboard_log is needed with it")
        self.action = check_choice("action", action, FORMS)
        self._form = FORMS[action](self.plan.pool_size)
        self.action_space = self._form.space
        self.flat_observation = check_flag("flat_observation", flat_observation)
        self.observation_space = observation_space(
            self.features, self.plan.pool_size, self._embedding_dim(), flat=flat_observation
        )
        self.price = Price(self.keep_ratio)
        self.seconds = 0.0
        self.on_pool: Callable[[TrainingRun], None] | None = None
        self.record: StepRecord | None = None
        self.keep_fractions: list[tuple[int, float]] = []
        self.mislabelled: list[float] = []
        self.tally = KeptLossHistogram(0, "cpu")
        self.phase = WARM_UP
        self._pending: State | None = None
        self.episode_return = 0.0
        self._run: TrainingRun | None = None
        self.curves = RunWriter(None)

    @property
    def run(self) -> TrainingRun:
        """The present run.

        Raises:
            ResetNeeded: ``reset`` was not called yet.
        """
        if self._run is None:
            raise ResetNeeded("there is no run before reset()")
        return self._run

    @property
    def pool_labels(self) -> Tensor | None:
        """Labels of the pool now shown, int64 ``(P,)`` on the host, within each of which it is chosen.

        None without ``balance_classes``.
        """
        return None if self._labels is None else self._labels[self.run.pool]

    @property
    def kept_by_loss(self) -> list[list[float]]:
        """Which share of the kept had a recorded loss in each tenth of the pool's, lowest first, in three lists.

        They are of the first, second and last third of the present run's steps; zeros where nothing was kept.
        """
        return self.tally.thirds()

    @torch.inference_mode(False)  # in which no model could be made or trained
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Build a new model and train the warm-up epochs; or go on from what :meth:`resume` was given.

        Args:
            seed: of all that is random in this and the following runs.
            options: ignored, as Gymnasium's own environments ignore those that they do not know.

        Raises:
            ValueError: what was given to :meth:`resume` does not fit.
            NonFiniteLossError: a loss is not finite, see ``on_non_finite``.
        """
        super().reset(seed=seed)
        one_thread_if_forked()
        began = time.perf_counter()
        state, self._pending = self._pending, None
        self._begin(int(self.np_random.integers(2**31)) if state is None else state["run"]["seed"], state)
        run, fresh = self.run, self.phase == WARM_UP and self.observe == "fresh"
        with run.timer.phase("bookkeeping"):
            run.go_on_warming_up()
            run.anneal()
            self.phase = SELECTION
            (observation,) = self._to_host(self._look(fresh=fresh))
            info = where_in_run(run)
            if run.evaluations:
                info["eval"] = run.evaluations[-1].metrics()
        self.seconds += time.perf_counter() - began
        self._write(run.pool_number, {})
        if self.profile:
            self.curves.trace(run)
        return self._shown(observation), numpy_scalars(info)

    @torch.inference_mode(False)
    def check_run(self) -> None:
        """Make a run of which nothing is trained, to see whether there can be one.

        Raises:
            Exception: there cannot, for a reason that only shows with model, data and device together.
        """
        self._make_run(0).close()

    def _make_run(self, seed: int) -> TrainingRun:
        callbacks = [FunctionCallback(self._notify)]
        return TrainingRun(self.task, self.run_config, seed=seed, plan=self.plan, callbacks=callbacks)

    def _begin(self, seed: int, state: State | None) -> None:
        """Make a run, and put it where that of the ``state`` was."""
        self.close()
        self._run = self._make_run(seed)
        self.price = Price(self.keep_ratio)
        self.record, self.keep_fractions, self.mislabelled, self.episode_return = None, [], [], 0.0
        self.tally = KeptLossHistogram(self.plan.selection_pools, self._run.device)
        if state is None:
            self.phase, self.curves = WARM_UP, RunWriter(self.tensorboard_log)
            return
        self.phase = state["phase"]
        try:
            restore_env(self, state)
        except StateError:
            self.close()
            self._run = None  # which is half its own and half the other's
            raise
        self.curves = RunWriter(self.tensorboard_log, state["curves"], self._run)

    def state(self) -> State:
        """Everything that the run goes on from, for :meth:`resume`: tensors, numbers, texts and nestings of these.

        It is a copy, which stays as it is while the run goes on, and can be gone on from more than once.

        Raises:
            ResetNeeded: there is no run yet.
        """
        return deepcopy(env_state(self))

    def resume(self, state: State) -> None:
        """Have the next :meth:`reset` go on from a state of the same environment, to the bit on a CPU.

        Raises:
            ValueError: the state is of another environment.
        """
        self._pending = check_state(self, state)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state of the run to a file that takes its name only when it is whole.

        Raises:
            ResetNeeded: there is no run yet.
            OSError: the file cannot be written.
        """
        write_state(check_path("path", path), env_state(self))

    def load(self, path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Go on from a file of :meth:`save`; reading it runs no code.

        Returns:
            Observation and info, as of :meth:`reset`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or of another environment.
        """
        state = read_state(path)
        try:
            self.resume(state)
            return self.reset()
        except StateError as error:
            raise StateError(f"{os.fspath(path)}: {error}") from error

    @torch.inference_mode(False)
    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Train on what is kept.

        Args:
            action: ``(P,)``, a keep mask of zeros and ones or booleans, or non-negative loss weights, 0 for dropped;
                or of another form, if the environment was made so.

        Raises:
            ResetNeeded: there is no run, it is over, or an error ended it in its warm-up or at its last step.
            ValueError: the action is of another shape, or holds a value that is negative or not finite, or that its
                form does not allow; or a reward of one's own does not fit, and then the pool has been trained on.
            NonFiniteLossError: a loss is not finite, see ``on_non_finite``.
        """
        if isinstance(action, Scores):
            return self.step_scores(np.asarray(action))
        weights = torch.from_numpy(self._form.weights(self, action))
        labels = self.pool_labels
        kept, chosen = weights if labels is None else balanced(weights, labels), weights > 0
        return self._advance(kept, chosen.float(), chosen=chosen)

    @torch.inference_mode(False)
    def step_scores(self, scores: NDArray[Any]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Train on the ``keep_ratio`` share of candidates with the highest scores; the reward sees the scores.

        With ``balance_classes`` it is that share of each class; with ``rescale_loss`` they have the loss weight
        1 / ``keep_ratio``.

        Args:
            scores: ``(P,)``, finite; those outside [0, 1] are clipped to it.

        Raises:
            ResetNeeded: there is no run, it is over, or an error ended it in its warm-up or at its last step.
            ValueError: the scores are of another shape, or not finite.
            NonFiniteLossError: a loss is not finite, see ``on_non_finite``.
        """
        values = torch.from_numpy(scores_of("scores", scores, self.plan.pool_size))
        weights = self.keep_best(values)
        kept = weights > 0
        return self._advance(weights.float(), values * kept, chosen=kept)

    def keep_best(self, scores: Tensor) -> Tensor:
        """What :meth:`step_scores` does with scores, float ``(P,)`` without NaN.

        Returns:
            ``(P,)``, an action for :meth:`step`: a keep mask, bool; with ``rescale_loss`` loss weights, float32.
        """
        kept = best_share(scores, self.keep_ratio, self.pool_labels)
        return kept / self.keep_ratio if self.rescale_loss else kept

    def __getstate__(self) -> dict[str, Any]:
        return pickled(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        unpickle(self, state)

    def __deepcopy__(self, memo: dict[int, Any]) -> DataSelectEnv:
        return copied(self, memo)

    def render(self) -> Any:
        """A picture, uint8 ``(H, W, 3)``, or a line of text of the run so far, as ``render_mode`` says."""
        if self.render_mode is None:
            gym.logger.warn("render() needs render_mode='rgb_array' or 'ansi' when the environment is made")
            return None
        from data_select_gym.envs.render import draw, render_ansi

        return draw(self) if self.render_mode == "rgb_array" else render_ansi(self)

    def close(self) -> None:
        """Close the TensorBoard file, and end the processes that read data."""
        if self._run is not None:
            self._run.close()
        self.curves.close()

    def _advance(
        self, weights: Tensor, action: Tensor, *, chosen: Tensor
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        run = self.run
        if run.done:
            raise ResetNeeded("the run is over; call reset() before the next step")
        if not run.plan.warmup_pools <= run.pool_number < run.plan.anneal_start:
            raise ResetNeeded("an error ended the run in its warm-up or at its last step; call reset() for a new one")
        began, pool_number = time.perf_counter(), run.pool_number + 1
        with run.timer.phase("bookkeeping"):
            observation, reward, info = self._train_and_tell(run, weights, action, chosen)
        self.seconds += time.perf_counter() - began
        scalars = {name: info[name] for name in SCALARS if name in info} | {"reward": reward}
        scalars |= {f"reward/{name}": value for name, value in info["reward_terms"].items()}
        self._write(pool_number, scalars)
        return self._shown(observation), reward, run.done, False, numpy_scalars(info)

    def _train_and_tell(
        self, run: TrainingRun, weights: Tensor, action: Tensor, chosen: Tensor
    ) -> tuple[NDArray[np.float32], float, dict[str, Any]]:
        price, pool_number, evaluated = self.price.value, run.pool_number + 1, len(run.evaluations)
        record = run.select(weights)
        outcome = pool_outcome(record, action, chosen, price)
        rewards, terms = self.reward(outcome)
        self.tally.count(record.recorded.loss, outcome.kept)
        shares = self._count(record, pool_number)
        observation, sample_rewards, numbers = self._observe_and_pay(
            rewards,
            torch.stack([record.train_loss, *(term.to(rewards.device, non_blocking=True) for term in terms.values())]),
        )
        reward = float(sample_rewards.mean(dtype=np.float64))
        self.episode_return += reward
        if run.pool_number >= self.plan.anneal_start:
            self.phase = ANNEALING
            run.anneal()
            (observation,) = self._to_host(self._look(fresh=False))
            record = replace(record, evaluations=tuple(run.evaluations[evaluated:]))
        self.record = record
        reward_terms = {"price": price} | dict(zip(terms, map(float, numbers[1:]), strict=True))
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

    def _count(self, record: StepRecord, pool_number: int) -> dict[str, float]:
        """Count a step, and move the price; returns the shares that it kept."""
        shares = kept_shares(record, self._wrong)
        self.price.move(shares["keep_fraction"])
        self.keep_fractions.append((pool_number, shares["keep_fraction"]))
        if "mislabelled" in shares:
            self.mislabelled.append(shares["mislabelled"])
        return shares

    def _observe_and_pay(
        self, rewards: Tensor, numbers: Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Observation, sample rewards and numbers on the host, in one copy.

        Nothing is observed before the annealing epochs, which come first.
        """
        rewards = rewards.float().nan_to_num()
        if self.run.pool_number >= self.plan.anneal_start:
            observation: NDArray[np.float32] = np.empty(0, dtype=np.float32)
            sample_rewards, numbers_there = self._to_host(rewards, numbers)
        else:
            observation, sample_rewards, numbers_there = self._to_host(
                self._look(fresh=self.observe == "fresh"), rewards, numbers
            )
        return observation, sample_rewards, numbers_there

    def _to_host(self, *tensors: Tensor) -> list[NDArray[np.float32]]:
        with self.run.timer.phase("copy"):
            return to_host(*tensors)

    def _look(self, *, fresh: bool) -> Tensor:
        run = self.run
        self.signals: Signals = run.read_pool(fresh=fresh)
        return observe(self.features, PoolView.of(run, self.signals, self.price.value, score_of(self.reward)))

    def _shown(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        return observation.reshape(-1) if self.flat_observation else observation

    def _embedding_dim(self) -> int:
        if "embedding" not in self.features:
            return 0
        with RNGScope(0, torch.device("cpu")):
            return self.task.objective.embedding_dim(make_model(self.task.make_model))

    def _notify(self, run: TrainingRun) -> None:
        if self.on_pool is not None:
            self.on_pool(run)

    def _write(self, pool_number: int, values: dict[str, float]) -> None:
        began = time.perf_counter()
        with self.run.timer.phase("bookkeeping"):
            self.curves.write(self.run, pool_number, values, self.seconds)
        self.seconds += time.perf_counter() - began
