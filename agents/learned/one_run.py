"""Learning within one run: the agent learns from the run that it controls."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from data_select_gym.agents.learned.at_work import learning
from data_select_gym.arguments import check_count, check_kind
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv


class StopAtRunEnd(BaseCallback):
    """Stops learning when the run ends, before the next one begins, and logs its return."""

    def _on_step(self) -> bool:
        if not self.locals["dones"].all():
            return True
        # Stable-Baselines3 records an episode after its callbacks, unless they end learning.
        self.model._update_info_buffer(self.locals["infos"], self.locals["dones"])
        self.model.dump_logs()
        return False


class CountUpdates(BaseCallback):
    """Counts the time between a rollout's end and the next one's beginning as the agent's updates."""

    def __init__(self, env: DataSelectEnv) -> None:
        """Count it on the timer of the current run of ``env``."""
        super().__init__()
        self.env = env
        self.updating = ExitStack()

    def _on_rollout_end(self) -> None:
        self.updating.enter_context(self.env.run.timer.phase("update"))

    def _on_rollout_start(self) -> None:
        self.updating.close()

    def _on_training_end(self) -> None:
        self.updating.close()

    def _on_step(self) -> bool:
        return True


def learn_run(
    model: BaseAlgorithm,
    *,
    callback: BaseCallback | Sequence[BaseCallback] | None = None,
    log_interval: int = 1,
    tb_log_name: str = "run",
    reset_num_timesteps: bool = True,
    progress_bar: bool = False,
    begun: Any = None,
) -> None:
    """Let a Stable-Baselines3 model learn from exactly one run of its :class:`SamplewiseVecEnv`.

    Args:
        model: a model whose environment is a :class:`SamplewiseVecEnv`, wrapped or not.
        callback: one callback, several, or none.
        log_interval: as for ``model.learn``.
        tb_log_name: as for ``model.learn``.
        reset_num_timesteps: as for ``model.learn``.
        progress_bar: as for ``model.learn``.
        begun: what the environment shows, if a run has begun and the model continues it; None to begin a run.

    Raises:
        TypeError: ``model`` is not one of Stable-Baselines3, or its environment not a :class:`SamplewiseVecEnv`.
        ValueError: ``log_interval`` is below 1, or the model would learn nothing from a single run.
    """
    check_kind("model", model, BaseAlgorithm)
    log_interval = check_count("log_interval", log_interval)
    base = samplewise(model.get_env())
    check_learns(model, base.steps_per_run)
    callbacks = [callback] if isinstance(callback, BaseCallback) else list(callback or ())
    before, base.autoreset = base.autoreset, False
    model._last_obs = begun
    whole = base.steps_per_run * base.num_envs
    try:
        with learning(model):
            model.learn(
                total_timesteps=whole if begun is None else whole - model.num_timesteps,
                callback=[*callbacks, CountUpdates(base.env), StopAtRunEnd()],
                log_interval=log_interval,
                tb_log_name=tb_log_name,
                reset_num_timesteps=reset_num_timesteps and begun is None,
                progress_bar=progress_bar,
            )
    finally:
        base.autoreset = before
        model._last_obs = None


def check_learns(model: BaseAlgorithm, steps: int) -> None:
    """Check that a model would learn from a single run of ``steps`` steps.

    Raises:
        ValueError: it updates only after whole runs, or after more steps than the run has before its last.
    """
    if isinstance(model, OnPolicyAlgorithm):
        if model.n_steps >= steps:
            raise ValueError(
                f"n_steps={model.n_steps} is not below the {steps} steps of a run, so that nothing would be learned "
                "from it; use fewer, or an environment with more epochs or smaller pools"
            )
    elif not isinstance(model, OffPolicyAlgorithm):
        raise ValueError(
            f"{type(model).__name__} cannot learn within one run: it judges each change of its weights by whole runs; "
            "use learn(), which spans many runs"
        )


def samplewise(env: VecEnv | None) -> SamplewiseVecEnv:
    """The :class:`SamplewiseVecEnv` within wrappers.

    Raises:
        TypeError: there is none.
    """
    while isinstance(env, VecEnvWrapper):
        env = env.venv
    if not isinstance(env, SamplewiseVecEnv):
        raise TypeError(f"the environment is a {type(env).__name__}; a SamplewiseVecEnv, wrapped or not, is needed")
    return env


def features_of(env: VecEnv | None) -> tuple[str, ...] | None:
    """The features that an environment shows, of slots or of pools, wrapped or not; None if it is neither."""
    if env is None or not env.has_attr("features"):
        return None
    features: tuple[str, ...] = env.get_attr("features")[0]
    return features
