"""The state of an environment within a run, in types that a checkpoint can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data_select_gym.arguments import is_whole
from data_select_gym.training.checkpoint_state import State, StateError

if TYPE_CHECKING:
    from data_select_gym.envs.env import DataSelectEnv

# Where in a run an environment is: before its first step, between two steps, or after its last one.
WARM_UP, SELECTION, ANNEALING = STAGES = ("warm-up", "selection", "annealing")


def env_state(env: DataSelectEnv) -> State:
    """Everything that an environment goes on from; tensors are its own: write them before it goes on."""
    return {
        "settings": settings(env),
        "phase": env.phase,
        "run": env.run.state_dict(),
        "price": env.price.value,
        "keep_fractions": env.keep_fractions,
        "mislabelled": env.mislabelled,
        "episode_return": env.episode_return,
        "tally": env.tally.state(),
        "np_random": env.np_random.bit_generator.state,
        "curves": env.curves.folder,
    }


def restore_env(env: DataSelectEnv, state: State) -> None:
    """Put an environment, whose run has just been made from the state's seed, where the other one was.

    Raises:
        StateError: the state is of other settings or another task, or does not fit.
    """
    env.run.load_state_dict(state["run"])
    try:
        env.price.value = float(state["price"])
        env.keep_fractions = [(int(pools), float(share)) for pools, share in state["keep_fractions"]]
        env.mislabelled = [float(share) for share in state["mislabelled"]]
        env.episode_return = float(state["episode_return"])
        env.tally.restore(state["tally"])
        env.np_random.bit_generator.state = state["np_random"]
    # Whatever is in the place of numbers and tensors.
    except Exception as error:
        raise StateError(f"the checkpoint does not fit this environment: {error}") from error


def check_state(env: DataSelectEnv, state: State) -> State:
    """The state, if it is one of :func:`env_state` and of the same settings.

    Raises:
        StateError: it is not.
    """
    given, mine, folder = state.get("settings"), settings(env), state.get("curves", "")
    if not isinstance(given, dict) or not isinstance(state.get("run"), dict) or state.get("phase") not in STAGES:
        raise StateError("the checkpoint is not one of an environment")
    # Nothing is written beyond the folder that was asked for, whatever a checkpoint says.
    if folder is not None and not (isinstance(folder, str) and re.fullmatch(r"run_\d+", folder)):
        raise StateError(f"the checkpoint has curves in {folder!r:.100}, which is no folder of a run")
    if not is_whole(state["run"].get("seed")) or not 0 <= state["run"]["seed"] < 2**31:
        raise StateError("the checkpoint has no seed of a run")
    for name, value in mine.items():
        if type(given.get(name)) is not type(value) or repr(given[name]) != repr(value):
            raise StateError(f"the checkpoint is of {name}={given.get(name)!r}; this environment has {name}={value!r}")
    return state


def settings(env: DataSelectEnv) -> dict[str, Any]:
    """What must be the same for a run to go on to the bit, beside the task and the plan."""
    return {
        "features": list(env.features),
        "keep_ratio": env.keep_ratio,
        "observe": env.observe,
        "balance_classes": env.balance_classes,
        "rescale_loss": env.rescale_loss,
        "channels_last": env.channels_last,
        "compile": env.compile,
        "reward": _reward(env.reward_given),
    }


def _reward(given: Any) -> Any:
    """A name, or weights in their order, which is that of the sum; of a function only of what kind it is."""
    if isinstance(given, Mapping):
        return {name: float(weight) for name, weight in given.items()}
    return given if isinstance(given, str) else type(given).__name__
