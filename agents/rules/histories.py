"""Rules that keep a history of their own of every sample."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from data_select_gym.agents.rules.rule import Candidates, Rule, unseen_if_diverged
from data_select_gym.arguments import check_least, check_share
from data_select_gym.envs import DataSelectEnv
from data_select_gym.seconds import OUTSIDE
from data_select_gym.selection import best_count, kept_count
from data_select_gym.signals import Signals
from data_select_gym.training import TrainingRun
from data_select_gym.training.state import State

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


class EpsilonGreedy(HistoryRule):
    """The highest moving average of the loss, but a share epsilon of the budget at random (arXiv 2111.12621).

    s <- (1 - alpha) s + alpha l whenever a sample was trained on. The paper leaves alpha and epsilon open.
    """

    def __init__(self, epsilon: float = 0.1, alpha: float = 0.3) -> None:
        """Make the rule.

        Args:
            epsilon: share of the kept that is drawn at random, in [0, 1].
            alpha: weight of the newest loss, in (0, 1].

        Raises:
            ValueError: one is out of its range.
        """
        self.epsilon = check_share("epsilon", epsilon, zero=True)
        self.alpha = check_share("alpha", alpha)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.average = torch.full((samples,), UNSEEN, dtype=torch.float32, device=device)

    def remember(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        """See :meth:`HistoryRule.remember`."""
        before, loss = self.average[indices], signals.loss
        moved = torch.where(before.isinf(), loss, (1 - self.alpha) * before + self.alpha * loss)
        self.average[indices] = unseen_if_diverged(torch.where(trained, moved, before))

    def judge(self, candidates: Candidates) -> Tensor:
        """See :meth:`HistoryRule.judge`."""
        scores = self.average[candidates.indices]
        kept = kept_count(len(scores), candidates.keep_ratio)
        greedy = best_count(scores, kept - round(self.epsilon * kept), candidates.labels)
        return candidates.best(greedy + candidates.random())


class UCB(HistoryRule):
    """The highest upper confidence bound m + c v of the loss (arXiv 2111.12621).

    v <- (1 - alpha) v + alpha (l - m)^2 and then m <- (1 - alpha) m + alpha l whenever a sample was trained on. The
    paper leaves alpha and c open.
    """

    def __init__(self, c: float = 1.0, alpha: float = 0.3) -> None:
        """Make the rule.

        Args:
            c: weight of the variance, at least 0.
            alpha: weight of the newest loss, in (0, 1].

        Raises:
            ValueError: one is out of its range.
        """
        self.c = check_least("c", c, 0)
        self.alpha = check_share("alpha", alpha)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.mean = torch.full((samples,), UNSEEN, dtype=torch.float32, device=device)
        self.variance = torch.zeros(samples, dtype=torch.float32, device=device)

    def remember(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        """See :meth:`HistoryRule.remember`."""
        mean, variance, loss = self.mean[indices], self.variance[indices], signals.loss
        first = mean.isinf()
        new_variance = torch.where(first, 0.0, (1 - self.alpha) * variance + self.alpha * (loss - mean).square())
        new_mean = torch.where(first, loss, (1 - self.alpha) * mean + self.alpha * loss)
        self.mean[indices] = unseen_if_diverged(torch.where(trained, new_mean, mean))
        self.variance[indices] = torch.where(trained & new_variance.isfinite(), new_variance, variance)

    def judge(self, candidates: Candidates) -> Tensor:
        """See :meth:`HistoryRule.judge`."""
        rows = candidates.indices
        return candidates.best(self.mean[rows] + self.c * self.variance[rows])


class ScoredEarly(HistoryRule):
    """Scores samples early in the run, while a random share is kept, and then keeps those that score highest."""

    def __init__(self, early: float = 0.25) -> None:
        """Make the rule.

        Args:
            early: share of the run in which a random share is kept, in [0, 1].

        Raises:
            ValueError: ``early`` is out of its range.
        """
        self.early = check_share("early", early, zero=True)

    def judge(self, candidates: Candidates) -> Tensor:
        """See :meth:`HistoryRule.judge`."""
        scores = self.score(candidates)
        chosen_by = candidates.random() if candidates.progress < self.early else scores
        return candidates.best(chosen_by)

    @abstractmethod
    def score(self, candidates: Candidates) -> Tensor:
        """Scores by the history, float ``(P,)``."""


class EL2N(ScoredEarly):
    """The highest norm of prediction minus label, averaged over the early part of the run (arXiv 2107.07075).

    The paper averages over ten networks at one early epoch; here it is over the visits of one network.
    """

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.total = torch.zeros(samples, dtype=torch.float32, device=device)
        self.count = torch.zeros(samples, dtype=torch.float32, device=device)

    def remember(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        """See :meth:`HistoryRule.remember`."""
        counted = trained & ((progress < self.early) | (self.count[indices] == 0))
        self.total[indices] += torch.where(counted, signals.el2n.nan_to_num(nan=0.0), 0.0)
        self.count[indices] += counted

    def score(self, candidates: Candidates) -> Tensor:
        """See :meth:`ScoredEarly.score`."""
        rows = candidates.indices
        return torch.where(self.count[rows] > 0, self.total[rows] / self.count[rows].clamp_min(1), UNSEEN)


class Forgetting(ScoredEarly):
    """The most often forgotten: correct at one visit, wrong at the next; never correct is most (arXiv 1812.05159).

    The paper counts over a whole training first; here it is over the visits so far. Ties are broken at random.
    """

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.forgotten = torch.zeros(samples, dtype=torch.float32, device=device)
        self.was_correct = torch.zeros(samples, dtype=torch.bool, device=device)
        self.ever_correct = torch.zeros(samples, dtype=torch.bool, device=device)

    def remember(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        """See :meth:`HistoryRule.remember`."""
        was, correct = self.was_correct[indices], signals.correct
        self.forgotten[indices] += trained & was & ~correct
        self.was_correct[indices] = torch.where(trained, correct, was)
        self.ever_correct[indices] |= trained & correct

    def score(self, candidates: Candidates) -> Tensor:
        """See :meth:`ScoredEarly.score`."""
        rows = candidates.indices
        events = torch.where(self.ever_correct[rows], self.forgotten[rows], UNSEEN)
        return events + candidates.random()
