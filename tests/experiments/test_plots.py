from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from data_select_gym.experiments import summarise
from data_select_gym.experiments.plots import draw_curves, draw_quality, mean_curve, save, to_svg

from .made_runs import NAN, run


def test_a_policy_is_a_line_through_its_keep_ratios_by_cost_with_intervals() -> None:
    qualities = {0.75: [0.8, 0.9, 0.85], 0.25: [0.5, 0.7, 0.6]}
    runs = [run("full", 0, 1.0, quality=0.9, cost=1.0)]
    for ratio, values in qualities.items():
        runs += [run("mine", seed, ratio, quality=value, cost=ratio) for seed, value in enumerate(values)]
    axes = draw_quality(summarise(runs), "accuracy").axes[0]
    full, mine = axes.containers
    assert (full.get_label(), mine.get_label()) == ("full", "mine")
    line, _, (bars,) = mine
    np.testing.assert_allclose(line.get_xydata(), [[0.25, 0.6], [0.75, 0.85]])
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [[0.5, 0.7], [0.8, 0.9]])
    assert axes.get_ylabel() == "test accuracy"


def test_the_curve_of_a_policy_is_the_mean_over_its_seeds() -> None:
    first, second = run("mine", 0), run("mine", 1)
    second.curve[1] |= {"cost": 1.0, "val_accuracy": 0.9}
    assert mean_curve([first, second], "accuracy") == (
        pytest.approx([0.25, 0.75]),
        pytest.approx([0.6, 0.85]),
    )


def test_validation_curves_have_a_line_for_each_policy_and_keep_ratio() -> None:
    axes = draw_curves([run("full", 0, 1.0), run("mine", 0, 0.3), run("mine", 0, 0.5)], "accuracy").axes[0]
    lines = axes.get_lines()
    assert [line.get_label() for line in lines] == ["full", "mine, 0.3", "mine, 0.5"]
    assert lines[1].get_color() == lines[2].get_color() != lines[0].get_color()
    assert lines[1].get_linestyle() != lines[2].get_linestyle()


def test_odd_names_and_qualities_that_are_not_finite_can_be_drawn(tmp_path: Path) -> None:
    runs = [run("$x_$", 0, quality=NAN), run("_mine", 0), run("<b>", 0)]
    runs[0].curve[1]["val_accuracy"] = NAN
    save(draw_curves(runs, "accuracy"), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    svg = to_svg(draw_quality(summarise(runs), "accuracy"))
    for shown in ("$x_$", " _mine", "&lt;b&gt;"):
        assert shown in svg
    assert "<b>" not in svg


def test_an_svg_takes_the_colour_of_the_text_around_it_and_is_the_same_each_time() -> None:
    before = dict(mpl.rcParams)
    first, second = (to_svg(draw_quality(summarise([run("full", 0)]), "accuracy")) for _ in range(2))
    assert first == second
    assert first.startswith("<svg") and first.rstrip().endswith("</svg>")
    assert "currentColor" in first and "#000000" not in first and "#ffffff" not in first
    assert dict(mpl.rcParams) == before
