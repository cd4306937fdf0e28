import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3 import TD3
from stable_baselines3.common.noise import VectorizedActionNoise

from data_select_gym.agents.learned.off_policy import CentredReplayBuffer, SlotDQN, SlotNoise
from data_select_gym.envs import SamplewiseVecEnv

SLOTS = 2000


def model(exploration_rate: float) -> SlotDQN:
    env = SamplewiseVecEnv("DataSelect/Digits-v0", epochs=3, pool_size=32, batch_size=32)
    made = SlotDQN("MlpPolicy", env, buffer_size=320, seed=0, device="cpu")
    made.exploration_rate = exploration_rate
    return made


def rows() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(SLOTS, 8)).astype(np.float32)


def greedy(made: SlotDQN) -> NDArray[np.int64]:
    with torch.no_grad():
        return made.q_net(torch.from_numpy(rows())).argmax(dim=1).numpy()


def test_a_deterministic_action_is_the_one_of_the_highest_value() -> None:
    made = model(exploration_rate=1.0)
    actions, _ = made.predict(rows(), deterministic=True)
    assert actions.tolist() == greedy(made).tolist()
    assert set(actions.tolist()) == {0, 1}


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_every_slot_explores_on_its_own(rate: float) -> None:
    made = model(rate)
    changed = [(made.predict(rows())[0] != greedy(made)).mean() for _ in range(20)]
    # Half of the random actions are the greedy ones. Five standard deviations of a share of 2,000 are below 0.05.
    assert changed == pytest.approx([rate / 2] * 20, abs=0.05)
    assert len(set(changed)) > 1


def test_slots_explore_in_both_directions() -> None:
    made = model(1.0)
    actions, _ = made.predict(rows())
    for best in (0, 1):
        assert actions[greedy(made) == best].mean() == pytest.approx(0.5, abs=0.1)


def test_nothing_is_explored_at_rate_zero() -> None:
    made = model(0.0)
    assert made.predict(rows())[0].tolist() == greedy(made).tolist()


def test_a_single_row_gets_a_single_action() -> None:
    action, _ = model(1.0).predict(rows()[0])
    assert action.shape == ()
    assert action in (0, 1)


def test_exploration_falls_while_it_learns() -> None:
    made = model(1.0)
    made.exploration_fraction = 1.0
    made.learn(30 * 32)
    assert made.exploration_rate == pytest.approx(made.exploration_final_eps)


def test_noise_is_one_draw_a_slot_of_the_right_deviation() -> None:
    np.random.seed(0)
    noise = SlotNoise(0.3, SLOTS)
    first, second = noise(), noise()
    assert (first.shape, first.dtype) == ((SLOTS, 1), np.float32)
    # Four standard errors of mean and deviation of 2,000 draws are 0.027 and 0.019.
    assert first.mean() == pytest.approx(0, abs=0.027)
    assert first.std() == pytest.approx(0.3, abs=0.019)
    assert not np.isin(first, second).any()


def test_noise_can_be_reset_by_slots() -> None:
    noise = SlotNoise(0.3, 4)
    noise.reset()
    noise.reset([1, 3])
    assert isinstance(noise, VectorizedActionNoise)
    assert noise().shape == (4, 1)


def test_noise_reaches_the_scores_of_all_slots() -> None:
    env = SamplewiseVecEnv("DataSelect/Digits-v0", action="score", epochs=3, pool_size=32, batch_size=32)
    made = TD3(
        "MlpPolicy", env, action_noise=SlotNoise(0.2, 32), buffer_size=320, learning_starts=0, seed=0, device="cpu"
    )
    made.learn(20 * 32)
    stored = made.replay_buffer
    assert stored is not None
    meant, _ = made.predict(stored.observations[0], deterministic=True)
    # The buffer holds scores on the scale from -1 to 1.
    moved = stored.actions[0] - (2 * meant - 1)
    assert len(np.unique(moved)) == 32


@pytest.mark.parametrize(
    ("kept", "stored"),
    [
        ([True, False, True, True], [-1.0, 0.0, 0.5, 0.5]),
        ([False, False, False, False], [-0.75, 0.0, 0.75, 0.75]),
    ],
)
def test_rewards_of_the_kept_are_stored_less_their_mean(kept: list[bool], stored: list[float]) -> None:
    space = Box(0.0, 1.0, (1,), dtype=np.float32)
    buffer = CentredReplayBuffer(8, space, space, device="cpu", n_envs=4)
    # The mean over the three kept is 0.25.
    rewards = np.array([-0.75, 0.0, 0.75, 0.75], dtype=np.float32)
    row, terminated = np.zeros((4, 1), dtype=np.float32), np.zeros(4)
    buffer.add(row, row, row, rewards, terminated, [{}, {}, {}, {"kept": np.array(kept)}])
    assert buffer.rewards[0].tolist() == stored
    assert rewards.tolist() == [-0.75, 0.0, 0.75, 0.75]
