"""Rules that rank the candidates by what is recorded of them, against values worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from data_select_gym.agents import Candidates, make_policy, run_policy
from data_select_gym.envs import as_base_env
from data_select_gym.signals import Signals

from ..tiers import slow

INF, NAN = float("inf"), float("nan")
CPU = torch.device("cpu")


def candidates(
    loss: list[float] | Tensor, keep_ratio: float = 0.5, seed: int = 0, indices: Tensor | None = None, **signals: Tensor
) -> Candidates:
    loss = torch.as_tensor(loss, dtype=torch.float32)
    half = torch.full_like(loss, 0.5)
    others = {"uncertainty": half, "confidence": half, "margin": half, "el2n": half, "correct": half > 0}
    rows = torch.arange(len(loss)) if indices is None else indices
    generator = torch.Generator().manual_seed(seed)
    return Candidates(
        Signals(loss=loss, **(others | signals)), keep_ratio, generator, rows, torch.ones_like(rows), progress=0.5
    )


def test_low_loss_keeps_the_lowest() -> None:
    assert make_policy("low-loss").choose(candidates([3.0, 1.0, 2.0, 4.0])).tolist() == [False, True, True, False]


def test_low_loss_leaves_the_never_seen_and_the_diverged_for_last() -> None:
    assert make_policy("low-loss").choose(candidates([INF, 9.0, NAN, 8.0])).tolist() == [False, True, False, True]


def test_uncertainty_keeps_the_least_certain() -> None:
    uncertainty = torch.tensor([0.9, 0.1, NAN, 0.2])
    kept = make_policy("uncertainty").choose(candidates([1.0] * 4, uncertainty=uncertainty))
    assert kept.tolist() == [True, False, True, False]


def test_margin_keeps_the_smallest_the_wrong_ones_first() -> None:
    margin = torch.tensor([0.9, -0.8, 0.1, 0.5])
    assert make_policy("margin").choose(candidates([1.0] * 4, margin=margin)).tolist() == [False, True, True, False]
    one = make_policy("margin").choose(candidates([1.0] * 4, keep_ratio=0.25, margin=margin))
    assert one.tolist() == [False, True, False, False]


@pytest.mark.parametrize(("keep_ratio", "beta", "power"), [(0.5, None, 1.0), (0.25, None, 3.0), (0.5, 2.0, 2.0)])
def test_selective_backprop_keeps_with_a_power_of_the_position(
    keep_ratio: float, beta: float | None, power: float
) -> None:
    # Positions of 10, 30, 20 and 40 among the four: (0.5, 2.5, 1.5, 3.5) / 4.
    positions = torch.tensor([0.125, 0.625, 0.375, 0.875])
    for seed in range(20):
        draws = torch.rand(4, generator=torch.Generator().manual_seed(seed))
        kept = make_policy("selective-backprop", beta=beta).choose(candidates([10, 30, 20, 40], keep_ratio, seed))
        assert kept.tolist() == (draws < positions**power).tolist()


@pytest.mark.parametrize("keep_ratio", [0.3, 0.5, 1.0])
def test_selective_backprop_holds_the_keep_ratio_on_average(keep_ratio: float) -> None:
    kept = make_policy("selective-backprop").choose(candidates(torch.rand(20_000), keep_ratio))
    assert kept.float().mean().item() == pytest.approx(keep_ratio, abs=0.02)


@pytest.mark.parametrize("beta", [-1.0, NAN, INF, "one"])
def test_a_beta_out_of_range_is_refused(beta: object) -> None:
    with pytest.raises(ValueError, match=r"^beta=.* is not a number of at least 0$"):
        make_policy("selective-backprop", beta=beta)


def test_static_random_keeps_the_same_samples_however_pools_are_cut() -> None:
    rule = make_policy("static-random")
    rule.begin(100, seed=3, device=CPU)
    everything = rule.choose(candidates(torch.rand(100), keep_ratio=0.3))
    assert int(everything.sum()) == 30
    shuffled = torch.randperm(100, generator=torch.Generator().manual_seed(1))
    for rows in shuffled.split(25):
        assert torch.equal(rule.choose(candidates(torch.rand(25), 0.3, indices=rows)), everything[rows])
    rule.begin(100, seed=4, device=CPU)
    assert not torch.equal(rule.choose(candidates(torch.rand(100), keep_ratio=0.3)), everything)


@pytest.mark.parametrize(
    "name", [*map(slow, ["static-random", "low-loss", "uncertainty", "margin"]), "selective-backprop"]
)
def test_a_run_holds_the_budget_and_is_the_same_again(name: str) -> None:
    first, second = (
        run_policy(make_policy(name), as_base_env("DataSelect/Digits-v0", epochs=4, batch_size=64), seed=1)
        for _ in range(2)
    )
    assert first.keep_fraction == pytest.approx(0.5, abs=0.05)
    assert (first.quality, first.episode_return, first.cost) == (second.quality, second.episode_return, second.cost)
    assert not math.isnan(first.quality)
