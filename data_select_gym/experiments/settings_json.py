"""The settings of a comparison as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_select_gym.agents.fingerprint import object_fingerprint
from data_select_gym.envs.config import current_names

PACKAGES = ("data-select-gym", "gymnasium", "stable-baselines3", "torch", "numpy")


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, of the types that JSON has; other objects are named."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=_name_object))
    return plain


def name_policy(policy: Any) -> str:
    """A policy as commands name it; an object that none can name, with its arguments."""
    return str(policy) if isinstance(policy, str | Path) else object_fingerprint(policy)


def package_versions() -> dict[str, str]:
    """The versions of the packages that results depend on."""
    return {package: version(package) for package in PACKAGES}


def with_current_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as this version has them: those of 0.1 had other names for some options."""
    if not settings["versions"]["data-select-gym"].startswith("0.1."):
        return dict(settings)
    named = dict(settings) | {"options": current_names(settings["options"], warn=False)}
    if "environments" in settings:
        named["environments"] = {
            policy: {ratio: current_names(arguments, warn=False) for ratio, arguments in ratios.items()}
            for policy, ratios in settings["environments"].items()
        }
    return named


def _name_object(value: Any) -> str:
    """A path as it is, and any other object by its own name or that of its type, which is the same in each process."""
    if isinstance(value, Path):
        return str(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"
