"""Updates of a model by its recipe, and forward passes without an update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from copy import deepcopy
from itertools import compress
from typing import Any

import torch
from torch import Tensor, nn

from data_select_gym.arguments import check_count
from data_select_gym.signals import Signals
from data_select_gym.tasks import Task
from data_select_gym.tasks.protocol import Batch
from data_select_gym.training.compiled import CompiledForward
from data_select_gym.training.config import RunConfig
from data_select_gym.training.device import autocast
from data_select_gym.training.non_finite import NonFiniteLosses
from data_select_gym.training.plan import Plan
from data_select_gym.training.returned_checks import augmented, learning_rate_factor, losses_and_signals, make_optimizer
from data_select_gym.training.running_statistics import RunningStatistics
from data_select_gym.training.seeds import Seeds


class Trainer:
    """A model with its optimizer, learning-rate schedule, augmentation and precision.

    Attributes:
        model: that is trained.
        objective: of the task.
        recipe: of the task.
        plan: of the run.
        device: where the model is.
        optimizer: of the model's weights.
        non_finite: what happens when a loss is not finite.
    """

    def __init__(
        self, model: nn.Module, task: Task, plan: Plan, config: RunConfig, device: torch.device, seeds: Seeds
    ) -> None:
        """Make the optimizer.

        Raises:
            ValueError: nothing can be compiled with ``compile``, or the optimizer cannot be used.
            TypeError: the recipe's function returns something else than an optimizer.
        """
        self.model = model
        self.objective = task.objective
        self.recipe = task.recipe
        self.plan = plan
        self.device = device
        self.embed = config.embeds
        self.optimizer = make_optimizer(task.recipe.optimizer, model)
        self.learning_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.generator = torch.Generator(device).manual_seed(seeds.augmentation)
        self.statistics = RunningStatistics(model)
        self.compiled = CompiledForward(model, device) if config.compile else None
        self.non_finite = NonFiniteLosses(config.on_non_finite)

    def train_pool(
        self, number: int, pool: Tensor, minibatches: tuple[Tensor, ...], weights: Tensor, batches: Iterable[Batch]
    ) -> tuple[tuple[Tensor, ...], list[Signals]]:
        """Update the model on each minibatch of a pool.

        Args:
            number: of the pool, from 0.
            pool: int64 ``(P,)`` on the host, which training samples it has.
            minibatches: positions in the pool, int64 on the host.
            weights: of the losses, float ``(P,)`` on the host.
            batches: the minibatches that were read, on the device.

        Returns:
            The minibatches by which the model was updated, that is all but those that were skipped, and their signals.

        Raises:
            NonFiniteLossError: the loss of one is not finite, and the run stops at that.
        """
        updated, parts = [], []
        of_each = torch.split(weights[torch.cat(minibatches)], [len(part) for part in minibatches])
        for place, (part, own, batch) in enumerate(zip(minibatches, of_each, batches, strict=True)):
            progress = (number + place / len(minibatches)) / self.plan.total_pools
            signals, finite = self.update(*batch, weights=own, progress=progress, embed=self.embed)
            parts.append(signals)
            updated.append(finite)
            if not finite:
                self.non_finite.handle(pool[part], signals.loss, self.model, self._where(number))
        return tuple(compress(minibatches, updated)), list(compress(parts, updated))

    def _where(self, number: int) -> str:
        rate = max(group["lr"] for group in self.optimizer.param_groups)
        return f"epoch {number // self.plan.pools_per_epoch}, pool {number}, learning rate {rate:g}"

    @torch.enable_grad()  # an agent may step the environment within no_grad
    def update(
        self, inputs: Any, targets: Any, *, weights: Tensor, progress: float, embed: bool
    ) -> tuple[Signals, bool]:
        """Take one optimizer step on the mean of w_i l_i.

        If that mean is not finite, or the gradient's norm where the recipe limits it, the model is left as it was.

        Args:
            inputs: a batch of n inputs on the device. Where updates are compiled, more may follow them, which are
                passed forward and have no part in the update.
            targets: of all inputs.
            weights: float ``(n,)`` on the host.
            progress: share of the run that is done, in [0, 1]; it sets the learning rate.
            embed: whether the signals have the embedding.

        Returns:
            The signals of the forward pass, and whether there was a step.

        Raises:
            TypeError: the objective or a function of the recipe returns a value of the wrong type.
            ValueError: the objective does not return one value a sample, or a learning rate is out of its range.
        """
        factor = learning_rate_factor(self.recipe.schedule, progress)
        for group, largest in zip(self.optimizer.param_groups, self.learning_rates, strict=True):
            group["lr"] = factor * largest
        self.optimizer.zero_grad(set_to_none=True)
        self.model.train()
        before = self.statistics.copy()
        if self.recipe.augment is not None:
            inputs = augmented(self.recipe.augment, inputs, self.generator)
        with self._autocast(), nullcontext() if self.compiled is None else self.compiled.used():
            given = self.objective(self.model, inputs, targets, embed=embed)
        count = len(weights) if self.compiled is None else None
        losses, signals = losses_and_signals(self.objective, given, count)
        if self.compiled is not None:
            # Copies, since a CUDA graph writes the next minibatch's output to the same place.
            losses, signals = losses[: len(weights)], signals.rows(torch.arange(len(weights), device=self.device))
        alike = bool((weights == 1).all())
        loss = (losses if alike else weights.to(losses.device, non_blocking=True) * losses).mean()
        value = send(loss.detach())
        loss.backward()  # type: ignore[no-untyped-call]
        norm = None
        if self.recipe.max_grad_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.max_grad_norm)
        finite = math.isfinite(value()) and (norm is None or math.isfinite(norm))
        if finite:
            self.optimizer.step()
        else:
            self.optimizer.zero_grad(set_to_none=True)
            self.statistics.restore(before)
        return signals, finite

    @torch.no_grad()
    def eval_forward(self, batches: Iterable[Batch], *, embed: bool) -> Signals:
        """Signals of a forward pass in evaluation mode, without augmentation and without an update."""
        self.model.eval()
        with self._autocast():
            return Signals.concatenated([self.objective(self.model, *batch, embed=embed)[1] for batch in batches])

    def _autocast(self) -> torch.autocast:
        return autocast(self.recipe, self.device)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next updates depend on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "augmentation": self.generator.get_state(),
            "skipped": self.non_finite.skipped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from another trainer's state.

        Raises:
            Exception: it does not fit.
        """
        self.model.load_state_dict(state["model"])
        # An optimizer takes over tensors as they are, and would change them.
        self.optimizer.load_state_dict(deepcopy(state["optimizer"]))
        self.generator.set_state(state["augmentation"])
        self.non_finite.skipped = check_count("skipped", state["skipped"], least=0)


def send(value: Tensor) -> Callable[[], float]:
    """Begin to copy one value to the host. The function returned waits for it, and not for later work of the GPU."""
    if value.device.type != "cuda":
        return value.item
    copy, sent = value.to("cpu", non_blocking=True), torch.cuda.Event()  # type: ignore[no-untyped-call]
    sent.record(torch.cuda.current_stream(value.device))

    def wait() -> float:
        sent.synchronize()
        return copy.item()

    return wait
