import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.agents import RunResult
from data_select_gym.experiments import Failure, RunKey, RunRecord
from data_select_gym.experiments.run_files import RunFiles

KEY = RunKey("mine", 0.3, 0)
SETTINGS: dict[str, Any] = {"env": "X-v0", "options": {}, "versions": {"data-select-gym": "1", "torch": "2"}}
RUN = RunRecord(
    policy="mine",
    result=RunResult(0, 0.9, float("nan"), 0.1 + 0.2, 0.3, -math.inf, 10, 2.0, 0.5),
    curve=[{"epoch": 1.0, "val_accuracy": float("nan")}],
    keep_fractions=[0.3, 1 / 3],
    keep_ratio=0.3,
)


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    files = RunFiles(tmp_path / "new" / "out")
    files.begin(SETTINGS)
    files.write(KEY, RUN)
    return files


def run_file(files: RunFiles) -> Path:
    (file,) = (files.out / "runs").iterdir()
    return file


def test_a_run_is_read_as_it_was_written(files: RunFiles) -> None:
    assert repr(files.read(KEY, "")) == repr(RUN)  # NaN is not equal to itself


def test_only_the_run_that_is_asked_for_is_read(files: RunFiles) -> None:
    for change in ({"policy": "other"}, {"keep_ratio": 0.5}, {"seed": 1}):
        other = dataclasses.replace(KEY, **change)
        assert files.read(other, "") is None
        files.write(other, RUN)  # a file that was copied or renamed
        assert files.read(other, "") is None


def test_a_run_of_a_policy_that_was_another_is_not_read_and_told(files: RunFiles) -> None:
    run = dataclasses.replace(RUN, policy_is="m:Mine(least=0.1)")
    files.write(KEY, run)
    assert repr(files.read(KEY, "m:Mine(least=0.1)")) == repr(run)
    message = (
        r"^mine, keep ratio 0.3, seed 0: the run in '.*out' is of the policy 'm:Mine\(least=0.1\)'; here it is "
        r"'m:Mine\(least=0.2\)', and the run is repeated$"
    )
    with pytest.warns(UserWarning, match=message):
        assert files.read(KEY, "m:Mine(least=0.2)") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: b"[]",
        lambda text: b"null",
        lambda text: b"{}",
        lambda text: text.replace(b'"result"', b'"results"'),
        lambda text: text.replace(b'"cost"', b'"costs"'),
        lambda text: b"\xff\x00" + text,
    ],
    ids=["empty", "cut", "list", "null", "no_run", "no_result", "no_cost", "not_text"],
)
def test_a_file_that_is_damaged_is_no_run(damage: Any, files: RunFiles) -> None:
    file = run_file(files)
    file.write_bytes(damage(file.read_bytes()))
    assert files.read(KEY, "") is None


def test_a_failure_is_written_and_removed_when_the_run_succeeds(files: RunFiles) -> None:
    files.write(KEY, Failure("mine", 0.3, 0, "ValueError: \udcff", "line 1\nline 2\n"))
    (file,) = (files.out / "failures").iterdir()
    assert file.read_text() == "mine, keep ratio 0.3, seed 0: ValueError: \\udcff\n\nline 1\nline 2\n"
    files.write(KEY, RUN)
    assert list((files.out / "failures").iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"env": "Y-v0"},
        {"options": {"epochs": 3}},
        {"versions": {"data-select-gym": "2", "torch": "2"}},
        {"versions": {"data-select-gym": "1", "torch": "3"}},
    ],
)
def test_other_settings_are_refused(changes: dict[str, Any], files: RunFiles) -> None:
    with pytest.raises(ValueError, match=r"out=.* holds a comparison with other settings .* there and .* now"):
        files.begin(SETTINGS | changes)


def test_settings_that_do_not_change_a_run_may_be_others(files: RunFiles) -> None:
    versions = SETTINGS["versions"] | {"numpy": "3"}
    files.begin(SETTINGS | {"seeds": 5, "policies": {}, "jobs": 2, "threads": 7, "versions": versions})
    assert files.read(KEY, "") is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"env": "X-v0", "options": 3, "versions": {}}'])
def test_settings_that_are_damaged_are_told(text: str, files: RunFiles) -> None:
    (files.out / "settings.json").write_text(text)
    with pytest.raises(ValueError, match=r"settings.json is damaged .* use another folder"):
        files.begin(SETTINGS)
