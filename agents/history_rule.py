"""The base of the rules that keep a history of every sample."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.deprecation import call_renamed, rename_members
from data_select_gym.envs import DataSelectEnv
from data_select_gym.phase_timer import OUTSIDE
from data_select_gym.signals import Signals
from data_select_gym.training import RunCallback, StepRecord, TrainingRun
from data_select_gym.training.callbacks import Run
from data_select_gym.training.checkpoint_state import State

# What a sample that was never trained on scores: it comes first.
UNSEEN = torch.inf

# Names of version 0.1, of which a subclass may have defined some.
RENAMED = {"hear": "update", "remember": "update_history"}


class HistoryRule(Rule):
    """Base of the rules that keep a history of every sample, which is updated whenever the sample is trained on.

    A subclass has :meth:`update_history` and :meth:`score`. In a run of :meth:`run` the history is updated after each
    pool, in the warm-up and annealing epochs too. A custom training loop calls :meth:`update`. If it does not, a sample
    counts as trained on once when it is next shown.
    """

    _begun_for: TrainingRun | None = None

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.seen = torch.zeros(samples, dtype=torch.int32, device=device)

    def run(self, env: DataSelectEnv, seed: int) -> None:
        self._begun_for = None
        # First, so that the other callbacks see the history with the pool.
        with env.listened_to_by([_TrainedSamples(self, env)], first=True):
            super().run(env, seed)

    def _begin(self, env: DataSelectEnv) -> None:
        # With the first pool of a run, or before its first step if that comes first.
        if self._begun_for is not env.run:
            self._begun_for = env.run
            super()._begin(env)

    def idle_state_dict(self) -> State:
        return self.state_dict()

    def update(self, indices: Tensor, visits: Tensor, signals: Signals, progress: float) -> None:
        """Update the history of those samples that were trained on since their last update.

        Args:
            indices: int64 ``(n,)``, which samples, on the signals' device.
            visits: int32 ``(n,)``, how often each was trained on, on the signals' device.
            signals: of the last time that each was trained on, n rows.
            progress: share of the run that was over when they were shown, in [0, 1].
        """
        trained = visits > self.seen[indices]
        self.seen[indices] = visits
        self.update_history(indices, trained, signals, progress)

    def choose(self, candidates: Candidates) -> Tensor:
        self.update(candidates.indices, candidates.visits, candidates.signals, candidates.progress)
        return candidates.best(self.score(candidates))

    @abstractmethod
    def update_history(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        """Update the history where ``trained``, bool ``(n,)``; the other arguments are those of :meth:`update`."""

    @abstractmethod
    def score(self, candidates: Candidates) -> Tensor:
        """Scores by the history, float ``(P,)`` without NaN; the share with the highest is kept."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        rename_members(cls, RENAMED)
        bodies = map(vars, cls.__mro__)
        if "choose" not in next(body for body in bodies if "judge" in body or "choose" in body):
            # It gave a mask where score() gives scores.
            rename_members(cls, {"judge": "score"})
            cls.choose = _choose_by_judge  # type: ignore[method-assign]

    def judge(self, candidates: Candidates) -> Tensor:
        """Choose by :meth:`score`, with a warning."""
        return candidates.best(call_renamed(HistoryRule, self, "judge", "score", candidates))


rename_members(HistoryRule, RENAMED)


def _choose_by_judge(self: HistoryRule, candidates: Candidates) -> Tensor:
    self.update(candidates.indices, candidates.visits, candidates.signals, candidates.progress)
    return self.judge(candidates)


class _TrainedSamples(RunCallback):
    """Updates a rule after each pool."""

    def __init__(self, rule: HistoryRule, env: DataSelectEnv) -> None:
        self.rule = rule
        self.env = env

    def on_pool_end(self, run: Run, record: StepRecord | None) -> None:
        with run.timer.phase(OUTSIDE):
            self.rule._begin(self.env)
            rows, shown_at = run.visited, (run.pool_number - 1) / run.plan.total_pools
            self.rule.update(rows, run.ledger.visits[rows], run.ledger.read(rows), shown_at)
