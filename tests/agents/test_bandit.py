"""The bandit over five rules, against values worked out by hand."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.agents import Candidates, make_env, make_policy, run_policy
from data_select_gym.agents.rules import Bandit
from data_select_gym.signals import Signals

from .loops import eight
from .policy_runs import digits
from .test_going_on import driven, environment, outcome


def begun(**options: Any) -> Bandit:
    rule = Bandit(**options)
    rule.begin(8, seed=0, device=torch.device("cpu"))
    return rule


def pool(seed: int = 0) -> Candidates:
    loss = torch.tensor([4.0, 1.0, 3.0, 2.0])
    half, rows = torch.full_like(loss, 0.5), torch.arange(4)
    uncertainty, margin = torch.tensor([0.1, 0.2, 0.8, 0.9]), torch.tensor([0.9, -0.5, 0.8, -0.4])
    signals = Signals(loss, uncertainty, half, margin, half > 0, half)
    return Candidates(signals, 0.5, torch.Generator().manual_seed(seed), rows, torch.ones_like(rows), 0.5)


def test_the_arms_are_the_five_rules_in_order() -> None:
    rule = begun()
    kept = []
    for arm in range(5):
        rule.arm, rule.left = arm, 1
        kept.append(rule.choose(pool()).nonzero().flatten().tolist())
    assert kept[0] == make_policy("random").choose(pool()).nonzero().flatten().tolist()  # type: ignore[attr-defined]
    assert kept[1:] == [[0, 2], [1, 3], [2, 3], [1, 3]]


def test_chances_mix_a_softmax_of_the_gains_with_equal_ones() -> None:
    rule = begun(exploration=0.5, learning_rate=2.0)
    assert rule.chances().tolist() == pytest.approx([0.2] * 5)
    rule.gains = torch.tensor([math.log(4) / 2, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    # exp(2 g) is 4 and 1 four times, so that the softmax is 1/2 and 1/8; half of that and a tenth.
    assert rule.chances().tolist() == pytest.approx([0.35] + [0.1625] * 4)


def test_pay_is_scaled_by_the_running_range_and_divided_by_the_chance() -> None:
    rule = begun(discount=0.5)
    rule.arm, rule.chance = 2, 0.25
    rule.pay(3.0)
    # The first counts as a half: 0.5 / 0.25.
    assert (rule.low, rule.high, rule.gains.tolist()) == (3.0, 3.0, [0.0, 0.0, 2.0, 0.0, 0.0])
    rule.arm, rule.chance = 0, 0.5
    rule.pay(7.0)
    # low is 5, half way to the pay; high is 7, and so the pay is the highest: 1 / 0.5. What was before is halved.
    assert (rule.low, rule.high, rule.gains.tolist()) == (5.0, 7.0, [2.0, 0.0, 1.0, 0.0, 0.0])
    rule.arm, rule.chance = 4, 0.2
    rule.pay(5.5)
    # low is 5.25 and high 6.25: a quarter of the range, over 0.2.
    assert (rule.low, rule.high) == (5.25, 6.25)
    assert rule.gains.tolist() == pytest.approx([1.0, 0.0, 0.5, 0.0, 1.25])
    rule.arm, rule.chance = 1, 0.5
    rule.pay(-1.0)
    # The lowest so far earns nothing.
    assert (rule.low, rule.high) == (-1.0, 2.625)
    assert rule.gains.tolist() == pytest.approx([0.5, 0.0, 0.25, 0.0, 0.625])


def test_equal_pays_count_as_a_half() -> None:
    rule = begun(discount=0.5)
    rule.chance = 1.0
    rule.pay(2.0)
    rule.pay(2.0)
    assert rule.gains.tolist() == [0.75, 0.0, 0.0, 0.0, 0.0]


def test_arms_are_drawn_by_their_chances_and_choose_for_a_window() -> None:
    rule = begun(window=3, exploration=0.2, learning_rate=1.0)
    rule.gains = torch.tensor([0.0, 0.0, 0.0, 50.0, 0.0], dtype=torch.float64)
    shown, drawn = pool(), []
    for step in range(6000):
        rule.choose(shown)
        drawn.append(rule.arm)
        assert rule.left == 2 - step % 3
    windows = np.array(drawn).reshape(-1, 3)
    assert (windows == windows[:, :1]).all()
    # 0.8 + 0.04, and 0.04. Four standard deviations of a share of 2,000 draws are at most 0.033.
    shares = np.bincount(windows[:, 0], minlength=5) / 2000
    assert shares == pytest.approx([0.04, 0.04, 0.04, 0.84, 0.04], abs=0.033)
    assert rule.chance == pytest.approx(0.84 if drawn[-1] == 3 else 0.04)


def test_a_run_pays_the_fall_of_the_validation_loss_per_cost_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    paid: list[float] = []
    pay = Bandit.pay
    monkeypatch.setattr(Bandit, "pay", lambda rule, amount: (paid.append(amount), pay(rule, amount)))
    rule = Bandit(window=4)
    env = digits(rule, epochs=3)
    falls: list[float] = []
    costs: list[float] = []
    step = env.step

    def watch(action: Any) -> Any:
        result = step(action)
        assert env.record is not None and env.record.validation_gain is not None
        falls.append(float(env.record.validation_gain))
        costs.append(float(result[-1]["cost"]))
        return result

    env.step = watch  # type: ignore[method-assign]
    result = run_policy(rule, env, 0)
    # Twenty steps are five windows. The run ends with the fifth, which is not paid. The warm-up costs a third.
    ends = [1 / 3, *costs[3::4]]
    expected = [sum(falls[4 * k : 4 * k + 4]) / (ends[k + 1] - ends[k]) for k in range(4)]
    assert paid == pytest.approx(expected, rel=1e-4)
    # Of three epochs of twenty pools the first and the last are trained in full. The plan knows that the forward passes
    # over the validation set cost a twelfth of a pool at each step.
    assert result.cost == pytest.approx(env.plan.cost(0.5)) == pytest.approx((20 + 10 + 20 + 20 / 12) / 60)
    assert result.keep_fraction == 0.5


def test_a_diverged_model_pays_nothing() -> None:
    rule = Bandit(window=1)
    env = digits(rule)
    observation, _ = env.reset(seed=0)
    rule.start(env)
    env.step(rule.select(observation))
    assert env.episode.record is not None
    object.__setattr__(env.episode.record, "validation_gain", torch.tensor(float("nan")))
    rule.select(observation)
    assert (rule.low, rule.high) == (0.0, 0.0)


def test_a_state_that_is_asked_for_twice_counts_a_step_once() -> None:
    rule = Bandit(window=3)
    env = digits(rule)
    observation, _ = env.reset(seed=0)
    rule.start(env)
    observation, *_ = env.step(rule.select(observation))
    rule.state_dict()
    fall = float(rule.fall)
    assert env.record is not None and fall == float(env.record.validation_gain)  # type: ignore[arg-type]
    rule.state_dict()
    rule.select(observation)
    assert float(rule.fall) == fall


def test_a_run_dies_and_resumes_to_the_bit(tmp_path: Path) -> None:
    env = environment("bandit:window=3")
    whole = outcome(env, run_policy(make_policy("bandit:window=3"), env, seed=3))
    assert driven("bandit:window=3", tmp_path / "run", [10, 13, 20, 30]) == whole


def test_it_needs_an_environment_that_measures_the_fall() -> None:
    with pytest.raises(ValueError, match=r"^policy='bandit' is paid the fall of the validation loss, which an env"):
        eight("bandit")
    with pytest.raises(ValueError, match="this policy needs an environment with reward='validation-gain'"):
        run_policy(Bandit(), digits(), seed=0)
    mixed = {"validation-gain": 1.0, "difficulty": 0.5}
    env = make_env(Bandit(), "DataSelect/Digits-v0", epochs=3, reward=mixed)
    assert env.reward != "validation-gain" and env.plan.validation_gain
    rule, env = Bandit(), digits()
    observation, _ = env.reset(seed=0)
    rule.start(env)
    env.step(rule.select(observation))
    with pytest.raises(ValueError, match="the record holds no validation_gain"):
        rule.select(observation)
