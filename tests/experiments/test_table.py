from dataclasses import replace
from io import StringIO

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
    mislabelled=None,
    mislabelled_late=None,
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
    mislabelled=None,
    mislabelled_late=None,
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
    assert rows["policy"] == ["accuracy", "to", "full", "to", "random", "cost", "kept", "secs", "/full", "agent"]
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


def test_in_a_narrow_terminal_intervals_have_a_line_of_their_own_and_no_number_is_cut() -> None:
    noisy = replace(MINE, policy="selective-backprop", keep_ratio=0.3, mislabelled=0.25, mislabelled_late=0.125)
    lines = shown([FULL, MINE, noisy], 80)
    first = next(number for number, line in enumerate(lines) if line.startswith("selectiv"))
    assert lines[first].split()[1:5] == ["0.3", "0.9400", "-0.0100", "+0.0200"]
    assert lines[first].split()[-3:] == ["12.3%", "25.0%", "12.5%"]
    assert lines[first + 1].split() == ["e-backpr", "±0.0200", "±0.0050", "±0.0100"]
    assert "…" not in "".join(lines)


def test_the_markdown_table_has_the_ends_of_the_intervals() -> None:
    assert cells([FULL, MINE]) == [
        [
            *("policy", "accuracy", "difference to full", "difference to random", "cost", "share kept"),
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
        *("policy", "accuracy", "cost", "share kept", "seconds", "agent's share"),
    ]


def test_shares_mislabelled_are_shown_where_they_are_known() -> None:
    rows = cells([FULL, replace(MINE, mislabelled=0.25, mislabelled_late=0.125)])
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
