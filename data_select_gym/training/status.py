"""Where a run is, what it has cost, and how good its model is."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.phase_timer import PhaseTimer
from data_select_gym.tasks import Task
from data_select_gym.training.costs import CostMeter
from data_select_gym.training.evaluator import Evaluation
from data_select_gym.training.plan import Plan
from data_select_gym.training.pool_loader import PoolLoader


class RunStatus:
    """What can be read of a run as it goes."""

    task: Task
    plan: Plan
    device: torch.device
    loader: PoolLoader
    costs: CostMeter
    timer: PhaseTimer
    pool_number: int
    evaluations: list[Evaluation]

    @property
    def pool(self) -> Tensor:
        """Indices of the candidates now shown, int64 ``(P,)`` on the host; the last ones when the run is over."""
        return self.loader.pools[self._shown]

    @property
    def rows(self) -> Tensor:
        """The same as :attr:`pool`, on the run's device."""
        return self.loader.pools.on(self.device, self._shown)

    @property
    def _shown(self) -> int:
        return min(self.pool_number, self.plan.total_pools - 1)

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
        return self.costs.cost

    @property
    def token_cost(self) -> float | None:
        """The cost in tokens: a sample counts as many as its length. None if the samples have no lengths.

        Padding does not count. It is also None after a checkpoint of a version that did not count tokens.
        """
        return self.costs.token_cost

    @property
    def validation(self) -> float:
        """The primary metric on the validation set at the last evaluation, the end of an epoch: to choose by.

        Raises:
            RuntimeError: there was no evaluation yet.
        """
        if not self.evaluations:
            raise RuntimeError("validation is known after an epoch, and none of this run is over")
        return self.evaluations[-1].validation[self.task.objective.primary_metric]

    @property
    def quality(self) -> float:
        """The primary metric on the test set, or the validation set if there is none, at the end of the run.

        It is for final reports: choose settings, agents and policies by :attr:`validation`.

        Raises:
            RuntimeError: the run is not over.
        """
        if not self.done:
            raise RuntimeError("quality is known at the end of the run, and this run is not over")
        last = self.evaluations[-1]
        return (last.validation | last.test)[self.task.objective.primary_metric]

    @property
    def seconds_by_part(self) -> dict[str, float]:
        """Seconds since the run was made, by part; see :data:`~data_select_gym.phase_timer.PHASES`.

        What is outside this class and the environment, up to the end of the run, is the policy's. It waits for a GPU.
        """
        return self.timer.read()
