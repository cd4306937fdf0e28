"""RHO-LOSS: what is learnable and not learned yet, according to a model trained on held-out data."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule, unseen_if_diverged
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.tasks.data import length
from data_select_gym.training import RunConfig, TrainingRun


@register_rule("rho-loss", paper="RHO-LOSS, arXiv 2206.07137")
class RhoLoss(Rule):
    """The highest recorded loss minus that of a model trained on the validation set, which the cost includes.

    The irreducible loss of a sample is its loss under a model trained on held-out data. Here that is the task's model,
    trained by the task's recipe on the validation set, from other initial weights, when a run starts; its last epoch
    counts. The paper trains a smaller model on a larger set and takes its best epoch. The cost of the run includes the
    samples that this trains on and a forward pass over the training set. The rule is as good as that model: if there is
    too little held-out data for a good one, it keeps worse samples than a random share.

    Attributes:
        irreducible: float32 ``(N,)`` on the signals' device, found by :meth:`start`. A custom training loop has no
            :meth:`start`: there, set it before you make a :class:`~data_select_gym.agents.Selector`, to a tensor, an
            array or a list.
    """

    irreducible: Any = torch.empty(0)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.irreducible = as_losses(self.irreducible).to(device)

    def unfit_for_loop(self, ledger: Ledger) -> str:
        try:
            losses = as_losses(self.irreducible)
        except (TypeError, ValueError, RuntimeError):
            there = f"it is a {type(self.irreducible).__name__}"
        else:
            if losses.shape == (ledger.size,):
                return ""
            there = f"there are {losses.numel()}"
        return (
            f"needs the losses of all {ledger.size} samples under a model that was trained on held-out data: make the "
            f"rule by make_policy('rho-loss'), set rule.irreducible to them, and give the rule; {there}"
        )

    def check(self, env: DataSelectEnv) -> None:
        """Check the environment; the validation set needs two samples to train on.

        Raises:
            ValueError: it has fewer, or the environment is unfit for another reason.
        """
        super().check(env)
        if length(env.task.validation) < 2:
            raise ValueError("rho-loss trains a model on the validation set, which has fewer than two samples")

    def start(self, env: DataSelectEnv) -> None:
        """Train the model on the held-out data."""
        super().start(env)
        self.irreducible = irreducible_losses(env.run)

    def choose(self, candidates: Candidates) -> Tensor:
        reducible = candidates.signals.loss - self.irreducible[candidates.indices]
        return candidates.best(unseen_if_diverged(reducible))


def as_losses(given: Any) -> Tensor:
    """A tensor as it is, and an array or a list as float32.

    Raises:
        Exception: what :func:`torch.as_tensor` raises for anything else.
    """
    return given if isinstance(given, Tensor) else torch.as_tensor(given, dtype=torch.float32)


def irreducible_losses(run: TrainingRun) -> Tensor:
    """Losses of the run's training samples under a model trained on its validation set, float32 ``(N,)``.

    They are on the run's device, and their cost is charged to the run.
    """
    task = run.task
    config = RunConfig(
        pool_size=length(task.validation),
        warmup_epochs=0,
        anneal_fraction=0.0,
        device=run.device,
        on_non_finite=run.config.on_non_finite,
    )
    holdout = TrainingRun(
        replace(task, train=task.validation, test=None, true_labels=None, truth={}),
        config,
        seed=int(np.random.default_rng(run.seed).integers(2**31)),
    )
    with closing(holdout):
        while not holdout.done:
            holdout.step(torch.ones(holdout.plan.pool_size, dtype=torch.float32))
    batches = torch.split(torch.arange(run.plan.samples), task.recipe.batch_size)
    with holdout.computing():
        losses = holdout.trainer.eval_forward(run.loader.source.batches(list(batches)), embed=False).loss
    tokens, holdout_tokens = run.costs.tokens, holdout.costs.tokens
    run.costs.charge(
        trained=holdout.costs.trained,
        forwarded=len(losses),
        trained_tokens=None if holdout_tokens is None else holdout_tokens.trained,
        forwarded_tokens=None if tokens is None else int(tokens.lengths.sum()),
    )
    return losses
