"""Training on one pool after another, and recording the signals of their samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from data_select_gym.ledger import Ledger
from data_select_gym.phase_timer import PhaseTimer
from data_select_gym.randomness import RNGScope
from data_select_gym.signals import Signals
from data_select_gym.tasks import Task
from data_select_gym.training.compute_scope import ComputeScope
from data_select_gym.training.config import RunConfig
from data_select_gym.training.costs import CostMeter
from data_select_gym.training.model import build_model
from data_select_gym.training.plan import LEAST_KEPT, Plan
from data_select_gym.training.pool_loader import PoolLoader
from data_select_gym.training.probe import Probe
from data_select_gym.training.record import StepRecord
from data_select_gym.training.seeds import Seeds
from data_select_gym.training.threads import most_threads
from data_select_gym.training.tokens import TokenCount
from data_select_gym.training.trainer import Trainer


class PoolTraining:
    """Trains a model on pools, and holds what that takes: loader, trainer, ledger, probe and counts.

    Attributes:
        loader: of the pools.
        computing: the block in which everything is computed.
        trainer: of the model.
        ledger: what is recorded of each training sample.
        costs: what was computed so far.
        timer: of the seconds.
        probe: of the validation set.
        visited: int64 ``(n,)`` on the device, which samples of the last pool were trained on.
    """

    def __init__(self, task: Task, plan: Plan, config: RunConfig, device: torch.device, seeds: Seeds) -> None:
        self.plan = plan
        self.config = config
        self.device = device
        randomness = RNGScope(seeds.weights, device)
        self.loader = PoolLoader(task, plan, config, device, seeds)
        with randomness:
            model, operations = build_model(task, config, device, self.loader.source)
        threads = most_threads(operations * self.loader.batch_size) if device.type == "cpu" else None
        self.computing = ComputeScope(randomness, threads)
        self.trainer = Trainer(model, task, plan, config, device, seeds)
        self.ledger = Ledger(
            plan.samples,
            device=device,
            embedding_dim=task.objective.embedding_dim(model) if "embedding" in config.record else 0,
            alignment=plan.alignment,
        )
        self.costs = CostMeter(plan, TokenCount.of(task, plan, seeds.pools))
        self.timer = PhaseTimer(device)
        self.probe = Probe(task, self.trainer, self.costs, self.computing, self.timer, seeds)
        self.visited = torch.empty(0, dtype=torch.int64, device=device)

    def read(self, number: int, *, fresh: bool = False) -> Signals:
        """The recorded signals of the pool ``number``, P rows on the device.

        Args:
            number: of the pool.
            fresh: whether to take an extra forward pass over it first, and record its signals.
        """
        rows = self.loader.pools.on(self.device, number)
        if fresh:
            with self.computing(), self.timer.phase("look"):
                signals = self.trainer.eval_forward(self.loader.whole(number), embed=self.config.embeds)
                signals = self._aligned(signals)
            with self.timer.phase("ledger"):
                self.ledger.record(rows, signals)
            self.costs.count_forwarded(self.loader.pools[number])
        with self.timer.phase("ledger"):
            return self.ledger.read(rows)

    def select(self, number: int, weights: Tensor) -> StepRecord:
        """Train on the kept samples of the pool ``number``; the record has no evaluations.

        Args:
            number: of the pool.
            weights: float ``(P,)`` on the host.
        """
        probe, recorded = self.probe, self.read(number)
        batch = probe.next_batch() if self.plan.validation_gain else None
        before = None if batch is None else probe.eval_forward(batch).loss.mean()
        kept, minibatches, trained, loss = self.train(number, weights)
        gain = None if batch is None or before is None else before - probe.eval_forward(batch).loss.mean()
        fresh = self.read(number) if minibatches else recorded
        return StepRecord(
            self.loader.pools[number], kept, minibatches, trained, recorded, fresh, loss, validation_gain=gain
        )

    def train(self, number: int, weights: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor, Tensor]:
        """Train on the pool ``number`` and record the signals of its forward passes.

        Args:
            number: of the pool.
            weights: float ``(P,)`` on the host.

        Returns:
            What was trained on, as :class:`StepRecord` has it: ``kept``, ``minibatches``, ``trained`` and
            ``train_loss``.
        """
        pool = self.loader.pools[number]
        kept = torch.zeros(len(weights), dtype=torch.bool)
        self.visited = torch.empty(0, dtype=torch.int64, device=self.device)
        nothing = kept, (), self.visited, torch.zeros((), dtype=torch.float32, device=self.device)
        positions = weights.nonzero().squeeze(1)
        if len(positions) < LEAST_KEPT:
            return nothing
        if self.plan.alignment and number < self.plan.anneal_start:
            self.probe.turn_to_next_batch()
        cut_up = self.loader.cut(number, positions)
        batches = self.timer.each("load", self.loader.batches(number, cut_up))
        with self.computing(), self.timer.phase("train"):
            minibatches, parts = self.trainer.train_pool(number, pool, cut_up, weights, batches)
        # Skipped minibatches and what minibatches were filled up with took as much as the others.
        self.costs.count_trained(pool[torch.cat(self.loader.used(cut_up))])
        if not parts:
            return nothing
        positions = torch.cat(minibatches)
        kept.index_fill_(0, positions, True)
        trained = positions.to(self.device, non_blocking=True)
        with self.timer.phase("signals"):
            fresh = self._aligned(Signals.concatenated(parts))
        self.visited = self.loader.pools.on(self.device, number).index_select(0, trained)
        with self.timer.phase("ledger"):
            self.ledger.record(self.visited, fresh, step=number)
        return kept, minibatches, trained, fresh.loss.mean()

    def _aligned(self, signals: Signals) -> Signals:
        return self.probe.aligned(signals) if self.plan.alignment else signals

    def close(self) -> None:
        """End the processes that read, if there are any."""
        self.loader.close()
        self.probe.close()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next pool depends on. Tensors are its own and not copies."""
        return {
            **self.trainer.state_dict(),
            **self.loader.state_dict(),
            **self.costs.state_dict(),
            "ledger": self.ledger.state_dict(),
            "probe": self.probe.state_dict(),
            "randomness": self.computing.randomness.state_dict(),
            "seconds": self.timer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from another one's state.

        Raises:
            Exception: it does not fit.
        """
        self.trainer.load_state_dict(state)
        self.ledger.load_state_dict(state["ledger"])
        self.loader.load_state_dict(state)
        self.probe.load_state_dict(state["probe"])
        self.computing.randomness.load_state_dict(state["randomness"])
        self.timer.load_state_dict(state["seconds"])
        self.costs.load_state_dict(state)
