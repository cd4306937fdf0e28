"""The state of an environment within a run, in types that a checkpoint can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from data_select_gym.training.state import State, restore_run, run_state

if TYPE_CHECKING:
    from data_select_gym.envs.env import DataSelectEnv

# Where in a run an environment is: before its first step, between two steps, or after its last one.
WARM_UP, SELECTION, ANNEALING = "warm-up", "selection", "annealing"


def env_state(env: DataSelectEnv) -> State:
    """Everything that an environment goes on from; tensors are its own: write them before it goes on."""
    return {
        "settings": settings(env),
        "phase": env.phase,
        "run": run_state(env.run),
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
        ValueError: the state is of other settings or another task, or does not fit.
    """
    restore_run(env.run, state["run"])
    env.price.value = state["price"]
    env.keep_fractions = [(int(pools), float(share)) for pools, share in state["keep_fractions"]]
    env.mislabelled = list(state["mislabelled"])
    env.episode_return = state["episode_return"]
    env.tally.restore(state["tally"])
    env.np_random.bit_generator.state = state["np_random"]


def check_state(env: DataSelectEnv, state: State) -> State:
    """The state, if it is one of :func:`env_state` and of the same settings.

    Raises:
        ValueError: it is not.
    """
    given, mine = state.get("settings"), settings(env)
    if not isinstance(given, dict) or "run" not in state:
        raise ValueError("the checkpoint is not one of an environment")
    for name, value in mine.items():
        if given.get(name) != value:
            raise ValueError(f"the checkpoint is of {name}={given.get(name)!r}; this environment has {name}={value!r}")
    return state


def settings(env: DataSelectEnv) -> dict[str, Any]:
    """What must be the same for a run to go on to the bit, beside the task and the plan."""
    return {
        "features": list(env.features),
        "keep_ratio": env.keep_ratio,
        "observe": env.observe,
        "balance_classes": env.balance_classes,
        "reward": env.reward_given if isinstance(env.reward_given, str) else str(type(env.reward_given).__name__),
    }
