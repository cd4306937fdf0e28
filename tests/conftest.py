"""One thread for all tests: many are run side by side, and threads that wait for one another would make them slow.

None of them asks the Hugging Face hub for anything, whose library reads this variable when it is imported.

Agents that have learned for a second keep what they like, and are not told of but where a test asks for it.
"""

import os
from collections.abc import Iterator

import gymnasium
import pytest
import torch

from data_select_gym.agents import ALGORITHMS, RULES
from data_select_gym.envs.features import FEATURES
from data_select_gym.rewards import REWARDS
from data_select_gym.task_registry import ENVIRONMENTS, ORIGINS, TASKS, samplewise_id

torch.set_num_threads(1)
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", r"ignore:.*it kept \d+% over the last")


@pytest.fixture(autouse=True)
def what_a_test_registers_is_forgotten() -> Iterator[None]:
    registries = (RULES, ALGORITHMS, FEATURES, REWARDS, TASKS)
    before = [set(registry) for registry in registries]
    environments, origins = dict(ENVIRONMENTS), dict(ORIGINS)
    yield
    for registry, known in zip(registries, before, strict=True):
        for name in set(registry) - known:
            registry.remove(name)
    for name in ENVIRONMENTS.keys() - environments.keys():
        del ENVIRONMENTS[name]
        for view in (name, samplewise_id(name)):
            gymnasium.registry.pop(view, None)
    for name in ORIGINS.keys() - origins.keys():
        del ORIGINS[name]


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons draw nothing: in a test of anything else, pictures take longer than the runs."""
    monkeypatch.setattr("data_select_gym.experiments.result_files.save", lambda figure, path: path.touch())
    monkeypatch.setattr("data_select_gym.experiments.page.to_svg", lambda figure: "<svg></svg>")


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch has two threads, and has two again after whatever the test does."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
