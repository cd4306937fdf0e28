"""Runs are in float32, whatever type PyTorch gives to new tensors by default."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.agents import load_policy, make_env, make_policy, pretrain, run_policy, save_model
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.tasks import make_task

from ..tiers import slow

KINDS = [torch.float64, torch.bfloat16]


@contextmanager
def by_default(kind: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def played(policy: str, **options: Any) -> Any:
    env = DataSelectEnv("digits", epochs=3, pool_size=160, batch_size=80, keep_ratio=0.5, device="cpu", **options)
    result = run_policy(make_policy(policy), env, seed=0)
    observation, _ = env.reset(seed=0)
    return result.quality, result.cost, result.episode_return, observation.tolist(), env.run.ledger.columns["loss"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_ledger_keeps_float32(kind: torch.dtype) -> None:
    with by_default(kind):
        ledger = Ledger(3)
    assert ledger.columns["loss"].dtype == torch.float32 and torch.equal(
        ledger.columns["margin"], torch.full((3,), -1.0, dtype=torch.float32)
    )


@pytest.mark.parametrize(
    "policy", ["random", slow("top-loss"), slow("ucb"), slow("el2n"), slow("forgetting"), "infobatch"]
)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_run_is_the_same_to_the_bit(policy: str, kind: torch.dtype) -> None:
    options = {} if policy == "random" else {"reward": "priced-alignment"}
    *expected, loss = played(policy, **options)
    with by_default(kind):
        *found, other = played(policy, **options)
        assert torch.get_default_dtype() == kind
    assert found == expected and torch.equal(loss, other) and other.dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_labels_and_classes_are_cut_the_same_way(kind: torch.dtype) -> None:
    expected = make_task("digits", imbalance_factor=10, label_noise=0.2).train
    with by_default(kind):
        found: Any = make_task("digits", imbalance_factor=10, label_noise=0.2).train
    for mine, theirs in zip(found.tensors, expected.tensors, strict=True):  # type: ignore[attr-defined]
        assert mine.dtype == theirs.dtype and np.array_equal(mine.numpy(), theirs.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["ppo", *map(slow, ["dqn", "td3", "data-agent"])])
def test_policies_that_learn_are_the_same_too(policy: str) -> None:
    def learned_run() -> Any:
        made = make_policy(policy)
        env = make_env(made, "DataSelect/Digits-v0", epochs=4, pool_size=160, device="cpu")
        result = run_policy(made, env, seed=0)
        return result.quality, result.episode_return, env.keep_fractions

    expected = learned_run()
    with by_default(torch.float64):
        assert learned_run() == expected


def test_a_policy_from_a_file_is_the_same_too(tmp_path: Path) -> None:
    file = save_model(
        pretrain("a2c", "DataSelect/Digits-v0", runs=1, seed=0, epochs=3, pool_size=160), tmp_path / "a.zip"
    )
    observation = np.linspace(0, 1, 160 * 8, dtype=np.float32).reshape(160, 8)
    expected = load_policy(file).select(observation)
    with by_default(torch.float64):
        assert np.array_equal(load_policy(file).select(observation), expected)
