"""Damaged checkpoints, and checkpoints that hold something else."""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from data_select_gym.envs import DataSelectEnv
from data_select_gym.training import TrainingRun
from data_select_gym.training.checkpoint_state import StateError
from data_select_gym.training.checkpoints import read_state, write_state

from ..training.small_runs import begun, keep_hard, small_task
from .damage import damaged, memory_below, read_all, within_zip, zipped


def part_way(steps: int = 2) -> TrainingRun:
    run = begun(seed=3)
    for _ in range(steps):
        run.step(keep_hard(run))
    return run


def plain(value: Any) -> Any:
    """The same with tensors as lists, so that it can be compared, and without the seconds, which go on."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if name != "seconds"}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


def test_a_damaged_checkpoint_is_an_error_that_names_it_or_is_read_as_it_was(tmp_path: Path, numbers: range) -> None:
    path = tmp_path / "checkpoint-000000001.pt"
    write_state(path, {"weights": torch.arange(300.0), "more": [1, "two", (3.0, None)], "nested": {"a": torch.ones(2)}})
    whole = plain(read_state(path))
    with memory_below(100):
        found = read_all(path, damaged(path.read_bytes(), numbers), lambda: read_state(path))
    assert all(plain(state) == whole for state in found)


def test_a_checkpoint_that_is_damaged_within_is_an_error_that_names_it_or_is_a_state(
    tmp_path: Path, numbers: range
) -> None:
    path = tmp_path / "checkpoint-000000001.pt"
    write_state(path, part_way().state_dict())
    with memory_below(200):
        found = read_all(path, within_zip(path.read_bytes(), "data.pkl", numbers), lambda: read_state(path))
    run = part_way()
    for state in found:
        with suppress(StateError):
            run.load_state_dict(state)


def test_a_checkpoint_with_packed_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "packed.pt"
    write_state(path, {"zeros": torch.zeros(1 << 20)})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    path.write_bytes(zipped(parts, zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match=r"packed\.pt is not a checkpoint .*packed, as torch\.save does not"):
        read_state(path)


def test_a_checkpoint_behind_a_damaged_one_does_not_vouch_for_it(tmp_path: Path) -> None:
    path = tmp_path / "twice.pt"
    write_state(path, {"weights": torch.arange(300.0)})
    whole = path.read_bytes()
    at = whole.index(torch.arange(300.0).numpy().tobytes())
    path.write_bytes(whole[:at] + b"\1" + whole[at + 1 :] + whole)
    with pytest.raises(ValueError, match=r"twice\.pt is not a checkpoint .*begins with something else"):
        read_state(path)


def test_a_tensor_that_is_not_all_there_is_not_read_beyond_its_end(tmp_path: Path) -> None:
    path = tmp_path / "short.pt"
    write_state(path, {"weights": torch.zeros(1 << 12)})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    path.write_bytes(zipped({name: part[:8] if name.endswith("data/0") else part for name, part in parts.items()}))
    with pytest.raises(ValueError, match=r"short\.pt is not a checkpoint that can be read"):
        read_state(path)


ODD: tuple[Any, ...] = (
    None, -1, 1 << 80, -(10**9), 0.5, float("nan"), "text", [], {}, [[]], True, torch.zeros(0), torch.zeros(3, 4),
    torch.full((5000,), 255, dtype=torch.uint8), {"a": 1}, (1, 2, 3),
)  # fmt: skip


def places(state: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything in nested dicts and lists is."""
    if place:
        yield place
    if isinstance(state, dict):
        for name in state:
            yield from places(state[name], (*place, name))
    elif isinstance(state, list):
        for number in range(min(len(state), 3)):
            yield from places(state[number], (*place, number))


def changed(state: Any, random: Random, everywhere: list[tuple[Any, ...]]) -> Any:
    """A copy with one entry removed, or with something odd in its place."""
    state, place = copy.deepcopy(state), random.choice(everywhere)
    holder = state
    for step in place[:-1]:
        holder = holder[step]
    if random.random() < 0.2:
        del holder[place[-1]]
    else:
        holder[place[-1]] = random.choice(ODD)
    return state


def test_a_run_refuses_states_that_are_not_its_own_or_takes_them(numbers: range) -> None:
    run = part_way()
    state = copy.deepcopy(run.state_dict())
    everywhere, refused = list(places(state)), 0
    for number in numbers:
        try:
            run.load_state_dict(changed(state, Random(number), everywhere))
        except StateError:
            refused += 1
    assert len(numbers) / 2 < refused < len(numbers)
    run.load_state_dict(state)
    assert plain(run.state_dict()) == plain(state)


def test_an_environment_refuses_files_of_other_states_and_goes_on_with_the_next(tmp_path: Path, numbers: range) -> None:
    env = DataSelectEnv(small_task(), pool_size=12, device="cpu")
    env.reset(seed=0)
    for _ in range(2):
        env.step(env.action_space.sample() * 0 + 1)
    path = tmp_path / "state.pt"
    env.save(path)
    state, written = read_state(path), path.read_bytes()
    everywhere, refused = list(places(state)), 0
    for number in numbers[: len(numbers) // 4]:
        torch.save(changed(state, Random(number), everywhere), path)
        try:
            env.load(path)
        except ValueError as error:
            assert path.name in str(error)
            refused += 1
    assert len(numbers) / 8 < refused < len(numbers) / 4
    path.write_bytes(written)
    env.load(path)
    assert plain(env.state_dict()) == plain(state)


@pytest.mark.parametrize("folder", ["../other", "/etc", "run_1/../..", "", 5])
def test_curves_go_nowhere_but_into_the_folder_that_was_asked_for(folder: Any, tmp_path: Path) -> None:
    env = DataSelectEnv(small_task(), pool_size=12, device="cpu", tensorboard_log=tmp_path / "curves")
    env.reset(seed=0)
    env.save(tmp_path / "state.pt")
    write_state(tmp_path / "evil.pt", read_state(tmp_path / "state.pt") | {"curves": folder})
    (tmp_path / "other").mkdir()
    with pytest.raises(StateError, match=r"evil\.pt: the checkpoint has curves in .*, which is no folder of a run$"):
        env.load(tmp_path / "evil.pt")
    assert not list((tmp_path / "other").iterdir())
    env.close()


def test_an_environment_that_refused_a_state_has_no_run(tmp_path: Path) -> None:
    from gymnasium.error import ResetNeeded

    env = DataSelectEnv(small_task(), pool_size=12, device="cpu")
    env.reset(seed=0)
    env.load_state_dict(env.state_dict() | {"tally": None})
    with pytest.raises(StateError, match=r"^the checkpoint does not fit this environment: "):
        env.reset()
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    env.reset(seed=0)


def test_the_format_of_old_files_is_no_checkpoint(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save({"a": 1}, file, _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes(file.getvalue())
    with pytest.raises(ValueError, match=r"old\.pt is not a checkpoint that can be read"):
        read_state(tmp_path / "old.pt")
