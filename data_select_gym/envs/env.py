"""The environment: one agent, a joint keep mask over the pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.arguments import MissingArgumentError
from data_select_gym.deprecation import RenamedMember
from data_select_gym.envs.action_forms import FORMS
from data_select_gym.envs.arrays import numpy_scalars, scores_of
from data_select_gym.envs.config import ARGUMENTS, RENAMED, RENDER_MODES, EnvConfig, current_names
from data_select_gym.envs.features import observation_space
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.envs.regimes import RegimeSource
from data_select_gym.envs.resumable_env import ResumableEnv, check_state
from data_select_gym.envs.wrapper_checks import Scores
from data_select_gym.randomness import RNGScope
from data_select_gym.rewards import StepOutcome
from data_select_gym.selection import balanced
from data_select_gym.tasks import Task, make_task_for
from data_select_gym.training import RunConfig
from data_select_gym.training.forks import one_thread_if_forked

METADATA: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 4}


class MissingArgument(gym.error.MissingArgument, MissingArgumentError):
    """A required argument of the environment or of its task is missing."""


class DataSelectEnv(ResumableEnv):
    """One training of a neural network, as an environment.

    Each step shows a pool of P candidate samples. The action says which of them to train on. The model is trained on
    those, and the reward says how good they were. One episode is one run, from initial weights to the recipe's end.

    ## Action Space
    ``MultiBinary(P)``, the keep mask. :meth:`step` also takes non-negative loss weights, 0 for dropped. With
    ``balance_classes`` as many are kept as the action keeps, and the class shares of the kept are made those of the
    pool. The argument ``action`` selects another form: ``Box(0, 1, (P,))`` for ``"scores"``, ``Discrete(5)`` for
    ``"keep-ratio"``, ``MultiDiscrete([2] * P)`` for ``"multi-discrete"``.

    ## Observation Space
    ``Box((P, F), float32)``, a row per candidate, a column per feature; see ``data_select_gym.envs.features``. With
    ``flat_observation`` it is ``(P * F,)``, row after row.

    ## Rewards
    The mean over the pool of per-sample rewards, which are in ``info["sample_rewards"]``.

    ## Starting State
    The model is built from the seed and trained on the warm-up epochs, so that every candidate has been seen.

    ## Episode End
    The step that reaches the annealing epochs trains them in full and terminates. There is no truncation.

    ## Info
    ``indices``, ``kept``, ``sample_rewards`` and ``reward_terms`` of the pool that was acted on, ``pool_indices`` of
    the pool now shown, ``keep_fraction``, ``train_loss``, ``cost``, ``epoch``, ``progress``, and ``eval`` whenever an
    evaluation ran. Where problems of samples are known also the share of the kept that have each, such as
    ``mislabelled``, 0 if nothing was kept; neither observations nor rewards use them. With ``on_non_finite="skip"``
    also ``skipped``, how many minibatches of the run were skipped so far. Where samples have lengths also
    ``token_cost``, the cost in tokens. At a reset also ``regime``, if there is one. Numbers are NumPy scalars.

    ## Pickles and Copies
    An environment is pickled as its arguments and the state of its run, from which the other one resumes: a checkpoint
    in memory. ``copy.deepcopy`` does the same and shares the task. The other one has no ``record`` and no
    ``callbacks``, and writes its curves to a new folder.
    """

    metadata = METADATA
    # Names of 0.1.
    state = RenamedMember("state_dict")
    resume = RenamedMember("load_state_dict")

    def __init__(
        self,
        task: str | Task | Callable[..., Task] | None = None,
        *,
        keep_ratio: float = EnvConfig.keep_ratio,
        balance_classes: bool = EnvConfig.balance_classes,
        rescale_loss: bool = EnvConfig.rescale_loss,
        pool_size: int | None = RunConfig.pool_size,
        features: Sequence[str | Callable[[PoolView], Tensor]] = EnvConfig.features,
        observe: str = EnvConfig.observe,
        action: str = EnvConfig.action,
        flat_observation: bool = EnvConfig.flat_observation,
        reward: str | Mapping[str, float] | Callable[[StepOutcome], Any] = EnvConfig.reward,
        warmup_epochs: int = RunConfig.warmup_epochs,
        anneal_fraction: float = RunConfig.anneal_fraction,
        schedule_fraction: float = RunConfig.schedule_fraction,
        device: str | torch.device = RunConfig.device,
        channels_last: bool = RunConfig.channels_last,
        compile: bool = RunConfig.compile,
        on_non_finite: str = RunConfig.on_non_finite,
        tensorboard_log: str | Path | None = EnvConfig.tensorboard_log,
        profile: bool = EnvConfig.profile,
        render_mode: str | None = EnvConfig.render_mode,
        regime: str | Mapping[str, float] | Sequence[Any] | None = EnvConfig.regime,
        regime_seed: int = EnvConfig.regime_seed,
        off_target: Dataset[Any] | str | None = EnvConfig.off_target,
        **task_options: Any,
    ) -> None:
        """Read the data; nothing is trained before ``reset``.

        Args:
            task: a built-in name, ``"module:function"``, a function that returns a task, or a task; required. With
                objects, the environment's ``spec`` cannot be written as JSON.
            keep_ratio: the share of candidates meant to be kept, in (0, 1]. At least two must come of a pool, since
                where fewer are kept there is no update.
            balance_classes: whether each class of a pool has the same share in what is kept, for classification. Of
                scores the highest within each class are kept. Of a mask or of weights those beyond a class's share are
                dropped, and where it keeps too few, others of the class are kept with weight 1; rewards treat neither
                as chosen by the action.
            rescale_loss: whether the losses of what scores keep are multiplied by 1 / ``keep_ratio``, as Data Agent may
                do. Masks and weights are left as they are: give :meth:`step` the weights that you want.
            pool_size: P, from 2 to the size of the training set; if None, eight minibatches, at most the training set.
            features: names of the observation's columns. A custom one is a function of a
                :class:`~data_select_gym.envs.PoolView`, ``"module:function"``, or a name given to
                :func:`~data_select_gym.envs.register_feature`.
            observe: ``"recorded"`` shows what is on record and costs nothing; ``"fresh"`` runs the model over each pool
                first, which costs a third of training on it.
            action: the form of actions: ``"mask"``; ``"scores"``, of which the ``keep_ratio`` share with the highest is
                kept; ``"keep-ratio"``, a choice among 0.1, 0.3, 0.5, 0.7 and 1, the share with the highest recorded
                quality being kept; or ``"multi-discrete"``, a mask for algorithms without ``MultiBinary``. The last
                three, and ``flat_observation``, are for agents that act on the environment directly: policies of this
                package and the samplewise views refuse them.
            flat_observation: whether observations are one row of P * F numbers.
            reward: a name, weights for names, or a function of a :class:`~data_select_gym.rewards.StepOutcome`, also
                as ``"module:function"``.
            warmup_epochs: the first epochs, trained on all data.
            anneal_fraction: share of the epochs, rounded up, trained on all data at the end, in [0, 1].
            schedule_fraction: share of the recipe that is run, its schedule compressed, in (0, 1].
            device: a torch device, or ``"auto"`` for a GPU if there is one.
            channels_last: whether images, and the weights of convolutions over them, lie channels last in memory.
            compile: whether the model's updates are compiled by ``torch.compile``; see
                :class:`~data_select_gym.training.RunConfig`.
            on_non_finite: what happens when the loss of a minibatch is not finite, or the norm of its gradient if the
                recipe limits that: ``"stop"`` raises a :class:`~data_select_gym.training.NonFiniteLossError`, with the
                model as it was before that minibatch; ``"skip"`` continues without it, its samples not kept.
            tensorboard_log: folder for TensorBoard curves, in which each run makes a folder ``run_<k>``.
            profile: whether each run also leaves a trace of ten of its steps in its folder, by ``torch.profiler``, for
                TensorBoard's profiler or https://ui.perfetto.dev. It takes some seconds.
            render_mode: ``"rgb_array"`` for a picture of the run, ``"ansi"`` for a line of text, None for nothing.
            regime: a data problem, such as ``"pair-noise:0.3"``; see ``data_select_gym.tasks.regimes``. ``"random"``
                draws one at every reset from all that apply, a mapping to weights or a list from those in it.
            regime_seed: draws what a fixed regime changes; it is independent of the seed of a run.
            off_target: a dataset for the regime ``off-target``, or ``"module:function"`` that returns one.
            task_options: arguments of the task, such as ``epochs`` or ``data_dir``; for classification also those of
                label noise, such as ``label_noise``, and of a long tail, such as ``imbalance_factor``, see
                :func:`~data_select_gym.tasks.variants.make_variant`.

        Raises:
            MissingArgument: ``task`` or an argument that it needs is missing; Gymnasium's error and a ``ValueError``.
            ValueError: an argument is out of its range or unknown, or ``profile`` without ``tensorboard_log``.
            TypeError: an argument is of the wrong type, the task takes no such option, or ``balance_classes`` for a
                task other than classification.
            FileNotFoundError: the task's data is not there.
        """
        passed = locals()
        given = {name: passed[name] for name in ARGUMENTS}
        if task_options.keys() & RENAMED:
            task_options = current_names(task_options)
            given |= {name: task_options.pop(name) for name in RENAMED.values() if name in task_options}
        super().__init__({"task": task} | given, task_options)
        if task is None:
            raise MissingArgument(
                "missing argument task: a name, 'module:function', a function that returns a Task, or a Task"
            )
        one_thread_if_forked()
        self._config = EnvConfig.of(**given)
        self._arguments["regime"] = self.config.regime  # a copy, which the caller cannot change
        self.render_mode = self.config.render_mode
        # A function that draws from global generators gives the same task each time, and they are left as they were.
        with RNGScope(0, torch.device("cpu")):
            try:
                base = make_task_for(tuple(signature(DataSelectEnv).parameters)[:-1], task, task_options)
            except MissingArgumentError as error:
                raise MissingArgument(str(error)) from None
            self.regimes = RegimeSource(base, regime, regime_seed, off_target)
            self._take_task(self.regimes.first_task())
        self.episode = self._new_episode()
        self._configure(self.config)
        self._form = FORMS[self.action](self.plan.pool_size)
        self.action_space = self._form.space
        self.observation_space = observation_space(
            self.features, self.plan.pool_size, self._embedding_dim(), flat=self.flat_observation
        )

    @torch.inference_mode(False)  # in which no model could be made or trained
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Build a new model and train the warm-up epochs; or resume from what :meth:`load_state_dict` was given.

        Args:
            seed: of all that is random in this and the following runs.
            options: ignored, as in Gymnasium's own environments.

        Raises:
            ValueError: what was given to :meth:`load_state_dict` does not fit.
            NonFiniteLossError: a loss is not finite, see ``on_non_finite``.
        """
        super().reset(seed=seed)
        one_thread_if_forked()
        with self._timed():
            state, self._pending = self._pending, None
            if state is not None:
                check_state(state, self.config.resume_settings())  # again: an argument may have been set since
            run_seed = int(self.np_random.integers(2**31)) if state is None else state["run"]["seed"]
            self._begin(run_seed, state, self.tensorboard_log)
            observation, info = self.episode.warm_up()
        info = numpy_scalars(info | ({} if self.regime is None else {"regime": self.regime}))
        with self._calling() as callbacks:
            callbacks.on_reset_end(self, info)
        return self._shown(observation), info

    @torch.inference_mode(False)
    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Train on what is kept.

        Args:
            action: ``(P,)``, a keep mask of zeros and ones or booleans, or non-negative loss weights, 0 for dropped;
                or of another form, if the environment was made so.

        Raises:
            ResetNeeded: there is no run, it is over, or an error ended it in its warm-up or at its last step.
            ValueError: the action is of another shape, or holds a value that is negative, not finite or not allowed by
                its form; or a custom reward does not fit, and then the pool has been trained on.
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

    def render(self) -> Any:
        """A picture, uint8 ``(H, W, 3)``, or a line of text of the run so far, as ``render_mode`` says."""
        if self.render_mode is None:
            gym.logger.warn("render() needs render_mode='rgb_array' or 'ansi' when the environment is made")
            return None
        from data_select_gym.envs.render import draw, render_ansi

        return draw(self) if self.render_mode == "rgb_array" else render_ansi(self)

    def _advance(
        self, weights: Tensor, action: Tensor, *, chosen: Tensor
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.episode.check_ready()
        with self._timed():
            observation, reward, info = self.episode.step(weights, action, chosen)
        info = numpy_scalars(info)
        with self._calling() as callbacks:
            callbacks.on_step_end(self, reward, info)
        return self._shown(observation), reward, self.run.done, False, info

    def _shown(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        return observation.reshape(-1) if self.flat_observation else observation

    def _remake(self, **arguments: Any) -> None:
        DataSelectEnv.__init__(self, **arguments)
