"""Rules that keep a history of their own of every sample."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.envs import DataSelectEnv
from data_select_gym.seconds import OUTSIDE
from data_select_gym.signals import Signals
from data_select_gym.training import TrainingRun
from data_select_gym.training.checkpoint_state import State

# What a sample that was never trained on scores: it comes first.
UNSEEN = torch.inf


class HistoryRule(Rule):
    """Remembers something of every sample, brought up to date whenever it is trained on.

    In a run that it plays it hears of each pool when it has been trained on, those of the warm-up and annealing epochs
    included. A training loop of one's own tells it by :meth:`hear`; what it has not heard of by the time a sample is
    shown again, it takes for a single visit at that time.
    """

    _begun_for: TrainingRun | None = None

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.seen = torch.zeros(samples, dtype=torch.int32, device=device)

    def run(self, env: DataSelectEnv, seed: int) -> None:
        """See :meth:`~data_select_gym.agents.Policy.run`."""
        tell, self._begun_for = env.on_pool, None

        def on_pool(run: TrainingRun) -> None:
            with run.timer.phase(OUTSIDE):
                self._begin(env)
                rows, shown_at = run.visited, (run.pool_number - 1) / run.plan.total_pools
                self.hear(rows, run.ledger.visits[rows], run.ledger.read(rows), shown_at)
            if tell is not None:
                tell(run)

        env.on_pool = on_pool
        try:
            super().run(env, seed)
        finally:
            env.on_pool = tell

    def _begin(self, env: DataSelectEnv) -> None:
        # With the first pool of a run, or before its first step if that comes first.
        if self._begun_for is not env.run:
            self._begun_for = env.run
            super()._begin(env)

    def state_while_unasked(self) -> State:
        """See :meth:`~data_select_gym.agents.Policy.state_while_unasked`."""
        return self.state()

    def hear(self, indices: Tensor, visits: Tensor, signals: Signals, progress: float) -> None:
        """Bring the history up to date with those samples that were trained on since it last heard of them.

        Args:
            indices: int64 ``(n,)``, which samples, on the signals' device.
            visits: int32 ``(n,)``, how often each was trained on, on the signals' device.
            signals: of the last time that each was trained on, n rows.
            progress: share of the run that was over when they were shown, in [0, 1].
        """
        trained = visits > self.seen[indices]
        self.seen[indices] = visits
        self.remember(indices, trained, signals, progress)

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        self.hear(candidates.indices, candidates.visits, candidates.signals, candidates.progress)
        return self.judge(candidates)

    @abstractmethod
    def remember(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        """Update the history where ``trained``, bool ``(n,)``; the other arguments are those of :meth:`hear`."""

    @abstractmethod
    def judge(self, candidates: Candidates) -> Tensor:
        """Choose by the history, as :meth:`Rule.choose` does."""
