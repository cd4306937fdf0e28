"""Data agents for their tests, and what watches them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger

from data_select_gym.agents import DataAgent
from data_select_gym.agents.learned.data_agent import ScaledRolloutBuffer
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv

P, STEPS = 32, 40  # a run of three epochs selects in the second of them
PAPER_ENV = {"features": ("embedding",), "reward": "minibatch-composite"}


def slots(pool_size: int = P, **options: Any) -> SamplewiseVecEnv:
    return SamplewiseVecEnv(
        "DataSelect/Digits-v0", action="score", epochs=3, pool_size=pool_size, batch_size=32, **options
    )


def agent(pool_size: int = P, **options: Any) -> DataAgent:
    return DataAgent(slots(pool_size), device="cpu", **({"seed": 0, "n_epochs": 2} | options))


def paper(pool_size: int = P, **options: Any) -> DataAgent:
    return DataAgent.paper(slots(pool_size, **PAPER_ENV), device="cpu", **({"seed": 0} | options))


def silent(model: DataAgent) -> DataAgent:
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def weights(model: DataAgent) -> NDArray[np.float32]:
    return torch.cat([weight.detach().flatten() for weight in model.policy.parameters()]).numpy()


class Watched(BaseCallback):
    """Counts steps, and may do something at each."""

    def __init__(self, act: Any = None) -> None:
        super().__init__()
        self.act = act
        self.steps = 0

    def _on_step(self) -> bool:
        self.steps += 1
        return self.act is None or self.act(self) is not False


class Recorder(KVWriter):
    """Keeps what a logger writes."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.rows.append(dict(key_values))

    def close(self) -> None:
        pass


def drawn(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.7, 2.0, size=shape).astype(np.float32)


def fill(model: DataAgent, rewards: NDArray[np.float32] | None = None) -> ScaledRolloutBuffer:
    """Fill the rollout buffer with observations and actions of the policy, and with given or random rewards."""
    torch.manual_seed(0)
    made, steps, count = model.rollout_buffer, model.n_steps, model.n_envs
    assert isinstance(made, ScaledRolloutBuffer)
    made.reset()
    seen = np.random.default_rng(1).random((steps, count, *(model.observation_space.shape or ())), dtype=np.float32)
    paid = drawn(3, steps, count) if rewards is None else rewards
    for step in range(steps):
        with torch.no_grad():
            actions, values, density = model.policy(torch.from_numpy(seen[step]))
        made.add(seen[step], actions.numpy(), paid[step], np.zeros(count), values, density)
    made.compute_returns_and_advantage(torch.zeros(count), np.zeros(count, dtype=bool))
    return made


class CountedEnv(DataSelectEnv):
    """Counts resets."""

    resets = 0

    def reset(self, **options: Any) -> Any:
        self.resets += 1
        return super().reset(**options)


def counted(**options: Any) -> tuple[DataAgent, CountedEnv, SamplewiseVecEnv]:
    env = CountedEnv("digits", epochs=3, pool_size=P)
    view = SamplewiseVecEnv(env, action="score")
    return DataAgent(view, device="cpu", **({"seed": 0, "n_epochs": 1} | options)), env, view
