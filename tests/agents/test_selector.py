"""Policies in a training loop of one's own choose what they would have chosen in an environment."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_select_gym.agents import FrozenPolicy, Selector, drive, make_policy, save_model
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.signals import Signals
from data_select_gym.training import TrainingRun

from .driven_runs import STEPS, digits, first_half
from .small_agents import P, image_env, learned


def selector_for(env: DataSelectEnv, policy: Any) -> Selector:
    plan = env.plan
    return Selector(
        policy,
        env.run.ledger,
        keep_ratio=env.keep_ratio,
        epochs=plan.epochs,
        pools_per_epoch=plan.pools_per_epoch,
        seed=env.run.seed,
    )


@pytest.mark.parametrize("agent", ["data-agent", "sac"])
def test_an_agent_from_a_file_chooses_what_it_chooses_in_an_environment(agent: str, tmp_path: Path) -> None:
    path = save_model(learned(agent), tmp_path / "agent.zip")
    frozen = make_policy(path)
    assert isinstance(frozen, FrozenPolicy) and frozen.features is not None
    env = image_env(features=frozen.features, anneal_fraction=0.0, keep_ratio=0.4)
    observation, _ = env.reset(seed=3)
    frozen.start(env)
    selector, over = selector_for(env, path), False
    while not over:
        mine = frozen.select(observation)
        assert 0 < mine.sum() < P
        assert np.array_equal(mine, selector.choose(env.run.pool, env.run.pool_number).numpy())
        observation, _, over, _, _ = env.step(mine)
    assert selector.price.value == pytest.approx(env.price.value)


@pytest.mark.parametrize("rule", ["random", "top-loss", "infobatch", "ucb", "epsilon-greedy", "el2n", "forgetting"])
def test_a_rule_chooses_what_it_chooses_in_an_environment(rule: str) -> None:
    env = digits(keep_ratio=0.3, epochs=5, warmup_epochs=2)
    selectors: list[Selector] = []

    def hear(run: TrainingRun) -> None:
        if not selectors:
            selectors.append(selector_for(env, rule))
        selectors[0].hear(run.visited, run.pool_number - 1)

    class Compared(type(make_policy(rule))):  # type: ignore[misc]
        def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
            mine: NDArray[Any] = super().select(observation)
            theirs = selectors[0].choose(env.run.pool, env.run.pool_number)
            assert np.array_equal(mine, theirs.numpy())
            return mine

    env.on_pool = hear
    assert drive(Compared(), env, seed=0).steps == 2 * STEPS


def test_a_callable_sees_the_default_features() -> None:
    seen: list[NDArray[np.float32]] = []

    def half(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        seen.append(observation)
        return first_half(observation)

    env = digits()
    observation, _ = env.reset(seed=0)
    kept = selector_for(env, half).choose(env.run.pool, env.run.pool_number)
    assert np.array_equal(seen[0], observation)
    assert kept.tolist() == first_half(observation).tolist()


def test_the_price_rises_where_more_is_kept_than_is_meant_to_be() -> None:
    selector = Selector("full", Ledger(8), keep_ratio=0.5, epochs=1, pools_per_epoch=2)
    assert selector.price.value == 0.5
    selector.choose(torch.arange(4), step=0)
    assert selector.price.value == pytest.approx(0.55)


def test_infobatch_gives_weights() -> None:
    ledger = Ledger(8)
    nothing = torch.zeros(8)
    ledger.record(torch.arange(8), Signals(torch.arange(8.0), nothing, nothing, nothing, nothing > 0, nothing), step=0)
    selector = Selector(make_policy("infobatch", prune_ratio=0.5), ledger, keep_ratio=0.5, epochs=2, pools_per_epoch=1)
    assert selector.choose(torch.arange(8), step=1).sort().values.tolist() == [0, 0, 1, 1, 1, 1, 2, 2]


def test_a_policy_that_learns_within_its_run_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^policy='ppo' learns within the run that it steers, .* give its file$"):
        Selector("ppo", Ledger(8), keep_ratio=0.5, epochs=2, pools_per_epoch=1)


@pytest.mark.parametrize("indices", [torch.arange(4).float(), torch.arange(4).view(2, 2), torch.arange(0)])
def test_what_are_no_indices_is_refused(indices: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"^indices are torch\.\w+ of shape \(.*\); int64 \(P,\) is needed$"):
        Selector("full", Ledger(8), keep_ratio=0.5, epochs=2, pools_per_epoch=1).choose(indices, step=1)


@pytest.mark.parametrize("step", [-1, 2, 0.5, None])
def test_a_step_beyond_the_run_is_refused(step: Any) -> None:
    with pytest.raises(ValueError, match=r"^step=.* is not a whole number of at least 0 and at most 1$"):
        Selector("full", Ledger(8), keep_ratio=0.5, epochs=2, pools_per_epoch=1).choose(torch.arange(4), step=step)
