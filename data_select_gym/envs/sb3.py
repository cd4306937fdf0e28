"""The samplewise view as a vector environment of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import Env, Wrapper
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from data_select_gym.arguments import check_flag
from data_select_gym.deprecation import RenamedMember
from data_select_gym.envs.slots import Slots, joint_within
from data_select_gym.envs.wrapper_checks import only_environment


class SamplewiseVecEnv(VecEnv):
    """The samplewise view: every slot, a place in the pool, is a sub-environment; all begin and end together.

    A slot shows another, unrelated sample at the next step. This is a contextual bandit, so use discount 0 unless you
    have a reason. A timestep of Stable-Baselines3 is one slot at one step, so a run takes ``steps_per_run * num_envs``
    of them.

    The last slot's info is the joint info of the step. At the end of a run it also holds ``"episode"``, with the return
    and the length of the run, so that ``rollout/ep_rew_mean`` is the true return of runs. ``VecMonitor`` would count
    every slot as an episode.

    Example:
        >>> from stable_baselines3 import PPO
        >>> env = SamplewiseVecEnv("DataSelect/Digits-v0", epochs=3)
        >>> model = PPO("MlpPolicy", env, n_steps=10, batch_size=1280, gamma=0.0).learn(1280)

    Attributes:
        env: the joint environment.
        steps_per_run: steps from the end of the warm-up to the annealing.
        autoreset: whether the end of a run begins the next one at once, as Stable-Baselines3 expects; otherwise the
            last observation is returned again, and another step is an error.
    """

    def __init__(
        self, env: str | Env[Any, Any] | VecEnv, *, action: str = "keep", autoreset: bool = True, **options: Any
    ) -> None:
        """Make the samplewise view of an environment.

        Args:
            env: an environment id, or a :class:`DataSelectEnv`; or a ``DummyVecEnv`` of one, as ``make_vec_env`` makes
                it. It may be within wrappers that only check, record or show: ``Monitor``, ``RecordEpisodeStatistics``,
                ``RecordVideo``, ``HumanRendering``. Steps go through them, and a run is an episode.
            action: ``"keep"`` for ``Discrete(2)``, ``"score"`` for ``Box(0, 1, (1,))``, the best ``keep_ratio`` share
                kept.
            autoreset: whether the end of a run begins the next one.
            options: arguments of the environment, if an id is given.

        Raises:
            ValueError: an argument is out of its range or unknown; or ``env`` is within another wrapper, whose effect
                would be lost.
            TypeError: ``env`` is another kind of environment, or has options although it is already made; or
                ``autoreset`` is not True or False.
        """
        given = only_environment(env) if isinstance(env, VecEnv) else env
        through, self.env = joint_within(given, options, recorders=True)
        self.slots = Slots(self.env, action, through)
        self.steps_per_run = self.env.plan.selection_pools
        self.autoreset = check_flag("autoreset", autoreset)
        self._actions: NDArray[Any] = np.empty(0)
        self._return, self._length = 0.0, 0
        super().__init__(self.slots.count, self.slots.observation_space, self.slots.action_space)
        if isinstance(env, VecEnv):
            self._seeds[0], self._options[0] = env._seeds[0], env._options[0]

    def reset(self) -> VecEnvObs:
        """Begin a run; the seed set by :meth:`seed` is used once."""
        observation, info = self.slots.through.reset(seed=self._seeds[0], options=self._options[0] or None)
        self._reset_seeds()
        self._reset_options()
        self._return, self._length = 0.0, 0
        self.reset_infos = self._infos(info)
        return observation

    def state_dict(self) -> dict[str, float]:
        """Return and length of the run so far."""
        return {"return": self._return, "length": self._length}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from another's :meth:`state_dict`, after a reset that resumed a run."""
        self._return, self._length = state["return"], state["length"]

    state = RenamedMember("state_dict")
    restore = RenamedMember("load_state_dict")

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store one action per slot, ``(P,)`` or ``(P, 1)``."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Take the stored actions; each slot gets its own reward."""
        observation, rewards, reward, terminated, info = self.slots.step(self._actions)
        self._return += reward
        self._length += 1
        infos = self._infos(info)
        if terminated:
            episode = {"r": self._return, "l": self._length, "t": self.env.seconds}
            # Beside what a Monitor adds.
            infos[-1]["episode"] = infos[-1].get("episode", {}) | episode
            for slot, row in enumerate(observation):
                infos[slot]["terminal_observation"] = row
                infos[slot]["TimeLimit.truncated"] = False
            observation = self.reset() if self.autoreset else observation.copy()  # type: ignore[assignment]
        return observation, rewards, np.full(self.num_envs, terminated), infos

    def close(self) -> None:
        """Close the joint environment, and what records it."""
        self.slots.through.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """One picture of the whole run."""
        return [self.env.render()]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The joint environment's attribute, once for each slot asked for."""
        return [getattr(self.env, attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the joint environment."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Call a method of the joint environment once; its result, once for each slot asked for."""
        return [getattr(self.env, method_name)(*args, **kwargs)] * self._count(indices)

    def env_is_wrapped(
        self, wrapper_class: type[Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """No slot is wrapped."""
        return [False] * self._count(indices)

    def _count(self, indices: VecEnvIndices) -> int:
        chosen: Iterable[int] = self._get_indices(indices)
        return len(list(chosen))

    def _infos(self, info: dict[str, Any]) -> list[dict[str, Any]]:
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        infos[-1].update(info)
        return infos
