"""Environments are pickled and copied, in the middle of a run too, and go on as if nothing had happened."""

import copy
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import data_equivalence
from torch import nn
from torch.utils.data import TensorDataset

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, ScoreAction
from data_select_gym.tasks import Classification, Recipe, Task
from data_select_gym.training import FunctionCallback

from ..tiers import slow

P = 12
same = partial(data_equivalence, exact=True)
SMALL: dict[str, Any] = {"pool_size": P, "device": "cpu"}
MODULE = """
import torch
from torch.utils.data import TensorDataset
from data_select_gym.tasks import Classification, Recipe, Task

def make_task(*, samples=72):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(4, 8, lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9))
    model = lambda: torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.3))
    return Task("linear", TensorDataset(inputs, inputs.argmax(1)), model, Classification(), recipe)

def reward(outcome):
    return outcome.fresh.loss * outcome.kept
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_task_to_pickle.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "a_task_to_pickle"


def joint(module: str, **options: Any) -> DataSelectEnv:
    made = gym.make("DataSelect/Custom-v0", task=f"{module}:make_task", **SMALL | options).unwrapped
    assert isinstance(made, DataSelectEnv)
    return made


def built(**options: Any) -> DataSelectEnv:
    """An environment of a task that holds lambdas."""
    inputs = torch.randn(72, 4, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(4, 8, lambda weights: torch.optim.SGD(weights, lr=0.1))
    data = TensorDataset(inputs, inputs.argmax(1))
    return DataSelectEnv(Task("small", data, lambda: nn.Linear(4, 4), Classification(), recipe), **SMALL | options)


def by_pickle(env: Any) -> Any:
    return pickle.loads(pickle.dumps(env))


COPIES = pytest.mark.parametrize("copied", [by_pickle, copy.deepcopy], ids=["pickle", "deepcopy"])


def play_on(env: Any) -> list[Any]:
    """The rest of a run and a step of the next, chosen by the environment's own space."""
    trace, terminated = [], False
    while not terminated:
        trace.append(env.step(env.action_space.sample()))
        terminated = bool(np.all(trace[-1][2]))
    run = env.unwrapped.run
    trace += [value.numpy().copy() for value in run.model.state_dict().values()]
    return [*trace, env.reset(), env.step(env.action_space.sample())]


def begin(env: Any, steps: int = 3) -> None:
    env.reset(seed=3)
    env.action_space.seed(5)
    for _ in range(steps):
        env.step(env.action_space.sample())


@COPIES
@pytest.mark.parametrize("steps", [slow(0), 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reward": "alignment", "observe": "fresh", "features": ["embedding", "visits"], "keep_ratio": 0.3},
        {"action": "scores", "flat_observation": True},
    ],
    ids=["default", "looks", "forms"],
)
def test_a_copy_goes_on_as_the_environment_itself(
    module: str, copied: Callable[[Any], Any], steps: int, options: dict[str, Any]
) -> None:
    env = gym.make("DataSelect/Custom-v0", task=f"{module}:make_task", **SMALL | options)
    begin(env, steps)
    other, third = copied(env), copied(env)
    plain, twin = env.unwrapped, other.unwrapped
    assert isinstance(plain, DataSelectEnv) and isinstance(twin, DataSelectEnv)
    assert twin.run is not plain.run
    assert (other.spec, other.observation_space, twin.phase) == (env.spec, env.observation_space, plain.phase)
    assert twin.keep_fractions == plain.keep_fractions and twin.price.value == plain.price.value
    assert torch.equal(twin.signals.loss, plain.signals.loss)
    expected = play_on(env)
    assert same(play_on(other), expected)
    assert same(play_on(third), expected)


@pytest.mark.parametrize("when", ["new", "over"])
@COPIES
def test_a_copy_before_the_first_run_and_after_its_end(module: str, copied: Callable[[Any], Any], when: str) -> None:
    env = joint(module)
    if when == "over":
        begin(env, env.plan.selection_pools)
        assert env.run.done
    other = copied(env)
    if when == "over":
        with pytest.raises(gym.error.ResetNeeded, match="the run is over"):
            other.step(np.ones(P))
        assert other.run.quality == env.run.quality
    seed = 4 if when == "new" else None
    assert same(list(other.reset(seed=seed)), list(env.reset(seed=seed)))


def test_a_copy_of_a_state_that_waits_goes_on_from_it(module: str) -> None:
    env = joint(module)
    begin(env)
    waiting = joint(module)
    waiting.load_state_dict(env.state_dict())
    other = by_pickle(waiting)
    assert same(list(other.reset()), list(waiting.reset()))
    assert other.run.pool_number == env.run.pool_number


def test_both_samplewise_views_are_pickled_in_the_middle_of_a_run(module: str) -> None:
    task = f"{module}:make_task"
    vector = gym.make_vec("DataSelect/CustomSamplewise-v0", num_envs=P, task=task, device="cpu")
    vector.reset(seed=0)
    vector.step(np.arange(P) % 2)
    other = by_pickle(vector)
    for action in (np.ones(P, dtype=int), np.arange(P) % 3 % 2):
        assert same(list(other.step(action)), list(vector.step(action)))
    slots = SamplewiseVecEnv("DataSelect/Custom-v0", action="score", task=task, **SMALL)
    slots.seed(0)
    slots.reset()
    slots.step(np.linspace(0, 1, P))
    twin = by_pickle(slots)
    assert twin.slots.env is twin.env and twin.env is not slots.env
    for _ in range(2):
        assert same(list(twin.step(np.linspace(1, 0, P))), list(slots.step(np.linspace(1, 0, P))))
    assert twin.state_dict() == slots.state_dict()


@pytest.mark.slow
def test_a_pickle_goes_on_in_another_process(module: str, tmp_path: Path) -> None:
    env = ScoreAction(joint(module))
    env.reset(seed=0)
    scores = np.linspace(0, 1, P, dtype=np.float32)
    env.step(scores)
    (tmp_path / "env.pickle").write_bytes(pickle.dumps(env))
    code = f"""
import json, pickle, sys
sys.path.insert(0, {str(tmp_path)!r})
import numpy as np
env = pickle.load(open({str(tmp_path / "env.pickle")!r}, "rb"))
_, reward, *_ = env.step(np.linspace(0, 1, {P}, dtype=np.float32))
print(json.dumps([reward, env.unwrapped.run.cost]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    _, reward, *_ = env.step(scores)
    assert json.loads(done.stdout) == [reward, env.joint.run.cost]


@COPIES
def test_a_task_that_holds_lambdas_comes_along(copied: Callable[[Any], Any]) -> None:
    env = built(reward=lambda outcome: outcome.fresh.loss * outcome.kept)
    begin(env)
    other = copied(env)
    assert (other.task is env.task) == (copied is copy.deepcopy)
    assert same(play_on(other), play_on(env))


def test_what_cannot_be_pickled_is_named_with_what_can() -> None:
    lock = threading.Lock()

    def reward(outcome: Any) -> Any:
        with lock:
            return outcome.action

    with pytest.raises(
        TypeError, match=r"^reward=<function .* cannot be pickled \(cannot pickle '_thread.lock' object"
    ):
        pickle.dumps(built(reward=reward))
    task = built().task
    object.__setattr__(task, "make_model", lambda: lock and nn.Linear(4, 4))
    with pytest.raises(TypeError, match=r"^task=Task\(.* cannot be pickled .*give the task as 'module:function'"):
        pickle.dumps(DataSelectEnv(task, **SMALL))


def test_a_copy_writes_its_curves_to_a_folder_of_its_own(module: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = joint(module, tensorboard_log=log)
    begin(env)
    others = [by_pickle(env), copy.deepcopy(env)]
    assert [each.curves.folder for each in (env, *others)] == ["run_1", "run_2", "run_3"]
    for each in (env, *others):
        play_on(each)
        each.close()
    closed = by_pickle(env)
    assert closed.curves.writer is None and closed.state_dict()["curves"] is None
    assert closed.tensorboard_log == log


def test_a_copy_has_no_listener_and_keeps_what_was_set_on_it(module: str) -> None:
    class Named(DataSelectEnv):
        def __init__(self, name: str) -> None:
            super().__init__(f"{module}:make_task", **SMALL)
            self.name = name

    env, pools = Named("mine"), []
    env.callbacks.append(FunctionCallback(pools.append))
    begin(env)
    heard = len(pools)
    other = copy.deepcopy(env)
    assert isinstance(other, Named) and other.name == "mine" and other.callbacks == []
    play_on(other)
    assert len(pools) == heard


CHANGES: list[dict[str, Any]] = [
    {"keep_ratio": 0.25},
    {"observe": "fresh"},
    {"balance_classes": True},
    {"rescale_loss": True, "keep_ratio": 0.75},
]


def ranked(env: DataSelectEnv) -> list[Any]:
    """The rest of a run that keeps by scores."""
    trace = []
    while not env.run.done:
        trace.append([*env.step_scores(np.linspace(0, 1, P)), env.price.value, env.run.cost])
    return trace


@pytest.mark.parametrize("back", [False, True], ids=["set", "set back"])
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_what_is_set_within_a_run_counts_from_the_next_one(
    changes: dict[str, Any], back: bool, module: str, tmp_path: Path
) -> None:
    before, after = ({}, changes) if not back else (changes, {name: getattr(joint(module), name) for name in changes})
    plain, env, later = joint(module, **before), joint(module, **before), joint(module, **before | after)
    plain.reset(seed=0)
    env.reset(seed=0)
    for name, value in after.items():
        setattr(env, name, value)
    copies = [env, copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    env.save(tmp_path / "run")
    copies.append(joint(module, **before))
    copies[-1].load(tmp_path / "run")
    rest = ranked(plain)
    assert all(same(ranked(one), rest) for one in copies)
    with pytest.raises(ValueError, match="|".join(after)):
        env.load(tmp_path / "run")
    copies[3].load(tmp_path / "run")
    copies[3].load_state_dict(copies[3].state_dict())
    for name, value in after.items():
        setattr(copies[3], name, value)
    with pytest.raises(ValueError, match="|".join(after)):
        copies[3].reset()
    later.reset(seed=7)
    rest = ranked(later)
    for one in copies:
        one.reset(seed=7)
        assert same(ranked(one), rest)
