"""The algorithms of sb3-contrib, and what is said where they cannot be used."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import data_select_gym.agents
from data_select_gym.agents import ALGORITHMS, POLICIES, available_policies, learn_run, make_policy, run_policy
from data_select_gym.agents.learned.sb3_contrib_models import SlotARS, SlotQRDQN
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, as_base_env

CONTRIB = [name for name, algorithm in ALGORITHMS.items() if algorithm.contrib]
SLOTS, P, STEPS = 2000, 64, 20  # a run of three epochs selects in the second of them


def slots(action: str, **options: Any) -> SamplewiseVecEnv:
    return SamplewiseVecEnv(
        "DataSelect/Digits-v0", action=action, **({"epochs": 3, "pool_size": P, "batch_size": 32} | options)
    )


def rows() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(SLOTS, 8)).astype(np.float32)


def without_contrib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    monkeypatch.delitem(sys.modules, "data_select_gym.agents.learned.sb3_contrib_models")
    monkeypatch.delattr(data_select_gym.agents.learned, "sb3_contrib_models")


def test_they_are_known_by_these_names() -> None:
    assert set(CONTRIB) == {"trpo", "qrdqn", "tqc", "crossq", "ars", "recurrent-ppo"}


# Exploration


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_every_slot_of_qrdqn_explores_on_its_own(rate: float) -> None:
    model = SlotQRDQN("MlpPolicy", slots("keep"), buffer_size=640, seed=0, device="cpu")
    model.exploration_rate = rate
    with torch.no_grad():
        greedy = model.quantile_net(torch.from_numpy(rows())).mean(dim=1).argmax(dim=1).numpy()
    assert model.predict(rows(), deterministic=True)[0].tolist() == greedy.tolist()
    changed = [(model.predict(rows())[0] != greedy).mean() for _ in range(20)]
    # Half of the random actions are the greedy ones. Five standard deviations of a share of 2,000 are below 0.05.
    assert changed == pytest.approx([rate / 2] * 20, abs=0.05)


# ARS


def test_ars_says_why_it_cannot_learn_within_one_run() -> None:
    env = as_base_env("DataSelect/Digits-v0", epochs=3)
    with pytest.raises(ValueError, match=r"^ars cannot learn within one run: .* 'data-select-gym train' instead$"):
        run_policy(make_policy("ars"), env, seed=0)
    assert env.seconds == 0
    with pytest.raises(ValueError, match=r"^SlotARS cannot learn within one run"):
        learn_run(ALGORITHMS["ars"].make(slots("score")))


class Runs:
    """Counts the resets of an environment and adds up the returns of its runs."""

    def __init__(self, env: DataSelectEnv) -> None:
        self.returns: list[float] = []
        self.begin, self.step = env.reset, env.step_scores
        env.reset, env.step_scores = self.reset, self.step_scores  # type: ignore[method-assign]

    def reset(self, **options: Any) -> Any:
        self.returns.append(0.0)
        return self.begin(**options)

    def step_scores(self, scores: NDArray[Any]) -> Any:
        outcome = self.step(scores)
        self.returns[-1] += outcome[1]
        return outcome


@pytest.fixture(scope="module")
def learned() -> tuple[SlotARS, Runs, list[Tensor]]:
    env = slots("score", batch_size=64)
    model = ALGORITHMS["ars"].make(env)
    assert isinstance(model, SlotARS)
    runs, judged = Runs(env.env), []
    evaluate = model.evaluate_candidates

    def note(*given: Any) -> Tensor:
        judged.append(evaluate(*given))
        return judged[-1]

    model.evaluate_candidates = note  # type: ignore[method-assign]
    model.set_random_seed(0)
    model.learn(8 * STEPS * P)
    return model, runs, judged


@pytest.mark.slow
def test_ars_learns_over_runs_and_counts_a_timestep_once(learned: tuple[SlotARS, Runs, list[Tensor]]) -> None:
    model, runs, _ = learned
    assert (model.num_timesteps, model._n_updates) == (8 * STEPS * P, 1)
    # Learning begins with a reset of its own.
    assert len(runs.returns) == 1 + 8
    assert model.get_env().autoreset  # type: ignore[union-attr]
    assert model.policy.state_dict()["action_net.0.weight"].abs().sum() > 0


@pytest.mark.slow
def test_ars_judges_a_candidate_by_the_return_of_a_whole_run(learned: tuple[SlotARS, Runs, list[Tensor]]) -> None:
    _, runs, (judged,) = learned
    assert (judged / P).tolist() == pytest.approx(runs.returns[1:], rel=1e-4, abs=1e-4)


def test_ars_learned_over_runs_steers_one_when_frozen(learned: tuple[SlotARS, Runs, list[Tensor]]) -> None:
    result = run_policy(make_policy(learned[0]), as_base_env("DataSelect/Digits-v0", epochs=3), seed=0)
    assert result.keep_fraction == 0.5


# Where the extra is missing


@pytest.mark.parametrize("name", CONTRIB)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_contrib(monkeypatch)
    with pytest.raises(ImportError, match=r"needs sb3-contrib: pip install 'data-select-gym\[contrib\]'$"):
        ALGORITHMS[name].make(slots("keep"))


def test_a_missing_extra_is_found_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    without_contrib(monkeypatch)
    env = as_base_env("DataSelect/Digits-v0", epochs=4)
    with pytest.raises(ImportError, match="TRPO needs sb3-contrib"):
        make_policy("trpo").check(env)
    make_policy("ppo").check(env)


def test_available_are_all_policies_that_can_drive_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(available_policies()) == [name for name in POLICIES if name != "ars"]
    monkeypatch.setattr("data_select_gym.agents.registry.find_spec", lambda name: None)
    assert list(available_policies()) == [name for name in POLICIES if name not in CONTRIB]
