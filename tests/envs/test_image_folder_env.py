"""Images from disk in the environment: checkers, agents, and that what is dropped is never opened."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import Array
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as check_for_gymnasium
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines
from torch.utils.data import Dataset

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.tasks.images.image_folder import image_folder

from ..tasks.written_images import write_imagenet
from ..tiers import slow

N, P = 63, 21
SMALL: dict[str, Any] = {"model": "small-cnn", "image_size": 16, "batch_size": 8, "workers": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """66 images to train on, of which 3 are split off for validation, and 6 to report."""
    return write_imagenet(tmp_path_factory.mktemp("images"), each=22, val=2)


def made(folder: Path, **options: Any) -> DataSelectEnv:
    settings = {"epochs": 4, "pool_size": P, "device": "cpu"} | SMALL | options
    return as_base_env("DataSelect/ImageFolder-v0", data_dir=str(folder), **settings)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*unconventional shape", "ignore:.*A Box observation space")
def test_checkers_are_content(folder: Path) -> None:
    env = gym.make(
        "DataSelect/ImageFolder-v0", data_dir=str(folder), epochs=3, pool_size=P, device="cpu", **SMALL
    ).unwrapped
    check_for_gymnasium(env, skip_render_check=True)
    check_for_stable_baselines(env)


@pytest.mark.parametrize("name", ["data-agent", slow("ppo")])
def test_agents_learn_within_a_run(folder: Path, name: str) -> None:
    policy, plain = make_policy(name), made(folder, pool_size=9)
    env = made(folder, pool_size=9, **policy.required_config(plain.plan, plain.keep_ratio))
    result = run_policy(policy, env, seed=0)
    assert 0.2 < result.keep_fraction < 1
    assert result.quality == env.run.evaluations[-1].test["accuracy"]


@pytest.mark.slow
def test_training_on_all_learns_the_colours(folder: Path) -> None:
    assert run_policy(make_policy("full"), made(folder, epochs=10, learning_rate=0.05), seed=0).quality > 0.8


def test_the_same_seed_gives_the_same_run_with_and_without_workers(folder: Path) -> None:
    losses = []
    for workers in (0, 1):
        env = made(folder, epochs=2, anneal_fraction=0.0, workers=workers)
        env.reset(seed=0)
        losses.append([env.step(np.ones(P, dtype=np.int8))[4]["train_loss"] for _ in range(2)])
    assert losses[0] == losses[1]


class Counted(Dataset[Any]):
    """A dataset that counts how often each sample is read, in this process and in any other."""

    def __init__(self, dataset: Dataset[Any], targets: torch.Tensor) -> None:
        self.dataset, self.targets = dataset, targets
        self.reads = Array("i", len(targets))

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Any:
        with self.reads.get_lock():
            self.reads[index] += 1
        return self.dataset[index]


@pytest.mark.parametrize("workers", [0, slow(2)])
@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")
def test_a_dropped_image_is_never_opened_and_a_kept_one_once(folder: Path, workers: int) -> None:
    task = image_folder(data_dir=folder, epochs=2, **SMALL | {"workers": workers})
    counted = Counted(task.train, task.train.targets)  # type: ignore[attr-defined]
    env = DataSelectEnv(replace(task, train=counted), pool_size=P, device="cpu", warmup_epochs=0, anneal_fraction=0.0)
    env.reset(seed=0)
    counted.reads[:] = [0] * N  # a run begins with a look at two samples, whether they fit the model
    expected = np.zeros(N, dtype=int)
    random = np.random.default_rng(0)
    assert env.plan.total_pools == 6
    for _ in range(6):
        keep = random.permutation(np.arange(P) < 10)
        expected[env.run.pool.numpy()[keep]] += 1
        env.step(keep)
        assert counted.reads[:] == expected.tolist()
    assert expected.sum() == 60 and set(expected) == {0, 1, 2}
