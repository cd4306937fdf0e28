from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from data_select_gym.experiments import RunKey, progress
from data_select_gym.experiments.progress import ProgressBar, ProgressLines

from .comparisons import comparison


def test_the_bar_counts_runs_and_the_parts_of_those_under_way() -> None:
    file = StringIO()
    with ProgressBar(comparison(Path("unused")), Console(file=file, force_terminal=True, width=150)) as bar:
        for key, share in [("full", 0.5), ("full", 1.0), ("mine", 0.25), ("agent", 0.5)]:
            bar.advance(RunKey(key, 1.0 if key == "full" else 0.5, 0), share)
        (task,) = bar.progress.tasks
        assert (task.completed, task.total) == (1.75, 8)
        assert task.description == "agent, keep ratio 0.5, seed 0"
    assert "1/8" in file.getvalue()


def test_a_name_is_shown_as_it_is_and_nothing_without_a_terminal() -> None:
    asked = comparison(Path("unused"), policies={"[red]": "random", "[/]": "random"})
    for terminal in (True, False):
        file = StringIO()
        with ProgressBar(asked, Console(file=file, force_terminal=terminal, width=150)) as bar:
            bar.advance(RunKey("[/]", 0.5, 1), 0.5)
        assert ("[/], keep ratio 0.5, seed 1" in file.getvalue()) == terminal


def test_an_unknown_policy_is_told_before_the_bar_is_shown() -> None:
    with pytest.raises(ValueError, match="policy='wrong' is not known"):
        ProgressBar(comparison(Path("unused"), policies={"wrong": "wrong"}), Console(file=StringIO()))


def test_a_line_is_written_now_and_then_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 10.0, 31.0, 60.0, 62.0, 3600.0])
    lines = ProgressLines(8, lambda: next(times))
    for done, what in [(0.1, "a"), (0.5, "b, seed 0"), (1.0, "c"), (1.5, "d"), (4.0, "e")]:
        lines.report(done, what)
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors == (
        "0.5 of 8 runs after 31 s, about 8 min left: b, seed 0\n"
        "1.5 of 8 runs after 62 s, about 4 min left: d\n"
        "4.0 of 8 runs after 60 min, about 60 min left: e\n"
    )


def test_the_lines_of_a_comparison_go_to_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    file = StringIO()
    with ProgressBar(comparison(Path("unused")), Console(file=file, width=150)) as bar:
        bar.advance(RunKey("mine", 0.5, 0), 0.5)
    told = capsys.readouterr().err
    assert told.startswith("0.5 of 8 runs after 0 s") and told.endswith(": mine, keep ratio 0.5, seed 0\n")
    assert ("\r" in told, file.getvalue()) == (False, "")
