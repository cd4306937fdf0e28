import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from data_select_gym.agents import RULES, Candidates, InfoBatch, make_policy, run_policy
from data_select_gym.agents.rules import FullEqualCost, Random, TopLoss
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.signals import Signals
from data_select_gym.training import FunctionCallback

from ..tiers import slow
from .mechanisms import by_mechanism

INF, NAN = float("inf"), float("nan")
losses_lists = st.lists(st.floats(0, 100, width=32), min_size=2, max_size=40)
ratios = st.floats(0.01, 1)


def signals(losses: list[float]) -> Signals:
    loss = torch.tensor(losses, dtype=torch.float32)
    other = torch.full_like(loss, 0.5)
    return Signals(loss, other, other, other, torch.ones(len(loss), dtype=torch.bool), other)


def candidates(losses: list[float], keep_ratio: float = 0.5, seed: int = 0) -> Candidates:
    count = len(losses)
    generator = torch.Generator().manual_seed(seed)
    return Candidates(signals(losses), keep_ratio, generator, torch.arange(count), torch.ones(count), progress=0.5)


def digits(**options: object) -> DataSelectEnv:
    return as_base_env("DataSelect/Digits-v0", **({"epochs": 3, "pool_size": 64, "batch_size": 32} | options))


def kept_count(choice: Tensor) -> int:
    return int((choice > 0).sum())


# Full


def test_full_keeps_every_candidate() -> None:
    assert make_policy("full").choose(candidates([3.0, 0.0, INF, NAN])).tolist() == [True] * 4


def test_a_full_run_costs_one() -> None:
    result = run_policy(make_policy("full"), digits(), 0)
    assert (result.cost, result.keep_fraction) == (1.0, 1.0)


@pytest.mark.parametrize("keep_ratio", [slow(0.2), 0.5, slow(0.8)])
def test_full_at_equal_cost_pays_what_a_run_that_keeps_the_ratio_pays(keep_ratio: float) -> None:
    settings = {"keep_ratio": keep_ratio, "epochs": 8}
    plan = digits(**settings).plan
    shortened = digits(**settings, **FullEqualCost().required_config(plan, keep_ratio))
    short, chosen = run_policy(FullEqualCost(), shortened, 0), run_policy(Random(), digits(**settings), 0)
    assert short.keep_fraction == 1.0
    # A run is a whole number of pools, and a pool keeps a whole number of samples.
    assert short.cost == pytest.approx(chosen.cost, abs=1 / plan.full_pools)
    assert short.cost < 1


# Random


@settings(deadline=None)
@given(count=st.integers(2, 60), keep_ratio=ratios)
def test_random_keeps_exactly_the_share(count: int, keep_ratio: float) -> None:
    kept = Random().choose(candidates([1.0] * count, keep_ratio))
    assert kept.dtype == torch.bool
    assert kept_count(kept) == max(1, round(keep_ratio * count))


def test_random_draws_afresh_for_each_pool() -> None:
    same = candidates(list(range(40)))
    draws = {tuple(Random().choose(same).tolist()) for _ in range(20)}
    assert len(draws) == 20


def test_random_keeps_every_candidate_equally_often_whatever_its_loss() -> None:
    pool = candidates([0.0, 1.0, 2.0, 50.0, INF], keep_ratio=0.4)
    often = torch.stack([Random().choose(pool) for _ in range(4000)]).float().mean(dim=0)
    # Four standard deviations of a share of 4,000 draws are 0.031.
    assert often.tolist() == pytest.approx([0.4] * 5, abs=0.031)


def choices(env: DataSelectEnv, name: str, seed: int) -> list[list[float]]:
    policy = make_policy(name)
    observation, _ = env.reset(seed=seed)
    policy.start(env)
    taken, terminated = [], False
    while not terminated:
        taken.append(policy.select(observation).astype(float).tolist())
        observation, _, terminated, _, _ = env.step(np.array(taken[-1]))
    return taken


@pytest.mark.parametrize("name", ["random", "infobatch"])
def test_what_a_rule_draws_depends_on_the_seed_of_the_run_alone(name: str) -> None:
    first = choices(digits(), name, 3)
    torch.manual_seed(99)
    again, other = choices(digits(), name, 3), choices(digits(), name, 4)
    assert first == again
    assert first != other
    assert len({tuple(choice) for choice in first}) == len(first)


# Top loss


def test_top_loss_keeps_the_highest() -> None:
    kept = TopLoss().choose(candidates([0.1, 5.0, 0.3, 2.0], keep_ratio=0.5))
    assert kept.tolist() == [False, True, False, True]


def test_top_loss_keeps_those_never_seen_before_any_other() -> None:
    kept = TopLoss().choose(candidates([1e30, INF, 2.0, INF], keep_ratio=0.5))
    assert kept.tolist() == [False, True, False, True]


def test_top_loss_keeps_the_share_of_a_pool_of_a_diverged_model() -> None:
    assert kept_count(TopLoss().choose(candidates([NAN] * 6, keep_ratio=0.5))) == 3


@settings(deadline=None)
@given(losses=losses_lists, keep_ratio=ratios)
def test_top_loss_drops_none_above_one_that_it_keeps(losses: list[float], keep_ratio: float) -> None:
    kept = TopLoss().choose(candidates(losses, keep_ratio)).numpy()
    values = np.array(losses, dtype=np.float32)
    assert kept.sum() == max(1, round(keep_ratio * len(losses)))
    assert kept.all() or values[~kept].max() <= values[kept].min()


# InfoBatch


def test_infobatch_drops_the_share_r_of_those_below_the_mean_and_weighs_up_the_rest() -> None:
    losses = [0.0, 6.0, 1.0, 2.0, 9.0, 3.0]  # mean 3.5: four lie below it
    weights = InfoBatch(prune_ratio=0.5).choose(candidates(losses))
    assert weights[[1, 4]].tolist() == [1.0, 1.0]
    assert sorted(weights[[0, 2, 3, 5]].tolist()) == [0.0, 0.0, 2.0, 2.0]


def test_infobatch_counts_one_at_the_mean_as_high() -> None:
    weights = InfoBatch(prune_ratio=0.9).choose(candidates([1.0, 2.0, 3.0]))
    assert weights.tolist() == [0.0, 1.0, 1.0]


def test_infobatch_counts_one_never_seen_as_high_and_takes_a_finite_mean() -> None:
    # The mean is that of 1, 2, 9 and 9.
    weights = InfoBatch(prune_ratio=0.5).choose(candidates([1.0, 2.0, INF, 9.0]))
    assert weights[2:].tolist() == [1.0, 1.0]
    assert sorted(weights[:2].tolist()) == [0.0, 2.0]


@pytest.mark.parametrize("losses", [[INF] * 5, [2.0] * 5, [NAN] * 5])
def test_infobatch_keeps_all_where_no_loss_is_below_the_mean(losses: list[float]) -> None:
    assert InfoBatch().choose(candidates(losses)).tolist() == [1.0] * 5


def test_infobatch_chooses_r_so_that_the_keep_ratio_is_held() -> None:
    # Eight of ten are low: to keep five, five of the eight are dropped, so r = 5/8 and the others weigh 8/3.
    weights = InfoBatch().choose(candidates([1.0] * 8 + [9.0] * 2, keep_ratio=0.5))
    assert kept_count(weights) == 5
    assert weights[8:].tolist() == [1.0, 1.0]
    assert sorted(weights[:8].tolist()) == pytest.approx([0.0] * 5 + [8 / 3] * 3)


def test_infobatch_drops_at_most_nine_tenths_of_the_low_losses() -> None:
    # To keep one of ten, nine would have to go and only eight are low; r stays at 0.9, and 7.2 is rounded.
    weights = InfoBatch().choose(candidates([1.0] * 8 + [9.0] * 2, keep_ratio=0.1))
    assert sorted(weights[:8].tolist()) == pytest.approx([0.0] * 7 + [10.0])
    assert kept_count(weights) == 3


@settings(deadline=None)
@given(losses=losses_lists, keep_ratio=ratios, seed=st.integers(0, 99))
def test_infobatch_holds_the_budget_unless_the_cap_forbids_it(
    losses: list[float], keep_ratio: float, seed: int
) -> None:
    pool = candidates(losses, keep_ratio, seed)
    low = int((pool.signals.loss < pool.signals.loss.mean()).sum())
    weights = InfoBatch().choose(pool)
    dropped = len(losses) - kept_count(weights)
    assert dropped == pytest.approx(min(0.9 * low, (1 - keep_ratio) * len(losses)), abs=0.5 + 1e-4)


@settings(deadline=None)
@given(losses=losses_lists, ratio=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_infobatch_with_a_ratio_of_its_own_ignores_the_keep_ratio(losses: list[float], ratio: float, seed: int) -> None:
    pool = candidates(losses, 0.1, seed)
    low = pool.signals.loss < pool.signals.loss.mean()
    weights = InfoBatch(prune_ratio=ratio).choose(pool)
    assert (weights[~low] == 1).all()
    assert int((weights[low] == 0).sum()) == pytest.approx(ratio * int(low.sum()), abs=0.5 + 1e-4)
    assert weights[low][weights[low] > 0].numpy() == pytest.approx(1 / (1 - ratio))


def test_infobatch_weighs_every_candidate_one_on_average() -> None:
    pool = candidates([0.0, 0.1, 0.2, 0.3, 9.0, 9.0])
    weights = torch.stack([InfoBatch(prune_ratio=0.5).choose(pool) for _ in range(4000)])
    # Four standard deviations of the mean of 4,000 draws of 0 or 2 are 0.063.
    assert weights.mean(dim=0).tolist() == pytest.approx([1.0] * 6, abs=0.063)


def test_a_run_with_infobatch_trains_on_the_share_that_it_keeps() -> None:
    result = run_policy(make_policy("infobatch", prune_ratio=0.25), digits(epochs=6), 0)
    # Between half and all of a skewed distribution lies below its mean, and a quarter of those is dropped.
    assert 0.75 <= result.keep_fraction <= 0.875


@pytest.mark.parametrize("ratio", [1, 1.0, -0.1, 1.5, NAN, "half", True])
def test_infobatch_names_a_ratio_out_of_range(ratio: object) -> None:
    with pytest.raises(ValueError, match=r"^prune_ratio="):
        InfoBatch(prune_ratio=ratio)  # type: ignore[arg-type]


# All rules


@pytest.mark.parametrize("name", by_mechanism(RULES))
def test_a_rule_looks_at_recorded_signals_and_not_at_the_observation(name: str) -> None:
    shown, hidden = make_policy(name), make_policy(name)
    env = digits()
    env.reset(seed=0)
    shown.start(env)
    hidden.start(env)
    observation = np.zeros(env.observation_space.shape, dtype=np.float32)
    assert shown.select(observation).tolist() == hidden.select(observation + 1).tolist()


@pytest.mark.parametrize("name", by_mechanism(RULES))
def test_a_rule_serves_an_environment_made_by_gymnasium(name: str) -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3, pool_size=64)
    policy = make_policy(name)
    observation, _ = env.reset(seed=0)
    policy.start(env.unwrapped)  # type: ignore[arg-type]
    choice = policy.select(observation) > 0
    _, _, _, _, info = env.step(choice.astype(np.int8))
    assert choice.any()
    assert info["kept"].tolist() == choice.tolist()


def test_a_keep_ratio_that_is_set_within_a_run_leaves_the_rule_as_it_began() -> None:
    env, plain = digits(), digits()
    change = FunctionCallback(lambda run: setattr(env, "keep_ratio", 0.25))
    first = run_policy(TopLoss(), env, 0, callbacks=[change])
    assert first.cost == run_policy(TopLoss(), plain, 0).cost
    assert run_policy(TopLoss(), env, 0).cost == run_policy(TopLoss(), digits(keep_ratio=0.25), 0).cost < first.cost
