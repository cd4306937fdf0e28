"""One training of a model, pool by pool.

It knows nothing of reinforcement learning: a keep mask goes in, a record comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from data_select_gym.arguments import check_count, check_kind
from data_select_gym.ledger import Ledger
from data_select_gym.randomness import RNGScope
from data_select_gym.seconds import PhaseTimer
from data_select_gym.signals import Signals, alignment
from data_select_gym.tasks import Task, make_loader
from data_select_gym.tasks.data import lengths_of
from data_select_gym.tasks.objectives import has_classes
from data_select_gym.training.callbacks import RunCallback
from data_select_gym.training.config import RunConfig
from data_select_gym.training.device import choose_device
from data_select_gym.training.evaluation import Evaluation, evaluate
from data_select_gym.training.layout import use_channels_last
from data_select_gym.training.old_keywords import take_old_keywords
from data_select_gym.training.plan import FORWARD_COST, LEAST_KEPT, Plan
from data_select_gym.training.pools import Minibatches, Pools, fill
from data_select_gym.training.probe import Probe
from data_select_gym.training.record import StepRecord
from data_select_gym.training.returned import losses_and_signals, make_model, sample_classes
from data_select_gym.training.threads import at_most, most_threads
from data_select_gym.training.tokens import TokenCount
from data_select_gym.training.trainer import Trainer
from data_select_gym.training.updates import update
from data_select_gym.training.weights import check_weights

DEFAULTS = RunConfig()


class TrainingRun:
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
        seed: of initial weights, pools, minibatches, augmentation and dropout.
        config: how it is trained.
        plan: the counts of the run.
        callbacks: are called as the run goes.
        device: where the model, the ledger and resident data live.
        batch_size: samples in a minibatch: the recipe's, or the pool's size if that is smaller.
        threads: at most so many compute on the CPU, by the size of the model; None for as many as torch has.
        evaluation_seed: of what a dataset draws in worker processes for evaluations, beside the number of the pool.
        model: the model being trained.
        ledger: what is recorded of each training sample.
        pool_number: how many pools have been trained on.
        visited: int64 ``(n,)`` on the run's device, which samples of the last pool were trained on.
        evaluations: all so far, in order.
        tokens: the same as ``trained`` and ``forwarded`` in tokens; None where the samples have no lengths.
        skipped: minibatches so far whose loss was not finite, by which the model was not updated.
        timer: of the run's seconds.
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
        self.callbacks = [check_kind("callbacks", callback, RunCallback) for callback in callbacks]
        if old:
            config, more = take_old_keywords(config, old)
            self.callbacks += more
        self.config = check_kind("config", config, RunConfig)
        self.plan = Plan.of(task, self.config) if plan is None else check_kind("plan", plan, Plan)
        self.device = choose_device(config.device)
        seeds = np.random.SeedSequence(self.seed).generate_state(8).tolist()
        weights_seed, pool_seed, order_seed, augment_seed, probe_seed, *reading_seeds = seeds
        self.evaluation_seed = reading_seeds[2]
        self.randomness = RNGScope(weights_seed, self.device)
        self.source = make_loader(task.train, self.device, task.loading, seed=reading_seeds[0])
        with self.randomness:
            self.model = make_model(task.make_model).to(self.device)
            if config.channels_last:
                use_channels_last(self.model)
            operations = self._check_fit()
        self.batch_size = min(task.recipe.batch_size, self.plan.pool_size)
        self.threads = most_threads(operations * self.batch_size) if self.device.type == "cpu" else None
        self.trainer = Trainer(
            self.model, task.objective, task.recipe, augment_seed, self.device, compile=config.compile
        )
        self.ledger = Ledger(
            self.plan.samples,
            device=self.device,
            embedding_dim=task.objective.embedding_dim(self.model) if "embedding" in config.record else 0,
            alignment=self.plan.alignment,
        )
        self.probe = Probe(task, self.plan.pool_size, probe_seed, self.device, reading_seed=reading_seeds[1])
        self.pools = Pools(self.plan, pool_seed)
        self.minibatches = Minibatches(self.batch_size, lengths_of(task.train), order_seed, filled=config.compile)
        self.pool_number = 0
        self.visited = torch.empty(0, dtype=torch.int64, device=self.device)
        self.trained = 0
        self.forwarded = 0
        self.tokens = TokenCount.of(task, self.plan, pool_seed)
        self.skipped = 0
        self.evaluations: list[Evaluation] = []
        self.timer = PhaseTimer(self.device)
        self._begun = False

    @property
    def pool(self) -> Tensor:
        """Indices of the candidates now shown, int64 ``(P,)`` on the host; the last ones when the run is over."""
        return self.pools[min(self.pool_number, self.plan.total_pools - 1)]

    @property
    def rows(self) -> Tensor:
        """The same as :attr:`pool`, on the run's device."""
        return self.pools.on(self.device, min(self.pool_number, self.plan.total_pools - 1))

    @property
    def done(self) -> bool:
        """Whether the recipe is completed."""
        return self.pool_number >= self.plan.total_pools

    @property
    def epoch(self) -> int:
        """Number of the epoch of the pool now shown, from 0."""
        return self.pool_number // self.plan.pools_per_epoch

    @property
    def progress(self) -> float:
        """Candidates shown over those of the whole run, in [0, 1]."""
        return self.pool_number / self.plan.total_pools

    @property
    def cost(self) -> float:
        """Samples trained on, and a third of those only passed forward, over those that a full-data run trains on."""
        return (self.trained + FORWARD_COST * self.forwarded) / (self.plan.full_pools * self.plan.pool_size)

    @property
    def token_cost(self) -> float | None:
        """The same in tokens, of which a sample has as many as its length says; None where there are no lengths.

        Those that fill a batch do not count. It is also None after a state of a version that did not count them.
        """
        return None if self.tokens is None else self.tokens.cost

    @property
    def validation(self) -> float:
        """The objective's quality on the validation set at the last evaluation, the end of an epoch: to choose by.

        Raises:
            RuntimeError: there was no evaluation yet.
        """
        if not self.evaluations:
            raise RuntimeError("validation is known after an epoch, and none of this run is over")
        return self.evaluations[-1].validation[self.task.objective.primary_metric]

    @property
    def quality(self) -> float:
        """The objective's quality on the test set, or the validation set if there is none, at the end of the run.

        It is for what is told in the end: settings, agents and policies are chosen by :attr:`validation`.

        Raises:
            RuntimeError: the run is not over.
        """
        if not self.done:
            raise RuntimeError("quality is known at the end of the run, and this run is not over")
        last = self.evaluations[-1]
        return (last.validation | last.test)[self.task.objective.primary_metric]

    @property
    def seconds_by_part(self) -> dict[str, float]:
        """Seconds since the run was made, by part; see :data:`~data_select_gym.seconds.PHASES`.

        What is outside this class and the environment, up to the end of the run, is the policy's. A GPU is waited for.
        """
        return self.timer.read()

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
            fresh: whether to run the model over the pool first (in evaluation mode, without augmentation); it is
                recorded and counted in the cost.
        """
        rows = self.rows
        if fresh:
            with self.computing(), self.timer.phase("look"):
                batches = self.source.batches(list(torch.split(self.pool, self.task.recipe.batch_size)))
                signals = self._aligned(self.trainer.look(batches, embed=self.config.embeds))
            with self.timer.phase("ledger"):
                self.ledger.record(rows, signals)
            self._count_forwarded(self.pool, None if self.tokens is None else self.tokens.lengths)
        with self.timer.phase("ledger"):
            return self.ledger.read(rows)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Within the block global generators are the run's own, and torch has as many threads as pay for its model."""
        with at_most(self.threads), self.randomness:
            yield

    def close(self) -> None:
        """End the processes that read its data, if there are any; the end of the run does so too."""
        self.source.close()
        self.probe.source.close()

    def charge(
        self,
        *,
        trained: int = 0,
        forwarded: int = 0,
        trained_tokens: int | None = None,
        forwarded_tokens: int | None = None,
    ) -> None:
        """Count in the cost what was done for the run's sake beside it.

        Args:
            trained: samples trained on.
            forwarded: samples passed forward only.
            trained_tokens: tokens of the former; those of as many training samples of mean length if None.
            forwarded_tokens: tokens of the latter; the same.
        """
        self.trained += trained
        self.forwarded += forwarded
        if self.tokens is not None:
            self.tokens.trained += self.tokens.usual(trained) if trained_tokens is None else trained_tokens
            self.tokens.forwarded += self.tokens.usual(forwarded) if forwarded_tokens is None else forwarded_tokens

    def step(self, weights: Tensor) -> StepRecord:
        """Train on the kept samples of the pool; then on the annealing epochs in full, if they are reached.

        Args:
            weights: see :meth:`select`.

        Raises:
            RuntimeError: see there.
            ValueError: see there.
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
            ValueError: ``weights`` is of another shape, or has a value that is negative or not finite.
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
        evaluated = len(self.evaluations)
        indices, recorded = self.pool, self.read_pool()
        batch = self.probe.next_batch() if self.plan.validation_gain else None
        before = None if batch is None else self._probe(batch).loss.mean()
        kept, minibatches, trained, loss = self._train(weights)
        gain = None if batch is None or before is None else before - self._probe(batch).loss.mean()
        fresh = self.read_pool() if minibatches else recorded
        self._advance()
        evaluations = tuple(self.evaluations[evaluated:])
        record = StepRecord(indices, kept, minibatches, trained, recorded, fresh, loss, evaluations, gain)
        self._end_pool(record)
        return record

    def _train_full_pool(self) -> None:
        self._begin()
        self._train(torch.ones(self.plan.pool_size, dtype=torch.float32))
        self._advance()
        self._end_pool(None)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            for callback in self.callbacks:
                callback.on_run_begin(self)

    def _end_pool(self, record: StepRecord | None) -> None:
        for callback in self.callbacks:
            callback.on_pool_end(self, record)
        if self.done:
            for callback in self.callbacks:
                callback.on_run_end(self)

    def _train(self, weights: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor, Tensor]:
        """Train on the pool now shown; returns what was trained on as :class:`StepRecord` has it, and the mean loss."""
        kept = torch.zeros(len(weights), dtype=torch.bool)
        self.visited = torch.empty(0, dtype=torch.int64, device=self.device)
        nothing = kept, (), self.visited, torch.zeros((), dtype=torch.float32, device=self.device)
        positions = weights.nonzero().squeeze(1)
        if len(positions) < LEAST_KEPT:
            return nothing
        if self.plan.alignment and self.pool_number < self.plan.anneal_start:
            self._turn_probe()
        cut_up = self.minibatches.of(self.pool, positions)
        minibatches, parts = update(self, cut_up, weights)
        # Also what was skipped, and what minibatches were filled up with, which took as much.
        used = torch.cat([fill(part, self.batch_size) for part in cut_up]) if self.config.compile else positions
        self.trained += len(used)
        if self.tokens is not None:
            self.tokens.trained += int(self.tokens.lengths[self.pool[used]].sum())
        if not parts:
            return nothing
        positions = torch.cat(minibatches)
        kept.index_fill_(0, positions, True)
        trained = positions.to(self.device, non_blocking=True)
        with self.timer.phase("signals"):
            fresh = self._aligned(Signals.concatenated(parts))
        self.visited = self.rows.index_select(0, trained)
        with self.timer.phase("ledger"):
            self.ledger.record(self.visited, fresh, step=self.pool_number)
        return kept, minibatches, trained, fresh.loss.mean()

    def _probe(self, batch: Tensor, *, embed: bool = False) -> Signals:
        with self.computing(), self.timer.phase("look"):
            signals = self.probe.look(self.trainer, batch, embed=embed)
        self._count_forwarded(batch, None if self.tokens is None else self.tokens.validation)
        return signals

    def _count_forwarded(self, samples: Tensor, lengths: Tensor | None) -> None:
        self.forwarded += len(samples)
        if self.tokens is not None and lengths is not None:
            self.tokens.forwarded += int(lengths[samples].sum())

    def _turn_probe(self) -> Tensor:
        return self.probe.turn(self._probe(self.probe.next_batch(), embed=True))

    def _aligned(self, signals: Signals) -> Signals:
        if not self.plan.alignment:
            return signals
        gradient = self._turn_probe() if self.probe.gradient is None else self.probe.gradient
        return replace(signals, alignment=alignment(signals, gradient))

    def _advance(self) -> None:
        self.pool_number += 1
        if self.done or self.pool_number % self.plan.pools_per_epoch == 0:
            with self.computing(), self.timer.phase("evaluate"):
                self.evaluations.append(evaluate(self))
            for callback in self.callbacks:
                callback.on_evaluation(self, self.evaluations[-1])
        if self.done:
            self.close()
            self.timer.stop()

    def _check_fit(self) -> float:
        """See that the model fits the objective; returns the floating-point operations of a sample's forward pass."""
        first = torch.arange(min(2, self.plan.samples))
        self.model.eval()
        # Closed, since nobody else can do it if there comes to be no run; with gradients, since what transformers are
        # computed by without them is not counted.
        with closing(self.source) as source, torch.enable_grad(), FlopCounterMode(display=False) as counted:
            for inputs, targets in source.batches([first]):
                given = self.task.objective(self.model, inputs, targets, embed=self.config.embeds)
                losses_and_signals(self.task.objective, given, len(first))
                if has_classes(self.task.objective):
                    sample_classes(self.task.objective, self.task.objective.classes(targets), len(first))
        # What is not counted, such as recurrent layers, has two for each weight at least.
        weights = sum(weight.numel() for weight in self.model.parameters())
        return float(max(counted.get_total_flops() / len(first), 2 * weights))
