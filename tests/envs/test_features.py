import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import data_select_gym  # noqa: F401
from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, register_feature
from data_select_gym.envs.features import DEFAULT_FEATURES, FEATURES, observe
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.rewards import rank
from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, Recipe, Task, make_task

P = 128
NAMES = (*(name for name in FEATURES if name != "embedding"), "embedding")
SIGNALS = ("uncertainty", "confidence", "margin", "correct", "el2n")
RANGES = {"margin": (-1, 1), "loss_trend": (-1, 1), "el2n": (0, math.sqrt(2)), "embedding": (-math.inf, math.inf)}


def digits(**options: Any) -> DataSelectEnv:
    return DataSelectEnv(
        "digits", **{"epochs": 4, "pool_size": 128, "batch_size": 64, "device": "cpu", "features": NAMES} | options
    )


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
    """The columns of an observation of all features, in the order of :data:`NAMES`."""
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
    assert len(NAMES) >= 14
    # The last layer of the perceptron has 64 inputs.
    assert (space.shape, space.dtype) == ((P, len(NAMES) - 1 + 64), np.float32)
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
    terminated = False
    while not terminated:
        record = env.run.ledger.read(env.run.pool).columns()
        seen = columns(observation)
        for name in (*SIGNALS, "embedding"):
            assert np.array_equal(seen[name], record[name].float().numpy()), name
        assert seen["loss"] == pytest.approx(scaled(record["loss"].double().numpy()), abs=1e-5)
        assert [seen["loss"].min(), seen["loss"].max()] == pytest.approx([0, 1], abs=1e-6)
        observation, _, terminated, *_ = env.step(mask_of(env))


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
    env = digits(epochs=5, features=("loss_trend",), pool_size=320, batch_size=16)
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
    env = digits(warmup_epochs=0, pool_size=640, batch_size=16)
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
    terminated = False
    while not terminated:
        assert observation in env.observation_space
        assert np.isfinite(observation).all()
        observation, reward, terminated, *_ = env.step(np.ones(16))
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


@pytest.mark.slow
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


def loss_rank(view: PoolView) -> Tensor:
    """Position of the loss."""
    return rank(view.signals.loss)


def aligned(view: PoolView) -> Tensor:
    assert view.signals.alignment is not None and view.signals.embedding is not None
    return view.signals.alignment + view.signals.embedding.float().mean(1)


aligned.needs = {"alignment", "embedding"}  # type: ignore[attr-defined]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    text = "def doubled(view):\n    return 2 * view.signals.uncertainty\n\ndoubled.low, doubled.high = 0, 0.5\n"
    (tmp_path / "own_features_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_features_module:doubled"


def test_features_of_ones_own_are_functions_paths_and_registered_names(module: str) -> None:
    register_feature("half_loss", lambda view: view.signals.loss / 2, low=0.25, high=1, description="half of it")
    given = ["loss", loss_rank, module, "half_loss"]
    env = digits(features=given)
    observation, _ = env.reset(seed=0)
    assert env.features == ("loss", f"{__name__}:loss_rank", module, "half_loss")
    space = env.observation_space
    assert isinstance(space, Box) and observation in space
    assert [list(space.low[0]), list(space.high[0])] == [[0, -math.inf, 0, 0.25], [1, math.inf, 0.5, 1]]
    signals = env.signals
    columns = [rank(signals.loss), (2 * signals.uncertainty).clamp(0, 0.5), (signals.loss / 2).clamp(0.25, 1)]
    for column, expected in zip(observation.T[1:], columns, strict=True):
        assert np.array_equal(column, expected.numpy())
    text = gym.make("DataSelect/Digits-v0", epochs=3, features=[module, "price"])
    assert text.spec is not None
    again = gym.make(EnvSpec.from_json(text.spec.to_json()))
    assert again.observation_space == text.observation_space


def test_functions_of_one_name_are_features_of_their_own() -> None:
    one, other = (lambda view: view.signals.loss), (lambda view: -view.signals.loss)
    both = digits(features=[one, other])
    first = digits(features=[one])
    observation, _ = both.reset(seed=0)
    assert len(set(both.features)) == 2 and both.features[:1] == first.features
    assert np.array_equal(observation[:, 0], -observation[:, 1])
    with pytest.raises(ValueError, match="none twice"):
        digits(features=[one, one])


def test_what_a_feature_of_ones_own_needs_is_recorded_and_paid_for() -> None:
    env = digits(features=[aligned])
    observation, _ = env.reset(seed=0)
    assert env.plan.alignment and env.run.plan == env.plan
    assert np.abs(observation).sum() > 0


@pytest.mark.parametrize(
    ("function", "got"), [(lambda view: 1.0, "float"), (lambda view: view.signals.loss[:3], r"\(3,\)")]
)
def test_a_feature_of_ones_own_gives_a_value_for_each_candidate(function: Any, got: str) -> None:
    with pytest.raises(ValueError, match=rf"the feature <lambda> gave {got}; a tensor of shape \(128,\) is needed"):
        digits(features=[function]).reset(seed=0)


def test_what_is_no_number_becomes_zero_or_the_nearest_end() -> None:
    register_feature("empty", lambda view: view.constant(math.nan), low=0.5, high=1)
    observation, _ = digits(features=["empty", lambda view: view.constant(math.nan)]).reset(seed=0)
    assert (observation == [0.5, 0]).all()


def test_an_unknown_feature_is_told_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"features='los' is not known; known are: loss, .*; did you mean 'loss'\?$"):
        digits(features=["los"])


def test_rules_and_agents_serve_environments_with_features_of_ones_own(module: str) -> None:
    env = digits(features=[loss_rank, module], epochs=3)
    assert run_policy(make_policy(lambda pool: pool[:, 0] > 0.5), env, seed=0).steps == 10
    assert SamplewiseVecEnv(env).observation_space.shape == (2,)
