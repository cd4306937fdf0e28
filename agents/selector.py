"""A policy in a custom training loop."""

from __future__ import annotations

import warnings
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_select_gym.agents.budget import LAST_STEPS, BudgetWarning, off_budget
from data_select_gym.agents.factory import make_policy
from data_select_gym.agents.history_rule import HistoryRule
from data_select_gym.agents.learned.frozen import FrozenPolicy
from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.arguments import check_count, check_kind, check_share
from data_select_gym.deprecation import warn_renamed
from data_select_gym.envs.arrays import numeric
from data_select_gym.envs.features import DEFAULT_FEATURES, check_features, observe
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.ledger import Ledger
from data_select_gym.rewards import Price


class Selector:
    """Asks a policy what to train on, in a training loop without an environment.

    The loop cuts each epoch's shuffle into pools and trains on what is chosen of each. It records the signals of what
    it trained on in its ledger, with the step, and then calls :meth:`update`. Policies that read observations see what
    they would see in the environment. Train the first epoch in full, so that every sample is on record.

    Example:
        >>> ledger = Ledger(1000)
        >>> selector = Selector("top-loss", ledger, keep_ratio=0.5, epochs=10, pools_per_epoch=10)
        >>> int(selector.choose(torch.arange(100), step=10).sum())
        50

    A :class:`~data_select_gym.agents.BudgetWarning` is given once if a model that keeps or drops has a share kept over
    its last ten choices that is off the keep ratio by more than a fifth of it.

    Attributes:
        policy: that chooses.
        price: of keeping a sample, moved after each choice, as policies see it.
    """

    def __init__(
        self, policy: Any, ledger: Ledger, *, keep_ratio: float, epochs: int, pools_per_epoch: int, seed: int = 0
    ) -> None:
        """Make the selector.

        Args:
            policy: a rule's name, the file of a learned policy, or anything else that
                :func:`~data_select_gym.agents.make_policy` takes, unless it learns within the run.
            ledger: of the N training samples, into which the loop records.
            keep_ratio: the share of candidates to keep, in (0, 1].
            epochs: of the whole training.
            pools_per_epoch: how many pools each of them shows.
            seed: of what a rule draws.

        Raises:
            ValueError: an argument is out of its range or unknown; or the policy needs an environment, as one that
                learns within the run does, or a ledger that keeps more.
            TypeError: an argument is of the wrong type.
        """
        self.policy, self._named = make_policy(policy), f"policy={policy!r:.100}"
        self.ledger = check_kind("ledger", ledger, Ledger)
        unfit = self.policy.unfit_for_loop(ledger)
        if unfit:
            raise ValueError(f"{self._named} {unfit}")
        self.keep_ratio = check_share("keep_ratio", keep_ratio)
        self.pools_per_epoch = check_count("pools_per_epoch", pools_per_epoch)
        self.steps = check_count("epochs", epochs) * self.pools_per_epoch
        self.price = Price(self.keep_ratio)
        self.features = check_features(getattr(self.policy, "features", None) or DEFAULT_FEATURES)
        self._shares: deque[float] = deque(maxlen=LAST_STEPS)
        self._told = False
        seed = check_count("seed", seed, least=0)
        if isinstance(self.policy, Rule):
            self.policy.begin(ledger.size, seed, ledger.visits.device)
        elif isinstance(self.policy, FrozenPolicy):
            self.policy.env, self.policy.keep_ratio = None, self.keep_ratio

    @property
    def kept_share(self) -> float | None:
        """Mean share kept of the last ten choices; None before the first."""
        return sum(self._shares) / len(self._shares) if self._shares else None

    def choose(self, indices: Tensor, step: int) -> Tensor:
        """Choose what to train on of a pool.

        Args:
            indices: int64 ``(P,)``, the candidates, P of at least 1.
            step: how many pools were shown before this one, in full or not.

        Returns:
            A keep mask, bool ``(P,)``, or loss weights, float ``(P,)``, 0 for dropped, on the host.

        Raises:
            ValueError: ``indices`` are empty or of another type or shape, ``step`` is out of its range, or the
                environment would refuse the policy's answer.
            TypeError: ``indices`` are no tensor.
        """
        rows, step = self._rows(indices), self._check_step(step)
        if not len(rows):
            raise ValueError(f"indices are {indices.dtype} of shape (0,) (no candidates); int64 (P,) is needed")
        answer = self._choose(rows, step)
        weights = torch.from_numpy(numeric("the policy's answer", answer, len(rows)))
        kept = weights > 0
        self._count(kept.float().mean().item(), last=step == self.steps - 1)
        return kept if np.asarray(answer).dtype == np.bool_ else weights

    def _count(self, share: float, *, last: bool) -> None:
        self.price.move(share)
        self._shares.append(share)
        if not self.policy.keeps_freely or self._told or not (last or len(self._shares) == LAST_STEPS):
            return
        missed = off_budget(list(self._shares), self.keep_ratio)
        if missed:
            self._told = True
            warnings.warn(f"{self._named}: {missed}", BudgetWarning, stacklevel=3)

    def update(self, indices: Tensor, step: int) -> None:
        """Report what was trained on of a pool, once it is recorded; rules that keep a history need it.

        Args:
            indices: int64 ``(n,)``, the samples; empty if nothing was trained on.
            step: how many pools were shown before that one, in full or not.

        Raises:
            ValueError: ``indices`` are of another type or shape, or ``step`` is out of its range.
            TypeError: ``indices`` are no tensor.
        """
        rows, step = self._rows(indices), self._check_step(step)
        if isinstance(self.policy, HistoryRule) and len(rows):
            self.policy.update(rows, self.ledger.visits[rows], self.ledger.read(rows), step / self.steps)

    def hear(self, indices: Tensor, step: int) -> None:
        """Do what :meth:`update` does, with a warning."""
        warn_renamed("Selector.hear", "Selector.update")
        self.update(indices, step)

    def _rows(self, indices: Tensor) -> Tensor:
        check_kind("indices", indices, Tensor)
        if indices.ndim != 1 or indices.dtype != torch.int64:
            raise ValueError(f"indices are {indices.dtype} of shape {tuple(indices.shape)}; int64 (P,) is needed")
        return indices.to(self.ledger.visits.device)

    def _check_step(self, step: int) -> int:
        return check_count("step", step, least=0, most=self.steps - 1)

    def _choose(self, rows: Tensor, step: int) -> Any:
        policy, signals = self.policy, self.ledger.read(rows)
        if isinstance(policy, Rule):
            visits = self.ledger.visits[rows]
            candidates = Candidates(signals, self.keep_ratio, policy.generator, rows, visits, step / self.steps)
            return policy.choose(candidates).cpu().numpy()
        epoch = step // self.pools_per_epoch
        view = PoolView(signals, self.ledger, rows, step, self.steps, epoch, self.price.value)
        return policy.select(observe(self.features, view).cpu().numpy())
