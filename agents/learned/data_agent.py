"""Data Agent: PPO with a Beta policy over the scores of samples (arXiv 2603.07433)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from data_select_gym.agents.learned.at_work import learning
from data_select_gym.agents.learned.beta import BetaPolicy
from data_select_gym.agents.learned.one_run import features_of, learn_run
from data_select_gym.arguments import check_count, check_flag, check_path, check_positive, check_share
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.training.device import check_device

EPSILON = 1e-8
PRIOR = "quality_rank"
SMALL = {"net_arch": {"pi": [32, 32], "vf": [32, 32]}, "optimizer_kwargs": {"eps": 1e-5}}


class LinearDecay:
    """A learning rate that falls linearly from ``start`` to the share ``final`` of it over ``learn``'s timesteps."""

    def __init__(self, start: float, final: float = 0.01) -> None:
        self.start = start
        self.final = final

    def __call__(self, progress_remaining: float) -> float:
        return self.start * (self.final + (1 - self.final) * progress_remaining)


class ScaledRolloutBuffer(RolloutBuffer):
    """A rollout buffer that divides advantages by their standard deviation without centring them.

    With ``statistics``, it first normalises rewards by their running mean and standard deviation over samples.
    """

    def __init__(self, *args: Any, statistics: RunningMeanStd | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.statistics = statistics

    def compute_returns_and_advantage(self, last_values: Tensor, dones: np.ndarray[Any, np.dtype[Any]]) -> None:
        """Normalise the rewards, then compute and scale the advantages."""
        if self.statistics is not None:
            self.statistics.update(self.rewards.reshape(-1))
            self.rewards = ((self.rewards - self.statistics.mean) / np.sqrt(self.statistics.var + EPSILON)).astype(
                np.float32
            )
        super().compute_returns_and_advantage(last_values, dones)
        self.advantages = self.advantages / (self.advantages.std() + EPSILON)


def column_of(feature: str, env: VecEnv | None) -> int | None:
    """The column of a feature in an observation; None if it is not shown."""
    names = features_of(env) or ()
    if env is None or feature not in names:
        return None
    place = int(names.index(feature))
    wide = int(np.prod(env.observation_space.shape or (1,))) - len(names)
    return place + wide * ("embedding" in names[:place])


class DataAgent(PPO):
    """Learns a score for each sample; the environment keeps the share with the highest.

    The defaults are ``data-agent``, our version: Data Agent's kind of actor, critic and update. The discount is 0,
    since a slot shows an unrelated sample at the next step. Networks are smaller, updates more frequent and the
    learning rate larger, since a run has a few hundred steps. If the environment shows ``quality_rank``, the agent
    starts with the greedy rule that the reward describes, the samples of highest recorded quality, and learns to change
    it. The environment that :func:`~data_select_gym.agents.make_env` makes for ``data-agent`` has this feature and no
    annealing.

    :meth:`paper` has the paper's values. The agent saves, loads, logs and takes callbacks like any Stable-Baselines3
    model.

    Example:
        >>> from data_select_gym.envs import SamplewiseVecEnv
        >>> agent = DataAgent(SamplewiseVecEnv("DataSelect/Digits-v0", action="score", epochs=4))
        >>> agent.learn_run().num_timesteps
        2560
    """

    def __init__(
        self,
        env: VecEnv | gym.Env[Any, Any] | str | None,
        policy: str | type[ActorCriticPolicy] = BetaPolicy,
        *,
        learning_rate: float | Schedule = 5e-3,
        n_steps: int = 10,
        n_minibatches: int = 8,
        n_epochs: int = 5,
        gamma: float = 0.0,
        gae_lambda: float = 1.0,
        normalize_reward: bool = False,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        """Make the agent.

        Args:
            env: a :class:`SamplewiseVecEnv` with ``action="score"``, wrapped or not; or the id of an environment or a
                :class:`DataSelectEnv`, wrapped or not, which then gets a samplewise view.
            policy: the class of the policy, or a name of Stable-Baselines3's, such as ``"MlpPolicy"``.
            learning_rate: of Adam, a number or a function of the share of timesteps that remains.
            n_steps: steps between updates.
            n_minibatches: minibatches for the samples of those steps.
            n_epochs: passes over the samples of those steps in an update.
            gamma: discount, in [0, 1].
            gae_lambda: of generalised advantage estimation, in [0, 1].
            normalize_reward: whether to normalise rewards by their running mean and standard deviation over samples.
            policy_kwargs: arguments of the policy. If None, a :class:`BetaPolicy` gets two layers of 32 for actor and
                critic, and, if ``"quality_rank"`` is among the environment's features, initial scores that rise with
                it; another policy gets its defaults.
            tensorboard_log: folder for TensorBoard.
            verbose: 0 for silence, 1 for tables of what is learned.
            seed: of the policy's weights and draws.
            device: where the policy lives.

        Raises:
            ValueError: an argument is out of its range.
            TypeError: ``env`` is another kind of environment, or another argument is of the wrong type.
        """
        if not callable(learning_rate):
            learning_rate = check_positive("learning_rate", learning_rate)
        n_steps = check_count("n_steps", n_steps)
        n_epochs = check_count("n_epochs", n_epochs)
        gamma = check_share("gamma", gamma, zero=True)
        gae_lambda = check_share("gae_lambda", gae_lambda, zero=True)
        if seed is not None:
            seed = check_count("seed", seed, least=0, most=2**32 - 1)
        if tensorboard_log is not None:
            tensorboard_log = str(check_path("tensorboard_log", tensorboard_log))
        verbose = check_count("verbose", verbose, least=0)
        check_device(device)
        if env is not None and not isinstance(env, VecEnv):
            env = SamplewiseVecEnv(env, action="score")
        if policy_kwargs is None and isinstance(policy, type) and issubclass(policy, BetaPolicy):
            policy_kwargs = SMALL | {"prior": column_of(PRIOR, env)}
        self.normalize_reward = check_flag("normalize_reward", normalize_reward)
        self.n_minibatches = check_count("n_minibatches", n_minibatches)
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=n_steps * (2 if env is None else env.num_envs),
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=0.2,
            normalize_advantage=False,
            ent_coef=0.0,
            max_grad_norm=float("inf"),
            rollout_buffer_class=ScaledRolloutBuffer,
            rollout_buffer_kwargs={"statistics": RunningMeanStd(shape=()) if normalize_reward else None},
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

    @classmethod
    def paper(cls, env: VecEnv | gym.Env[Any, Any] | str, **options: Any) -> DataAgent:
        """The paper's agent, ``data-agent-paper``.

        Actor and critic of two layers of 128, discount 0.99, GAE 0.95, four epochs of a single batch, Adam at 3e-4
        decayed linearly to 1% with weight decay 5e-4, rewards normalised.

        Its environment has ``features=["embedding"]`` and ``reward="minibatch-composite"``.

        Args:
            env: as for the class.
            options: other arguments of the class.
        """
        return cls(env, **(cls.paper_settings() | options))

    @staticmethod
    def paper_settings() -> dict[str, Any]:
        """The arguments of the class that make the paper's agent."""
        return {
            "learning_rate": LinearDecay(3e-4),
            "n_minibatches": 1,
            "n_epochs": 4,
            "gamma": 0.99,
            "gae_lambda": 0.95,
            "normalize_reward": True,
            "policy_kwargs": {"optimizer_kwargs": {"eps": 1e-5, "weight_decay": 5e-4}},
        }

    def _setup_model(self) -> None:
        # A loaded agent may get another number of slots.
        self.batch_size = math.ceil(self.n_steps * self.n_envs / self.n_minibatches)
        super()._setup_model()

    def learn(self, *args: Any, **options: Any) -> DataAgent:
        """Learn, as any Stable-Baselines3 model does."""
        with learning(self):
            return super().learn(*args, **options)

    def learn_run(
        self,
        *,
        callback: BaseCallback | Sequence[BaseCallback] | None = None,
        log_interval: int = 1,
        tb_log_name: str = "DataAgent",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> DataAgent:
        """Learn while one run trains; see :func:`~data_select_gym.agents.learn_run`."""
        learn_run(
            self,
            callback=callback,
            log_interval=log_interval,
            tb_log_name=tb_log_name,
            reset_num_timesteps=reset_num_timesteps,
            progress_bar=progress_bar,
        )
        return self
