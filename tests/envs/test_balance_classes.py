from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.envs.wrappers import KeepRatioChoice, ScoreAction
from data_select_gym.rewards import StepOutcome
from data_select_gym.selection import balanced, best_share
from data_select_gym.tasks import Classification, Recipe, Task

from .joint_runs import P, digits, halves, play, same

CLASSES = 3
RECIPE = Recipe(3, 4, partial(torch.optim.SGD, lr=0.1))


def small(**options: Any) -> DataSelectEnv:
    """Forty samples in five pools of eight, of three classes."""
    inputs = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, inputs.argmax(1))
    task = Task("small", data, lambda: nn.Linear(3, 3), Classification(), RECIPE, validation=data)
    return DataSelectEnv(task, **{"pool_size": 8, "device": "cpu", "balance_classes": True} | options)


def labels_now(env: DataSelectEnv) -> Tensor:
    assert env.pool_labels is not None
    return env.pool_labels


def largest_class(labels: Tensor) -> Tensor:
    return labels == labels.mode().values


def test_the_class_shares_of_the_kept_are_those_of_the_pool() -> None:
    env = digits(balance_classes=True)
    env.reset(seed=0)
    while not env.run.done:
        labels = labels_now(env)
        mask = labels < 5
        *_, info = env.step(mask.numpy())
        assert info["kept"].sum() == mask.sum()
        sizes, kept = (torch.bincount(some, minlength=10) for some in (labels, labels[info["kept"]]))
        assert ((kept - sizes * int(mask.sum()) / P).abs() < 1).all()


def test_a_mask_that_is_balanced_already_and_all_or_nothing_are_as_without() -> None:
    plain, env = digits(), digits(balance_classes=True)
    for choose in (lambda env: np.ones(P), lambda env: np.zeros(P)):
        assert same(play(plain, choose=choose), play(env, choose=choose))
    env.reset(seed=0)
    mask = balanced(torch.from_numpy(halves(env)).float(), labels_now(env))
    *_, info = env.step(mask.numpy())
    assert info["kept"].tolist() == (mask > 0).tolist()


def test_without_it_nothing_is_looked_up() -> None:
    env = digits()
    assert (env.balance_classes, env.pool_labels) == (False, None)


def test_the_labels_are_those_of_the_pool_as_they_are_trained_on() -> None:
    env = digits(balance_classes=True, label_noise=0.5)
    env.reset(seed=0)
    train = env.task.train
    assert isinstance(train, TensorDataset)
    assert torch.equal(labels_now(env), train.tensors[1][env.run.pool])


def test_scores_keep_the_best_of_each_class_and_are_what_is_paid() -> None:
    env = digits(balance_classes=True, reward="composite", keep_ratio=0.3)
    env.reset(seed=0)
    scores = np.random.default_rng(0).uniform(0.1, 1, P).astype(np.float32)
    expected = best_share(torch.from_numpy(scores), 0.3, labels_now(env))
    assert expected.tolist() != best_share(torch.from_numpy(scores), 0.3).tolist()
    *_, info = env.step_scores(scores)
    assert info["kept"].tolist() == expected.tolist()
    assert ((info["sample_rewards"] > 0) <= info["kept"]).all()


def test_weights_stay_with_what_is_kept_and_others_of_a_class_weigh_one() -> None:
    env = small()
    env.reset(seed=0)
    labels = labels_now(env)
    given = largest_class(labels).float() * 0.25
    expected = balanced(given, labels)
    seen: list[Tensor] = []
    select = env.run.select
    env.run.select = lambda weights: seen.append(weights) or select(weights)  # type: ignore[method-assign, func-returns-value]
    env.step(given.numpy())
    assert seen[0].tolist() == expected.tolist()
    assert set(expected.tolist()) == {0.0, 0.25, 1.0}


@pytest.mark.parametrize("reward", ["composite", "priced-composite", "minibatch-composite", "priced-difficulty"])
def test_a_sample_is_paid_only_if_the_action_and_the_balance_keep_it(reward: str) -> None:
    env = small(reward=reward)
    env.reset(seed=0)
    mask = largest_class(labels_now(env)).numpy()
    *_, info = env.step(mask)
    filled, dropped = info["kept"] & ~mask, mask & ~info["kept"]
    assert filled.any() and dropped.any()
    assert (info["sample_rewards"][filled | dropped] == 0).all()
    assert (info["sample_rewards"][info["kept"] & mask] != 0).any()


def test_an_outcome_tells_what_the_action_chose_and_the_price_answers_to_its_count() -> None:
    outcomes: list[StepOutcome] = []

    def reward(outcome: StepOutcome) -> Tensor:
        outcomes.append(outcome)
        return outcome.action

    env = small(reward=reward, keep_ratio=0.25)
    env.reset(seed=0)
    mask = largest_class(labels_now(env))
    env.step(mask.numpy())
    (outcome,) = outcomes
    assert outcome.chosen is not None
    assert outcome.chosen.tolist() == (outcome.kept & mask).tolist()
    assert outcome.action.tolist() == (outcome.kept & mask).float().tolist()
    assert int(outcome.kept.sum()) == int(mask.sum())
    assert env.price.value == pytest.approx(0.75 + 0.1 * (int(mask.sum()) / 8 - 0.25))


@pytest.mark.parametrize("action", ["keep", "score"])
def test_slots_choose_within_classes_too(action: str) -> None:
    slots = SamplewiseVecEnv(small(), action=action)
    slots.seed(0)
    slots.reset()
    labels = labels_now(slots.env)
    first = largest_class(labels)
    given = first.numpy().astype(int) if action == "keep" else first.float().numpy()[:, None]
    infos = slots.step(given)[-1]
    kept = infos[-1]["kept"]
    assert not np.array_equal(kept, first.numpy())
    sizes, counts = (torch.bincount(some, minlength=CLASSES) for some in (labels, labels[kept]))
    assert ((counts - sizes * int(kept.sum()) / 8).abs() < 1).all()


def test_wrappers_choose_within_classes_by_what_they_rank() -> None:
    scores = np.random.default_rng(1).uniform(0, 1, 8).astype(np.float32)
    direct, wrapped = small(), ScoreAction(small())
    direct.reset(seed=0)
    wrapped.reset(seed=0)
    assert np.array_equal(direct.step_scores(scores)[-1]["kept"], wrapped.step(scores)[-1]["kept"])
    choice = KeepRatioChoice(small(), ratios=(0.5,))
    choice.reset(seed=0)
    labels = labels_now(choice.joint)
    mask = choice.action(0)
    assert torch.equal(balanced(torch.from_numpy(mask).float(), labels) > 0, torch.from_numpy(mask))


def test_balanced_classes_can_be_asked_for_before_any_run() -> None:
    env, made, plain = small(balance_classes=False), small(), small(balance_classes=False)
    env.balance_classes = True
    scores = np.linspace(0, 1, 8)

    def kept(env: DataSelectEnv) -> list[Any]:
        env.reset(seed=0)
        return [env.step_scores(scores)[4]["kept"] for _ in range(3)]

    assert same(kept(env), kept(made)) and not same(kept(env), kept(plain))
    env.balance_classes = False
    assert same(kept(env), kept(plain)) and env.pool_labels is None


def test_it_passes_the_checker_and_is_deterministic() -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3, balance_classes=True, imbalance_factor=10, device="cpu")
    check_env(env.unwrapped, skip_render_check=True)
    assert same(play(small()), play(small()))


def test_what_does_not_fit_is_refused() -> None:
    class Other:
        primary_metric = "loss"

    data = TensorDataset(torch.zeros(40, 3), torch.zeros(40))
    task = Task("other", data, lambda: nn.Linear(3, 1), Other(), RECIPE, validation=data)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^balance_classes=True: the objective is a Other; .* of Classification$"):
        DataSelectEnv(task, balance_classes=True, pool_size=8)
    env = DataSelectEnv(task, pool_size=8)
    with pytest.raises(TypeError, match=r"^balance_classes=True: the objective is a Other; .* of Classification$"):
        env.balance_classes = True
    assert not env.balance_classes
    for value in ("no", 1, None):
        with pytest.raises(TypeError, match=rf"^balance_classes={value!r} is not True or False$"):
            digits(balance_classes=value)
