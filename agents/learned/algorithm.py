"""How a learned policy is made: its class, its settings, and what it needs of its environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.arguments import is_whole, unexpected
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.tasks.float32 import in_float32
from data_select_gym.training import Plan

# From the environment and what is given by name to the arguments of the algorithm's class.
Settings = Callable[[SamplewiseVecEnv, Mapping[str, Any]], dict[str, Any]]
# Arguments of the classes that the run sets itself.
NOT_GIVEN = ("env", "seed", "tensorboard_log", "_init_setup_model")


@dataclass(frozen=True)
class Algorithm:
    """How a learned policy is made.

    Attributes:
        description: a line for lists.
        action: the kind of action of the samplewise view, ``"keep"`` or ``"score"``.
        kind: the class of the model, or its name in ``data_select_gym.agents.learned.sb3_contrib_models``.
        settings: from the environment, and the arguments given by name, to all arguments of the class.
        required_config: from the plan of a run and the keep ratio to the arguments that its environment needs.
        across_runs: why it can only learn across runs; empty if it can learn within one.
    """

    description: str
    action: str
    kind: type[BaseAlgorithm] | str
    settings: Settings
    required_config: Callable[[Plan, float], dict[str, Any]] = lambda plan, keep_ratio: {}
    across_runs: str = ""

    @property
    def contrib(self) -> bool:
        """Whether it comes from sb3-contrib, which is an extra."""
        return isinstance(self.kind, str)

    def make(self, env: SamplewiseVecEnv, **options: Any) -> BaseAlgorithm:
        """The model.

        Args:
            env: that it learns from.
            options: arguments of its class, instead of the bundled settings.

        Raises:
            ValueError: the class does not take the values of the ``options``.
            ImportError: the class is one of sb3-contrib's, which is not installed.
        """
        try:
            return in_float32(class_of(self.kind), env=env, **self.settings(env, options))
        except Exception as error:
            if not options:
                raise
            given = ", ".join(f"{name}={value!r}" for name, value in options.items())
            raise ValueError(f"{given}: {error}") from error

    def takes(self) -> dict[str, Any]:
        """The options that :meth:`make` takes, by name, with the defaults of the class.

        Raises:
            ImportError: the class is one of sb3-contrib's, which is not installed.
        """
        known = inspect.signature(class_of(self.kind)).parameters
        noise = {"noise": 0.0} if "action_noise" in known else {}
        return {name: entry.default for name, entry in known.items() if name not in NOT_GIVEN} | noise

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options, NumPy's whole numbers as Python's.

        Raises:
            TypeError: there is no such option.
            ValueError: one whose default is a whole number is a fraction, a text or a truth value.
            ImportError: the class is one of sb3-contrib's, which is not installed.
        """
        known = self.takes() if options else {}
        unknown = [name for name in options if name not in known]
        if unknown:
            raise unexpected(unknown, f"this policy takes: {', '.join(known)}", known)
        whole = [name for name in options if type(known[name]) is int]
        for name in whole:
            if isinstance(options[name], bool | float | str):
                raise ValueError(f"{name}={options[name]!r} is not a whole number")
        return {name: int(value) if name in whole and is_whole(value) else value for name, value in options.items()}


def class_of(kind: type[BaseAlgorithm] | str) -> Callable[..., BaseAlgorithm]:
    """``kind`` itself, or the class of that name in ``data_select_gym.agents.learned.sb3_contrib_models``.

    Raises:
        ImportError: the class is one of sb3-contrib's, which is not installed.
    """
    if not isinstance(kind, str):
        return kind
    try:
        contrib = import_module("data_select_gym.agents.learned.sb3_contrib_models")
    except ImportError as error:
        raise ImportError(f"{kind} needs sb3-contrib: pip install 'data-select-gym[contrib]'") from error
    made: Callable[..., BaseAlgorithm] = getattr(contrib, kind)
    return made
