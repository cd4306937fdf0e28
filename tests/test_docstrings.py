"""The examples in docstrings hold."""

import doctest
import importlib
import pkgutil

import pytest

import data_select_gym
import data_select_gym.agents

MODULES = sorted(
    module.name
    for package in (data_select_gym, data_select_gym.agents)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
)
WITH_EXAMPLES = {
    "data_select_gym.agents.learned.data_agent",
    "data_select_gym.agents.policy_env",
    "data_select_gym.agents.registry",
    "data_select_gym.agents.selector",
    "data_select_gym.cli.registry",
    "data_select_gym.envs.config",
    "data_select_gym.envs.features.registry",
    "data_select_gym.experiments.charts.registry",
    "data_select_gym.envs.sb3",
    "data_select_gym.envs.vector",
    "data_select_gym.envs.wrappers",
    "data_select_gym.training.callbacks",
    "data_select_gym.training.config",
    "data_select_gym.rewards.registry",
    "data_select_gym.task_registry",
    "data_select_gym.tasks.regimes.registry",
    "data_select_gym.training.run",
}


def test_the_modules_with_examples_are_among_those_searched() -> None:
    assert set(MODULES) >= WITH_EXAMPLES


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    module = importlib.import_module(name)
    results = doctest.testmod(module)
    assert results.failed == 0
    assert (results.attempted > 0) == (name in WITH_EXAMPLES)
