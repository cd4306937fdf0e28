from dataclasses import replace

import pytest

from data_select_gym.experiments import RunRecord, summarise
from data_select_gym.experiments.axes import ends, place_qualities, polyline, position
from data_select_gym.experiments.charts import CHARTS, Results, SmallMultiples
from data_select_gym.experiments.charts.final_losses import final_losses
from data_select_gym.experiments.charts.kept_losses import kept_by_loss
from data_select_gym.experiments.charts.small_multiples import mean_steps

from .made_runs import NAN, result, run


def drawn(name: str, runs: list[RunRecord]) -> SmallMultiples | None:
    section = CHARTS[name].draw(Results({}, runs, "accuracy"))
    return None if section is None else section.body


def test_a_line_is_placed_between_the_ends_of_the_axes() -> None:
    assert polyline(([0, 1, 2], [0.5, 0.0, 1.0]), (0, 2), (0, 1)) == "0.0,45.0 100.0,90.0 200.0,0.0"


def test_points_that_are_not_finite_are_left_out_and_those_outside_lie_on_the_edge() -> None:
    assert polyline(([0, 1, 2], [NAN, -5.0, 7.0]), (0, 2), (0, 1)) == "100.0,90.0 200.0,0.0"


def test_a_long_line_is_thinned_to_sixty_points_with_its_ends() -> None:
    points = polyline((list(range(1000)), [0.0] * 1000), (0, 999), (0, 1)).split()
    assert len(points) == 60
    assert (points[0], points[-1]) == ("0.0,90.0", "200.0,90.0")


def test_axes_reach_from_the_least_to_the_greatest_finite_value() -> None:
    assert ends([3.0, NAN, 1.0, float("inf")]) == (1.0, 3.0)
    assert ends([float(number) for number in range(101)], 0.15) == (15.0, 100.0)
    assert ends([NAN]) == (0.0, 1.0)
    assert position(2.0, 2.0, 2.0) == 0.5


def test_steps_are_averaged_over_seeds_and_long_histories_in_parts() -> None:
    assert mean_steps([[0.0, 0.5, 1.0], [1.0, 0.5, 0.0, 9.0]]) == ([0.0, 0.5, 1.0], [0.5, 0.5, 0.5])
    places, parts = mean_steps([[float(number // 2) for number in range(120)]])
    assert parts == [float(number) for number in range(60)]
    assert (places[0], places[-1]) == (0, 1)


def test_each_policy_has_a_chart_with_a_line_for_each_keep_ratio_before_that_of_full() -> None:
    charts = drawn("validation-curves", [run("full", 0, 1.0), run("mine", 0, 0.5), run("mine", 0, 0.3)])
    assert charts is not None
    assert [chart.policy for chart in charts.charts] == ["full", "mine"]
    assert [(line.kind, line.name, line.opacity) for line in charts.charts[1].lines] == [
        ("other", "full, keep ratio 1", 1.0),
        ("mine", "mine, keep ratio 0.3", 0.5),
        ("mine", "mine, keep ratio 0.5", 1.0),
    ]
    assert [line.kind for line in charts.charts[0].lines] == ["mine"]
    assert (charts.left, charts.right, charts.top) == ("0.25", "0.5", "0.8")


def test_the_share_kept_is_drawn_from_nothing_to_all() -> None:
    charts = drawn("kept-share", [run("mine", 0)])
    assert charts is not None
    assert (charts.bottom, charts.top) == ("0", "1")
    assert charts.charts[0].lines[0].points == "0.0,54.0 200.0,54.0"


def test_the_share_mislabelled_is_drawn_of_the_runs_of_which_it_is_known() -> None:
    known = RunRecord("mine", result(0), problems={"mislabelled": [0.4, 0.2]})
    charts = drawn("mislabelled", [run("full", 0), known])
    assert charts is not None
    assert [chart.policy for chart in charts.charts] == ["mine"]
    assert (charts.bottom, charts.top) == ("0.2", "0.4")
    assert charts.charts[0].lines[0].points == "0.0,0.0 200.0,90.0"
    assert drawn("mislabelled", [run("full", 0)]) is None


def test_a_run_whose_regime_has_no_wrong_labels_is_drawn_as_zero() -> None:
    known = RunRecord("mine", result(0), problems={"mislabelled": [0.4, 0.2]})
    charts = drawn("mislabelled", [known, replace(run("mine", 1), regime="clean")])
    assert charts is not None
    assert (charts.bottom, charts.top) == ("0.1", "0.2")


def test_qualities_are_placed_on_a_common_strip() -> None:
    runs = [run("a", seed, quality=quality) for seed, quality in enumerate([0.0, 0.5, 1.0])]
    runs += [run("b", 0, quality=0.25), run("c", 0, quality=NAN)]
    assert place_qualities(summarise(runs)) == [(0, 200, 100), (50, 50, 50), None]


def test_where_the_kept_came_from_is_the_mean_over_seeds_coloured_by_the_greatest_share() -> None:
    low, high = [0.4, *[0.0] * 8, 0.6], [0.8, *[0.0] * 8, 0.2]
    runs = [RunRecord("mine", result(seed), kept_by_loss=[values] * 3) for seed, values in enumerate([low, high])]
    (row,) = kept_by_loss([run("full", 0), *runs])
    assert (row.policy, len(row.thirds)) == ("mine", 3)
    assert row.thirds[2][0] == pytest.approx((0.6, 1.0))
    assert row.thirds[2][9] == pytest.approx((0.4, 2 / 3))
    assert row.thirds[2][1] == (0, 0)


def test_final_losses_lie_on_a_logarithmic_strip() -> None:
    losses = [0.0] * 5 + [0.001] * 5 + [0.01] * 5 + [0.1] * 4 + [1.0, 5.0]
    other = [1e-6] * 19 + [1e-3, 5.0]
    rows = final_losses(
        [RunRecord("mine", result(0), final_losses=losses), RunRecord("b", result(0), final_losses=other)]
    )
    assert rows[0].quantiles == [0.0, 0.001, 0.01, 0.1, 1.0]
    assert rows[0].places == pytest.approx([0, 100, 200 * 4 / 6, 200 * 5 / 6, 200])
    assert rows[1].places == pytest.approx([0, 0, 0, 0, 100])
    assert final_losses([run("full", 0)]) == []
