"""One training of a model, pool by pool.

It knows nothing of reinforcement learning: a keep mask goes in, a record comes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from data_select_gym.arguments import check_count, check_kind
from data_select_gym.signals import Signals
from data_select_gym.tasks import Task
from data_select_gym.training.callbacks import CallbackList, RunCallback
from data_select_gym.training.checkpoint_state import State, StateError, check_same, upgraded
from data_select_gym.training.config import RunConfig
from data_select_gym.training.device import choose_device
from data_select_gym.training.evaluator import Evaluation, Evaluator
from data_select_gym.training.loss_weights import check_weights
from data_select_gym.training.old_names import old_attribute, take_old_keywords
from data_select_gym.training.plan import DEFAULTS, Plan
from data_select_gym.training.pool_training import PoolTraining
from data_select_gym.training.record import StepRecord
from data_select_gym.training.seeds import Seeds
from data_select_gym.training.status import RunStatus


class TrainingRun(RunStatus):
    """One run from initial weights to the end of the recipe.

    Example:
        >>> from data_select_gym.tasks import make_task
        >>> run = TrainingRun(make_task("digits", epochs=3), seed=0)
        >>> run.warm_up()
        >>> while not run.done:
        ...     loss = run.ledger.read(run.pool).loss
        ...     record = run.step(loss >= loss.median())
        >>> round(run.cost, 2)
        0.84

    Attributes:
        task: what is trained.
        config: how it is trained.
        plan: the counts of the run.
        seed: of initial weights, pools, minibatches, augmentation and dropout.
        device: where the model, the ledger and resident data live.
        callbacks: are called as the run goes.
        model: that is trained.
        trainer: of the model, with its optimizer.
        ledger: what is recorded of each training sample.
        loader: of the pools.
        probe: of the validation set, for extra forward passes.
        costs: what was computed so far.
        evaluator: of the model.
        evaluations: all so far, in order.
        pool_number: how many pools have been trained on.
        timer: of the run's seconds.
        computing: ``with run.computing():`` computes as the run does, with its random streams and threads.
    """

    def __init__(
        self,
        task: Task,
        config: RunConfig = DEFAULTS,
        *,
        seed: int,
        plan: Plan | None = None,
        callbacks: Iterable[RunCallback] = (),
        **old: Any,
    ) -> None:
        """Build the model with fresh weights. Nothing is trained yet.

        Args:
            task: what is trained.
            config: how.
            seed: a whole number of at least 0.
            plan: the plan of ``task`` and ``config``, if it is already made.
            callbacks: are called as the run goes, in this order.
            old: settings as in version 0.1, which still work for one release; each gives a ``DeprecationWarning``.

        Raises:
            ValueError: a value is out of its range, or the model's output does not fit the objective;
                ``channels_last`` for a model without convolutions over images, or ``compile`` without a compiler.
            TypeError: an argument is of the wrong type.
        """
        self.task = check_kind("task", task, Task)
        self.seed = check_count("seed", seed, least=0)
        self.callbacks = CallbackList(callbacks)
        config = check_kind("config", config, RunConfig)
        if old:
            config, more = take_old_keywords(config, old)
            self.callbacks += more
        self.config = config
        self.plan = Plan.of(task, config) if plan is None else check_kind("plan", plan, Plan)
        self.device = choose_device(config.device)
        seeds = Seeds.of(self.seed)
        self._training = training = PoolTraining(task, self.plan, config, self.device, seeds)
        self.loader, self.trainer, self.probe = training.loader, training.trainer, training.probe
        self.ledger, self.costs, self.timer = training.ledger, training.costs, training.timer
        self.computing = training.computing
        self.model = self.trainer.model
        self.evaluator = Evaluator(self.model, task, self.plan, self.device, seed=seeds.evaluation)
        self.evaluations: list[Evaluation] = []
        self.pool_number = 0
        self._begun = False

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return old_attribute(self, name)

    @property
    def visited(self) -> Tensor:
        """Which samples of the last pool were trained on, int64 ``(n,)`` on the run's device."""
        return self._training.visited

    @property
    def skipped(self) -> int:
        """Minibatches so far whose loss was not finite, by which the model was not updated."""
        return self.trainer.non_finite.skipped

    def warm_up(self) -> None:
        """Train the warm-up epochs in full, so that the ledger is filled.

        Raises:
            RuntimeError: the run has begun already.
            NonFiniteLossError: a loss is not finite, and the run stops at that.
        """
        if self.pool_number:
            raise RuntimeError("warm_up() comes first, and this run has begun already")
        self.go_on_warming_up()

    def go_on_warming_up(self) -> None:
        """Train what is left of the warm-up epochs in full."""
        with self.timer.phase("bookkeeping"):
            while self.pool_number < self.plan.warmup_pools:
                self._train_full_pool()

    def read_pool(self, *, fresh: bool = False) -> Signals:
        """The recorded signals of the pool now shown, P rows on the device.

        Args:
            fresh: whether to take an extra forward pass over the pool first, in evaluation mode and without
                augmentation. It is recorded, and counted in the cost.
        """
        return self._training.read(self._shown, fresh=fresh)

    def close(self) -> None:
        """End the processes that read data, if there are any. The end of the run does so too."""
        self._training.close()

    def step(self, weights: Tensor) -> StepRecord:
        """Train on the kept samples of the pool, and then on the annealing epochs in full if they are reached.

        Args:
            weights: as for :meth:`select`.

        Raises:
            RuntimeError: the run is over, or has not been warmed up.
            ValueError: ``weights`` has another shape, or a value that is negative or not finite.
            NonFiniteLossError: a loss is not finite, and the run stops at that.
        """
        evaluated = len(self.evaluations)
        record = self.select(weights)
        self.anneal()
        return replace(record, evaluations=tuple(self.evaluations[evaluated:]))

    def anneal(self) -> None:
        """Train what is left of the annealing epochs in full, if they are reached."""
        if self.pool_number >= self.plan.anneal_start:
            with self.timer.phase("bookkeeping"):
                while not self.done:
                    self._train_full_pool()

    def select(self, weights: Tensor) -> StepRecord:
        """Train on the kept samples of the pool, and nothing else; :meth:`anneal` comes after it.

        Args:
            weights: ``(P,)``, bool (a keep mask) or non-negative loss weights, 0 for dropped.

        Raises:
            RuntimeError: the run is over, or has not been warmed up.
            ValueError: ``weights`` has another shape, or a value that is negative or not finite.
            NonFiniteLossError: a loss is not finite, and the run stops at that.
        """
        if self.done:
            raise RuntimeError("step() was called on a run that is over")
        if self.pool_number < self.plan.warmup_pools:
            raise RuntimeError("step() was called before warm_up()")
        if self.pool_number >= self.plan.anneal_start:
            raise RuntimeError("select() was called in the annealing epochs; call anneal()")
        with self.timer.phase("bookkeeping"):
            return self._select(check_weights(weights, self.plan.pool_size))

    def _select(self, weights: Tensor) -> StepRecord:
        self._begin()
        record, evaluated = self._training.select(self.pool_number, weights), len(self.evaluations)
        self._advance()
        record = replace(record, evaluations=tuple(self.evaluations[evaluated:]))
        self._end_pool(record)
        return record

    def _train_full_pool(self) -> None:
        self._begin()
        self._training.train(self.pool_number, torch.ones(self.plan.pool_size, dtype=torch.float32))
        self._advance()
        self._end_pool(None)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self.callbacks.on_run_begin(self)

    def _advance(self) -> None:
        self.pool_number += 1
        if self.done or self.pool_number % self.plan.pools_per_epoch == 0:
            with self.computing(), self.timer.phase("evaluate"):
                self.evaluations.append(self.evaluator.evaluate(self.pool_number, self.cost))
            self.callbacks.on_evaluation(self, self.evaluations[-1])
        if self.done:
            self.close()
            self.timer.stop()

    def _end_pool(self, record: StepRecord | None) -> None:
        self.callbacks.on_pool_end(self, record)
        if self.done:
            self.callbacks.on_run_end(self)

    def state_dict(self) -> State:
        """Everything that the run goes on from, between two pools: tensors, numbers, texts and nestings of these.

        Tensors are the run's own: write them before it goes on.
        """
        return {
            **self._settings(),
            "pool_number": self.pool_number,
            "evaluations": [asdict(evaluation) for evaluation in self.evaluations],
            **self._training.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from another run's state, on a CPU to the bit.

        Args:
            state: of a run of the same task, seed and plan, with the same settings.

        Raises:
            StateError: it is of another task, seed or plan, or does not fit.
        """
        state = upgraded(state)
        check_same(state, self._settings(), "this run")
        try:
            self._training.load_state_dict(state)
            self.evaluations[:] = [Evaluation.of_state(values) for values in state["evaluations"]]
            self.pool_number = check_count("pool_number", state["pool_number"], least=0, most=self.plan.total_pools)
        # Whatever stands where numbers and tensors should.
        except Exception as error:
            raise StateError(f"the checkpoint does not fit this run: {error}") from error
        if self.done:
            self.timer.stop()

    def _settings(self) -> State:
        """What must be the same for a run to go on."""
        return {
            "task": self.task.name,
            "seed": self.seed,
            "plan": asdict(self.plan),
            "batch_size": self.task.recipe.batch_size,
            "label_digest": self.task.label_digest,
        }
