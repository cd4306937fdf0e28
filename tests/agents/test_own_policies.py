import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data_select_gym.agents import InfoBatch, Policy, make_policy, run_policy
from data_select_gym.envs import DataSelectEnv

from .policy_runs import STEPS, P, digits, first_half, run, untimed


class Selector:
    """A user's policy with a state of its own."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def select(self, observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        self.seen.append(observation.shape)
        return first_half(observation)


class Starter(Selector):
    """A user's policy that looks at the run when it begins."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[DataSelectEnv, int]] = []

    def start(self, env: DataSelectEnv) -> None:
        self.started.append((env, len(self.seen)))


def test_a_callable_selects() -> None:
    result = run(first_half)
    assert (result.steps, result.keep_fraction) == (STEPS, 0.5)


def test_a_callable_sees_the_observation_of_each_step() -> None:
    seen: list[NDArray[np.float32]] = []

    def keep_hard(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        seen.append(observation)
        return observation[:, 0] > 0.1

    run(keep_hard)
    assert len(seen) == STEPS
    env = digits()
    shown, _ = env.reset(seed=0)
    for observation in seen.copy():
        assert observation.tolist() == shown.tolist()
        shown, *_ = env.step(keep_hard(shown))


def test_an_object_with_select_selects() -> None:
    policy = Selector()
    assert run(policy).keep_fraction == 0.5
    assert policy.seen == [(P, 8)] * STEPS


def test_start_is_called_with_the_environment_before_the_first_choice_of_each_run() -> None:
    policy = Starter()
    env = digits()
    for seed in (0, 1):
        run_policy(make_policy(policy), env, seed)
    assert policy.started == [(env, 0), (env, STEPS)]


def test_a_subclass_of_policy_says_what_its_environment_needs() -> None:
    class Wants(Policy):
        def required_config(self, plan: Any, keep_ratio: float) -> dict[str, Any]:
            return {"features": ("margin",)}

        def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
            assert observation.shape == (P, 1)
            return observation[:, 0] < 0.9

    policy = Wants()
    assert make_policy(policy) is policy
    assert 0 < run(policy, batch_size=16).keep_fraction < 1


def test_a_policy_may_give_loss_weights() -> None:
    def mask(observation: NDArray[np.float32]) -> NDArray[Any]:
        return first_half(observation)

    def ones(observation: NDArray[np.float32]) -> NDArray[Any]:
        return first_half(observation).astype(float)

    def heavy(observation: NDArray[np.float32]) -> NDArray[Any]:
        return 3.5 * first_half(observation)

    masked, weighted, heavier = run(mask), run(ones), run(heavy)
    assert untimed(weighted) == untimed(masked)
    assert heavier.cost == masked.cost
    assert heavier.episode_return != masked.episode_return


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("policies_of_a_user")
    made.selector, made.function, made.number = Selector(), first_half, 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


@pytest.mark.parametrize("name", ["selector", "function"])
def test_a_policy_is_found_by_module_and_name(module: ModuleType, name: str) -> None:
    result = run(f"{module.__name__}:{name}")
    assert (result.steps, result.keep_fraction) == (STEPS, 0.5)


@pytest.mark.parametrize("path", ["policies_of_a_user:missing", "no_such_module:thing", "policies_of_a_user:", ":x"])
def test_a_path_that_leads_nowhere_is_named(module: ModuleType, path: str) -> None:
    with pytest.raises(ValueError, match=f"^policy='{path}'"):
        make_policy(path)


@pytest.mark.parametrize("wrong", [3, None, [first_half], object()], ids=["number", "none", "list", "object"])
def test_what_is_no_policy_is_refused(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^policy=.* is not a name, a file, a model, a callable or an object with select"
    ):
        make_policy(wrong)


def test_what_is_no_policy_is_refused_if_found_by_name(module: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^policy=7 is not"):
        make_policy(f"{module.__name__}:number")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (lambda seen: np.ones(3), rf"action has shape \(3,\); \({P},\) is needed"),
        (lambda seen: -np.ones(P), r"action\[0\]=-1.0; each must be finite and at least 0"),
        (lambda seen: np.full(P, np.nan), r"action\[0\]=nan"),
        (lambda seen: np.array(["keep"] * P), "booleans or numbers are needed"),
        (lambda seen: None, "action is None; booleans or numbers are needed"),
    ],
    ids=["shape", "negative", "nan", "text", "nothing"],
)
def test_a_wrong_choice_of_a_policy_is_named(choice: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(choice)


def test_a_class_of_policies_is_made(module: ModuleType) -> None:
    module.kind = Selector  # type: ignore[attr-defined]
    for policy in (Selector, f"{module.__name__}:kind"):
        assert run(policy).keep_fraction == 0.5
    made = make_policy(InfoBatch, prune_ratio=0.25)
    assert isinstance(made, InfoBatch)
    assert made.prune_ratio == 0.25


def test_names_that_mean_something_else_in_a_policy_are_left_alone() -> None:
    class Timed:
        start, state_dict = 0.5, None

        def __call__(self, observation: Any) -> Any:
            return observation[:, 0] >= np.median(observation[:, 0])

    env = DataSelectEnv("digits", epochs=3, pool_size=320, device="cpu")
    assert run_policy(make_policy(Timed()), env, seed=0).steps > 0
