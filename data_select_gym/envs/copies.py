"""An environment as a pickle or a copy: what it was made of, and where its run is."""

from __future__ import annotations

import io
import pickle
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import cloudpickle
import torch

from data_select_gym.envs.state import env_state
from data_select_gym.envs.tensorboard import RunWriter
from data_select_gym.training.checkpoint_state import State

if TYPE_CHECKING:
    from data_select_gym.envs.env import DataSelectEnv

# What comes of the arguments and of the state of the run. Whoever listens to the pools of one environment does not
# listen to those of another.
MADE_AGAIN = frozenset(
    {
        *("_given", "spec", "task", "features", "reward", "reward_given", "_wrong", "_labels", "_form"),
        *("_run", "price", "signals", "record", "tally", "curves", "on_pool"),
    }
)


def pickled(env: DataSelectEnv) -> dict[str, Any]:
    """What an environment is pickled as.

    Arguments are pickled as they were given, and what can be imported by its name.

    Raises:
        TypeError: an argument cannot be pickled.
    """
    try:
        given = cloudpickle.dumps((env._given, env.spec))
    # Whatever objects there are raise errors of any kind.
    except Exception as error:
        name, value = next(
            ((name, value) for name, value in env._given.items() if not _fits(value)), ("spec", env.spec)
        )
        raise TypeError(
            f"{name}={value!r:.100} cannot be pickled ({error}), and so the environment cannot; give the task as "
            "'module:function' or as a function that makes it"
        ) from error
    file = io.BytesIO()
    if env._run is not None:
        torch.save(env_state(env), file)
    return {"given": given, "own": _own(env), "run": file.getvalue(), "writing": env.curves.writer is not None}


def unpickle(env: DataSelectEnv, state: dict[str, Any]) -> None:
    """Make an environment what another one was when it was :func:`pickled`."""
    given, spec = pickle.loads(state["given"])
    run = torch.load(io.BytesIO(state["run"]), map_location="cpu", weights_only=True) if state["run"] else None
    _fill(env, given, {"spec": spec, "_given": given} | state["own"], run, writing=state["writing"])


def copied(env: DataSelectEnv, memo: dict[int, Any]) -> DataSelectEnv:
    """Another environment with the same task, at the same place of an equal run."""
    other = env.__class__.__new__(env.__class__)
    memo[id(env)] = other
    own = {"spec": env.spec, "_given": env._given} | deepcopy(_own(env), memo)
    arguments = {name: value for name, value in env._given.items() if name not in env._task_options}
    run = None if env._run is None else env.state()
    _fill(other, arguments | {"task": env.task}, own, run, writing=env.curves.writer is not None)
    return other


def _fits(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:
        return False
    return True


def _own(env: DataSelectEnv) -> dict[str, Any]:
    return {name: value for name, value in vars(env).items() if name not in MADE_AGAIN}


@torch.inference_mode(False)
def _fill(
    env: DataSelectEnv, arguments: dict[str, Any], own: dict[str, Any], run: State | None, *, writing: bool
) -> None:
    from data_select_gym.envs.env import DataSelectEnv

    DataSelectEnv.__init__(env, **arguments)
    vars(env).update(own)
    if run is None:
        return
    # Two that write to one folder would be taken for one run.
    folder, env.tensorboard_log = env.tensorboard_log, None
    env._begin(run["run"]["seed"], run | {"curves": None})
    env.tensorboard_log = folder
    if not env.run.done:
        env._look(fresh=False)
    if writing:
        env.curves = RunWriter(folder)
