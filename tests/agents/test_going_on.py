"""A run that a policy drives goes on from a checkpoint to the bit, from any step, with any policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.agents import RunResult, available_policies, drive, make_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.slots import make_joint
from data_select_gym.training import TrainingRun
from data_select_gym.training.checkpoints import Checkpoints

POLICIES = [name for name in available_policies() if name not in ("ars", "full-equal-cost")]


class Killed(Exception):
    """Stands for the end of a process."""


def environment(policy: Any, **options: Any) -> DataSelectEnv:
    settings: dict[str, Any] = {"epochs": 5, "pool_size": 160, "device": "cpu", **options}
    plan, keep_ratio = make_joint("DataSelect/Digits-v0", **settings).plan, 0.5
    return make_joint("DataSelect/Digits-v0", **settings | make_policy(policy).environment(plan, keep_ratio))


def outcome(env: DataSelectEnv, result: RunResult) -> Any:
    run = env.run
    weights = {name: value.tolist() for name, value in run.model.state_dict().items()}
    columns = {name: column.tolist() for name, column in run.ledger.state().items()}
    plain = replace(result, seconds=0.0, agent_seconds=0.0)
    return plain, weights, columns, run.evaluations, env.keep_fractions, env.kept_by_loss, env.price.value


def killed_after(pools: int, tell: Callable[[TrainingRun], None] | None = None) -> Callable[[TrainingRun], None]:
    def on_pool(run: TrainingRun) -> None:
        if run.pool_number >= pools:
            raise Killed

    return on_pool


def driven(policy: Any, folder: Path, deaths: list[int], **options: Any) -> Any:
    """What comes of a run whose process dies after so many pools, and is started again each time."""
    for pools in [*deaths, None]:
        env = environment(policy, **options)
        env.on_pool = None if pools is None else killed_after(pools)
        try:
            result = drive(make_policy(policy), env, seed=3, checkpoints=Checkpoints(folder, minutes=None, steps=1))
        except Killed:
            continue
        assert pools is None, "it should have died"
        return outcome(env, result)
    raise AssertionError


@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_that_dies_again_and_again_comes_to_the_same(policy: str, tmp_path: Path) -> None:
    env = environment(policy)
    whole = outcome(env, drive(make_policy(policy), env, seed=3))
    total = env.plan.total_pools
    deaths = [2, env.plan.warmup_pools + 1, total // 2, total // 2 + 3, env.plan.anneal_start + 1, total - 1]
    again = driven(policy, tmp_path / "checkpoints", sorted({min(pools, total) for pools in deaths}))
    for mine, other in zip(again, whole, strict=True):
        assert mine == other
    assert not (tmp_path / "checkpoints").exists()
