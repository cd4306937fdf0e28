"""What is learned within a single run of the digits, by the policies as they are shipped, over three seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_select_gym.agents import DataAgent, OnlinePolicy, Policy, RunResult, make_policy, run_policy
from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.learned.data_agent import PRIOR
from data_select_gym.envs import DataSelectEnv
from data_select_gym.rewards import composite, rank

SEEDS = (0, 1, 2)
EPOCHS = 16
OUTLINE = DataSelectEnv("digits", device="cpu", epochs=EPOCHS)
SHIPPED = make_policy("data-agent").required_config(OUTLINE.plan, OUTLINE.keep_ratio)
WITHOUT_PRIOR = SHIPPED | {"features": tuple(name for name in SHIPPED["features"] if name != PRIOR)}


class Watched(DataSelectEnv):
    """Notes the reward of each step, the share kept, and how the kept samples rank among the candidates."""

    def __init__(self, **options: Any) -> None:
        super().__init__("digits", device="cpu", epochs=EPOCHS, **options)
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


class Greedy:
    """The rule that the shipped agent begins with: the highest quality on record."""

    def start(self, env: DataSelectEnv) -> None:
        self.env = env

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        scores = observation[:, self.env.features.index(PRIOR)]
        return self.env.keep_best(torch.from_numpy(scores.copy())).numpy()


def data_agent(**settings: Any) -> Policy:
    return OnlinePolicy(Algorithm("", "score", DataAgent, lambda env, options: settings | options))


def watched(make: Callable[[], Policy], **options: Any) -> list[Watch]:
    runs = []
    for seed in SEEDS:
        env = Watched(**options)
        result = run_policy(make(), env, seed)
        runs.append(Watch(result, *np.array(env.notes).T))
    return runs


def fifths(values: NDArray[np.float64]) -> list[float]:
    return [float(part.mean()) for part in np.array_split(values, 5)]


@pytest.fixture(scope="module")
def by_random() -> list[Watch]:
    return watched(lambda: make_policy("random"))


@pytest.fixture(scope="module")
def by_ppo() -> list[Watch]:
    return watched(lambda: make_policy("ppo"))


@pytest.fixture(scope="module")
def by_data_agent() -> list[Watch]:
    return watched(lambda: make_policy("data-agent"), **SHIPPED)


@pytest.mark.slow
def test_every_step_of_every_run_is_watched(by_random: list[Watch]) -> None:
    assert [run.result.seed for run in by_random] == list(SEEDS)
    assert all(len(run.rewards) == run.result.steps == OUTLINE.plan.selection_pools for run in by_random)
    assert all(run.rewards.sum() == pytest.approx(run.result.episode_return) for run in by_random)


@pytest.mark.slow
def test_ppo_is_paid_more_than_random_at_the_end_of_a_run(by_ppo: list[Watch], by_random: list[Watch]) -> None:
    for learned, random in zip(by_ppo, by_random, strict=True):
        assert fifths(learned.rewards)[-1] > fifths(random.rewards)[-1] + 0.05


@pytest.mark.slow
def test_ppo_holds_the_budget_at_the_end_of_a_run(by_ppo: list[Watch]) -> None:
    for learned in by_ppo:
        assert fifths(learned.kept)[-1] == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_the_data_agent_without_its_prior_learns_which_samples_are_paid_for() -> None:
    # The ranks of a fifth of a run that chooses at random differ from 0.5 by 0.005 or so, its rewards as little.
    by_learned = watched(data_agent, **WITHOUT_PRIOR)
    by_frozen = watched(lambda: data_agent(learning_rate=1e-12, n_epochs=1), **WITHOUT_PRIOR)
    for learned, frozen in zip(by_learned, by_frozen, strict=True):
        assert max(abs(ranks - 0.5) for ranks in fifths(frozen.ranks)) < 0.03
        first, *_, last = fifths(learned.ranks)
        assert last > first + 0.06
        assert last > fifths(frozen.ranks)[-1] + 0.06
        assert fifths(learned.rewards)[-1] > fifths(frozen.rewards)[-1] + 0.03


@pytest.mark.slow
def test_the_shipped_data_agent_begins_at_the_level_of_the_greedy_rule_and_stays_there(
    by_data_agent: list[Watch],
) -> None:
    for agent, greedy in zip(by_data_agent, watched(lambda: make_policy(Greedy()), **SHIPPED), strict=True):
        assert agent.kept == pytest.approx(SHIPPED["keep_ratio"], abs=0.005)
        for own, best in zip(fifths(agent.ranks), fifths(greedy.ranks), strict=True):
            assert own > best - 0.02
        assert fifths(agent.rewards)[-1] > fifths(greedy.rewards)[-1] - 0.02


@pytest.mark.slow
def test_learned_policies_train_the_model_as_well_as_random_does(
    by_ppo: list[Watch], by_data_agent: list[Watch], by_random: list[Watch]
) -> None:
    ppo, agent, random = (
        float(np.mean([run.result.quality for run in runs])) for runs in (by_ppo, by_data_agent, by_random)
    )
    assert min(ppo, agent) > random - 0.02
