import math
import random
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv
from data_select_gym.rewards import REWARDS, PoolOutcome
from data_select_gym.tasks import Classification, Recipe, Task
from data_select_gym.training import TrainingRun

N, P = 1280, 128
Choice = Callable[[DataSelectEnv], NDArray[Any]]
same = partial(data_equivalence, exact=True)


def digits(**options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", **{"epochs": 3, "device": "cpu"} | options)


def small(*, rate: float = 0.1, batch_size: int = 8, **options: Any) -> DataSelectEnv:
    """Forty samples in five pools of eight, and a model whose dropout draws from the global generator."""
    inputs = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, inputs.argmax(1))
    task = Task(
        name="small",
        train=data,
        validation=data,
        make_model=lambda: nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3)),
        objective=Classification(),
        recipe=Recipe(3, batch_size, partial(torch.optim.SGD, lr=rate)),
    )
    return DataSelectEnv(task, **{"pool_size": 8, "device": "cpu"} | options)


def halves(env: DataSelectEnv) -> NDArray[np.int8]:
    """About half of the pool, other samples in each epoch."""
    return ((env.run.pool.numpy() + env.run.epoch) % 2).astype(np.int8)


def everything(env: DataSelectEnv) -> NDArray[np.int8]:
    return np.ones(env.plan.pool_size, np.int8)


def nothing(env: DataSelectEnv) -> NDArray[np.int8]:
    return np.zeros(env.plan.pool_size, np.int8)


def play(env: DataSelectEnv, seed: int | None = 0, choose: Choice = halves) -> list[Any]:
    """All that a run returns, and the weights at its end."""
    trace: list[Any] = [env.reset(seed=seed)]
    while not env.run.done:
        trace.append(env.step(choose(env)))
    return [*trace, weights(env)]


def weights(env: DataSelectEnv) -> list[NDArray[Any]]:
    return [value.numpy().copy() for value in env.run.model.state_dict().values()]


def global_states() -> list[Any]:
    numpy_state = np.random.get_state()
    return [random.getstate(), *numpy_state, torch.get_rng_state().numpy()]


def arrays(data: Any) -> list[NDArray[Any]]:
    if isinstance(data, np.ndarray):
        return [data]
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, list | tuple) else ()
    return [array for part in parts for array in arrays(part)]


def accuracy(env: DataSelectEnv, dataset: Any) -> float:
    images, labels = dataset.tensors
    env.run.model.eval()
    return (env.run.model(images).argmax(1) == labels).float().mean().item()


@pytest.mark.parametrize("make", [digits, small])
def test_same_seed_gives_the_same_run_to_the_bit_and_another_seed_another(make: Any) -> None:
    first, again, other = play(make()), play(make()), play(make(), seed=1)
    assert same(first, again)
    for one, two in zip(first, other, strict=True):
        assert not same(one, two)


def test_run_depends_on_no_global_generator() -> None:
    traces = []
    for seed in (0, 1):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        traces.append(play(small()))
    assert same(*traces)


@pytest.mark.parametrize("make", [digits, small])
@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_global_generators_are_left_alone(make: Any, mode: str) -> None:
    before = global_states()
    env = make(render_mode=mode, features=("loss", "embedding"))
    assert same(global_states(), before)
    env.reset(seed=0)
    assert same(global_states(), before)
    env.step(halves(env))
    assert same(global_states(), before)
    env.render()
    env.step_scores(halves(env))
    env.reset()
    env.close()
    assert same(global_states(), before)


def test_reset_without_seed_goes_on_with_the_stream_whatever_was_done_in_between() -> None:
    env, hurried = small(), small()
    traces = [play(env, seed) for seed in (5, None, None)]
    hurried.reset(seed=5)
    hurried.reset()
    hurried.step(nothing(hurried))
    assert same(play(hurried, None), traces[2])
    assert not same(traces[0], traces[1])
    assert not same(traces[1], traces[2])
    assert same(play(env, 5), traces[0])


def test_environments_that_were_never_seeded_differ() -> None:
    assert not same(play(small(), None), play(small(), None))


def test_what_was_returned_or_given_belongs_to_the_caller() -> None:
    def spoil(data: Any) -> None:
        for array in arrays(data):
            array[...] = 0

    expected = play(digits())
    env = digits()
    kept, copies = [env.reset(seed=0)], []
    copies.append(deepcopy(kept[0]))
    while not env.run.done:
        mask = halves(env)
        kept.append(env.step(mask))
        copies.append(deepcopy(kept[-1]))
        spoil(mask)
    assert same(kept, copies)
    assert same([*copies, weights(env)], expected)
    env, seen = digits(), []
    result: Any = env.reset(seed=0)
    while not env.run.done:
        seen.append(deepcopy(result))
        spoil(result)
        result = env.step(halves(env))
    assert same([*seen, result, weights(env)], expected)
    owned = arrays(kept)
    assert all(array.flags.owndata and array.flags.writeable for array in owned)
    assert not any(np.shares_memory(one, other) for at, one in enumerate(owned) for other in owned[:at])


def test_reward_and_ends_are_plain_and_observations_are_in_their_space() -> None:
    env = digits()
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation.dtype == np.float32
    assert observation.shape == (P, 8)
    ends = []
    while not env.run.done:
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert [type(reward), type(terminated), type(truncated), type(info)] == [float, bool, bool, dict]
        assert truncated is False
        ends.append(terminated)
    assert ends == [False] * (len(ends) - 1) + [True]


def test_info_of_a_reset_and_of_steps_holds_what_is_documented() -> None:
    state = {"pool_indices": np.ndarray, "cost": float, "epoch": int, "progress": float}
    acted = dict.fromkeys(("indices", "kept", "sample_rewards"), np.ndarray)
    acted |= {"reward_terms": dict, "keep_fraction": float, "train_loss": float}
    env = digits()
    trace = play(env)
    (_, first), *steps, _ = trace
    assert {name: type(value) for name, value in first.items()} == state | {"eval": dict}
    for number, (*_, info) in enumerate(steps, 1):
        evaluated = {"eval": dict} if number == 10 else {}
        assert {name: type(value) for name, value in info.items()} == state | acted | evaluated
        assert all(type(value) is float for value in info["reward_terms"].values())
        at = [info["epoch"], info["progress"]]
        assert at == ([1, (10 + number) / 30] if number < 10 else [3, 1])
    assert [first["epoch"], first["progress"], first["cost"]] == [1, 1 / 3, 1 / 3]
    assert [info["indices"].dtype, info["kept"].dtype, info["sample_rewards"].dtype] == [np.int64, bool, np.float32]
    assert list(info["eval"]) == ["val_accuracy", "val_loss", "test_accuracy", "test_loss"]


def test_each_pool_is_judged_in_the_info_after_the_one_that_shows_it() -> None:
    env = digits(epochs=4, pool_size=300)
    _, info = env.reset(seed=0)
    judged, number = [], 0
    while not env.run.done:
        shown, mask = info["pool_indices"], halves(env)
        assert np.array_equal(shown, env.run.pool.numpy())
        *_, info = env.step(mask)
        assert np.array_equal(info["indices"], shown)
        assert np.array_equal(info["kept"], mask.astype(bool))
        assert info["keep_fraction"] == pytest.approx(mask.mean())
        assert env.keep_fractions[-1] == (5 + number, info["keep_fraction"])
        judged.append(info["indices"])
        number += 1
    epochs = np.concatenate(judged).reshape(2, 4 * 300)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 1200
        assert 0 <= epoch.min() <= epoch.max() < N
    assert not np.array_equal(*epochs)


def test_evaluations_are_told_when_they_are_made() -> None:
    env = digits(epochs=4, pool_size=320)
    _, info = env.reset(seed=0)
    assert list(info["eval"]) == ["val_accuracy", "val_loss"]
    assert info["eval"]["val_accuracy"] == pytest.approx(accuracy(env, env.task.validation))
    told = []
    for number in range(1, 9):
        *_, info = env.step(halves(env))
        if "eval" in info:
            told.append(number)
            assert info["eval"]["val_accuracy"] == pytest.approx(accuracy(env, env.task.validation))
    assert told == [4, 8]
    assert info["eval"]["test_accuracy"] == pytest.approx(accuracy(env, env.task.test))
    assert info["eval"]["test_accuracy"] > 0.5
    _, info = digits(warmup_epochs=0).reset(seed=0)
    assert "eval" not in info


@pytest.mark.parametrize(("epochs", "pool_size"), [(3, 128), (8, 640), (9, 640), (17, 1280), (4, 300), (3, 1000)])
def test_run_has_a_step_for_each_pool_between_warm_up_and_annealing(epochs: int, pool_size: int) -> None:
    env = digits(epochs=epochs, pool_size=pool_size)
    steps = len(play(env, choose=nothing)) - 2
    assert steps == (epochs - 1 - math.ceil(0.125 * epochs)) * (N // pool_size)
    # Neither the steps nor the last one's kept samples are trained on, only the warm-up and the annealing.
    assert env.run.cost == pytest.approx((1 + math.ceil(0.125 * epochs)) / epochs)


def test_warm_up_annealing_and_length_can_be_chosen() -> None:
    settings: list[tuple[dict[str, Any], int, float]] = [
        ({"warmup_epochs": 0}, 30, 0.25),
        ({"anneal_fraction": 0}, 30, 0.25),
        ({"warmup_epochs": 2, "anneal_fraction": 0.25}, 10, 0.75),
        ({"warmup_epochs": 0, "anneal_fraction": 0}, 40, 0),
        ({"length": 0.5}, 0, 0),
        ({"length": 0.75}, 10, 0.5),
    ]
    for options, steps, cost in settings:
        if not steps:
            with pytest.raises(ValueError, match=r"length=0\.5"):
                digits(epochs=4, **options)
            continue
        env = digits(epochs=4, **options)
        trace = play(env, choose=nothing)
        assert len(trace) - 2 == steps
        assert env.run.cost == pytest.approx(cost)
        assert trace[-2][-1]["progress"] == 1


@pytest.mark.parametrize("choose", [halves, everything, nothing])
def test_cost_counts_the_warm_up_what_was_kept_and_the_annealing(choose: Choice) -> None:
    env = digits(epochs=4, pool_size=300)
    _, info = env.reset(seed=0)
    trained = 1200
    assert info["cost"] == pytest.approx(trained / 4800)
    while not env.run.done:
        *_, info = env.step(choose(env))
        trained += info["kept"].sum() + 1200 * env.run.done
        assert info["cost"] == pytest.approx(trained / 4800)


def test_fresh_look_costs_a_third_of_the_pool_at_each_observation_that_is_acted_on() -> None:
    env, plain = digits(observe="fresh"), digits()
    _, info = env.reset(seed=0)
    looks = 1
    assert info["cost"] == pytest.approx((N + looks * P / 3) / (3 * N))
    plain.reset(seed=0)
    while not env.run.done:
        mask = halves(env)
        *_, over, _, info = env.step(mask)
        plain.step(mask)
        looks += not over
        assert info["cost"] - plain.run.cost == pytest.approx(looks * P / 3 / (3 * N))
    assert looks == 10


def test_reward_is_the_mean_of_the_sample_rewards_and_the_return_their_sum() -> None:
    env = digits()
    for _ in range(2):
        rewards = []
        for _, reward, *_, info in play(env)[1:-1]:
            assert reward == info["sample_rewards"].mean(dtype=np.float64)
            assert (info["sample_rewards"][~info["kept"]] == 0).all()
            assert np.abs(info["sample_rewards"][info["kept"]]).min() > 0
            rewards.append(reward)
        assert env.episode_return == pytest.approx(sum(rewards), rel=1e-12)


@pytest.mark.parametrize("keep_ratio", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("choose", [halves, everything, nothing])
def test_price_moves_after_each_step_by_a_tenth_of_what_was_kept_too_much(keep_ratio: float, choose: Choice) -> None:
    env = digits(keep_ratio=keep_ratio, features=["price"])
    price = 1 - keep_ratio
    observation, _ = env.reset(seed=0)
    while not env.run.done:
        assert observation == pytest.approx(np.full((P, 1), price))
        observation, *_, info = env.step(choose(env))
        assert info["reward_terms"]["price"] == pytest.approx(price)
        price = min(1, max(0, price + 0.1 * (info["kept"].mean() - keep_ratio)))
    assert observation == pytest.approx(np.full((P, 1), price))
    observation, _ = env.reset()
    assert observation == pytest.approx(np.full((P, 1), 1 - keep_ratio))


@pytest.mark.parametrize("reward", sorted(REWARDS))
def test_reward_sees_what_was_recorded_before_and_during_the_step(reward: str) -> None:
    env = digits(reward=reward)
    env.reset(seed=0)
    for _ in range(3):
        pool, price, mask = env.run.pool, env.price.value, halves(env)
        before = env.run.ledger.read(pool)
        *_, info = env.step(mask)
        after = env.run.ledger.read(pool)
        record = env.record
        assert record is not None
        kept = torch.from_numpy(mask).bool()
        outcome = PoolOutcome(before, after, kept, kept.float(), record.minibatches, price)
        expected, terms = REWARDS[reward](outcome)
        assert np.array_equal(info["sample_rewards"], expected.numpy())
        assert info["reward_terms"] == {name: term.item() for name, term in terms.items()} | {"price": price}
        assert info["train_loss"] == pytest.approx(after.loss[kept].mean().item())


def test_reward_can_be_a_weighted_sum() -> None:
    parts = {name: play(digits(reward=name)) for name in ("difficulty", "uncertainty")}
    weighted = play(digits(reward={"difficulty": 0.7, "uncertainty": -0.3}))
    for hard, unsure, both in zip(*(steps[1:-1] for steps in [*parts.values(), weighted]), strict=True):
        expected = 0.7 * hard[-1]["sample_rewards"] - 0.3 * unsure[-1]["sample_rewards"]
        assert both[-1]["sample_rewards"] == pytest.approx(expected, abs=1e-6)
        assert both[-1]["reward_terms"]["difficulty"] == pytest.approx(hard[1], abs=1e-6)


def test_reward_can_be_a_function_of_what_was_done() -> None:
    seen: list[PoolOutcome] = []

    def count(outcome: PoolOutcome) -> Any:
        seen.append(outcome)
        return outcome.kept.float() * 2, {"kept": outcome.kept.sum()}

    env = digits(reward=count)
    env.reset(seed=0)
    mask = halves(env)
    _, reward, _, _, info = env.step(mask)
    assert reward == pytest.approx(2 * mask.mean())
    assert info["reward_terms"] == {"kept": mask.sum(), "price": 0.5}
    (outcome,) = seen
    assert outcome.action.tolist() == mask.tolist()
    assert sorted(torch.cat(outcome.minibatches).tolist()) == mask.nonzero()[0].tolist()


def test_reward_that_is_not_finite_is_paid_as_a_finite_one() -> None:
    env = digits(reward=lambda outcome: torch.where(outcome.kept, torch.inf, torch.nan))
    env.reset(seed=0)
    _, reward, *_, info = env.step(halves(env))
    assert math.isfinite(reward)
    assert np.isfinite(info["sample_rewards"]).all()


def test_keeping_everything_is_paid_for_in_full_and_learns() -> None:
    env = digits()
    trace = play(env, choose=everything)
    assert env.run.cost == 1
    assert trace[-2][-1]["eval"]["test_accuracy"] > 0.85
    assert [info["keep_fraction"] for *_, info in trace[1:-1]] == [1.0] * 10


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("reward", ["priced-composite", "composite", "minibatch-composite"])
def test_keeping_fewer_than_two_updates_nothing_and_the_run_goes_on(kept: int, reward: str) -> None:
    env = digits(reward=reward, pool_size=320)
    env.reset(seed=0)
    start = weights(env)
    mask = (np.arange(320) < kept).astype(np.int8)
    while not env.run.done:
        observation, paid, terminated, _, info = env.step(mask)
        assert observation in env.observation_space
        assert np.isfinite(observation).all()
        assert [paid, info["train_loss"], info["keep_fraction"]] == [0, 0, 0]
        assert not info["sample_rewards"].any()
        assert not info["kept"].any()
        assert np.isfinite(list(info["reward_terms"].values())).all()
        assert same(weights(env), start) is not terminated
    assert env.run.cost == pytest.approx(2 / 3)
    assert all(np.isfinite(value).all() for value in [*weights(env), *info["eval"].values()])


def test_mask_may_be_of_any_number_type_and_a_weight_of_one_is_a_kept_sample() -> None:
    expected = play(digits())
    for kind in (bool, np.uint8, np.int64, np.float32, np.float64):
        assert same(play(digits(), choose=lambda env, kind=kind: halves(env).astype(kind)), expected)
    assert same(play(digits(), choose=lambda env: halves(env).tolist()), expected)


def test_loss_weights_weigh_the_losses_of_the_update() -> None:
    env = small(batch_size=16)
    env.reset(seed=0)
    env.run.model[2] = nn.Identity()
    data = env.task.train
    assert isinstance(data, TensorDataset)
    given = np.array([0, 0.5, 1, 2, 4, 0, 0, 1e-3])
    inputs, labels = (tensor[env.run.pool] for tensor in data.tensors)
    model = deepcopy(env.run.model)
    used = torch.from_numpy(given).float()[given > 0]
    losses = nn.functional.cross_entropy(model(inputs), labels, reduction="none")[given > 0]
    (used * losses).mean().backward()
    *_, info = env.step(given)
    assert info["kept"].tolist() == (given > 0).tolist()
    assert info["train_loss"] == pytest.approx(losses.mean().item())
    for before, after in zip(model.parameters(), env.run.model.parameters(), strict=True):
        assert after.detach().numpy() == pytest.approx((before - 0.1 * before.grad).detach().numpy(), abs=1e-6)


def test_size_of_loss_weights_is_not_rewarded() -> None:
    env, weighted = digits(reward="composite"), digits(reward="composite")
    env.reset(seed=0)
    weighted.reset(seed=0)
    mask = halves(env)
    _, reward, *_, info = env.step(mask)
    _, other, *_, weighted_info = weighted.step(mask * 3.0)
    assert weighted_info["keep_fraction"] == info["keep_fraction"]
    assert other == pytest.approx(reward, rel=0.2)
    assert not same(weights(env), weights(weighted))


@pytest.mark.parametrize("keep_ratio", [0.25, 0.5, 1.0])
def test_scores_keep_the_best_share_and_are_what_the_reward_multiplies(keep_ratio: float) -> None:
    env, masked = (digits(keep_ratio=keep_ratio, reward="composite") for _ in range(2))
    env.reset(seed=0)
    masked.reset(seed=0)
    scores = np.random.default_rng(0).uniform(0.1, 1, P).astype(np.float32)
    kept = scores >= np.sort(scores)[::-1][round(keep_ratio * P) - 1]
    for _ in range(3):
        *_, info = env.step_scores(scores)
        *_, plain = masked.step(kept)
        assert np.array_equal(info["kept"], kept)
        assert info["sample_rewards"] == pytest.approx(scores * plain["sample_rewards"])
    assert same(weights(env), weights(masked))


def test_every_pool_of_every_run_is_told_to_the_listener() -> None:
    env, seen = digits(epochs=4, length=0.75), []

    def note(run: TrainingRun) -> None:
        seen.append((run is env.run, run.pool_number))

    env.on_pool = note
    for _ in range(2):
        play(env)
    assert seen == 2 * [(True, number) for number in range(1, 31)]


def test_new_run_starts_with_nothing_of_the_last_one() -> None:
    env = digits(reward="difficulty")
    play(env)
    seconds = env.seconds
    assert env.episode_return > 0
    assert len(env.keep_fractions) == 10
    env.reset()
    assert [env.record, env.keep_fractions, env.episode_return, env.price.value] == [None, [], 0, 0.5]
    assert env.seconds > seconds > 0


def test_environment_can_be_closed_twice_and_used_again() -> None:
    env = digits()
    env.close()
    first = play(env)
    env.close()
    env.close()
    assert same(play(env), first)


def test_gymnasium_passes_loss_weights_on_without_a_warning() -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3, device="cpu")
    env.reset(seed=0)
    *_, info = env.step(np.linspace(0, 2, P))
    assert info["kept"].tolist() == [False] + [True] * (P - 1)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_is_kept_the_run_stays_in_bounds_and_its_cost_right(data: st.DataObject) -> None:
    env = small(features=("loss", "uncertainty", "margin", "visits", "price", "embedding"), rate=10.0)
    weight = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1e6, width=32))
    observation, _ = env.reset(seed=data.draw(st.integers(0, 2**32 - 1)))
    trained = 40
    while not env.run.done:
        action = np.array(data.draw(st.lists(weight, min_size=8, max_size=8)))
        observation, reward, _, _, info = env.step(action)
        kept = int((action > 0).sum())
        trained += (kept if kept > 1 else 0) + 40 * env.run.done
        assert observation in env.observation_space
        assert np.isfinite(observation).all()
        assert math.isfinite(reward)
        assert 0 <= env.price.value <= 1
        assert info["cost"] == pytest.approx(trained / 120)
    assert env.run.pool_number == 15
