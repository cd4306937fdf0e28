from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data_select_gym.agents import RULES, Candidates, Policy, make_env, make_policy, pretrain, run_policy
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.selection import best_count, best_share
from data_select_gym.signals import Signals

from ..tiers import slow
from .mechanisms import by_mechanism

P = 64
RANKINGS = (
    *("random", "top-loss", "low-loss", "uncertainty", "margin", "ucb", "epsilon-greedy", "el2n", "forgetting"),
    *("bandit", "estimate-then-choose", "evolved-sampling", "kakurenbo"),
)


def digits(policy: Policy | None = None, **options: Any) -> DataSelectEnv:
    settings: dict[str, Any] = {
        "epochs": 4,
        "pool_size": P,
        "batch_size": 64,
        "keep_ratio": 0.3,
        "balance_classes": True,
    } | options
    return make_env(policy or make_policy("top-loss"), "DataSelect/Digits-v0", **settings)


def within_one(labels: Tensor, kept: Tensor) -> bool:
    sizes, counts = (torch.bincount(some, minlength=10) for some in (labels, labels[kept]))
    return bool(((counts - sizes * int(kept.sum()) / len(labels)).abs() < 1).all())


@pytest.mark.parametrize("name", by_mechanism(sorted(set(RULES) - {"rho-loss"})))
def test_every_rule_keeps_the_class_shares(name: str) -> None:
    policy = make_policy(name)
    env = digits(policy)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    step = env.step

    def watch(action: Any) -> Any:
        labels = env.pool_labels
        assert labels is not None
        result = step(action)
        seen.append((labels, torch.as_tensor(np.asarray(action) > 0), torch.from_numpy(result[-1]["kept"])))
        return result

    env.step = watch  # type: ignore[method-assign]
    run_policy(policy, env, 0)
    for labels, asked, kept in seen:
        assert int(kept.sum()) == int(asked.sum()) and within_one(labels, kept)
        # A ranking ranks within the classes itself, so that nothing has to be put right.
        assert torch.equal(asked, kept) or name not in RANKINGS


def test_rankings_take_the_best_of_each_class() -> None:
    loss = torch.rand(40, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 4
    other = torch.full_like(loss, 0.5)
    signals = Signals(loss, other, other, other, torch.ones(40, dtype=torch.bool), other)
    rows = torch.arange(40)
    pool = Candidates(signals, 0.5, torch.Generator(), rows, torch.ones(40), 0.5, labels)
    assert make_policy("top-loss").choose(pool).tolist() == best_share(loss, 0.5, labels).tolist()
    assert make_policy("low-loss").choose(pool).tolist() == best_share(-loss, 0.5, labels).tolist()
    assert within_one(labels, make_policy("top-loss").choose(pool))


def test_the_greedy_part_of_epsilon_greedy_is_the_best_of_each_class() -> None:
    loss = torch.rand(40, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 4
    other = torch.full_like(loss, 0.5)
    signals = Signals(loss, other, other, other, torch.ones(40, dtype=torch.bool), other)
    rule = make_policy("epsilon-greedy", epsilon=0.2)
    rule.begin(40, 0, torch.device("cpu"))
    rows = torch.arange(40)
    kept = rule.choose(Candidates(signals, 0.5, rule.generator, rows, torch.ones(40, dtype=torch.int32), 0.5, labels))
    greedy = best_count(loss, 16, labels)
    assert (kept & greedy).sum() == 16 and int(kept.sum()) == 20


@pytest.mark.parametrize("name", ["data-agent", slow("ppo")])
def test_agents_learn_within_classes(name: str) -> None:
    policy = make_policy(name)
    env = digits(policy, epochs=6, pool_size=128)
    result = run_policy(policy, env, 0)
    assert result.steps == len(env.keep_fractions) > 0
    if name == "data-agent":
        # 0.3 of four epochs and the one that it does not anneal in, over five.
        assert result.keep_fraction == pytest.approx((0.3 * 4 + 1) / 5, abs=0.01)


def test_a_frozen_agent_with_scores_keeps_the_best_of_each_class() -> None:
    model = pretrain("data-agent", "DataSelect/Digits-v0", runs=1, seed=0, epochs=4, pool_size=P)
    policy = make_policy(model)
    env = digits(features=as_base_env(model.get_env().env).features)  # type: ignore[union-attr]
    observation, _ = env.reset(seed=0)
    policy.start(env)
    labels = env.pool_labels
    assert labels is not None
    scores, _ = model.predict(observation, deterministic=True)
    expected = best_share(torch.from_numpy(scores[:, 0]), 0.3, labels)
    assert policy.select(observation).tolist() == expected.tolist()
    assert expected.tolist() != best_share(torch.from_numpy(scores[:, 0]), 0.3).tolist()
