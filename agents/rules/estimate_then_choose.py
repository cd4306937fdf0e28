"""Top losses without those that are probably mislabelled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule, unseen_if_diverged
from data_select_gym.arguments import check_share, is_number
from data_select_gym.ledger import Ledger
from data_select_gym.training import TrainingRun


@register_rule("estimate-then-choose", description="The highest losses, but for an estimated share of wrong labels")
class EstimateThenChoose(Rule):
    """Estimate the share of wrong labels, leave out that share with the highest losses, and keep the hardest others.

    A model that generalises gets clean validation labels right, and wrong training labels wrong. So the gap between its
    validation accuracy and its recorded training accuracy estimates the share of wrong labels. The estimate is rough:
    old records raise it, and wrong labels that the model has memorised lower it. It needs clean validation labels. The
    rule is ``top-loss`` where the validation set is as noisy as the training set, and where there is no metric
    ``accuracy``.

    If what is left does not fill the keep ratio, those left out come back, the lowest losses first. Samples that were
    never trained on come before all others and count in neither share.

    Attributes:
        gap: validation accuracy at the last evaluation minus the share of the samples on record that are recorded as
            correct; a number or a tensor of one value. In an environment the rule measures it at each step, for no
            extra forward pass. A custom training loop sets it before it makes a
            :class:`~data_select_gym.agents.Selector`, and again after each of its evaluations; see
            :func:`accuracy_gap`.
    """

    gap: Any = None

    def __init__(self, least: float = 0.05, most: float = 0.5) -> None:
        """Make the rule.

        Args:
            least: in [0, 1]; a gap below it counts as 0, since most gaps on clean labels are.
            most: in [0, 1]; a larger gap counts as this.

        Raises:
            ValueError: one is out of its range.
        """
        self.least = check_share("least", least, zero=True)
        self.most = check_share("most", most, zero=True)

    def unfit_for_loop(self, ledger: Ledger) -> str:
        if is_number(self.gap) or (isinstance(self.gap, Tensor) and self.gap.numel() == 1):
            return ""
        return (
            "needs the run's evaluations: make the rule by make_policy('estimate-then-choose'), set rule.gap to the "
            "validation accuracy minus the recorded training accuracy, as "
            "data_select_gym.agents.rules.estimate_then_choose.accuracy_gap has it, after each evaluation, and give "
            f"the rule; there is {self.gap!r:.100}"
        )

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        self.gap = run_gap(self.env.run)
        return super().select(observation)

    def choose(self, candidates: Candidates) -> Tensor:
        losses, seen = unseen_if_diverged(candidates.signals.loss), candidates.visits > 0
        gap = torch.as_tensor(0.0 if self.gap is None else self.gap, dtype=torch.float32)
        wrong = torch.where(gap >= self.least, gap.clamp(0, self.most), 0.0)
        # Places by loss among the samples on record, 0 for the highest; the others come after them.
        order = torch.where(seen, losses, -torch.inf).argsort(descending=True, stable=True)
        places = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        left_out = seen & (places < (wrong.to(losses.device, non_blocking=True) * seen.sum()).round())
        # The hardest of the others first, then those left out from the lowest loss on.
        scores = torch.where(left_out, places - 2 * len(places), -places)
        return candidates.best(torch.where(seen, scores, 1).float())


def run_gap(run: TrainingRun) -> Tensor | float:
    """The gap of a run as it is; 0 before its first evaluation and if that has no accuracy."""
    accuracy = run.evaluations[-1].validation.get("accuracy") if run.evaluations else None
    return 0.0 if accuracy is None else accuracy_gap(accuracy, run.ledger)


def accuracy_gap(validation_accuracy: float, ledger: Ledger) -> Tensor:
    """Validation accuracy minus the recorded training accuracy, one value on the ledger's device.

    Args:
        validation_accuracy: in [0, 1].
        ledger: of the training samples; those that were never trained on do not count.
    """
    seen = ledger.visits > 0
    return validation_accuracy - (ledger.columns["correct"] & seen).sum() / seen.sum().clamp_min(1)
