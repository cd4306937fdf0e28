"""Policies that were written for version 0.1 still work, and warn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_select_gym.agents import Candidates, HistoryRule, InfoBatch, Policy, Rule, make_env, make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.training.checkpoints import Checkpoints

SMALL: dict[str, Any] = {"epochs": 4, "pool_size": 160, "device": "cpu"}


def older() -> type[Policy]:
    """Keeps every second candidate, then every third, and so on."""

    class Older(Policy):
        budgeted = False
        asked = 1
        resumed = 0

        def environment(self, plan: Any, keep_ratio: float) -> dict[str, Any]:
            return {"observe": "fresh"} | super().environment(plan, keep_ratio)  # type: ignore[misc]

        def play(self, env: DataSelectEnv, seed: int) -> None:
            super().play(env, seed)  # type: ignore[misc]

        def select(self, observation: Any) -> Any:
            self.asked += 1
            return np.arange(len(observation)) % self.asked == 0

        def state(self) -> dict[str, Any]:
            return {"asked": self.asked} | super().state()  # type: ignore[misc]

        def resume(self, env: DataSelectEnv, state: dict[str, Any]) -> None:
            super().resume(env, state)  # type: ignore[misc]
            self.asked = state["asked"]
            self.resumed += 1

        def state_while_unasked(self) -> dict[str, Any]:
            return self.state()

    return Older


NEW = {
    "budgeted": "uses_keep_ratio",
    "environment": "required_config",
    "play": "run",
    "resume": "load_state_dict",
    "state": "state_dict",
    "state_while_unasked": "idle_state_dict",
}


def test_a_class_that_defines_old_names_has_the_new_ones() -> None:
    with pytest.warns(DeprecationWarning) as caught:
        made = older()()
    told = {str(warning.message).partition(";")[0] for warning in caught}
    assert told == {f"Older.{old} is called Older.{new} now" for old, new in NEW.items()}
    assert {warning.filename for warning in caught} == {__file__}
    assert made.uses_keep_ratio is False
    with pytest.warns(DeprecationWarning, match=r"^Policy\.state is called Policy\.state_dict now"):
        assert made.idle_state_dict() == {"asked": 1}


@pytest.mark.filterwarnings("ignore:.* is called .* now:DeprecationWarning")
def test_it_runs_and_resumes_bit_identically(tmp_path: Path) -> None:
    whole, again = older()(), older()()
    env = make_env(whole, "DataSelect/Digits-v0", **SMALL)
    assert env.observe == "fresh"
    result = run_policy(whole, env, 3)

    class Killed(Exception):
        pass

    def die(run: Any) -> None:
        if run.pool_number == 15:
            raise Killed

    env = make_env(again, "DataSelect/Digits-v0", **SMALL)
    env.on_pool = die
    with pytest.raises(Killed):
        run_policy(again, env, 3, checkpoints=Checkpoints(tmp_path, minutes=None, steps=1))
    last = older()()
    env = make_env(last, "DataSelect/Digits-v0", **SMALL)
    resumed = run_policy(last, env, 3, checkpoints=Checkpoints(tmp_path))
    assert (last.resumed, last.asked) == (1, whole.asked)  # type: ignore[attr-defined]
    assert (resumed.quality, resumed.cost, resumed.keep_fraction) == (result.quality, result.cost, result.keep_fraction)


def test_old_names_can_be_used_of_bundled_policies_and_of_environments() -> None:
    rule = make_policy("random")
    env = make_env(rule, "DataSelect/Digits-v0", **SMALL)
    env.reset(seed=0)
    rule.start(env)
    with pytest.warns(DeprecationWarning, match=r"^Policy\.state is called Policy\.state_dict now") as caught:
        state = rule.state()  # type: ignore[attr-defined]
    assert caught[0].filename == __file__ and state.keys() == rule.state_dict().keys()
    with pytest.warns(DeprecationWarning, match=r"^Policy\.resume is called Policy\.load_state_dict now"):
        rule.resume(env, state)  # type: ignore[attr-defined]
    with pytest.warns(DeprecationWarning, match=r"^Policy\.budgeted is called Policy\.uses_keep_ratio now"):
        assert InfoBatch.budgeted  # type: ignore[attr-defined]
    with pytest.warns(DeprecationWarning, match=r"^DataSelectEnv\.state is called DataSelectEnv\.state_dict now"):
        run_state = env.state()
    with pytest.warns(DeprecationWarning, match=r"^DataSelectEnv\.resume is called DataSelectEnv\.load_state_dict now"):
        env.resume(run_state)
    env.reset()
    assert env.run.pool_number == run_state["run"]["pool_number"]
    slots = SamplewiseVecEnv(env)
    with pytest.warns(DeprecationWarning, match=r"^SamplewiseVecEnv\.state is called SamplewiseVecEnv\.state_dict now"):
        assert slots.state() == {"return": 0.0, "length": 0}
    with pytest.warns(DeprecationWarning, match=r"^SamplewiseVecEnv\.restore is called SamplewiseVecEnv\.load_state_"):
        slots.restore({"return": 1.0, "length": 2})
    assert slots.state_dict() == {"return": 1.0, "length": 2}


def test_a_checkpoint_of_version_0_1_is_resumed() -> None:
    env, other = (make_env(make_policy("random"), "DataSelect/Digits-v0", **SMALL) for _ in range(2))
    env.reset(seed=0)
    env.step(np.arange(160) % 2)
    state = env.state_dict()
    plan = {"length" if name == "schedule_fraction" else name: value for name, value in state["run"]["plan"].items()}
    other.load_state_dict(state | {"run": state["run"] | {"plan": plan}})
    other.reset()
    for mine, its in zip(env.step(np.ones(160))[:3], other.step(np.ones(160))[:3], strict=True):
        assert np.array_equal(mine, its)


class Mixin:
    """What policies of version 0.1 had in common."""

    budgeted = False

    def environment(self, plan: Any, keep_ratio: float) -> dict[str, Any]:
        return {"observe": "fresh"} | super().environment(plan, keep_ratio)  # type: ignore[misc]

    def remember(self, indices: Any, trained: Any, signals: Any, progress: float) -> None:
        """Nothing."""

    def judge(self, candidates: Candidates) -> Any:
        return candidates.signals.loss > candidates.signals.loss.median()


def test_a_mixin_may_define_old_names() -> None:
    with pytest.warns(DeprecationWarning) as caught:

        class Mixed(Mixin, HistoryRule):
            pass

        made = Mixed()  # type: ignore[abstract]
    names = {"budgeted", "environment", "remember", "judge"}
    told = {str(warning.message).partition(" is called")[0] for warning in caught}
    assert told == {f"Mixed.{name}" for name in names} and {warning.filename for warning in caught} == {__file__}
    assert made.uses_keep_ratio is False
    with pytest.warns(DeprecationWarning, match=r"^Policy\.environment is called Policy\.required_config now"):
        env = make_env(made, "DataSelect/Digits-v0", **SMALL)
    assert env.observe == "fresh"
    with pytest.warns(DeprecationWarning, match=r"^Policy\.environment is called"):
        run_policy(made, env, 0)
    assert env.keep_fractions and all(0 < share <= 0.5 for _, share in env.keep_fractions)


def test_a_class_may_define_both_names_to_serve_both_versions() -> None:
    class Both(Policy):
        uses_keep_ratio = budgeted = False

    class Derived(Mixin, Policy):
        uses_keep_ratio = True

        def required_config(self, plan: Any, keep_ratio: float) -> dict[str, Any]:
            return {}

    assert Both().uses_keep_ratio is False and Derived().uses_keep_ratio is True


def test_an_old_attribute_may_be_set_when_a_policy_is_made() -> None:
    class Own(Rule):
        def __init__(self, budgeted: bool) -> None:
            self.budgeted = budgeted
            self.state = "mine"

        def choose(self, candidates: Candidates) -> Any:
            return candidates.best(candidates.random())

    with pytest.warns(DeprecationWarning, match=r"^Policy\.budgeted is called Policy\.uses_keep_ratio now") as caught:
        made = Own(False)
    assert (made.uses_keep_ratio, Own.uses_keep_ratio, caught[0].filename) == (False, True, __file__)
    assert made.state == "mine" and callable(made.state_dict)  # the name of a method may be taken


def test_old_methods_take_keywords() -> None:
    rule = make_policy("random")
    env = make_env(rule, "DataSelect/Digits-v0", **SMALL)
    env.reset(seed=0)
    rule.start(env)
    state = rule.state_dict()
    with pytest.warns(DeprecationWarning, match=r"^Policy\.resume is called Policy\.load_state_dict now"):
        rule.resume(env=env, state=state)  # type: ignore[attr-defined]
