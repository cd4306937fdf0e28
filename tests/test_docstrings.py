"""The examples in docstrings hold."""

import doctest
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import data_select_gym
import data_select_gym.agents

MODULES = sorted(
    module.name
    for package in (data_select_gym, data_select_gym.agents)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
)


def has_examples(name: str) -> bool:
    spec = find_spec(name)
    assert spec is not None and spec.origin is not None
    return ">>> " in Path(spec.origin).read_text(encoding="utf-8")


WITH_EXAMPLES = [name for name in MODULES if has_examples(name)]


def test_what_users_begin_with_has_examples() -> None:
    started = {"agents.policy_env", "agents.selector", "envs.sb3", "envs.vector", "envs.wrappers", "training.run"}
    assert set(WITH_EXAMPLES) >= {f"data_select_gym.{name}" for name in started}


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0 < results.attempted
