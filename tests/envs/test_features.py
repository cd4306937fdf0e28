import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import DEFAULT_FEATURES, FEATURES, PoolView, observe
from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, Recipe, Task, make_task

P = 128
NAMES = tuple(FEATURES)
SIGNALS = ("uncertainty", "confidence", "margin", "correct", "el2n")
RANGES = {"margin": (-1, 1), "loss_trend": (-1, 1), "el2n": (0, math.sqrt(2)), "embedding": (-math.inf, math.inf)}


def digits(**options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", **{"epochs": 4, "device": "cpu", "features": NAMES} | options)


def diverging(**options: Any) -> DataSelectEnv:
    inputs = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)) * 1e4
    data = TensorDataset(inputs, inputs.argmax(1))
    task = Task(
        name="diverging",
        train=data,
        validation=data,
        make_model=lambda: nn.Sequential(nn.Linear(5, 6), nn.Linear(6, 5)),
        objective=Classification(),
        recipe=Recipe(4, 8, partial(torch.optim.SGD, lr=1e30)),
    )
    return DataSelectEnv(task, device="cpu", pool_size=16, features=NAMES, on_non_finite="skip", **options)


class Careless(Classification):
    """An objective of a user's own whose signals are out of their ranges."""

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor, *, embed: bool) -> tuple[Tensor, Signals]:
        losses, signals = super().__call__(model, inputs, targets, embed=embed)
        wild = {name: torch.full_like(losses, 9.0) for name in ("confidence", "margin", "el2n")}
        return losses, replace(signals, uncertainty=torch.full_like(losses, torch.nan), **wild)


def columns(observation: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The columns of an observation of all features, in the order of :data:`FEATURES`."""
    single, embedding = observation[:, : len(NAMES) - 1], observation[:, len(NAMES) - 1 :]
    return {**dict(zip(NAMES, single.T, strict=False)), "embedding": embedding}


def scaled(losses: NDArray[Any]) -> NDArray[Any]:
    clipped = np.minimum(losses, np.quantile(losses, 0.95))
    return (clipped - clipped.min()) / (clipped.max() - clipped.min() + 1e-8)


def mask_of(env: DataSelectEnv) -> NDArray[np.int8]:
    """A third of the samples in each epoch, so that some are kept never, some once and some twice."""
    return ((env.run.pool.numpy() * 7 + env.run.epoch * 3) % 9 < 3).astype(np.int8)


def test_default_features_are_the_documented_ones_in_their_order() -> None:
    names = "loss uncertainty confidence margin age visits progress price"
    assert tuple(names.split()) == DEFAULT_FEATURES
    env = DataSelectEnv("digits", epochs=3, device="cpu")
    assert env.features == DEFAULT_FEATURES
    assert env.observation_space.shape == (P, 8)


def test_space_has_the_documented_range_of_each_column() -> None:
    space = digits().observation_space
    assert isinstance(space, Box)
    # The last layer of the perceptron has 64 inputs.
    assert (space.shape, space.dtype) == ((P, 13 + 64), np.float32)
    for low, high in zip(space.low, space.high, strict=True):
        for name, seen in columns(np.stack([low, high])).items():
            expected = np.float32(RANGES.get(name, (0, 1)))
            assert np.array_equal(seen, np.stack([expected] * 64, axis=1) if name == "embedding" else expected)


def test_one_feature_may_be_named_by_a_plain_string() -> None:
    env = digits(features="el2n")
    assert env.features == ("el2n",)
    assert env.reset(seed=0)[0].shape == (P, 1)


def test_fresh_signals_are_those_of_the_model_as_it_is() -> None:
    env = digits(observe="fresh")
    images, labels = env.task.train.tensors
    observation, info = env.reset(seed=0)
    for _ in range(4):
        pool = info["pool_indices"]
        model = env.run.model.eval()
        with torch.no_grad():
            embedding = model[:-1](images[pool])
            logits = model(images[pool]).double()
        p, y = logits.softmax(1).numpy(), labels[pool].numpy()
        rows = np.arange(P)
        others = np.where(np.eye(10, dtype=bool)[y], -1, p).max(1)
        seen = columns(observation)
        expected = {
            "loss": scaled(-np.log(p[rows, y])),
            "uncertainty": -(p * np.log(p + 1e-8)).sum(1) / np.log(10),
            "confidence": p.max(1),
            "margin": p[rows, y] - others,
            "correct": (p.argmax(1) == y).astype(float),
            "el2n": np.linalg.norm(p - np.eye(10)[y], axis=1),
            "embedding": embedding.half().float().numpy(),
        }
        for name, values in expected.items():
            # Where an embedding is rounded to half precision depends on its last digit.
            assert seen[name] == pytest.approx(values, abs=1e-5, rel=1e-3 if name == "embedding" else None), name
        observation, *_, info = env.step(mask_of(env))


def test_recorded_signals_are_those_of_the_ledger() -> None:
    env = digits()
    observation, _ = env.reset(seed=0)
    over = False
    while not over:
        record = env.run.ledger.read(env.run.pool).columns()
        seen = columns(observation)
        for name in (*SIGNALS, "embedding"):
            assert np.array_equal(seen[name], record[name].float().numpy()), name
        assert seen["loss"] == pytest.approx(scaled(record["loss"].double().numpy()), abs=1e-5)
        assert [seen["loss"].min(), seen["loss"].max()] == pytest.approx([0, 1], abs=1e-6)
        observation, _, over, *_ = env.step(mask_of(env))


def test_dropped_sample_shows_what_was_recorded_when_it_was_last_trained_on() -> None:
    env = digits(features=("confidence",), epochs=5, pool_size=1280)
    shown: list[NDArray[Any]] = []
    observation, info = env.reset(seed=0)
    for _ in range(3):
        by_sample = np.empty(1280)
        by_sample[info["pool_indices"]] = observation[:, 0]
        shown.append(by_sample)
        kept = info["pool_indices"] % 2 == 0
        observation, *_, info = env.step(kept)
    even = np.arange(1280) % 2 == 0
    for earlier, later in pairwise(shown):
        assert np.array_equal(earlier[~even], later[~even])
        assert (earlier[even] != later[even]).mean() > 0.9


def test_age_visits_progress_and_price_count_what_was_kept() -> None:
    env = digits(keep_ratio=0.4, epochs=6, pool_size=300)
    observation, info = env.reset(seed=0)
    visits, last = env.run.ledger.visits.numpy().copy(), env.run.ledger.last_visit.numpy().copy()
    # Eighty samples miss the warm-up, as they are no whole pool.
    assert (visits == 1).sum() == (last >= 0).sum() == 1200
    price, number = 0.6, 4
    while number < 20:
        pool, seen = info["pool_indices"], columns(observation)
        age = np.where(last[pool] < 0, 1, (number - last[pool]) / 24)
        for name, expected in {
            "age": age,
            "visits": visits[pool] / (number // 4),
            "progress": np.full(300, number / 24),
            "price": np.full(300, price),
        }.items():
            assert seen[name] == pytest.approx(expected, abs=1e-6), name
        mask = mask_of(env)
        observation, *_, info = env.step(mask)
        visits[pool] += mask
        last[pool[mask == 1]] = number
        price += 0.1 * (mask.mean() - 0.4)
        number += 1
    assert env.run.done
    assert set(visits.tolist()) >= {0, 1, 2, 3}


def test_loss_trend_compares_the_last_two_recorded_losses() -> None:
    env = digits(epochs=5, features=("loss_trend",), pool_size=320)
    observation, _ = env.reset(seed=0)
    losses: list[list[float]] = [[loss] for loss in env.run.ledger.columns["loss"].tolist()]
    distinct = set()
    while not env.run.done:
        last_two = [losses[index][-2:] for index in env.run.pool.tolist()]
        expected = [0 if len(pair) < 2 else (pair[1] - pair[0]) / (pair[1] + pair[0] + 1e-8) for pair in last_two]
        assert observation[:, 0] == pytest.approx(expected, abs=1e-5)
        distinct |= {len(pair) for pair in last_two}
        observation, *_, info = env.step(mask_of(env))
        if not env.run.done:
            for index in info["indices"][info["kept"]].tolist():
                losses[index].append(env.run.ledger.columns["loss"][index].item())
    assert distinct == {1, 2}
    assert np.abs(expected).max() > 0.1


def test_sample_that_was_never_seen_is_as_hard_and_uncertain_as_can_be() -> None:
    env = digits(warmup_epochs=0, pool_size=640)
    seen = columns(env.reset(seed=0)[0])
    expected = {"uncertainty": 1, "confidence": 0, "margin": -1, "correct": 0, "el2n": math.sqrt(2)}
    expected |= {"age": 1, "visits": 0, "loss_trend": 0, "progress": 0}
    for name, value in expected.items():
        assert seen[name] == pytest.approx(np.full(640, value)), name
    assert not seen["embedding"].any()
    *_, info = env.step(np.arange(640) < 320)
    known = info["indices"][info["kept"]]
    observation, *_, info = env.step(np.zeros(640))
    seen, recorded = columns(observation), np.isin(info["pool_indices"], known)
    assert 0 < recorded.sum() < 640
    assert (seen["loss"][~recorded] == 1).all()
    assert seen["loss"][recorded].min() == 0
    for name, value in expected.items():
        if name != "progress":
            assert seen[name][~recorded] == pytest.approx(np.full((~recorded).sum(), value)), name


@pytest.mark.filterwarnings("ignore:.*minibatches are skipped:RuntimeWarning")
@pytest.mark.parametrize("observe", ["recorded", "fresh"])
@pytest.mark.parametrize("warmup_epochs", [0, 1])
def test_observation_of_a_diverged_model_is_finite_and_in_its_space(observe: str, warmup_epochs: int) -> None:
    env = diverging(observe=observe, warmup_epochs=warmup_epochs)
    observation, _ = env.reset(seed=0)
    over = False
    while not over:
        assert observation in env.observation_space
        assert np.isfinite(observation).all()
        observation, reward, over, *_ = env.step(np.ones(16))
        assert math.isfinite(reward)
    assert env.run.skipped > 20
    assert np.isfinite(observation).all()


def test_signals_out_of_their_range_are_shown_at_its_end_and_an_uncertainty_that_is_none_as_one() -> None:
    env = DataSelectEnv(replace(make_task("digits", epochs=3), objective=Careless()), device="cpu", features=NAMES)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    seen = columns(observation)
    for name, value in {"confidence": 1, "margin": 1, "el2n": math.sqrt(2), "uncertainty": 1}.items():
        assert seen[name] == pytest.approx(np.full(P, value)), name


def test_embeddings_beyond_half_precision_are_shown_as_zero() -> None:
    env = digits(features=("embedding", "loss"))
    env.reset(seed=0)
    signals = env.run.read_pool()
    assert signals.embedding is not None and signals.embedding.dtype == torch.float16
    signals.embedding[0, :3] = torch.tensor([70000.0, -70000.0, math.nan]).half()
    signals.embedding[0, 3] = 1 / 3
    seen = observe(env.features, PoolView.of(env.run, signals, 0.5))
    assert seen.dtype == torch.float32
    assert seen[0, :4].tolist() == [0, 0, 0, 0.333251953125]


def test_embeddings_are_kept_only_where_they_are_shown() -> None:
    for features, kept in {("loss",): False, ("loss", "embedding"): True}.items():
        env = digits(features=features)
        env.reset(seed=0)
        assert ("embedding" in env.run.ledger.columns) == kept


@settings(deadline=None, max_examples=15)
@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_features_stand_in_the_order_in_which_they_are_named(names: list[str]) -> None:
    env, whole = (digits(epochs=3, pool_size=320, features=chosen) for chosen in (names, NAMES))
    for step in (lambda env: env.reset(seed=0)[0], lambda env: env.step(mask_of(env))[0]):
        observation, seen = step(env), columns(step(whole))
        assert observation in env.observation_space
        assert np.array_equal(observation, np.column_stack([seen[name] for name in names]))


def test_alignment_is_its_position_in_the_pool() -> None:
    env = digits(features=["alignment"])
    observation, _ = env.reset(seed=0)
    assert env.signals.alignment is not None
    order = env.signals.alignment.numpy().argsort()
    # Of P different values, the positions are 1/2P, 3/2P, ...
    assert observation[order, 0] == pytest.approx((np.arange(P) + 0.5) / P)
