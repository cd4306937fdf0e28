"""A comparison that was interrupted, or in which runs have failed, and is started again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.agents import InfoBatch, Stopped, pretrain, save_model
from data_select_gym.cli import main
from data_select_gym.experiments import ComparisonResult, Failure, RunKey, compare
from data_select_gym.experiments.run_files import RunFiles
from data_select_gym.tasks import make_task

from ..tiers import slow
from .comparisons import Calls, comparison, keep_hard, untimed

pytestmark = pytest.mark.usefixtures("without_pictures")

SMALL = {"epochs": 3, "pool_size": 640, "batch_size": 64}
SCRIPT = Path(sys.executable).with_name("data-select-gym")


def started(out: Path, policy: Any = keep_hard, **changes: Any) -> ComparisonResult:
    small = {"policies": {"random": "random", "mine": policy}, "options": SMALL}
    return compare(comparison(out, **(small | changes)))


def event_files(out: Path) -> list[Path]:
    return [path for path in (out / "tensorboard").rglob("events.*") if "hparams" not in path.parts]


def test_runs_that_are_finished_are_read_and_not_repeated(tmp_path: Path) -> None:
    policy = Calls()
    first = started(tmp_path, policy)
    calls, files = policy.count, event_files(tmp_path)
    again = started(tmp_path, policy)
    assert (again.runs, again.failures, again.reused) == (first.runs, [], 4)
    assert policy.count == calls == 2 * 2
    assert event_files(tmp_path) == files


@pytest.mark.slow
def test_more_seeds_policies_and_keep_ratios_can_be_added(tmp_path: Path) -> None:
    first = started(tmp_path, seeds=1)
    more = {"full": "full", "mine": keep_hard, "random": "random"}
    again = started(tmp_path, policies=more, seeds=2, keep_ratios=(0.25, 0.5))
    assert again.reused == 2
    assert [(run.policy, run.keep_ratio, run.result.seed) for run in again.runs] == [
        (name, ratio, seed)
        for seed in (0, 1)
        for name, ratio in [("full", 1.0), ("mine", 0.25), ("mine", 0.5), ("random", 0.25), ("random", 0.5)]
    ]
    assert all(run in again.runs for run in first.runs)


@pytest.mark.slow
def test_the_progress_of_a_comparison_that_goes_on_begins_with_what_is_finished(tmp_path: Path) -> None:
    started(tmp_path, seeds=1)
    calls: list[tuple[RunKey, float]] = []
    asked = comparison(tmp_path, policies={"random": "random", "mine": keep_hard}, options=SMALL)
    compare(asked, on_pool=lambda *call: calls.append(call))
    assert calls[:3] == [(RunKey("random", 0.5, 0), 1), (RunKey("mine", 0.5, 0), 1), (RunKey("random", 0.5, 1), 1 / 6)]


def test_a_run_that_was_interrupted_is_begun_anew_and_its_curves_do_not_double(tmp_path: Path) -> None:
    policy = Calls()
    policy.failures, policy.error = 1, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        started(tmp_path / "one", policy)
    assert [path.name for path in (tmp_path / "one" / "runs").iterdir()] == ["random-keep_0.5-seed_0.json"]
    assert (tmp_path / "one" / "tensorboard" / "mine-keep_0.5-seed_0").exists()
    again = started(tmp_path / "one", policy)
    assert again.reused == 1
    assert untimed(again.runs) == untimed(started(tmp_path / "two", policy).runs)
    assert len(event_files(tmp_path / "one")) == 4


@pytest.mark.slow
def test_a_run_whose_file_is_damaged_is_repeated(tmp_path: Path) -> None:
    first = started(tmp_path)
    file = tmp_path / "runs" / "mine-keep_0.5-seed_1.json"
    file.write_bytes(file.read_bytes()[:100])
    again = started(tmp_path)
    assert (again.reused, untimed(again.runs)) == (3, untimed(first.runs))
    assert started(tmp_path).reused == 4


# Another policy of the same name


def stopping_at(share: float) -> Any:
    def on_pool(key: RunKey, done: float) -> None:
        if done >= share:
            signal.raise_signal(signal.SIGTERM)

    return on_pool


def infobatch(out: Path, prune_ratio: float, on_pool: Any = None) -> ComparisonResult:
    options = {"epochs": 5, "pool_size": 160}
    policies = {"mine": InfoBatch(prune_ratio=prune_ratio)}
    return compare(comparison(out, policies=policies, seeds=1, options=options), on_pool=on_pool)


@pytest.mark.slow
def test_a_run_of_a_rule_with_other_parameters_is_made_anew(tmp_path: Path) -> None:
    first = infobatch(tmp_path / "one", 0.2)
    with pytest.warns(
        UserWarning, match=r"prune_ratio=0.2\)'; here it is .*prune_ratio=0.8\)', and the run is repeated"
    ):
        second = infobatch(tmp_path / "one", 0.8)
    assert (second.reused, first.runs[0].policy_is) == (
        0,
        "data_select_gym.agents.rules:InfoBatch(prune_ratio=0.2)",
    )
    assert untimed(second.runs) == untimed(infobatch(tmp_path / "two", 0.8).runs) != untimed(first.runs)
    assert infobatch(tmp_path / "one", 0.8).reused == 1


@pytest.mark.slow
def test_a_run_with_other_options_behind_the_name_is_made_anew(tmp_path: Path) -> None:
    def compared(policy: str) -> ComparisonResult:
        options = {"epochs": 3, "pool_size": 320}
        return compare(comparison(tmp_path, policies={"mine": policy}, seeds=1, options=options))

    assert compared("infobatch:prune_ratio=0.2").runs[0].policy_is == "infobatch:prune_ratio=0.2"
    with pytest.warns(UserWarning, match=r"'infobatch:prune_ratio=0.2'; here it is 'infobatch:prune_ratio=0.8', and"):
        assert compared("infobatch:prune-ratio=.8").reused == 0
    assert compared("infobatch:prune_ratio=0.8").reused == 1


@pytest.mark.slow
def test_a_run_that_was_stopped_does_not_go_on_with_other_parameters(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        infobatch(tmp_path / "one", 0.2, stopping_at(0.5))
    assert list((tmp_path / "one" / "checkpoints").rglob("*.pt"))
    with pytest.warns(
        UserWarning, match=r"^mine, keep ratio 0.5, seed 0: the checkpoint is of policy=.*; the run is repeated"
    ):
        again = infobatch(tmp_path / "one", 0.8)
    assert untimed(again.runs) == untimed(infobatch(tmp_path / "two", 0.8).runs)
    assert len(event_files(tmp_path / "one")) == len(event_files(tmp_path / "two")) == 1


@pytest.mark.slow
def test_a_run_that_was_stopped_does_not_go_on_with_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings: dict[str, Any] = {"epochs": 4, "pool_size": 160}
    for seed in (0, 1):
        save_model(pretrain("ppo", "DataSelect/Digits-v0", runs=1, seed=seed, **settings), f"{seed}.zip")

    def from_file(out: str, number: int, on_pool: Any = None) -> ComparisonResult:
        shutil.copy(f"{number}.zip", "agent.zip")
        asked = comparison(Path(out), policies={"mine": "agent.zip"}, seeds=1, options=settings)
        return compare(asked, on_pool=on_pool)

    with pytest.raises(Stopped):
        from_file("one", 0, stopping_at(0.5))
    with pytest.warns(UserWarning, match="the checkpoint is of policy='file of SHA-256 .*; the run is repeated"):
        again = from_file("one", 1)
    assert untimed(again.runs) == untimed(from_file("two", 1).runs) != untimed(from_file("three", 0).runs)


@pytest.mark.parametrize("policy", [InfoBatch(0.2), slow("random")])
def test_what_no_command_can_name_is_not_gone_on_from_by_one(
    policy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(comparison(tmp_path, policies={"mine": policy}, seeds=1, options=SMALL))
    before = (tmp_path / "results.csv").read_text()
    assert main(["compare", "--resume", str(tmp_path)]) == 2
    assert "made from Python, of which no command can name policies['mine']" in capsys.readouterr().err
    assert (tmp_path / "results.csv").read_text() == before


# A result that cannot be stored


def test_checkpoints_stay_until_the_result_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started_with_checkpoints() -> ComparisonResult:
        policies = {"random": "random"}
        return compare(comparison(tmp_path, policies=policies, seeds=1, options=SMALL, checkpoint_minutes=0.0))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RunFiles, "write", full)
        with pytest.raises(OSError, match="No space left"):
            started_with_checkpoints()
    kept = sorted((tmp_path / "checkpoints").rglob("*.pt"))
    assert len(kept) == 2
    content = [path.read_bytes() for path in kept]
    assert len(started_with_checkpoints().runs) == 1
    assert not list((tmp_path / "checkpoints").rglob("*"))
    # Of a process that was killed before it could remove them.
    kept[0].parent.mkdir()
    for path, there in zip(kept, content, strict=True):
        path.write_bytes(there)
    assert started_with_checkpoints().reused == 1
    assert not list((tmp_path / "checkpoints").rglob("*"))


# Other settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"epochs": 4, "pool_size": 640}}, r"options\['epochs'\]=3 there and 4 now"),
        ({"options": {"epochs": 3}}, r"options\['pool_size'\]=640 there and None now"),
        (
            {"env": "DataSelect/Custom-v0", "options": {"task": lambda: make_task("digits", epochs=3)}},
            "env='DataSelect/D",
        ),
    ],
)
def test_with_other_settings_it_does_not_go_on(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    started(tmp_path, seeds=1)
    before = (tmp_path / "settings.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        started(tmp_path, **changes)
    assert (tmp_path / "settings.json").read_bytes() == before


# Failures


def test_a_run_that_fails_takes_no_other_along(tmp_path: Path) -> None:
    policy = Calls()
    policy.failures = 1
    outcome = started(tmp_path, policy)
    assert [(run.policy, run.result.seed) for run in outcome.runs] == [("random", 0), ("random", 1), ("mine", 1)]
    (failure,) = outcome.failures
    assert replace(failure, traceback="") == Failure("mine", 0.5, 0, "RuntimeError: the policy has no idea", "")
    assert "in __call__" in failure.traceback
    assert "mine, keep ratio 0.5, seed 0: RuntimeError: the policy has no idea" in (tmp_path / "table.md").read_text()
    (file,) = (tmp_path / "failures").iterdir()
    assert failure.error in file.read_text()
    assert failure.traceback in file.read_text()


def test_a_run_that_failed_is_tried_again(tmp_path: Path) -> None:
    policy = Calls()
    policy.failures = 1
    started(tmp_path, policy)
    again = started(tmp_path, policy)
    assert (len(again.runs), again.failures, again.reused) == (4, [], 3)
    assert list((tmp_path / "failures").iterdir()) == []
    assert "failed" not in (tmp_path / "table.md").read_text()
    assert len(event_files(tmp_path)) == 4


def test_a_comparison_of_which_every_run_fails_comes_to_its_end(tmp_path: Path) -> None:
    policy = Calls()
    policy.failures = 2
    outcome = started(tmp_path, policies={"mine": policy})
    assert (outcome.runs, [failure.seed for failure in outcome.failures]) == ([], [0, 1])
    assert (tmp_path / "page.html").exists()


@dataclass
class FailsLate:
    """A reward that fails; a reward, the data and the environment are not the policy's."""

    pools: int = 0

    def __call__(self, pool: Any) -> Any:
        self.pools += 1
        if self.pools == 2:
            raise ZeroDivisionError("in the reward")
        return pool.kept.float()


def test_an_error_in_the_reward_is_a_failure_too(tmp_path: Path) -> None:
    outcome = started(tmp_path, seeds=1, options=SMALL | {"reward": FailsLate()})
    assert [failure.error for failure in outcome.failures] == ["ZeroDivisionError: in the reward"]
    assert [run.policy for run in outcome.runs] == ["mine"]


# Ended from outside


WAITING = """
import time
from pathlib import Path

def top(observation):
    while not Path("go").exists():
        time.sleep(0.02)
    return observation[:, 0] > 0.05
"""


@pytest.mark.slow
def test_a_comparison_that_was_killed_ends_with_the_table_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    Path("waiting_policy.py").write_text(WAITING)
    command = ["compare", "--epochs", "3", "--pool-size", "800", "--threads", "1", "--seeds", "2"]
    command += ["--policies", "random,waiting_policy:top,low-loss"]
    process = subprocess.Popen([SCRIPT, *command, "--out", "killed"], env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not list(Path("killed").glob("tensorboard/waiting*/run_1")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name for path in Path("killed/runs").iterdir()] == ["random-keep_0.5-seed_0.json"]
    Path("go").touch()
    for out in ("killed", "whole"):
        assert main([*command, "--out", out]) == 0
    killed, whole = (json.loads(Path(out, "results.json").read_text()) for out in ("killed", "whole"))
    for run in killed["runs"] + whole["runs"]:
        assert run["result"].pop("seconds") > run["result"].pop("agent_seconds") >= 0
        assert run["result"].pop("seconds_by_part")["train"] > 0
        assert run.pop("busy") > 0
    assert killed["runs"] == whole["runs"]
    assert len(event_files(Path("killed"))) == len(event_files(Path("whole"))) == 6
