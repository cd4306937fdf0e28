"""Environment ids. Entry points are strings, so that registering imports neither torch nor Stable-Baselines3."""

from typing import Any, NoReturn

from gymnasium.envs.registration import register, registry
from gymnasium.error import Error

from data_select_gym.task_registry import ENVIRONMENTS, LISTENERS, Environment, add_environment, samplewise_id

CUSTOM = Environment("DataSelect/Custom-v0", None, "any custom task: a dataset, a model and an objective", "yours")
SAMPLEWISE = "the same in slots, for gym.make_vec: a sub-environment for each candidate of the pool"


def register_environments() -> None:
    """Register the environments of all tasks that are known with Gymnasium, and of those that are added later."""
    if register_environment not in LISTENERS:
        LISTENERS.append(register_environment)
    for environment in ENVIRONMENTS.values():
        register_environment(environment)
    if CUSTOM.id not in ENVIRONMENTS:
        add_environment(CUSTOM)


def register_environment(environment: Environment) -> None:
    """Register an environment and its samplewise view with Gymnasium, unless they are registered already."""
    name = environment.id
    kwargs = {} if environment.task is None else {"task": environment.task}
    if name not in registry:
        register(id=name, entry_point="data_select_gym.envs.env:DataSelectEnv", kwargs=kwargs)
    if samplewise_id(name) not in registry:
        register(
            id=samplewise_id(name),
            entry_point="data_select_gym.registration:refuse_single",
            vector_entry_point="data_select_gym.envs.vector:SamplewiseVectorEnv",
            kwargs=kwargs,
        )


def refuse_single(**options: Any) -> NoReturn:
    """Entry point of the samplewise ids for ``gym.make``, which cannot make them.

    Raises:
        Error: always, with what to type instead.
    """
    raise Error(
        "the id of a samplewise view is one of a vector environment, with a sub-environment for each slot of the pool: "
        "gym.make_vec(id, num_envs=128) makes it, with no other vectorization_mode; gym.make(id) takes the id without "
        "'Samplewise', as 'DataSelect/Digits-v0', for one agent that decides on the whole pool"
    )
