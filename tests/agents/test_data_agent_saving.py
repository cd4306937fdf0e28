import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import CheckpointCallback

from data_select_gym.agents import DataAgent

from ..tiers import slow
from .data_agents import PAPER_ENV, P, agent, paper, slots, weights


def rows(model: DataAgent, count: int = 50) -> NDArray[np.float32]:
    shape = model.observation_space.shape or ()
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)


@pytest.mark.parametrize("make", [agent, slow(paper)])
def test_a_loaded_agent_predicts_the_same_to_the_bit_at_any_pool_size(make: Any, tmp_path: Path) -> None:
    model = make().learn_run()
    model.save(tmp_path / "agent")
    options = PAPER_ENV if make is paper else {}
    for env in (None, slots(**options), slots(64, **options), slots(18, **options)):
        loaded = DataAgent.load(tmp_path / "agent", env=env, device="cpu")
        assert type(loaded) is DataAgent
        for deterministic in (True, False):
            torch.manual_seed(1)
            expected, _ = model.predict(rows(model), deterministic=deterministic)
            torch.manual_seed(1)
            assert loaded.predict(rows(model), deterministic=deterministic)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("make", [agent, slow(paper)])
def test_a_loaded_agent_goes_on_learning_as_the_saved_one_does(make: Any, tmp_path: Path) -> None:
    def go_on(model: DataAgent) -> NDArray[np.float32]:
        model.set_random_seed(7)
        return weights(model.learn_run(reset_num_timesteps=False))

    model = make().learn_run()
    model.save(tmp_path / "agent")
    loaded = DataAgent.load(tmp_path / "agent", env=slots(**(PAPER_ENV if make is paper else {})), device="cpu")
    before = weights(model)
    assert weights(loaded).tolist() == before.tolist()
    after = go_on(model)
    assert go_on(loaded).tolist() == after.tolist()
    assert (after != before).any()


@pytest.mark.parametrize(("pool_size", "minibatches"), [slow(64, 8), (18, 8), slow(33, 8)])
def test_a_loaded_agent_goes_on_learning_at_another_pool_size(pool_size: int, minibatches: int, tmp_path: Path) -> None:
    agent().learn_run().save(tmp_path / "agent")
    loaded = DataAgent.load(tmp_path / "agent", env=slots(pool_size), device="cpu")
    assert loaded.batch_size == math.ceil(10 * pool_size / minibatches)
    steps: list[int] = []
    loaded.policy.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    loaded.learn_run()
    updates = (loaded.env.steps_per_run - 1) // 10  # type: ignore[union-attr]
    assert len(steps) == updates * 2 * minibatches
    assert loaded.env.env.run.done  # type: ignore[union-attr]


def test_statistics_of_rewards_survive_saving_and_loading(tmp_path: Path) -> None:
    model = paper().learn_run()
    statistics = model.rollout_buffer.statistics
    # Nothing is left to learn for after the last of the four rollouts.
    assert statistics.count == pytest.approx(30 * P, abs=1)
    model.save(tmp_path / "agent")
    for pool_size in (P, 64):
        loaded = DataAgent.load(tmp_path / "agent", env=slots(pool_size, **PAPER_ENV), device="cpu")
        kept = loaded.rollout_buffer.statistics
        assert (kept.mean, kept.var, kept.count) == (statistics.mean, statistics.var, statistics.count)
        loaded.learn_run()
        assert kept.count == pytest.approx(statistics.count + (loaded.num_timesteps - 10 * pool_size), abs=1)
        assert loaded.rollout_buffer.statistics is kept


@pytest.mark.slow
def test_checkpoints_are_written_and_can_be_loaded(tmp_path: Path) -> None:
    model = agent()
    model.learn_run(callback=CheckpointCallback(save_freq=15, save_path=str(tmp_path), name_prefix="agent"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"agent_{15 * P}_steps.zip", f"agent_{30 * P}_steps.zip"]
    loaded = DataAgent.load(tmp_path / names[1], env=slots(), device="cpu")
    assert loaded.num_timesteps == 30 * P
    loaded.learn_run()
