"""Learning is seen within a single run of the digits at their default settings, over three seeds."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data_select_gym.agents import ALGORITHMS, CoevolvingPolicy, Policy, RunResult, drive, make_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.rewards import composite, rank

SEEDS = (0, 1, 2)
# What it learns is seen without the rule that it begins with, in the environment that the others have.
WITHOUT_PRIOR = replace(ALGORITHMS["data-agent"], environment=lambda plan, keep_ratio: {})


class Watched(DataSelectEnv):
    """Notes the reward of each step, the share kept, and how the kept samples rank among the candidates."""

    def __init__(self) -> None:
        super().__init__("digits", device="cpu")
        self.notes: list[tuple[float, float, float]] = []

    def step(self, action: NDArray[Any]) -> Any:
        return self._note(super().step(action))

    def step_scores(self, scores: NDArray[Any]) -> Any:
        return self._note(super().step_scores(scores))

    def _note(self, outcome: Any) -> Any:
        record = self.record
        assert record is not None
        quality, _ = composite(record.recorded)(record.recorded)
        ranks = rank(quality, quality).numpy()[record.kept.numpy()]
        _, reward, _, _, info = outcome
        self.notes.append((reward, info["keep_fraction"], float(ranks.mean()) if len(ranks) else 0.5))
        return outcome


@dataclass(frozen=True)
class Watch:
    """One run: what came of it, and by step the rewards, the shares kept and the mean ranks of the kept samples."""

    result: RunResult
    rewards: NDArray[np.float64]
    kept: NDArray[np.float64]
    ranks: NDArray[np.float64]


def third(values: NDArray[np.float64], number: int) -> float:
    return float(np.array_split(values, 3)[number].mean())


def watched(policy: Policy) -> list[Watch]:
    runs = []
    for seed in SEEDS:
        env = Watched()
        result = drive(policy, env, seed)
        runs.append(Watch(result, *np.array(env.notes).T))
    return runs


@pytest.fixture(scope="module")
def by_random() -> list[Watch]:
    return watched(make_policy("random"))


@pytest.fixture(scope="module")
def by_ppo() -> list[Watch]:
    return watched(make_policy("ppo"))


@pytest.fixture(scope="module")
def by_data_agent() -> list[Watch]:
    return watched(CoevolvingPolicy(WITHOUT_PRIOR))


def test_runs_have_the_default_settings(by_random: list[Watch]) -> None:
    assert [run.result.seed for run in by_random] == list(SEEDS)
    assert all(len(run.rewards) == run.result.steps == 250 for run in by_random)
    assert all(run.rewards.sum() == pytest.approx(run.result.episode_return) for run in by_random)


def test_ppo_is_paid_more_than_random_at_the_end_of_a_run(by_ppo: list[Watch], by_random: list[Watch]) -> None:
    for learned, random in zip(by_ppo, by_random, strict=True):
        assert third(learned.rewards, 2) > third(random.rewards, 2) + 0.05


def test_ppo_holds_the_budget_at_the_end_of_a_run(by_ppo: list[Watch]) -> None:
    for learned in by_ppo:
        assert third(learned.kept, 2) == pytest.approx(0.5, abs=0.1)


def test_the_data_agent_keeps_better_samples_than_random(by_data_agent: list[Watch], by_random: list[Watch]) -> None:
    for learned, random in zip(by_data_agent, by_random, strict=True):
        assert learned.kept.tolist() == [0.5] * 250
        assert third(learned.ranks, 2) > third(random.ranks, 2) + 0.05
        assert learned.ranks.mean() > random.ranks.mean() + 0.05


def test_the_data_agents_advantage_over_random_grows_in_a_run(
    by_data_agent: list[Watch], by_random: list[Watch]
) -> None:
    for learned, random in zip(by_data_agent, by_random, strict=True):
        first, last = (third(learned.ranks, part) - third(random.ranks, part) for part in (0, 2))
        assert last > first + 0.02


def test_learned_policies_train_the_model_as_well_as_random_does(
    by_ppo: list[Watch], by_data_agent: list[Watch], by_random: list[Watch]
) -> None:
    ppo, agent, random = (
        float(np.mean([run.result.quality for run in runs])) for runs in (by_ppo, by_data_agent, by_random)
    )
    assert min(ppo, agent) > random - 0.02
