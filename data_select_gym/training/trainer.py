"""Single updates of a model by its recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from data_select_gym.signals import Signals
from data_select_gym.tasks import Objective, Recipe
from data_select_gym.tasks.protocol import Batch
from data_select_gym.tasks.recipe import PRECISIONS
from data_select_gym.training.compiled import CompiledForward
from data_select_gym.training.returned import augmented, learning_rate_factor, losses_and_signals, make_optimizer
from data_select_gym.training.running_statistics import RunningStatistics


class Trainer:
    """A model with its optimizer, learning-rate schedule, augmentation and precision."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        *,
        compile: bool,
    ) -> None:
        """Make the optimizer; ``seed`` is that of the augmentation, and updates are compiled with ``compile``.

        Raises:
            ValueError: ``compile`` where nothing can be compiled; or the optimizer cannot be used.
            TypeError: the recipe's function returns something else than an optimizer.
        """
        self.model = model
        self.objective = objective
        self.recipe = recipe
        self.device = device
        self.optimizer = make_optimizer(recipe.optimizer, model)
        self.learning_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.generator = torch.Generator(device).manual_seed(seed)
        self.statistics = RunningStatistics(model)
        self.compiled = CompiledForward(model, device) if compile else None

    @torch.enable_grad()  # an agent may look at the environment from within no_grad
    def update(
        self, inputs: Any, targets: Any, *, weights: Tensor, progress: float, embed: bool
    ) -> tuple[Signals, bool]:
        """One optimizer step on the mean of w_i l_i, unless that is not finite: then the model is left as it was.

        Nor is there a step where ``max_grad_norm`` is given and the gradient's norm is not finite.

        Args:
            inputs: a batch on the device: n inputs, and where updates are compiled maybe others after them, which are
                passed forward and have no part in the rest.
            targets: their targets.
            weights: float ``(n,)`` on the host.
            progress: share of the run that is over, in [0, 1]; it sets the learning rate.
            embed: whether the signals hold the embedding.

        Returns:
            The signals of the forward pass, and whether there was a step.

        Raises:
            TypeError: the objective, or a function of the recipe, returns something of another kind.
            ValueError: or not one for each sample; or a learning rate that is none.
        """
        factor = learning_rate_factor(self.recipe.schedule, progress)
        for group, largest in zip(self.optimizer.param_groups, self.learning_rates, strict=True):
            group["lr"] = factor * largest
        self.optimizer.zero_grad(set_to_none=True)
        self.model.train()
        before = self.statistics.copy()
        if self.recipe.augment is not None:
            inputs = augmented(self.recipe.augment, inputs, self.generator)
        with self.autocast(), nullcontext() if self.compiled is None else self.compiled.used():
            given = self.objective(self.model, inputs, targets, embed=embed)
        count = len(weights) if self.compiled is None else None
        losses, signals = losses_and_signals(self.objective, given, count)
        if self.compiled is not None:
            # Copies, since a CUDA graph writes the next minibatch's output where this one's is.
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
    def look(self, batches: Iterable[Batch], *, embed: bool) -> Signals:
        """Signals of a forward pass in evaluation mode, without augmentation."""
        self.model.eval()
        with self.autocast():
            return Signals.concatenated([self.objective(self.model, *batch, embed=embed)[1] for batch in batches])

    def autocast(self) -> torch.autocast:
        """The context of the recipe's precision."""
        dtype = PRECISIONS[self.recipe.precision]
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not torch.float32)


def send(value: Tensor) -> Callable[[], float]:
    """Begin to copy one value to the host; what is returned waits for it, and not for work that a GPU got since."""
    if value.device.type != "cuda":
        return value.item
    copy, sent = value.to("cpu", non_blocking=True), torch.cuda.Event()  # type: ignore[no-untyped-call]
    sent.record(torch.cuda.current_stream(value.device))

    def wait() -> float:
        sent.synchronize()
        return copy.item()

    return wait
