"""RHO-LOSS: what is learnable and not learned yet, judged by a model that was trained on held-out data."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

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
    """The share with the highest recorded loss minus irreducible loss.

    The irreducible loss of a sample is its loss under a model that was trained on held-out data: here on the validation
    set when a run starts, the task's own model with the task's own recipe from other initial weights, as it is at the
    end of the recipe. The paper trains a smaller model on a larger set, and takes its best epoch. The samples that this
    trains on, and a forward pass over the training set, are counted in the cost of the run. It stands and falls with
    that model: on held-out data too few to reach a good one, this keeps worse samples than a random share.

    Attributes:
        irreducible: float32 ``(N,)`` on the signals' device, found by :meth:`start`; for a training loop of one's own,
            which has no :meth:`start`, it is set before a :class:`~data_select_gym.agents.Selector` is made.
    """

    irreducible = torch.empty(0)

    def unfit_for_loop(self, ledger: Ledger) -> str:
        """See :meth:`~data_select_gym.agents.Policy.unfit_for_loop`; there it has been given :attr:`irreducible`."""
        if self.irreducible.shape == (ledger.size,):
            return ""
        return (
            f"needs the losses of all {ledger.size} samples under a model that was trained on held-out data: make the "
            "rule by make_policy('rho-loss'), set rule.irreducible to them, and give the rule; there are "
            f"{self.irreducible.numel()}"
        )

    def check(self, env: DataSelectEnv) -> None:
        """See :meth:`~data_select_gym.agents.Policy.check`; the validation set needs two samples to train on."""
        super().check(env)
        if length(env.task.validation) < 2:
            raise ValueError("rho-loss trains a model on the validation set, which has fewer than two samples")

    def start(self, env: DataSelectEnv) -> None:
        """See :meth:`~data_select_gym.agents.Policy.start`; this trains the model on the held-out data."""
        super().start(env)
        self.irreducible = irreducible_losses(env.run)

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        reducible = candidates.signals.loss - self.irreducible[candidates.indices]
        return candidates.best(unseen_if_diverged(reducible))


def irreducible_losses(run: TrainingRun) -> Tensor:
    """Losses of the run's training samples under a model trained on its validation set, float32 ``(N,)``.

    They are on the run's device, and what they take is charged to the run.
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
        replace(task, train=task.validation, test=None, true_labels=None),
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
