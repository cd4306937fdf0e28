"""Classes of texts in the environment, read from files as SST-2's."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_for_gymnasium
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.envs.features import FEATURES

from ..tiers import slow

SIZES: dict[str, Any] = {"epochs": 5, "batch_size": 16, "pool_size": 48, "device": "cpu"}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Texts of 2 to 9 words, of which one says what the label is."""
    random = np.random.default_rng(0)
    for name, count in (("train", 160), ("dev", 40), ("test", 60)):
        lines = []
        for label in random.integers(2, size=count).tolist():
            words = [str(word) for word in random.choice(["a", "film", "the", "of"], size=random.integers(1, 9))]
            lines.append(" ".join([*words, "fine" if label else "dull"]) + f"\t{label}\n")
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    return str(tmp_path)


def made(folder: str, **options: Any) -> DataSelectEnv:
    return as_base_env("DataSelect/TextClassification-v0", data_dir=folder, **(SIZES | options))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*unconventional shape", "ignore:.*A Box observation space")
@pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"features": list(FEATURES), "observe": "fresh"}, marks=pytest.mark.slow)],
    ids=["default", "all-fresh"],
)
def test_checkers_are_content(folder: str, options: dict[str, Any]) -> None:
    env = gym.make("DataSelect/TextClassification-v0", data_dir=folder, **(SIZES | {"epochs": 3} | options)).unwrapped
    check_for_gymnasium(env, skip_render_check=True)
    check_for_stable_baselines(env)


@pytest.mark.parametrize("name", ["data-agent", slow("ppo")])
def test_agents_learn_within_a_run(folder: str, name: str) -> None:
    policy, plain = make_policy(name), made(folder, pool_size=32)
    env = made(folder, pool_size=32, **policy.required_config(plain.plan, plain.keep_ratio))
    result = run_policy(policy, env, seed=0)
    assert result.quality == env.run.evaluations[-1].test["accuracy"]
    assert 0.2 < result.keep_fraction < 1


@pytest.mark.slow
def test_full_data_tells_the_classes_apart(folder: str) -> None:
    assert (
        run_policy(make_policy("full"), made(folder, epochs=8, batch_size=8, learning_rate=0.01), seed=0).quality > 0.9
    )
