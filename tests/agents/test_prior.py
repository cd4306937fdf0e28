"""The policy that begins with the greedy rule of one column of what it sees."""

from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy import stats
from torch import Tensor

from data_select_gym.agents import BetaPolicy, DataAgent, make_policy, run_policy
from data_select_gym.agents.learned.data_agent import column_of
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.envs.features import DEFAULT_FEATURES

from .data_agents import slots

ROWS = spaces.Box(0, 1, (4,), dtype=np.float32)
SCORE = spaces.Box(0.0, 1.0, (1,), dtype=np.float32)


def policy(prior: int | None, space: spaces.Box = SCORE) -> BetaPolicy:
    torch.manual_seed(0)
    return BetaPolicy(ROWS, space, lambda _: 1e-3, prior=prior)


def rows(count: int) -> Tensor:
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(1))


def agreement(made: BetaPolicy, column: int, dimension: int = 0) -> float:
    """Rank correlation of the scores of a policy with one column of what it sees."""
    seen = rows(50)
    scores, _ = made.predict(seen.numpy(), deterministic=True)
    return float(stats.spearmanr(scores[:, dimension], seen[:, column]).statistic)


def test_a_new_policy_ranks_by_the_column_of_its_prior() -> None:
    for column in range(4):
        assert agreement(policy(column), column) > 0.999


def test_a_new_policy_without_a_prior_does_not() -> None:
    for column in range(4):
        assert agreement(policy(None), column) < 0.9


def test_the_distribution_of_a_new_policy_by_hand() -> None:
    # The heads of a new policy are close to 0, so that alpha is softplus(30 * 0.9) + 1 = 28, and beta softplus(3) + 1.
    distribution = policy(2).get_distribution(torch.tensor([[0.5, 0.5, 0.9, 0.5]])).distribution
    assert isinstance(distribution, torch.distributions.Beta)
    assert distribution.concentration1.item() == pytest.approx(28, abs=0.1)
    assert distribution.concentration0.item() == pytest.approx(np.log1p(np.exp(3)) + 1, abs=0.1)


def test_the_prior_holds_for_every_dimension_of_an_action() -> None:
    made = policy(1, spaces.Box(0.0, 1.0, (3,), dtype=np.float32))
    for dimension in range(3):
        assert agreement(made, 1, dimension) > 0.999


def test_the_weight_of_the_prior_learns_as_all_do() -> None:
    made = policy(0)
    _, log_prob, _ = made.evaluate_actions(rows(8), torch.full((8, 1), 0.5))
    log_prob.sum().backward()
    assert made.action_net.weight.grad is not None and made.action_net.weight.grad[:, -1].abs().min() > 0


@pytest.mark.parametrize("prior", [-1, 4, 0.5])
def test_a_prior_is_a_column_of_what_is_seen(prior: int) -> None:
    with pytest.raises(ValueError, match=rf"prior={prior!r} is not a whole number of at least 0 and at most 3"):
        policy(prior)


def test_a_policy_keeps_its_prior_when_it_is_saved(tmp_path: Path) -> None:
    made = policy(3)
    made.save(str(tmp_path / "policy"))
    loaded = BetaPolicy.load(str(tmp_path / "policy"))
    assert loaded.prior == 3
    assert np.array_equal(
        loaded.predict(rows(9).numpy(), deterministic=True)[0], made.predict(rows(9).numpy(), deterministic=True)[0]
    )


@pytest.mark.parametrize(
    ("features", "column"),
    [
        (("quality_rank",), 0),
        (("loss", "price", "quality_rank"), 2),
        (("quality_rank", "embedding"), 0),
        (("embedding", "loss", "quality_rank"), 65),
        (DEFAULT_FEATURES, None),
    ],
)
def test_the_column_of_a_feature_is_found_beside_wide_ones(features: tuple[str, ...], column: int | None) -> None:
    assert column_of("quality_rank", slots(features=features)) == column


def test_the_agent_begins_with_the_quality_rank_where_it_is_shown() -> None:
    assert DataAgent(slots(features=("loss", "quality_rank"))).policy.prior == 1
    assert DataAgent(slots()).policy.prior is None


def test_quality_rank_is_that_of_what_the_reward_pays() -> None:
    for reward, signal in (("priced-difficulty", "loss"), ("uncertainty", "uncertainty"), ("alignment", "alignment")):
        env = DataSelectEnv("digits", epochs=3, features=["quality_rank"], reward=reward)
        observation, _ = env.reset(seed=0)
        values = getattr(env.signals, signal)
        above = values < values.quantile(0.9)  # difficulty is clipped above
        order = values[above].numpy().argsort()
        assert (np.diff(observation[above.numpy(), 0][order]) >= 0).all()
        assert observation[:, 0].max() - observation[:, 0].min() > 0.8


@pytest.mark.slow
def test_data_agent_costs_what_the_others_do_and_selects_to_the_end() -> None:
    costs, sizes = {}, {"epochs": 8, "pool_size": 128, "batch_size": 64}
    for name in ("random", "data-agent"):
        outline = DataSelectEnv("digits", **sizes)
        chosen = make_policy(name)
        env = DataSelectEnv("digits", **(sizes | {"keep_ratio": 0.3} | chosen.required_config(outline.plan, 0.3)))
        costs[name] = run_policy(chosen, env, seed=0).cost
        if name == "data-agent":
            assert env.plan.anneal_start == env.plan.total_pools
    assert costs["data-agent"] == pytest.approx(costs["random"], abs=0.005)


@pytest.mark.slow
def test_data_agent_keeps_better_samples_than_random_in_a_short_run() -> None:
    ranks = {}
    for name in ("random", "data-agent"):
        env = SamplewiseVecEnv("DataSelect/Digits-v0", epochs=6).env
        chosen = make_policy(name)
        joint = DataSelectEnv("digits", **({"epochs": 6} | chosen.required_config(env.plan, 0.5)))
        seen: list[float] = []
        step = joint._advance
        joint._advance = lambda *given, step=step, seen=seen, **more: (  # type: ignore[method-assign]
            seen.append((out := step(*given, **more))[4]["reward_terms"]["rank"]) or out
        )
        run_policy(chosen, joint, seed=0)
        ranks[name] = np.mean(seen)
    assert ranks["data-agent"] > ranks["random"] + 0.05
