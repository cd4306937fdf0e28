import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_select_gym.experiments import RunRecord, Summary, summarise
from data_select_gym.experiments.statistics import Estimate

from .made_runs import NAN, run


def by_key(runs: list[RunRecord]) -> dict[tuple[str, float], Summary]:
    return {(summary.policy, summary.keep_ratio): summary for summary in summarise(runs)}


def test_the_interval_of_three_seeds_is_their_range() -> None:
    # All three resampled alike has a chance of 1 in 27, which is more than 2.5%.
    assert Estimate.of([0.9, 0.5, 0.7]) == Estimate(pytest.approx(0.7), (0.5, pytest.approx(0.9)))


def test_the_interval_of_many_seeds_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(size=400)
    estimate = Estimate.of(values.tolist())
    assert estimate.interval is not None
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert estimate.interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


@settings(max_examples=20)
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=8))
def test_the_same_values_give_the_same_interval_which_lies_among_them(values: list[float]) -> None:
    estimate = Estimate.of(values)
    assert estimate == Estimate.of(values)
    assert estimate.interval is not None
    low, high = estimate.interval
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@pytest.mark.parametrize("values", [[0.7], [0.6, 0.8], [NAN, 0.6, 0.8]])
def test_fewer_than_three_seeds_or_one_that_diverged_give_no_interval(values: list[float]) -> None:
    assert repr(Estimate.of(values)) == repr(Estimate(float(np.mean(values)), None))


def test_the_global_random_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].tolist()
    Estimate.of([1.0, 2.0, 3.0])
    assert np.random.get_state()[1].tolist() == before


def test_a_summary_has_the_means_over_the_seeds() -> None:
    runs = [
        run("random", 0, quality=0.8, cost=0.5, keep_fraction=0.25, seconds=1.0, agent_seconds=0.5),
        run("random", 1, quality=0.9, cost=0.7, keep_fraction=0.75, seconds=3.0, agent_seconds=0.5),
    ]
    (summary,) = summarise(runs)
    assert (summary.policy, summary.keep_ratio, summary.seeds) == ("random", 0.5, 2)
    assert summary.quality == Estimate.of([0.8, 0.9])
    assert (summary.cost, summary.keep_fraction, summary.seconds) == pytest.approx((0.6, 0.5, 2.0))
    assert summary.agent_share == pytest.approx(0.25)


def test_mislabelled_is_the_mean_over_the_seeds_of_which_it_is_known() -> None:
    runs = [
        run("random", 0, mislabelled=0.25, mislabelled_late=0.125),
        run("random", 1, mislabelled=0.75, mislabelled_late=None),
        run("full", 0),
    ]
    random, full = summarise(runs)
    assert (random.problems, random.problems_late) == ({"mislabelled": 0.5}, {"mislabelled": 0.125})
    assert (full.problems, full.problems_late) == ({}, {})


def test_a_run_whose_regime_does_not_have_a_problem_counts_as_zero() -> None:
    wrong, copies = "pair-noise:0.3", "duplicates:0.5"
    runs = [
        replace(run("random", 0, mislabelled=0.25, mislabelled_late=0.5), regime=wrong),
        replace(run("random", 1, problems={"duplicated": 0.75}, problems_late={"duplicated": 0.5}), regime=copies),
        replace(run("random", 2), regime="clean"),
        replace(run("random", 3), regime="clean"),
        replace(run("mine", 2), regime="clean"),
    ]
    random, mine = summarise(runs)
    assert random.problems == {"mislabelled": 0.0625, "duplicated": 0.1875}
    assert random.problems_late == {"mislabelled": 0.125, "duplicated": 0.125}
    assert mine.problems == mine.problems_late == {"mislabelled": 0.0, "duplicated": 0.0}
    assert summarise(runs[2:])[0].problems == {}


def test_summaries_come_in_the_order_of_their_first_runs() -> None:
    runs = [run("b", 0, 0.7), run("full", 0, 1.0), run("b", 0, 0.3), run("a", 0), run("full", 1, 1.0), run("b", 1, 0.7)]
    assert list(by_key(runs)) == [("b", 0.7), ("full", 1.0), ("b", 0.3), ("a", 0.5)]
    assert [summary.seeds for summary in summarise(runs)] == [2, 2, 1, 1]


def test_differences_and_seconds_are_paired_by_the_seeds_that_both_have() -> None:
    qualities = {0: 0.5, 1: 0.7, 2: 0.9}
    runs = [run("mine", 2, quality=0.8, seconds=1), run("mine", 0, quality=0.6, seconds=3), run("mine", 3, quality=0.1)]
    runs += [run("full", seed, 1.0, quality=quality, seconds=4.0) for seed, quality in qualities.items()]
    runs += [run("random", 2, quality=0.5)]
    summary = by_key(runs)["mine", 0.5]
    assert summary.quality == Estimate.of([0.8, 0.6, 0.1])
    assert summary.to_full == Estimate.of([0.8 - 0.9, 0.6 - 0.5])
    assert summary.to_random == Estimate.of([0.8 - 0.5])
    assert summary.seconds_ratio == pytest.approx((1 / 4 + 3 / 4) / 2)


def test_pairing_takes_out_what_seeds_have_in_common() -> None:
    levels = [0.2, 0.5, 0.9]
    runs = [run("full", seed, quality=level) for seed, level in enumerate(levels)]
    runs += [run("mine", seed, quality=level + 0.01) for seed, level in enumerate(levels)]
    summary = by_key(runs)["mine", 0.5]
    assert summary.to_full == Estimate(pytest.approx(0.01), pytest.approx((0.01, 0.01)))
    assert summary.quality.interval == pytest.approx((0.21, 0.91))


def test_random_is_that_of_the_same_keep_ratio_and_full_the_one_there_is() -> None:
    runs = [
        run("full", 0, 1.0, quality=0.9),
        *(run("random", 0, ratio, quality=quality) for ratio, quality in [(0.25, 0.5), (0.5, 0.75)]),
        *(run("mine", 0, ratio, quality=quality) for ratio, quality in [(0.25, 0.625), (0.5, 0.6875), (0.75, 0.8)]),
    ]
    summaries = by_key(runs)
    to_random = {key: summary.to_random and summary.to_random.mean for key, summary in summaries.items()}
    assert to_random == {
        ("full", 1.0): None,
        **{("random", 0.25): 0, ("random", 0.5): 0},
        **{("mine", 0.25): 0.125, ("mine", 0.5): -0.0625, ("mine", 0.75): None},
    }
    to_full = [summary.to_full.mean for summary in summaries.values() if summary.to_full]
    assert to_full == pytest.approx([0, -0.4, -0.15, -0.275, -0.2125, -0.1])


def test_without_a_baseline_of_the_same_seed_there_is_no_difference() -> None:
    for runs in ([run("mine", 0)], [run("mine", 0), run("full", 1), run("random", 1)]):
        summary = by_key(runs)["mine", 0.5]
        assert (summary.to_full, summary.to_random, summary.seconds_ratio) == (None, None, None)


def test_nothing_is_summarised_as_nothing() -> None:
    assert summarise([]) == []
