"""A comparison is resolved once, its task is opened once, and its settings come back from JSON."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch

from data_select_gym.experiments import Comparison, compare
from data_select_gym.experiments.run_files import read_settings
from data_select_gym.experiments.settings_json import with_current_names
from data_select_gym.tasks import Task, make_task

from .comparisons import comparison, untimed

pytestmark = pytest.mark.usefixtures("without_pictures")

SMALL = {"epochs": 3, "pool_size": 640}
OPENED: list[Task] = []


def opened(**options: Any) -> Task:
    OPENED.append(make_task("digits", **options))
    return OPENED[-1]


@pytest.mark.slow
def test_the_task_is_opened_once_and_no_run_changes_it(tmp_path: Path) -> None:
    OPENED.clear()
    policies = {name: name for name in ("data-agent", "full-equal-cost")}
    options = {"epochs": 3, "pool_size": 128, "batch_size": 128, "task": opened, "label_noise": 0.1}
    asked = comparison(tmp_path, env="DataSelect/Custom-v0", policies=policies, seeds=1, options=options)
    tensors = {name: value.clone() for name, value in content(asked.task.env.task).items()}
    shared = compare(asked)
    assert len(OPENED) == 1 and not shared.failures
    for name, value in content(asked.task.env.task).items():
        assert torch.equal(value, tensors[name]), name
    # Each run is bit-identical to one that opens its own task.
    for run in shared.runs:
        alone = {run.policy: run.policy}
        again = compare(comparison(tmp_path / run.policy, env=asked.env, policies=alone, seeds=1, options=options))
        assert untimed(again.runs) == untimed([run])


def content(task: Task) -> dict[str, torch.Tensor]:
    sets = {"train": task.train, "validation": task.validation, "test": task.test}
    return {f"{name}{place}": part for name, data in sets.items() for place, part in enumerate(data.tensors)}  # type: ignore


def test_an_id_registered_with_options_of_its_task_shares_it_too(tmp_path: Path) -> None:
    kwargs = {"task": "digits", "epochs": 3, "pool_size": 320}
    gym.register(id="Mine/Digits-v0", entry_point="data_select_gym.envs.env:DataSelectEnv", kwargs=kwargs)
    try:
        asked = comparison(tmp_path, env="Mine/Digits-v0", policies={"random": "random"}, seeds=1, options={})
        env = asked.make_env(asked.planned[0])
        assert (env.plan.epochs, env.plan.pool_size, env.task is asked.task.env.task) == (3, 320, True)
    finally:
        del gym.registry["Mine/Digits-v0"]


def test_specifications_say_what_each_run_is(tmp_path: Path) -> None:
    policies = {"all": "full", "random": "random", "agent": "data-agent"}
    asked = comparison(tmp_path, policies=policies, keep_ratios=(0.25, 0.5), options={"epochs": 4, "pool_size": 160})
    assert [(spec.name, spec.keep_ratio) for spec in asked.specs] == [
        *(("all", 1.0), ("random", 0.25), ("random", 0.5), ("agent", 0.25), ("agent", 0.5))
    ]
    assert [spec.key(seed) for seed in (0, 1) for spec in asked.specs] == asked.planned
    assert asked.specs[3].differing.keys() == {"features", "anneal_fraction", "keep_ratio"}
    assert asked.specs[3].plan.anneal_fraction == 0 and asked.specs is asked.specs


def test_another_process_gets_the_specifications_and_not_the_task(tmp_path: Path) -> None:
    options = SMALL | {"label_noise": 0.4, "noisy_sets": ["train"]}
    asked = comparison(tmp_path, policies={"random": "random"}, options=options)
    there = pickle.loads(content_of := pickle.dumps(asked))
    assert len(content_of) < 10_000
    assert there == asked and there.specs == asked.specs and there.planned == asked.planned
    assert there.make_env(there.planned[0]).task is there.task.env.task


def test_settings_come_back_as_the_same_comparison(tmp_path: Path) -> None:
    options = {**SMALL, "features": ["loss", "margin"], "reward": {"difficulty": 1.0}, "noisy_sets": "train"}
    for budget in ({"keep_ratios": (0.3, 0.5)}, {"keep_ratios": (), "costs": (0.9,)}):
        policies = {name: name for name in ("full", "ppo:n_steps=1")}
        asked = comparison(tmp_path, policies=policies, options=options, jobs=2, **budget)
        stored = json.loads(json.dumps(asked.settings()))
        assert Comparison.from_settings(stored, tmp_path) == asked
    with pytest.raises(ValueError, match=r"of which no command can name policies\['mine'\]"):
        Comparison.from_settings(stored | {"only_in_python": ["policies['mine']"]}, tmp_path)


def test_settings_of_version_0_1_have_the_present_names(tmp_path: Path) -> None:
    asked = comparison(tmp_path, policies={"full": "full"}, options=SMALL | {"schedule_fraction": 0.9, "epochs": 5})
    settings = asked.settings()
    old = settings | {
        "options": {**SMALL, "epochs": 5, "length": 0.9},
        "environments": {"full-equal-cost": {"0.5": {"length": 0.6}}},
        "versions": settings["versions"] | {"data-select-gym": "0.1.0"},
    }
    (tmp_path / "settings.json").write_text(json.dumps(old))
    read = read_settings(tmp_path)
    assert Comparison.from_settings(read, tmp_path) == asked
    assert read["environments"] == {"full-equal-cost": {"0.5": {"schedule_fraction": 0.6}}}
    with pytest.warns(DeprecationWarning, match="the argument length is called schedule_fraction now"):
        assert comparison(tmp_path, policies={"full": "full"}, options={**SMALL, "epochs": 5, "length": 0.9}) == asked
    # Settings of this version have no old names.
    mine = settings | {"options": {"length": 128}}
    assert with_current_names(mine) == mine


def test_a_file_that_changes_during_a_comparison_is_told(tmp_path: Path) -> None:
    asked = comparison(tmp_path, policies={"random": "random"}, options=SMALL)
    (tmp_path / "agent.zip").write_bytes(b"other")
    spec = replace(asked.specs[0], given=tmp_path / "agent.zip", file_sha256="0" * 64)
    with pytest.raises(ValueError, match=r"policy=.*agent.zip'\): the file has changed since the comparison began"):
        spec.make_policy()
