import importlib
import json
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec, registry
from gymnasium.error import Error
from gymnasium.utils.env_checker import check_env as check_for_gymnasium
from gymnasium.utils.env_checker import data_equivalence
from numpy.typing import NDArray
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines
from torch import nn
from torch.utils.data import TensorDataset

import data_select_gym
from data_select_gym.envs import DataSelectEnv, KeepRatioChoice, SamplewiseVectorEnv, ScoreAction, as_base_env
from data_select_gym.envs.features import FEATURES
from data_select_gym.task_registry import ENVIRONMENTS, samplewise_id
from data_select_gym.tasks import Classification, Recipe, Task

from ..tiers import slow

DIGITS: dict[str, Any] = {
    "id": "DataSelect/Digits-v0",
    "epochs": 3,
    "pool_size": 128,
    "batch_size": 64,
    "device": "cpu",
}
ALL = {"features": list(FEATURES)}
same = partial(data_equivalence, exact=True)

TWO_DIMENSIONS = (
    "Your observation  has an unconventional shape (neither an image, nor a 1D vector). We recommend you to flatten "
    "the observation to have only a 1D vector or use a custom policy to properly process the data."
)
SCORES_FROM_ZERO = (
    "We recommend you to use a symmetric and normalized Box action space (range=[-1, 1]) cf. "
    "https://stable-baselines3.readthedocs.io/en/master/guide/rl_tips.html"
)
UNBOUNDED_EMBEDDING = (
    "WARN: A Box observation space minimum value is -infinity. This is probably too low.",
    "WARN: A Box observation space maximum value is infinity. This is probably too high.",
)
WRAPPED = (
    "WARN: The environment ({wrapped}) is different from the unwrapped version ({env}). This could effect the "
    "environment checker as the environment most likely has a wrapper applied to it. We recommend using the raw "
    "environment for `check_env` using `env.unwrapped`."
)
MODULE = """
import torch
from torch.utils.data import TensorDataset
from data_select_gym.tasks import Classification, Recipe, Task

def make_task(*, samples=60):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(3, 8, lambda weights: torch.optim.SGD(weights, lr=0.1))
    data = TensorDataset(inputs, inputs.argmax(1))
    return Task("linear", data, lambda: torch.nn.Linear(4, 4), Classification(), recipe)
"""


@contextmanager
def only(*expected: str) -> Iterator[None]:
    """Fail unless the warnings of the block are exactly these; gymnasium's log is colored warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    texts = {re.sub(r"\x1b\[[0-9;]*m", "", str(warning.message)) for warning in caught}
    assert texts == set(expected)


def linear() -> Task:
    inputs = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    return Task(
        name="linear",
        train=TensorDataset(inputs, inputs.argmax(1)),
        make_model=lambda: nn.Linear(4, 4),
        objective=Classification(),
        recipe=Recipe(3, 8, partial(torch.optim.SGD, lr=0.1)),
    )


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """CIFAR-10's and CIFAR-100's binary versions with 60 records to train on and 12 to test."""
    generator = np.random.default_rng(0)
    sizes = {f"data_batch_{batch}": (12, 3073) for batch in range(1, 6)}
    sizes |= {"test_batch": (12, 3073), "train": (60, 3074), "test": (12, 3074)}
    for name, (count, size) in sizes.items():
        records: NDArray[np.uint8] = generator.integers(256, size=(count, size), dtype=np.uint8)
        records[:, size - 3073] = np.arange(count) % (10 if size == 3073 else 100)
        (tmp_path / f"{name}.bin").write_bytes(records.tobytes())
    return tmp_path


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_own_task.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "my_own_task:make_task"


def check(env: gym.Env[Any, Any], *, gymnasium: tuple[str, ...] = (), stable_baselines: tuple[str, ...] = ()) -> None:
    with only(*gymnasium):
        check_for_gymnasium(env)
    with only(TWO_DIMENSIONS, *stable_baselines):
        check_for_stable_baselines(env)


@pytest.mark.parametrize("observe", ["recorded", pytest.param("fresh", marks=pytest.mark.slow)])
def test_checkers_are_content_with_digits(observe: str) -> None:
    check(gym.make(**DIGITS, observe=observe).unwrapped)


@pytest.mark.parametrize("observe", [pytest.param("recorded", marks=pytest.mark.slow), "fresh"])
def test_checkers_are_content_with_every_feature(observe: str) -> None:
    env = gym.make(**DIGITS, **ALL, observe=observe).unwrapped
    check(env, gymnasium=UNBOUNDED_EMBEDDING)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
@pytest.mark.parametrize("options", [{}, ALL | {"observe": "fresh"}], ids=["default", "all-fresh"])
def test_checkers_are_content_with_cifar(cifar: Path, name: str, options: dict[str, Any]) -> None:
    sizes = {"epochs": 3, "batch_size": 12, "pool_size": 24}
    env = gym.make(f"DataSelect/{name}-v0", data_dir=str(cifar), device="cpu", **sizes, **options).unwrapped
    check(env, gymnasium=UNBOUNDED_EMBEDDING if options else ())


@pytest.mark.parametrize("kind", [slow("task"), slow("function"), "path"])
@pytest.mark.parametrize("options", [{}, ALL, {"observe": "fresh"}], ids=["default", "all", "fresh"])
def test_checkers_are_content_with_a_task_of_ones_own(module: str, kind: str, options: dict[str, Any]) -> None:
    task = {"task": linear(), "function": linear, "path": module}[kind]
    env = gym.make("DataSelect/Custom-v0", task=task, pool_size=18, device="cpu", **options).unwrapped
    check(env, gymnasium=UNBOUNDED_EMBEDDING if options is ALL else ())


def test_checkers_are_content_with_the_wrappers() -> None:
    made = [gym.make(**DIGITS).unwrapped for _ in range(2)]
    scores, choice = ScoreAction(made[0]), KeepRatioChoice(made[1])
    check(scores, gymnasium=(WRAPPED.format(wrapped=scores, env=made[0]),), stable_baselines=(SCORES_FROM_ZERO,))
    check(choice, gymnasium=(WRAPPED.format(wrapped=choice, env=made[1]),))


def test_unexpected_warning_of_a_checker_fails_these_tests() -> None:
    sizes = {"epochs": 3, "pool_size": 128, "batch_size": 64}

    class Seeded(DataSelectEnv):
        def seed(self) -> None:
            """What gymnasium's checker warns of."""

    class Unbounded(DataSelectEnv):
        def __init__(self) -> None:
            super().__init__("digits", **sizes, features=["embedding"])

    for env in (Seeded("digits", **sizes), Unbounded()):
        with pytest.raises(AssertionError, match="WARN"), only():
            check_for_gymnasium(env, skip_render_check=True)
    with pytest.raises(AssertionError, match="unconventional shape"), only():
        check_for_stable_baselines(DataSelectEnv("digits", **sizes))
    with pytest.raises(AssertionError, match="never came"), only("never came"):
        pass


def run_python(code: str) -> str:
    """What a new interpreter prints, any warning an error."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_registers_and_imports_no_heavy_package() -> None:
    names = "torch stable_baselines3 sklearn scipy matplotlib tensorboard pyarrow"
    code = f"""
import sys, gymnasium, data_select_gym
assert {set(ENVIRONMENTS)} <= set(gymnasium.registry)
print([name for name in {names.split()} if name in sys.modules])
"""
    assert run_python(code).strip() == "[]"


@pytest.mark.slow
def test_environments_can_be_made_by_the_prefix_of_the_package_without_an_import() -> None:
    code = """
import gymnasium
env = gymnasium.make("data_select_gym:DataSelect/Digits-v0", epochs=3)
env.reset(seed=0)
envs = gymnasium.make_vec("data_select_gym:DataSelect/DigitsSamplewise-v0", num_envs=8, epochs=3)
print(env.unwrapped.plan.pool_size, type(envs).__name__, envs.num_envs)
"""
    assert run_python(code).split() == ["128", "SamplewiseVectorEnv", "8"]


def test_every_environment_is_registered_with_both_of_its_views() -> None:
    assert set(ENVIRONMENTS) >= {
        f"DataSelect/{name}-v0"
        for name in (
            "Digits",
            "CIFAR10",
            "CIFAR100",
            "ImageFolder",
            "TextClassification",
            "InstructionTuning",
            "Custom",
        )
    }
    for name, environment in ENVIRONMENTS.items():
        spec = registry[name]
        kwargs = {} if environment.task is None else {"task": environment.task}
        assert spec.kwargs == kwargs
        assert not spec.nondeterministic
        assert spec.max_episode_steps is None
        assert spec.vector_entry_point is None
        samplewise = registry[samplewise_id(name)]
        assert samplewise.kwargs == kwargs
        paths = (spec.entry_point, samplewise.vector_entry_point)
        views = [gym.envs.registration.load_env_creator(str(path)) for path in paths]
        assert views == [DataSelectEnv, SamplewiseVectorEnv]
        assert [json.loads(one.to_json())["id"] for one in (spec, samplewise)] == [name, samplewise_id(name)]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_id_of_the_samplewise_view_says_what_to_type_where_one_environment_is_asked_for(name: str) -> None:
    words = r"gym\.make_vec\(id, num_envs=128\) makes it.* without 'Samplewise', as 'DataSelect/Digits-v0'"
    with pytest.raises(Error, match=words):
        gym.make(samplewise_id(name), epochs=3)
    with pytest.raises(Error, match=words):
        gym.make_vec(samplewise_id(name), num_envs=2, vectorization_mode="sync")
    with pytest.raises(Error, match=words):
        as_base_env(samplewise_id(name))


def test_importing_again_registers_nothing_again() -> None:
    before = {name: registry[name] for each in ENVIRONMENTS for name in (each, samplewise_id(each))}
    with only():
        importlib.reload(data_select_gym)
    assert all(registry[name] is spec for name, spec in before.items())


SPECIAL: list[dict[str, Any]] = [
    {},
    {"features": ["loss", "price"], "pool_size": 64, "keep_ratio": 0.25, "observe": "fresh"},
    {
        "reward": {"difficulty": 0.7, "uncertainty": 0.3},
        "schedule_fraction": 0.9,
        "anneal_fraction": 0,
        "batch_size": 32,
    },
]


@pytest.mark.parametrize("options", SPECIAL)
def test_spec_makes_an_equal_environment_also_by_way_of_json_and_pickle(options: dict[str, Any]) -> None:
    env = gym.make(**DIGITS | options)
    assert env.spec is not None
    action = env.action_space.sample()
    expected = [env.reset(seed=0), env.step(action)]
    for spec in (env.spec, EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        assert spec == env.spec
        again = gym.make(spec)
        assert again.spec == env.spec
        assert again.observation_space == env.observation_space
        assert same([again.reset(seed=0), again.step(action)], expected)


def test_spec_of_the_vector_environment_makes_it_again() -> None:
    env = gym.make_vec(
        **DIGITS | {"id": samplewise_id(DIGITS["id"]), "pool_size": 32}, num_envs=32, action="score", keep_ratio=0.3
    )
    assert env.spec is not None
    expected = list(env.reset(seed=0))
    for spec in (env.spec, EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        again = gym.make_vec(spec)
        assert again.action_space == env.action_space
        assert same(list(again.reset(seed=0)), expected)


def test_spec_shares_the_task_and_cannot_be_json_where_arguments_are_objects() -> None:
    task = linear()
    env = gym.make("DataSelect/Custom-v0", task=task, pool_size=18)
    assert env.spec is not None
    assert env.spec.kwargs["task"] is task
    with pytest.raises((TypeError, ValueError)):
        env.spec.to_json()
    assert env.spec.make().unwrapped.task is task  # type: ignore[attr-defined]


def test_task_of_ones_own_may_be_named_by_its_path_and_take_options(module: str) -> None:
    env = gym.make("DataSelect/Custom-v0", task=module, samples=40)
    assert env.observation_space.shape == (36, 8)  # a tenth is split off for validation
    assert env.spec is not None
    assert EnvSpec.from_json(env.spec.to_json()) == env.spec
