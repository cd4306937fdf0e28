"""The configuration of an environment: every argument but the task's, with its default, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.arguments import check_choice, check_count, check_flag, check_path, check_share, unexpected
from data_select_gym.deprecation import warn_renamed
from data_select_gym.envs.action_forms import FORMS
from data_select_gym.envs.features import DEFAULT_FEATURES, check_features, find_feature
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.envs.regimes import check_regimes, describe_regimes
from data_select_gym.rewards import Reward, StepOutcome, make_reward
from data_select_gym.rewards.factory import WeightedSum
from data_select_gym.rewards.reward import CallableReward
from data_select_gym.training import RunConfig
from data_select_gym.training.config import RECORDS, check_fields

OBSERVE = ("recorded", "fresh")
RENDER_MODES = ("rgb_array", "ansi")
# Arguments of 0.1, which still work for one release.
RENAMED = {"length": "schedule_fraction"}
# What must be the same for a run to resume bit-identically, beside the task and the plan.
RESUMED = (
    *("features", "keep_ratio", "observe", "balance_classes", "rescale_loss"),
    *("channels_last", "compile", "reward"),
)


@dataclass(frozen=True)
class EnvConfig:
    """The arguments of a :class:`~data_select_gym.envs.DataSelectEnv`, which documents them; all but the task's.

    Example:
        >>> config = EnvConfig.of(keep_ratio=0.3, warmup_epochs=2)
        >>> config.run.warmup_epochs, config.changed(warmup_epochs=3).run.warmup_epochs
        (2, 3)

    Attributes:
        run: how the model is trained. ``run.record`` follows from the features, the reward and ``observe``.

    Raises:
        ValueError: a value is out of its range or unknown, or ``profile`` is given without ``tensorboard_log``.
        TypeError: a value is of the wrong type.
    """

    run: RunConfig = field(default_factory=RunConfig)
    keep_ratio: float = 0.5
    balance_classes: bool = False
    rescale_loss: bool = False
    features: Sequence[str | Callable[[PoolView], Tensor]] = DEFAULT_FEATURES
    observe: str = "recorded"
    action: str = "mask"
    flat_observation: bool = False
    reward: str | Mapping[str, float] | Callable[[StepOutcome], Any] = "priced-composite"
    tensorboard_log: str | Path | None = None
    profile: bool = False
    render_mode: str | None = None
    regime: str | Mapping[str, float] | Sequence[Any] | None = None
    regime_seed: int = 0
    off_target: Dataset[Any] | str | None = None

    def __post_init__(self) -> None:
        check_fields(self, CHECKS)
        if self.profile and self.tensorboard_log is None:
            raise ValueError("profile=True leaves its trace beside the curves; tensorboard_log is needed with it")
        needs = self.made_reward.needs.union(*(find_feature(name).needs for name in self.feature_names))
        record = needs.intersection(RECORDS) | ({"fresh"} if self.observe == "fresh" else set())
        object.__setattr__(self, "run", replace(self.run, record=record))

    @classmethod
    def of(cls, **arguments: Any) -> EnvConfig:
        """The configuration of flat keyword arguments, those of the run among them."""
        return cls().changed(**arguments)

    def changed(self, **arguments: Any) -> EnvConfig:
        """A copy with other values of some arguments.

        Raises:
            TypeError: there is no such argument.
        """
        unknown = [name for name in arguments if name not in ARGUMENTS]
        if unknown:
            raise unexpected(unknown, f"an environment takes: {', '.join(ARGUMENTS)}", ARGUMENTS)
        run = {name: value for name, value in arguments.items() if name in RUN_ARGUMENTS}
        own = {name: value for name, value in arguments.items() if name not in RUN_ARGUMENTS}
        return replace(self, run=replace(self.run, **run), **own)

    def flat(self) -> dict[str, Any]:
        """All arguments by name, those of the run among them."""
        return {name: self.argument(name) for name in ARGUMENTS}

    def argument(self, name: str) -> Any:
        """The value of one argument, which may be one of the run's."""
        return getattr(self.run if name in RUN_ARGUMENTS else self, name)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features, also of those that were given as functions."""
        return tuple(map(str, self.features))

    @cached_property
    def made_reward(self) -> Reward:
        """The reward that ``reward`` stands for."""
        return make_reward(self.reward)

    @property
    def custom_reward(self) -> bool:
        """Whether a user's function is the reward or a part of it."""
        reward = self.made_reward
        parts = [part for _, part in reward.parts.values()] if isinstance(reward, WeightedSum) else [reward]
        return any(isinstance(part, CallableReward) for part in parts)

    def resume_settings(self) -> dict[str, Any]:
        """What must be the same for a run to resume bit-identically, in types that a checkpoint can hold."""
        values = {name: self.argument(name) for name in RESUMED}
        regime = describe_regimes(self.regime, self.regime_seed)
        return values | {"features": list(self.feature_names), "reward": _described(self.reward), "regime": regime}


def _check_log(name: str, value: Any) -> Path | None:
    return None if value is None else check_path(name, value)


def _check_render_mode(name: str, value: Any) -> str | None:
    return None if value is None else check_choice(name, value, RENDER_MODES)


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "keep_ratio": check_share,
    "balance_classes": check_flag,
    "rescale_loss": check_flag,
    "features": lambda name, value: check_features(value),
    "observe": partial(check_choice, known=OBSERVE),
    "action": partial(check_choice, known=FORMS),
    "flat_observation": check_flag,
    "tensorboard_log": _check_log,
    "profile": check_flag,
    "render_mode": _check_render_mode,
    "regime": check_regimes,
    "regime_seed": partial(check_count, least=0),
}
RUN_ARGUMENTS = tuple(each.name for each in fields(RunConfig) if each.name != "record")
ARGUMENTS = (*(each.name for each in fields(EnvConfig) if each.name != "run"), *RUN_ARGUMENTS)


def current_names(options: Mapping[str, Any], *, warn: bool = True) -> dict[str, Any]:
    """Options of an environment under their present names.

    Args:
        options: some may have names of 0.1.
        warn: whether a ``DeprecationWarning`` names those; not for options that were stored by 0.1.

    Raises:
        TypeError: an option is given under both names.
    """
    named: dict[str, Any] = {}
    for name, value in options.items():
        new = RENAMED.get(name, name)
        if new in named or (new != name and new in options):
            raise TypeError(f"got multiple values for argument {new!r}; {name}={value!r} is its old name")
        if new != name and warn:
            warn_renamed(f"the argument {name}", new)
        named[new] = value
    return named


def _described(reward: Any) -> Any:
    """A name, or weights in their order, which is that of the sum; of a function only its kind."""
    if isinstance(reward, Mapping):
        return {name: float(weight) for name, weight in reward.items()}
    return reward if isinstance(reward, str) else type(reward).__name__
