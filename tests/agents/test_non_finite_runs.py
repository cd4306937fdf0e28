"""A run whose losses are no longer finite stops, and what was written of it before is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import make_task
from data_select_gym.training import NonFiniteLossError
from data_select_gym.training.checkpoints import Checkpoints

from ..tiers import slow

POLICIES = ["random", "top-loss", "ppo", "data-agent"]
LATE = 0.5


def exploding(progress: float) -> float:
    """A schedule that breaks the model in the middle of the run."""
    return 1.0 if progress < LATE else 1e36


def environment(policy: str, *, broken: bool = True, **options: Any) -> DataSelectEnv:
    task = make_task("digits", epochs=5)
    if broken:
        task = replace(task, recipe=replace(task.recipe, schedule=exploding))
    settings: dict[str, Any] = {"pool_size": 160, "device": "cpu", **options}
    plan = DataSelectEnv(task, **settings).plan
    return DataSelectEnv(task, **settings | make_policy(policy).required_config(plan, 0.5))


@pytest.mark.parametrize("policy", [*map(slow, POLICIES[:2]), *POLICIES[2:]])
def test_the_newest_checkpoint_is_of_before_the_update_that_broke_the_model(policy: str, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, minutes=None, steps=1)
    env = environment(policy)
    with pytest.raises(NonFiniteLossError, match="learning rate"):
        run_policy(make_policy(policy), env, seed=3, checkpoints=checkpoints)
    state = checkpoints.read()
    assert state is not None
    weights = state["env"]["run"]["model"]
    assert all(value.isfinite().all() for value in weights.values())
    assert max(value.abs().max().item() for value in weights.values()) < 100
    assert 0 < state["env"]["run"]["pool_number"] <= env.plan.total_pools * LATE
    # With a schedule that does not break it, it goes on to its end from there.
    result = run_policy(make_policy(policy), environment(policy, broken=False), seed=3, checkpoints=checkpoints)
    assert result.quality > 0.8


def test_a_run_that_skips_what_a_broken_model_gives_says_so_once() -> None:
    env = environment("random", on_non_finite="skip")
    with pytest.warns(RuntimeWarning, match="minibatches are skipped") as caught:
        run_policy(make_policy("random"), env, seed=3)
    assert len(caught) == 1 and env.run.skipped > 10
    assert not torch.stack([value.abs().max() for value in env.run.model.parameters()]).max() < 1e30
