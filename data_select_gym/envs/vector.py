"""The samplewise view as a Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from data_select_gym.arguments import check_choice, check_count
from data_select_gym.envs.env import METADATA, DataSelectEnv
from data_select_gym.envs.slots import Slots

AUTORESET_MODES = tuple(mode.value for mode in AutoresetMode)


class SamplewiseVectorEnv(VectorEnv[NDArray[np.float32], NDArray[Any], NDArray[Any]]):
    """The samplewise view: every slot, a place in the pool, is a sub-environment; all begin and end together.

    A slot shows another, unrelated sample at the next step. This is a contextual bandit, so use discount 0 unless you
    have a reason. Infos are those of the joint view: values of slots as they are, values of the run repeated for each
    slot.

    Example:
        >>> import gymnasium as gym
        >>> envs = gym.make_vec("DataSelect/DigitsSamplewise-v0", num_envs=64)
        >>> envs.single_action_space, envs.observation_space.shape
        (Discrete(2), (64, 8))

    Attributes:
        env: the joint environment.
    """

    metadata = METADATA | {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        *,
        pool_size: int | None = None,
        action: str = "keep",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        """Make the environment.

        Args:
            num_envs: the number of slots, which is the pool's size. 1, which ``gym.make_vec`` also passes if none is
                given, leaves it to ``pool_size``.
            pool_size: the same number by its other name; if neither is given, as in :class:`DataSelectEnv`.
            action: ``"keep"`` for ``Discrete(2)``, ``"score"`` for ``Box(0, 1, (1,))``, the best ``keep_ratio`` share
                kept.
            autoreset_mode: ``NEXT_STEP`` (or ``"NextStep"``): the step after the end of a run ignores its actions and
                begins the next run; ``SAME_STEP`` (or ``"SameStep"``): the step that ends a run begins the next, the
                last observation in ``infos["final_obs"]``; ``DISABLED`` (or ``"Disabled"``): after the end of a run
                only :meth:`reset` begins the next.
            render_mode: as for :class:`DataSelectEnv`.
            options: the other arguments of :class:`DataSelectEnv`.

        Raises:
            ValueError: an argument is out of its range or unknown.
        """
        num_envs = check_count("num_envs", num_envs)
        if num_envs > 1:
            if pool_size not in (None, num_envs):
                raise ValueError(
                    f"num_envs={num_envs!r} is the number of slots; pool_size must be the same or left out, and is "
                    f"{pool_size!r}"
                )
            pool_size = num_envs
        mode = autoreset_mode.value if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
        self.autoreset_mode = AutoresetMode(check_choice("autoreset_mode", mode, AUTORESET_MODES))
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self.env = DataSelectEnv(pool_size=pool_size, render_mode=render_mode, **options)
        self.slots = Slots(self.env, action)
        self.num_envs = self.slots.count
        self.render_mode = render_mode
        self.single_observation_space = self.slots.observation_space
        self.single_action_space = self.slots.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._terminated: bool | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a run; see :meth:`DataSelectEnv.reset`.

        Args:
            seed: of all that is random in this and the following runs.
            options: as there; ``"reset_mask"``, by which Gymnasium resets some sub-environments, must hold all slots.

        Raises:
            ValueError: ``"reset_mask"`` leaves slots out, or is no mask of them.
        """
        super().reset(seed=seed)
        observation, info = self.env.reset(seed=seed, options=self._of_run(options))
        self._terminated = False
        return observation, self._spread(info)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Take one action per slot, ``(P,)`` or ``(P, 1)``.

        Returns:
            Observations ``(P, F)``, rewards ``(P,)`` of each slot, terminations and truncations ``(P,)``, infos.

        Raises:
            ResetNeeded: there is no run, or it has terminated and ``autoreset_mode`` is ``DISABLED``.
            ValueError: the actions are of another shape or out of their range.
        """
        if self._terminated is None:
            raise ResetNeeded("there is no run before reset()")
        if self._terminated and self.autoreset_mode is AutoresetMode.NEXT_STEP:
            observation, infos = self.reset()
            return observation, np.zeros(self.num_envs), self._flags(False), self._flags(False), infos
        observation, rewards, _, terminated, info = self.slots.step(actions)
        infos = self._spread(info)
        self._terminated = terminated
        if terminated and self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = np.empty(self.num_envs, dtype=object)
            final[:] = list(observation)
            observation, first = self.reset()
            infos = first | {"final_obs": final, "final_info": infos}
            infos |= {"_final_obs": self._flags(True), "_final_info": self._flags(True)}
        return observation, rewards.astype(np.float64), self._flags(terminated), self._flags(False), infos

    def render(self) -> tuple[Any, ...] | None:
        """The picture or line of the whole run, the same object for each slot; see :meth:`DataSelectEnv.render`."""
        frame = self.env.render()
        return None if frame is None else (frame,) * self.num_envs

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of the joint environment once, or read an attribute; the result, once for each slot."""
        found = getattr(self.env, name)
        return (found(*args, **kwargs) if callable(found) else found,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The joint environment's attribute, once for each slot."""
        return (getattr(self.env, name),) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of the joint environment.

        Args:
            name: of the attribute.
            values: the value; or a list or tuple of one value for each slot, all of them the same.

        Raises:
            ValueError: ``values`` is of another length, or its values differ.
        """
        if isinstance(values, list | tuple):
            if len(values) != self.num_envs:
                raise ValueError(f"values has {len(values)} values; {self.num_envs} are needed, one for each slot")
            if any(value is not values[0] and value != values[0] for value in values):
                raise ValueError(f"values={values!r:.100} differ; the slots have one environment, and {name} one value")
            values = values[0]
        setattr(self.env, name, values)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the joint environment."""
        self.env.close()

    def _of_run(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        """The options without the mask of the slots that are to be reset."""
        if options is None or "reset_mask" not in options:
            return options
        mask = np.asarray(options["reset_mask"])
        if mask.shape != (self.num_envs,) or not mask.all():
            raise ValueError(
                f"reset_mask of shape {mask.shape} holds {np.count_nonzero(mask)} slots; all {self.num_envs} are "
                "needed, which are one run and begin together"
            )
        return {name: value for name, value in options.items() if name != "reset_mask"}

    def _flags(self, value: bool) -> NDArray[np.bool_]:
        return np.full(self.num_envs, value)

    def _spread(self, info: dict[str, Any]) -> dict[str, Any]:
        """Joint info as one array a key, with the mask ``_<key>`` that says which slots have it."""
        infos: dict[str, Any] = {}
        for name, value in info.items():
            if isinstance(value, dict):
                infos[name] = self._spread(value)
            else:
                infos[name] = value if isinstance(value, np.ndarray) else np.full(self.num_envs, value)
            infos[f"_{name}"] = self._flags(True)
        return infos
