"""What was interrupted on the command line goes on."""

import itertools
import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from torch import Tensor

from data_select_gym import experiments
from data_select_gym.agents import InfoBatch
from data_select_gym.cli import main
from data_select_gym.cli.commands import demo
from data_select_gym.envs import DataSelectEnv
from data_select_gym.experiments import Comparison, compare
from data_select_gym.rewards import StepOutcome

from .tiers import slow

pytestmark = pytest.mark.usefixtures("without_pictures")

COMPARE = [
    "compare",
    "--epochs",
    "5",
    "--pool-size",
    "160",
    "--env-option",
    "batch_size=40",
    "--seeds",
    "1",
    "--threads",
    "1",
    "--policies",
    "random,a2c",
]
TRAIN = ["train", "--epochs", "4", "--pool-size", "160", "--env-option", "batch_size=40", "--threads", "1"]
TRAIN += ["--agent", "a2c", "--runs", "2"]


def rewarded(outcome: StepOutcome) -> Tensor:
    return outcome.action


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")


def killed_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    advance, left = DataSelectEnv._advance, iter(range(1, steps))

    def dies(env: Any, *arguments: Any, **more: Any) -> Any:
        if next(left, None) is None:
            raise SystemExit("killed")
        return advance(env, *arguments, **more)

    patch.setattr(DataSelectEnv, "_advance", dies)


def stopped_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    advance, taken = DataSelectEnv._advance, itertools.count(1)

    def asks(env: Any, *arguments: Any, **more: Any) -> Any:
        if env.tensorboard_log is not None and next(taken) == steps:
            signal.raise_signal(signal.SIGTERM)
        return advance(env, *arguments, **more)

    patch.setattr(DataSelectEnv, "_advance", asks)


def results(out: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads((Path(out) / "results.json").read_text())["runs"]
    for run in runs:
        run["result"] = {name: value for name, value in run["result"].items() if "seconds" not in name}
        del run["busy"]
    return runs


def test_a_comparison_goes_on_within_a_run_with_the_settings_that_it_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMPARE, "--out", "whole"]) == 0
    every_pool = ["--checkpoint-minutes", "0", "--env-option", "reward=difficulty"]
    assert main([*COMPARE, *every_pool, "--out", "other"]) == 0
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="killed"):
        killed_after(20, patch)
        main([*COMPARE, *every_pool, "--out", "parts"])
    assert list(Path("parts/checkpoints").iterdir())
    capsys.readouterr()
    assert main(["compare", "--resume", "parts"]) == 0
    assert results("parts") == results("other") != results("whole")
    assert not list(Path("parts/checkpoints").iterdir())


def test_what_goes_on_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Comparison] = []

    def stop(comparison: Comparison, **_: Any) -> None:
        asked.append(comparison)
        comparison.out.mkdir(exist_ok=True)
        (comparison.out / "settings.json").write_text(json.dumps(comparison.settings()))
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "compare", stop)
    options = ["--keep-ratio", "0.3,0.7", "--env-option", "label_noise=0.1", "--env-option", "noisy_sets=train"]
    assert main([*COMPARE, *options, "--out", "out"]) == 130
    assert main(["compare", "--resume", "out"]) == 130
    first, second = asked
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize("command", [["demo"], ["evaluate", "--policy", "a2c.zip", "--seeds", "2", "--epochs", "4"]])
def test_what_is_told_of_a_demo_or_evaluation_that_was_stopped_goes_on(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "POLICIES", "random")
    if command[0] == "evaluate":
        assert main([*TRAIN, "--out", "a2c.zip"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        stopped_after(25, patch)
        assert main([*command, "--out", "parts"]) == 130
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("Stopped; resume with: data-select-gym compare --resume parts")
    assert list(Path("parts/checkpoints").rglob("*.pt"))
    assert main(shlex.split(told.partition(": ")[2])[1:]) == 0
    assert main([*command, "--out", "whole"]) == 0
    assert results("parts") == results("whole")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "'out' holds no comparison: there is no settings.json"),
        ("[", "settings.json is damaged"),
        ('{"env": "x", "options": {}, "versions": {"torch": "1", "data-select-gym": "1"}}', "policies, keep_ratios"),
    ],
)
def test_a_folder_without_a_comparison_is_refused(
    content: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out").mkdir()
    if content is not None:
        Path("out/settings.json").write_text(content)
    with pytest.raises(SystemExit):
        raise SystemExit(main(["compare", "--resume", "out"]))
    assert message in capsys.readouterr().err


def test_a_training_goes_on_with_the_same_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--out", "whole.zip"]) == 0
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="killed"):
        killed_after(30, patch)
        main([*TRAIN, "--checkpoint-minutes", "0", "--out", "parts.zip"])
    assert list(Path("parts.checkpoints").iterdir()) and not Path("parts.zip").exists()
    capsys.readouterr()
    assert main([*TRAIN, "--out", "parts.zip"]) == 2
    assert "use --resume, or remove them" in capsys.readouterr().err
    assert main([*TRAIN, "--resume", "--out", "parts.zip"]) == 0
    assert Path("parts.zip").exists() and not Path("parts.checkpoints").exists()
    assert main([*TRAIN, "--resume", "--out", "parts.zip"]) == 2
    assert "'parts.checkpoints' holds no checkpoints; leave --resume out" in capsys.readouterr().err


def test_a_training_whose_model_cannot_be_saved_keeps_its_checkpoints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("data_select_gym.agents.save_model", full)
        assert main([*TRAIN, "--checkpoint-minutes", "0", "--out", "a2c.zip"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list(Path("a2c.checkpoints").iterdir())
    assert main([*TRAIN, "--resume", "--out", "a2c.zip"]) == 0
    assert Path("a2c.zip").exists() and not Path("a2c.checkpoints").exists()


def test_a_comparison_whose_results_cannot_be_kept_stops_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMPARE, "--out", "out"]) == 0
    finished = {path.name: path.read_bytes() for path in Path("out/runs").iterdir()}

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data_select_gym.files.os.replace", full)
    assert main([*COMPARE, "--seeds", "2", "--out", "out"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in Path("out/runs").iterdir()} == finished


@pytest.mark.parametrize(
    ("policies", "options", "told"),
    [
        ({"mine": InfoBatch(prune_ratio=0.8), "random": "random"}, {}, "policies['mine']"),
        slow({"mine": "random"}, {}, "policies['mine']"),
        ({"random": "random"}, {"reward": rewarded}, "options['reward']"),
    ],
)
def test_what_no_command_can_name_does_not_go_on_from_one(
    policies: dict[str, Any], options: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"epochs": 3, "pool_size": 320, "batch_size": 64} | options
    compare(
        Comparison(
            env="DataSelect/Digits-v0", policies=policies, keep_ratios=(0.5,), seeds=1, out=Path("out"), options=options
        )
    )
    written = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    page = Path("out/page.html").read_text()
    assert "data-select-gym compare" not in page and f"no command can name {escape(told)}" in page
    assert main(["compare", "--resume", "out"]) == 2
    assert f"made from Python, of which no command can name {told}; resume" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == written
