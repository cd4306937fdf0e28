"""Forms of the joint action: how an agent says what of a pool is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.arguments import check_choice, check_share
from data_select_gym.envs.arrays import numeric, scores_of
from data_select_gym.rewards import SAMPLE_SCORES
from data_select_gym.selection import best_share
from data_select_gym.training import Plan, TrainingRun

KEEP_RATIOS = (0.1, 0.3, 0.5, 0.7, 1.0)


class PoolEnv(Protocol):
    """What a form uses of an environment."""

    plan: Plan

    @property
    def run(self) -> TrainingRun: ...

    @property
    def pool_labels(self) -> Tensor | None: ...

    def keep_best(self, scores: Tensor) -> Tensor: ...


class Form(Protocol):
    """A form of the action.

    Attributes:
        space: of the actions.
    """

    space: Space[Any]

    def weights(self, env: PoolEnv, action: Any) -> NDArray[Any]:
        """What an action keeps of the pool that ``env`` now shows, a mask or loss weights ``(P,)``.

        Raises:
            ResetNeeded: the form depends on the pool now shown, and there is no run.
            ValueError: it is no such action.
        """


class Mask:
    """A keep mask, or loss weights."""

    def __init__(self, pool_size: int) -> None:
        self.space: Space[Any] = MultiBinary(pool_size)

    def weights(self, env: PoolEnv, action: Any) -> NDArray[Any]:
        return numeric("action", action, env.plan.pool_size)


class Bits:
    """A keep mask as a choice of 0 or 1 for each candidate, for algorithms without ``MultiBinary``."""

    def __init__(self, pool_size: int) -> None:
        self.space: Space[Any] = MultiDiscrete([2] * pool_size)

    def weights(self, env: PoolEnv, action: Any) -> NDArray[Any]:
        values = numeric("action", action, env.plan.pool_size)
        wrong = ~np.isin(values, (0, 1))
        if wrong.any():
            place = int(wrong.argmax())
            raise ValueError(f"action[{place}]={values[place].item():g}; each must be 0 (drop) or 1 (keep)")
        return values


class Scores:
    """Scores in [0, 1], of which the environment's ``keep_ratio`` share with the highest is kept."""

    def __init__(self, pool_size: int) -> None:
        self.space: Space[Any] = Box(0.0, 1.0, (pool_size,), dtype=np.float32)

    def weights(self, env: PoolEnv, action: Any) -> NDArray[Any]:
        return env.keep_best(torch.from_numpy(scores_of("action", action, env.plan.pool_size))).numpy()


class KeepRatios:
    """A choice among keep ratios, of which the share with the highest recorded quality is kept."""

    def __init__(self, ratios: Sequence[float] = KEEP_RATIOS, quality: str = "composite") -> None:
        """Take the ratios and what candidates are ranked by.

        Raises:
            TypeError: ``ratios`` is no sequence.
            ValueError: there are no ratios, one is out of its range, or the quality is unknown.
        """
        if not isinstance(ratios, Iterable):
            raise TypeError(f"ratios={ratios!r} is not a sequence of numbers")
        self.ratios = tuple(check_share("ratios", ratio) for ratio in ratios)
        if not self.ratios:
            raise ValueError(f"ratios={ratios!r} is empty; at least one keep ratio is needed")
        self.quality = SAMPLE_SCORES[check_choice("quality", quality, SAMPLE_SCORES)]
        self.space: Space[Any] = Discrete(len(self.ratios))

    def weights(self, env: PoolEnv, action: Any) -> NDArray[Any]:
        if not self.space.contains(action):
            raise ValueError(f"action={action!r} is not a whole number from 0 to {len(self.ratios) - 1}")
        recorded = env.run.read_pool()
        quality, _ = self.quality(recorded)(recorded)
        return best_share(quality, self.ratios[int(action)], env.pool_labels).cpu().numpy()


# By name, made from the pool size.
FORMS: dict[str, Callable[[int], Form]] = {
    "mask": Mask,
    "scores": Scores,
    "keep-ratio": lambda pool_size: KeepRatios(),
    "multi-discrete": Bits,
}
