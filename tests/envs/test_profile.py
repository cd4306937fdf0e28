import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.profile import NAME, TRACED
from data_select_gym.envs.tensorboard import CurvesWarning

from .joint_runs import digits, play, same, small


def trace(folder: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(gzip.decompress((folder / NAME).read_bytes()))["traceEvents"]
    return events


def labels(events: list[dict[str, Any]]) -> list[str]:
    return [event["name"] for event in events if event.get("cat") == "user_annotation"]


def traced(folder: Path, env: DataSelectEnv) -> list[str]:
    play(env)
    env.close()
    return labels(trace(folder / "run_1"))


def test_the_trace_has_ten_steps_with_the_parts_of_the_run(tmp_path: Path) -> None:
    names = traced(tmp_path, digits(epochs=4, tensorboard_log=tmp_path, profile=True))
    assert sum(name.startswith("ProfilerStep") for name in names) == TRACED
    assert names.count("copy") == TRACED
    assert {"load", "train", "signals", "ledger", "bookkeeping"} <= set(names)
    assert [path.name for path in (tmp_path / "run_1").iterdir() if path.name.startswith(".")] == []


def test_a_run_of_few_steps_has_a_trace_of_those_that_there_are(tmp_path: Path) -> None:
    names = traced(tmp_path, small(tensorboard_log=tmp_path, profile=True))
    assert 1 <= sum(name.startswith("ProfilerStep") for name in names) < TRACED


@pytest.mark.slow
def test_each_run_has_a_trace(tmp_path: Path) -> None:
    env = digits(epochs=4, tensorboard_log=tmp_path, profile=True)
    play(env)
    play(env)
    env.close()
    assert all(labels(trace(tmp_path / folder)) for folder in ("run_1", "run_2"))


def test_a_trace_changes_nothing_in_a_run(tmp_path: Path) -> None:
    assert same(play(small(tensorboard_log=tmp_path, profile=True)), play(small()))


def test_without_a_folder_for_curves_there_is_no_place_for_a_trace() -> None:
    with pytest.raises(ValueError, match="tensorboard_log is needed"):
        digits(profile=True)


def test_where_the_trace_cannot_be_written_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*paths: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    env = digits(epochs=4, tensorboard_log=tmp_path, profile=True)
    with pytest.warns(CurvesWarning, match="cannot be written: disk full; training goes on"):
        play(env)
    assert env.run.done
    env.close()
    assert not (tmp_path / "run_1" / NAME).exists()
