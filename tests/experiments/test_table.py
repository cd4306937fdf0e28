from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from data_select_gym.experiments import Summary, make_markdown, make_table, summarise
from data_select_gym.experiments.columns import describe_intervals
from data_select_gym.experiments.statistics import Estimate

from .made_runs import FAILURE, run

FULL = Summary(
    policy="full",
    keep_ratio=1.0,
    seeds=3,
    quality=Estimate(0.95, (0.94, 0.97)),
    to_full=Estimate(0.0, (0.0, 0.0)),
    to_random=None,
    cost=1.0,
    keep_fraction=1.0,
    seconds=12.34,
    seconds_ratio=1.0,
    agent_share=0.001,
    worst_class=None,
)
MINE = Summary(
    policy="mine",
    keep_ratio=0.5,
    seeds=3,
    quality=Estimate(0.94, (0.92, 0.96)),
    to_full=Estimate(-0.01, (-0.015, -0.005)),
    to_random=Estimate(0.02, (0.015, 0.035)),
    cost=0.5625,
    keep_fraction=0.5,
    seconds=6.0,
    seconds_ratio=0.486,
    agent_share=0.123,
    worst_class=None,
)


def shown(summaries: list[Summary], width: int = 100) -> list[str]:
    told = StringIO()
    Console(width=width, file=told).print(make_table(summaries, "accuracy", "On [bold] digits"))
    return told.getvalue().splitlines()


def cells(summaries: list[Summary]) -> list[list[str]]:
    lines = make_markdown(summaries, "accuracy").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_the_table_has_a_row_for_each_summary_with_its_numbers() -> None:
    lines = shown([FULL, MINE])
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.split()}
    assert lines[0].strip() == "On [bold] digits"
    heads = ["test", "accuracy", "to", "full", "to", "random", "cost", "kept", "secs", "/full", "agent"]
    assert rows["policy"] == heads
    assert rows["full"] == ["0.9500", "±0.0150", "+0.0000", "±0.0000", "-", "1.000", "1.000", "12.3", "1.00", "0.1%"]
    assert rows["mine"] == [
        *("0.9400", "±0.0200", "-0.0100", "±0.0050", "+0.0200", "±0.0100"),
        *("0.562", "0.500", "6.0", "0.49", "12.3%"),
    ]


def test_the_table_of_several_keep_ratios_fits_a_hundred_columns() -> None:
    longest = replace(MINE, policy="selective-backprop", keep_ratio=0.3, seconds=123.4)
    lines = shown([FULL, MINE, longest])
    row = next(line for line in lines if line.startswith("selective"))
    assert row.split() == [
        *("selective-backprop", "0.3", "0.9400", "±0.0200", "-0.0100", "±0.0050", "+0.0200", "±0.0100"),
        *("0.562", "0.500", "123.4", "0.49", "12.3%"),
    ]


def test_in_a_narrow_terminal_no_name_and_no_number_is_cut_and_the_table_goes_on_below() -> None:
    noisy = replace(
        MINE,
        policy="selective-backprop",
        keep_ratio=0.3,
        problems={"mislabelled": 0.25},
        problems_late={"mislabelled": 0.125},
    )
    lines = shown([FULL, MINE, noisy], 80)
    assert max(map(len, lines)) <= 80
    first, second = (line.split() for line in lines if line.startswith("selective-backprop"))
    assert first[1:] == ["0.3", "0.9400", "-0.0100", "+0.0200", "0.562", "0.500", "6.0", "0.49", "12.3%"]
    assert second[1:] == ["25.0%", "12.5%"]
    assert "…" not in "".join(lines)


def test_a_name_of_any_length_leaves_room_for_numbers() -> None:
    lines = shown([FULL, replace(MINE, policy="a" * 200)], 40)
    assert max(map(len, lines)) <= 40
    assert any(line.rstrip().endswith("12.3%") for line in lines)


def test_what_heads_mean_stands_below_the_table_in_a_terminal() -> None:
    told = " ".join(" ".join(shown([FULL, MINE], 80)).split())
    assert "kept Mean share kept of the candidates, warm-up and annealing left out." in told
    assert "secs Of a whole run, the agent's own time included." in told
    assert "± is half the width of the interval." in told


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"jobs": 3}, "up to 3 runs went on at the same time and shared the machine"),
        ({"threads": (2,)}, "runs had different numbers of threads (1, 2)"),
        ({"busy": 0.58}, "a run had a processor for only 58% of its seconds, and waited for other programs"),
    ],
)
def test_seconds_that_say_as_much_of_the_machine_are_not_comparable(changes: dict[str, Any], why: str) -> None:
    summaries = [FULL, replace(MINE, **changes)]
    heads = cells(summaries)[0]
    assert heads[-3:] == ["seconds (not comparable)", "seconds / full's (not comparable)", "agent's share"]
    assert why in make_markdown(summaries, "accuracy")
    told = shown(summaries)
    assert next(line for line in told if line.startswith("policy")).split()[-3:] == ["secs*", "/full*", "agent"]
    assert why in " ".join(" ".join(told).split())


def test_seconds_of_runs_that_had_the_machine_for_themselves_are_not_marked() -> None:
    summaries = [replace(FULL, busy=0.97), replace(MINE, busy=1.02)]
    assert "not comparable" not in make_markdown(summaries, "accuracy") + "".join(shown(summaries))


def test_the_cost_asked_for_is_shown_beside_what_it_came_to() -> None:
    rows = cells([FULL, replace(MINE, asked_cost=0.55, keep_ratio=3 / 7), replace(MINE, asked_cost=0.7)])
    assert rows[0][:3] == ["policy", "keep ratio", "cost asked"]
    assert [row[1:3] for row in rows[2:]] == [["1", "-"], ["0.4286", "0.55"], ["0.5", "0.7"]]
    assert [row[rows[0].index("cost")] for row in rows[2:]] == ["1.000", "0.562", "0.562"]


def test_the_validation_figure_stands_beside_that_of_the_test_set() -> None:
    heads, _, row = cells([replace(MINE, validation=Estimate(0.91, None))])
    assert heads[1:3] == ["test accuracy", "validation accuracy"]
    assert row[1:3] == ["0.9400 (0.9200 to 0.9600)", "0.9100"]


def test_the_markdown_table_has_the_ends_of_the_intervals() -> None:
    assert cells([FULL, MINE]) == [
        [
            *("policy", "test accuracy", "difference to full", "difference to random", "cost", "share kept"),
            *("seconds", "seconds / full's", "agent's share"),
        ],
        ["---", *["---:"] * 8],
        [
            *("full", "0.9500 (0.9400 to 0.9700)", "+0.0000 (+0.0000 to +0.0000)", "-"),
            *("1.000", "1.000", "12.3", "1.00", "0.1%"),
        ],
        [
            *("mine", "0.9400 (0.9200 to 0.9600)", "-0.0100 (-0.0150 to -0.0050)", "+0.0200 (+0.0150 to +0.0350)"),
            *("0.562", "0.500", "6.0", "0.49", "12.3%"),
        ],
    ]


def test_columns_that_would_say_nothing_are_left_out() -> None:
    assert cells(summarise([run("mine", 0), run("other", 0)]))[0] == [
        *("policy", "test accuracy", "validation accuracy", "cost", "share kept", "seconds", "agent's share"),
    ]


def test_shares_mislabelled_are_shown_where_they_are_known() -> None:
    rows = cells([FULL, replace(MINE, problems={"mislabelled": 0.25}, problems_late={"mislabelled": 0.125})])
    assert rows[0][-2:] == ["mislabelled", "mislabelled, late"]
    assert (rows[2][-2:], rows[3][-2:]) == (["-", "-"], ["25.0%", "12.5%"])


def test_the_keep_ratio_is_shown_only_if_there_are_several_beside_fulls() -> None:
    assert "keep ratio" not in cells([FULL, MINE])[0]
    rows = cells([FULL, MINE, replace(MINE, keep_ratio=0.3)])
    assert [row[1] for row in rows] == ["keep ratio", "---:", "1", "0.5", "0.3"]


def test_the_number_of_seeds_is_shown_only_if_it_differs() -> None:
    assert "seeds" not in cells([FULL, MINE])[0]
    assert [row[1] for row in cells([FULL, replace(MINE, seeds=2)])] == ["seeds", "---:", "3", "2"]


@pytest.mark.parametrize(
    ("seeds", "told"), [(1, "No intervals"), (2, "No intervals"), (3, "about 3 times in 4"), (5, "as few as 5 seeds")]
)
def test_what_intervals_are_worth_is_told(seeds: int, told: str) -> None:
    summaries = summarise([run("mine", seed) for seed in range(seeds)])
    assert told in describe_intervals(summaries)
    assert told in " ".join(" ".join(shown(summaries)).split())
    assert told in make_markdown(summaries, "accuracy")


def test_failures_are_listed_below_the_table() -> None:
    text = make_markdown([MINE], "accuracy", [FAILURE])
    assert text.endswith("\nRuns that failed:\n\n- random, keep ratio 0.5, seed 1: ValueError: keep has shape (3,)\n")


def test_a_comparison_of_which_every_run_failed_has_no_table() -> None:
    assert make_markdown([], "accuracy", [FAILURE]).startswith("\nRuns that failed:")
    assert shown([])[-1].strip() == "no run was finished"


def test_names_are_shown_as_they_are() -> None:
    odd = replace(MINE, policy="[/red]")
    assert any(line.startswith("[/red] ") for line in shown([odd]))
    assert "\n| a\\|b &lt;i&gt; c | " in make_markdown([replace(MINE, policy="a|b <i>\nc")], "accuracy")
