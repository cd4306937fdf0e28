import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

import data_select_gym  # noqa: F401
from data_select_gym.agents import ALGORITHMS, OnlinePolicy, make_env, make_policy, run_policy
from data_select_gym.agents.learned.off_policy import SlotNoise
from data_select_gym.envs import SamplewiseVecEnv, as_base_env

from .data_agents import Recorder
from .mechanisms import by_mechanism

P, STEPS = 32, 40  # a run of three epochs selects in the second of them
OFF_POLICY = {
    "learning_starts": 0,
    "train_freq": (1, "step"),
    "gradient_steps": 1,
    "batch_size": 32,
    "buffer_size": 4000,
}
NOISE = {"action_noise": NormalActionNoise(np.zeros(1), np.full(1, 0.1))}
# Of each algorithm: its class, its action, and its settings.
EVERY: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "ppo": (PPO, "keep", {"n_steps": 10, "batch_size": 160}),
    "a2c": (A2C, "keep", {"n_steps": 10}),
    "dqn": (DQN, "keep", OFF_POLICY),
    "sac": (SAC, "score", OFF_POLICY),
    "td3": (TD3, "score", OFF_POLICY | NOISE),
    "ddpg": (DDPG, "score", OFF_POLICY),
}


def slots(action: str, pool_size: int = P, **options: Any) -> SamplewiseVecEnv:
    return SamplewiseVecEnv(
        "DataSelect/Digits-v0", action=action, epochs=3, pool_size=pool_size, batch_size=32, **options
    )


def make(name: str, env: VecEnv | None = None, **more: Any) -> BaseAlgorithm:
    kind, action, settings = EVERY[name]
    made = slots(action) if env is None else env
    return kind(
        "MlpPolicy", made, seed=0, device="cpu", gamma=0.0, policy_kwargs={"net_arch": [16]}, **settings, **more
    )


def weights(model: BaseAlgorithm) -> NDArray[np.float32]:
    return torch.cat([weight.detach().flatten() for weight in model.policy.parameters()]).numpy()


def seen(count: int = 50) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((count, 8), dtype=np.float32)


class Returns(BaseCallback):
    """The returns of runs, from the samples' rewards in the joint infos."""

    def __init__(self) -> None:
        super().__init__()
        self.current = 0.0
        self.finished: list[float] = []

    def _on_step(self) -> bool:
        self.current += float(np.mean(self.locals["infos"][-1]["sample_rewards"], dtype=np.float64))
        if self.locals["dones"].all():
            self.finished.append(self.current)
            self.current = 0.0
        return True


# Stable-Baselines3's own algorithms


def test_ppo_learns_on_the_joint_mask() -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3)
    model = PPO("MlpPolicy", env, n_steps=10, batch_size=10, n_epochs=1, device="cpu", seed=0)
    before = weights(model)
    model.learn(20)
    assert (weights(model) != before).any()
    assert model.predict(env.observation_space.sample())[0].shape == (128,)
    # Two whole runs, each of ten steps.
    assert [episode["l"] for episode in model.ep_info_buffer] == [10, 10]


@pytest.mark.slow
@pytest.mark.parametrize("name", by_mechanism(EVERY))
def test_every_algorithm_learns_over_runs_and_logs_their_true_return(name: str) -> None:
    recorder, returns = Recorder(), Returns()
    model = make(name)
    model.set_logger(Logger(folder=None, output_formats=[recorder]))
    before = weights(model)
    model.learn(3 * STEPS * P, callback=returns, log_interval=1 if name in ("ppo", "a2c") else P)
    assert (weights(model) != before).any()
    assert len(returns.finished) == 3
    logged = [row["rollout/ep_rew_mean"] for row in recorder.rows if "rollout/ep_rew_mean" in row]
    means = [np.mean(returns.finished[:count]) for count in (1, 2, 3)]
    assert list(dict.fromkeys(logged)) == pytest.approx(means, rel=1e-6)
    lengths = {row["rollout/ep_len_mean"] for row in recorder.rows if "rollout/ep_len_mean" in row}
    assert lengths == {STEPS}


@pytest.mark.filterwarnings("ignore::tqdm.TqdmExperimentalWarning")
@pytest.mark.parametrize("name", by_mechanism(EVERY))
def test_every_algorithm_takes_the_tools_of_stable_baselines3(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = VecNormalize(slots(EVERY[name][1]))
    model = make(name, env, tensorboard_log=str(tmp_path / "curves"))
    saves = CheckpointCallback(save_freq=25, save_path=str(tmp_path / "saved"), save_vecnormalize=True)
    returns = Returns()
    model.learn(2 * STEPS * P, callback=[saves, returns], progress_bar=True)
    steps = [25 * P, 50 * P, 75 * P]
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {
        file for step in steps for file in (f"rl_model_{step}_steps.zip", f"rl_model_vecnormalize_{step}_steps.pkl")
    }
    assert list((tmp_path / "curves").glob("*_1/events.out.tfevents.*"))
    # Rewards are normalised for the agent, and a run's return is not.
    assert [episode["r"] for episode in model.ep_info_buffer] == pytest.approx(returns.finished)
    assert env.obs_rms.mean.shape == (8,)
    assert f"{2 * STEPS * P:,}/{2 * STEPS * P:,}" in "".join(capsys.readouterr())
    loaded = type(model).load(tmp_path / "saved" / f"rl_model_{75 * P}_steps", env=env, device="cpu")
    assert loaded.num_timesteps == 75 * P


@pytest.mark.parametrize("name", by_mechanism(EVERY))
def test_every_algorithm_saved_and_loaded_predicts_the_same_at_any_pool_size(name: str, tmp_path: Path) -> None:
    kind, action, _ = EVERY[name]
    model = make(name).learn(STEPS * P)
    model.save(tmp_path / "model")
    expected, _ = model.predict(seen(), deterministic=True)
    for env in (None, slots(action), slots(action, 64)):
        loaded = kind.load(tmp_path / "model", env=env, device="cpu")
        assert loaded.predict(seen(), deterministic=True)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("name", by_mechanism(EVERY))
def test_a_loaded_model_goes_on_learning_at_another_pool_size(name: str, tmp_path: Path) -> None:
    kind, action, _ = EVERY[name]
    make(name).learn(10 * P).save(tmp_path / "model")
    # Noise is drawn for a number of slots.
    noise = {"action_noise": SlotNoise(0.1, 64)} if name == "td3" else {}
    loaded = kind.load(tmp_path / "model", env=slots(action, 64), device="cpu", **noise)
    before = weights(loaded)
    loaded.learn(30 * 64)
    assert (weights(loaded) != before).any()


# The settings of this package

SHORT: dict[str, Any] = {"epochs": 4, "pool_size": 128, "batch_size": 32}
COEVOLVING = [name for name, algorithm in ALGORITHMS.items() if not algorithm.across_runs]


def coevolved(name: str, seed: int = 0, **options: Any) -> tuple[OnlinePolicy, Any]:
    policy = make_policy(name)
    env = make_env(policy, "DataSelect/Digits-v0", **(SHORT | options))
    return policy, run_policy(policy, env, seed)  # type: ignore[return-value]


@pytest.mark.parametrize("name", by_mechanism(COEVOLVING))
def test_every_learned_policy_drives_a_run_that_it_learns_from(name: str) -> None:
    policy, result = coevolved(name, batch_size=16)
    # One epoch of warm-up and one of annealing; data-agent selects in that too: (10 + 20 / 2) / 30.
    steps, kept = (30, 2 / 3) if name == "data-agent" else (20, 0.5)
    assert result.steps == steps
    assert result.quality > 0.7
    assert 0 < result.keep_fraction < 1
    if ALGORITHMS[name].action == "score":
        assert result.keep_fraction == pytest.approx(kept, abs=0.005)
    model = policy.model
    assert model is not None
    assert model.num_timesteps == steps * 128
    assert model._n_updates > 0
    assert model.gamma == (0.99 if name == "data-agent-paper" else 0.0)


@pytest.mark.parametrize("name", by_mechanism(["data-agent-paper", "ppo", "td3"]))
def test_a_new_model_is_made_for_each_run(name: str) -> None:
    policy, first = coevolved(name)
    plan = as_base_env("DataSelect/Digits-v0", **SHORT).plan
    env = as_base_env("DataSelect/Digits-v0", **SHORT, **policy.required_config(plan, 0.5))
    model = policy.model
    second = run_policy(policy, env, 0)
    assert policy.model is not model
    assert second.episode_return == first.episode_return


@pytest.mark.parametrize(
    ("name", "pool_size"),
    [
        *by_mechanism((name, 320) for name in COEVOLVING),
        ("ppo", 61),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("ppo", 64), ("dqn", 64), ("data-agent", 48))),
    ],
)
def test_every_learned_policy_serves_other_pool_sizes_without_a_warning(name: str, pool_size: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, result = coevolved(name, pool_size=pool_size, epochs=6)
    assert result.quality > 0.5


@pytest.mark.parametrize(
    ("name", "updates"),
    by_mechanism([*((name, 4) for name in ("dqn", "sac", "td3", "ddpg", "qrdqn", "tqc")), ("crossq", 2)]),
)
def test_off_policy_settings_replay_the_last_twenty_steps_and_update_a_few_times_a_step(
    name: str, updates: int
) -> None:
    model = ALGORITHMS[name].make(slots(ALGORITHMS[name].action))
    assert model.replay_buffer.buffer_size == 20
    model.learn(10 * P)
    assert model._n_updates == 10 * updates


def test_what_an_algorithm_needs_of_its_environment_is_said() -> None:
    policy = make_policy("data-agent-paper")
    plan = as_base_env("DataSelect/Digits-v0", epochs=3).plan
    assert policy.required_config(plan, 0.5) == {"features": ("embedding",), "reward": "minibatch-composite"}
    assert make_policy("ppo").required_config(plan, 0.5) == {}
