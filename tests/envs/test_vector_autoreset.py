from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics

from data_select_gym.envs import SamplewiseVectorEnv

from .joint_runs import same
from .vector_runs import STEPS, P, actions_of, gathered, joint, slots


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, "NextStep"])
def test_step_after_the_end_begins_the_next_run_and_ignores_its_actions(mode: Any) -> None:
    env, other = slots(autoreset_mode=mode), joint()
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=0)
    other.reset(seed=0)
    for number in range(STEPS):
        *_, terminations, _, _ = env.step(actions_of("keep", number))
        assert terminations.tolist() == [number == STEPS - 1] * P
    observation, rewards, terminations, truncations, infos = env.step(np.full((3, 3), np.nan))
    expected, info = other.reset()
    assert same([observation, gathered(infos)], [expected, info])
    assert [rewards.any(), terminations.any(), truncations.any()] == [False] * 3
    _, rewards, terminations, *_ = env.step(actions_of("keep", 0))
    _, reward, *_ = other.step(actions_of("keep", 0))
    assert rewards.mean() == pytest.approx(reward)
    assert not terminations.any()


def test_step_that_ends_a_run_can_begin_the_next_and_keeps_what_was_last() -> None:
    env, other = slots(autoreset_mode="SameStep"), joint()
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert SamplewiseVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=0)
    other.reset(seed=0)
    for number in range(STEPS):
        observation, rewards, terminations, _, infos = env.step(actions_of("keep", number))
        last, reward, terminated, _, info = other.step(actions_of("keep", number))
        assert rewards.mean() == pytest.approx(reward)
        assert terminations.tolist() == [terminated] * P
        assert ("final_obs" in infos) is terminated
    final, final_infos = infos.pop("final_obs"), infos.pop("final_info")
    assert infos.pop("_final_obs").tolist() == infos.pop("_final_info").tolist() == [True] * P
    assert (final.shape, final.dtype) == ((P,), object)
    assert same([np.stack(final), gathered(final_infos)], [last, info])
    assert same([observation, gathered(infos)], list(other.reset()))
    *_, terminations, _, infos = env.step(actions_of("keep", 0))
    assert not terminations.any()
    assert "final_obs" not in infos


@pytest.mark.parametrize("mode", [AutoresetMode.DISABLED, "Disabled"])
def test_without_autoreset_the_end_of_a_run_stays_until_reset(mode: Any) -> None:
    env, other = slots(autoreset_mode=mode), joint()
    assert env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    env.reset(seed=0)
    other.reset(seed=0)
    for number in range(STEPS):
        observation, _, terminations, _, infos = env.step(actions_of("keep", number))
        last, _, terminated, _, info = other.step(actions_of("keep", number))
        assert same([observation, gathered(infos)], [last, info])
        assert terminations.tolist() == [terminated] * P
    assert "final_obs" not in infos
    with pytest.raises(ResetNeeded, match="over"):
        env.step(actions_of("keep", 0))
    observation, infos = env.reset(options={"reset_mask": terminations})
    assert same([observation, gathered(infos)], list(other.reset()))
    *_, terminations, _, infos = env.step(actions_of("keep", 0))
    assert not terminations.any()


@pytest.mark.parametrize(
    ("mask", "held"),
    [
        (np.arange(P) > 0, r"\(64,\) holds 63"),
        (np.zeros(P, bool), "holds 0"),
        (np.ones(P - 1, bool), r"\(63,\) holds 63"),
    ],
)
def test_slots_cannot_begin_one_by_one(mask: Any, held: str) -> None:
    with pytest.raises(ValueError, match=rf"reset_mask of shape .*{held} slots; all 64 are needed, which are one run"):
        slots().reset(options={"reset_mask": mask})


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_gymnasium_records_the_true_return_of_every_slot(mode: AutoresetMode) -> None:
    env = RecordEpisodeStatistics(slots(autoreset_mode=mode))
    env.reset(seed=0)
    for _ in range(2):
        returns = np.zeros(P)
        for number in range(STEPS):
            _, rewards, terminations, _, infos = env.step(actions_of("keep", number))
            returns += rewards
        assert terminations.all()
        assert infos["_episode"].all()
        assert infos["episode"]["r"] == pytest.approx(returns)
        assert infos["episode"]["l"].tolist() == [STEPS] * P
        if mode is AutoresetMode.NEXT_STEP:
            env.step(actions_of("keep", 0))
    assert len(set(returns.tolist())) > P / 2


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_gymnasium_can_normalise_the_rewards(mode: AutoresetMode) -> None:
    env = NormalizeReward(slots(autoreset_mode=mode), gamma=0.0)
    env.reset(seed=0)
    rewards = [env.step(actions_of("keep", number))[1] for number in range(2 * STEPS)]
    assert np.isfinite(rewards).all()
    assert 0.5 < np.std(rewards) < 2
