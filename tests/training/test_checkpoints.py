import os
from pathlib import Path

import pytest
import torch

from data_select_gym.training.checkpoints import Checkpoints, CheckpointWarning, read_state, write_state


def test_the_newest_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run")
    assert checkpoints.read() is None
    for number in (1, 2, 10):
        assert checkpoints.write(number, {"number": number, "tensor": torch.arange(number)})
    assert [path.name for path in checkpoints.paths()] == ["checkpoint-000000010.pt", "checkpoint-000000002.pt"]
    assert len(os.listdir(tmp_path / "run")) == 2
    state = Checkpoints(tmp_path / "run").read()
    assert state is not None and state["number"] == 10 and state["tensor"].tolist() == list(range(10))
    checkpoints.clear()
    assert not (tmp_path / "run").exists()


def test_a_damaged_one_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(1, {"number": 1})
    checkpoints.write(2, {"number": 2})
    newest = checkpoints.paths()[0]
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.warns(CheckpointWarning, match=r"checkpoint-000000002\.pt is not a checkpoint that can be read"):
        assert checkpoints.read() == {"number": 1}


def test_what_is_due_goes_by_pools_or_by_the_clock(tmp_path: Path) -> None:
    by_pools = Checkpoints(tmp_path, minutes=None, steps=3)
    assert [by_pools.due(number) for number in (1, 2, 3)] == [False, False, True]
    by_pools.write(3, {})
    assert [by_pools.due(number) for number in (4, 5, 6)] == [False, False, True]
    assert Checkpoints(tmp_path, minutes=0).due(1)
    assert not Checkpoints(tmp_path, minutes=60).due(1)


def test_where_it_cannot_be_written_training_is_told_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(CheckpointWarning, match="no checkpoint could be written"):
        assert not Checkpoints(tmp_path / "file").write(1, {})
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.write(1, {"number": 1})

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.warns(CheckpointWarning, match="No space left on device"):
        assert not checkpoints.write(2, {"number": 2})
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint-000000001.pt"]
    assert checkpoints.read() == {"number": 1}


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.path),)


def test_reading_runs_no_code(tmp_path: Path) -> None:
    torch.save({"model": Touch(tmp_path / "touched")}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt is not a checkpoint that can be read"):
        read_state(tmp_path / "evil.pt")
    assert not (tmp_path / "touched").exists()


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_state(tmp_path / "none.pt")
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt holds a list; a checkpoint is a dict"):
        read_state(tmp_path / "list.pt")
    write_state(tmp_path / "good.pt", {"a": (1, None, "b", {"c": torch.ones(1)})})
    assert read_state(tmp_path / "good.pt")["a"][:3] == (1, None, "b")


@pytest.mark.parametrize(("name", "value"), [("minutes", -1), ("minutes", float("nan")), ("steps", 0), ("steps", 1.5)])
def test_intervals_out_of_their_range_are_refused(tmp_path: Path, name: str, value: float) -> None:
    settings: dict[str, object] = {name: value}
    with pytest.raises(ValueError, match=rf"^{name}={value} is not a"):
        Checkpoints(tmp_path, **settings)  # type: ignore[arg-type]


def test_what_is_written_stays_and_those_of_later_pools_go(tmp_path: Path) -> None:
    for number in (5, 8, 190, 200):
        (tmp_path / f"checkpoint-{number:09d}.pt").write_bytes(b"damaged")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.write(10, {"number": 10})
    assert [path.name for path in checkpoints.paths()] == ["checkpoint-000000010.pt", "checkpoint-000000008.pt"]
    assert checkpoints.read() == {"number": 10}


def test_what_a_killed_process_has_left_goes(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.write(1, {"number": 1})
    left, mine = tmp_path / "run" / ".checkpoint-000000002.pt.99.tmp.pt", tmp_path / "run" / "notes.txt"
    left.write_bytes(b"half")
    checkpoints.write(3, {"number": 3})
    assert not left.exists()
    left.write_bytes(b"half")
    mine.write_text("")
    checkpoints.clear()
    assert os.listdir(tmp_path / "run") == ["notes.txt"]
    mine.unlink()
    left.write_bytes(b"half")
    checkpoints.clear()
    assert not (tmp_path / "run").exists()
