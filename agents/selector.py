"""A policy in a training loop of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_select_gym.agents.frozen import FrozenPolicy
from data_select_gym.agents.histories import HistoryRule
from data_select_gym.agents.policy import CoevolvingPolicy
from data_select_gym.agents.registry import make_policy
from data_select_gym.agents.rules import Candidates, Rule
from data_select_gym.arguments import check_count, check_kind, check_share
from data_select_gym.envs.features import DEFAULT_FEATURES, check_features, observe
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.ledger import Ledger
from data_select_gym.rewards import Price


class Selector:
    """Asks a policy what to train on, in a training loop that knows nothing of environments.

    The loop cuts each epoch's shuffle into pools, trains on what is chosen of each, records in its ledger the signals
    of what it trained on, with the step, and then calls :meth:`hear`. Policies that look at observations see what they
    saw in the environment. The first epoch should be trained on in full, so that there is something on record of each
    sample.

    Example:
        >>> ledger = Ledger(1000)
        >>> selector = Selector("top-loss", ledger, keep_ratio=0.5, epochs=10, pools_per_epoch=10)
        >>> int(selector.choose(torch.arange(100), step=10).sum())
        50

    Attributes:
        policy: that chooses.
        price: of keeping a sample, moved after each choice, as policies see it.
    """

    def __init__(
        self, policy: Any, ledger: Ledger, *, keep_ratio: float, epochs: int, pools_per_epoch: int, seed: int = 0
    ) -> None:
        """Nothing is chosen yet.

        Args:
            policy: a rule's name, the file of a learned policy, or anything else that
                :func:`~data_select_gym.agents.make_policy` takes and that does not learn within the run.
            ledger: of the N training samples, into which the loop records.
            keep_ratio: the share of candidates to keep, in (0, 1].
            epochs: of the whole training.
            pools_per_epoch: how many pools each of them shows.
            seed: of what a rule draws.

        Raises:
            ValueError: an argument is out of its range or unknown, or the policy learns within the run it steers.
            TypeError: an argument is of the wrong type.
        """
        self.policy = make_policy(policy)
        if isinstance(self.policy, CoevolvingPolicy):
            raise ValueError(
                f"policy={policy!r} learns within the run that it steers, which takes the environment; learn it there "
                "over several runs, with data_select_gym.agents.pretrain or 'data-select-gym train', and give its file"
            )
        self.ledger = check_kind("ledger", ledger, Ledger)
        self.keep_ratio = check_share("keep_ratio", keep_ratio)
        self.pools_per_epoch = check_count("pools_per_epoch", pools_per_epoch)
        self.steps = check_count("epochs", epochs) * self.pools_per_epoch
        self.price = Price(self.keep_ratio)
        self.features = check_features(getattr(self.policy, "features", None) or DEFAULT_FEATURES)
        check_count("seed", seed, least=0)
        if isinstance(self.policy, Rule):
            self.policy.begin(ledger.size, seed, ledger.visits.device)
        elif isinstance(self.policy, FrozenPolicy):
            self.policy.keep_ratio = self.keep_ratio

    def choose(self, indices: Tensor, step: int) -> Tensor:
        """What to train on of a pool: a keep mask, bool ``(P,)``, or loss weights, float ``(P,)``, 0 for dropped.

        Args:
            indices: int64 ``(P,)``, the candidates, P of at least 1.
            step: how many pools were shown before this one, in full or not.

        Returns:
            It on the host.

        Raises:
            ValueError: ``indices`` are none, or ``step`` is out of its range.
        """
        weights = self._choose(self._rows(indices, step), step).cpu()
        self.price.move((weights > 0).float().mean().item())
        return weights

    def hear(self, indices: Tensor, step: int) -> None:
        """What was trained on of a pool, now that it is recorded; rules that keep a history go by it.

        Args:
            indices: int64 ``(n,)``, the samples, n of at least 1.
            step: how many pools were shown before that one, in full or not.

        Raises:
            ValueError: ``indices`` are none, or ``step`` is out of its range.
        """
        rows = self._rows(indices, step)
        if isinstance(self.policy, HistoryRule):
            self.policy.hear(rows, self.ledger.visits[rows], self.ledger.read(rows), step / self.steps)

    def _rows(self, indices: Tensor, step: int) -> Tensor:
        if indices.ndim != 1 or len(indices) < 1 or indices.dtype != torch.int64:
            raise ValueError(f"indices are {indices.dtype} of shape {tuple(indices.shape)}; int64 (P,) is needed")
        check_count("step", step, least=0, most=self.steps - 1)
        return indices.to(self.ledger.visits.device)

    def _choose(self, rows: Tensor, step: int) -> Tensor:
        policy, signals = self.policy, self.ledger.read(rows)
        if isinstance(policy, Rule):
            visits = self.ledger.visits[rows]
            return policy.choose(
                Candidates(signals, self.keep_ratio, policy.generator, rows, visits, step / self.steps)
            )
        epoch = step // self.pools_per_epoch
        view = PoolView(signals, self.ledger, rows, step, self.steps, epoch, self.price.value)
        return torch.from_numpy(np.asarray(policy.select(observe(self.features, view).cpu().numpy())))
