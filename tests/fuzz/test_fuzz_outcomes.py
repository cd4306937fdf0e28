"""Damaged files of comparisons and of saved agents."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.agents.learned.saved import MOST_DATA, NOTE, read_note
from data_select_gym.experiments import RunKey, RunRecord
from data_select_gym.experiments.run_files import RunFiles, read_settings
from data_select_gym.experiments.statistics import summarise

from ..experiments.made_runs import SETTINGS, run
from .damage import damaged, memory_below, read_all, within_zip, zipped

COMPLETE: dict[str, Any] = SETTINGS | {"versions": {"data-select-gym": "1", "torch": "2"}}


def test_damaged_settings_are_an_error_that_names_them_or_are_read(tmp_path: Path, numbers: range) -> None:
    path = tmp_path / "settings.json"
    with memory_below(100):
        found = read_all(
            path, damaged(json.dumps(COMPLETE, indent=1).encode(), numbers), lambda: read_settings(tmp_path)
        )
    for settings in found:
        assert isinstance(settings["env"], str) and all(isinstance(each, str) for each in settings["policies"].values())


def test_a_comparison_refuses_damaged_settings_by_name_or_goes_on(tmp_path: Path, numbers: range) -> None:
    path = tmp_path / "settings.json"

    def begin() -> None:
        try:
            RunFiles(tmp_path).begin(COMPLETE)
        except ValueError as error:
            assert str(tmp_path) in str(error)

    read_all(path, damaged(json.dumps(COMPLETE, indent=1).encode(), numbers), begin)


def test_a_damaged_run_is_not_finished_or_can_be_summarised(tmp_path: Path, numbers: range) -> None:
    files, key = RunFiles(tmp_path), RunKey("mine", 0.5, 0)
    files.begin(COMPLETE)
    files.write(key, run("mine"))
    (path,) = (tmp_path / "runs").iterdir()
    with memory_below(100):
        found = read_all(path, damaged(json.dumps(asdict(run("mine"))).encode(), numbers), lambda: files.read(key, ""))
    finished = [each for each in found if each is not None]
    assert len(found) == len(numbers) and 0 < len(finished) < len(numbers) * 0.9
    for each in finished:
        assert isinstance(each, RunRecord) and summarise([each])


DATA = json.dumps({"gamma": 0.5, NOTE: {"class": "stable_baselines3.ppo.ppo:PPO", "features": ["loss"]}}).encode()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_agent_is_an_error_that_names_it_or_is_read(compression: int, tmp_path: Path, numbers: range) -> None:
    path = tmp_path / "agent.zip"
    with memory_below(100):
        found = read_all(
            path,
            damaged(zipped({"data": DATA, "policy.pth": b"weights"}, compression), numbers),
            lambda: read_note(path),
        )
    assert all(kind.startswith("stable_baselines3") for kind, _ in found)


def test_an_agent_that_is_damaged_within_is_an_error_that_names_it_or_is_read(tmp_path: Path, numbers: range) -> None:
    path = tmp_path / "agent.zip"
    with memory_below(100):
        found = read_all(path, within_zip(zipped({"data": DATA}), "data", numbers), lambda: read_note(path))
    assert len(found) > 10 or len(numbers) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_agent_that_unpacks_to_far_more_than_it_is_is_refused(compression: int, tmp_path: Path) -> None:
    (tmp_path / "agent.zip").write_bytes(zipped({"data": b" " * (10 * MOST_DATA) + DATA}, compression))
    assert (tmp_path / "agent.zip").stat().st_size < 1_000_000
    with memory_below(100), pytest.raises(ValueError, match=r"agent\.zip' is not a model written by save_model"):
        read_note(tmp_path / "agent.zip")
