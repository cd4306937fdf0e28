import csv
import json
import math
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym import experiments
from data_select_gym.agents import POLICIES, available_policies
from data_select_gym.cli import main
from data_select_gym.cli.options import read_value
from data_select_gym.envs.features import FEATURES
from data_select_gym.experiments import Comparison, ComparisonResult, progress
from data_select_gym.experiments.command_line import name_policies
from data_select_gym.rewards import REWARDS
from data_select_gym.task_registry import ENVIRONMENTS
from data_select_gym.tasks.regimes import REGIMES

pytestmark = pytest.mark.usefixtures("without_pictures")

SCRIPT = Path(sys.executable).with_name("data-select-gym")
SIZES = ["--epochs", "3", "--pool-size", "320", "--env-option", "batch_size=64"]
SHORT = ["compare", *SIZES, "--seeds", "1", "--threads", "1"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    # The command sets it for its process, which here is that of the tests.
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")
    # However slow the machine is, stderr is for mistakes here.
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", math.inf)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Comparison]:
    """Collects what would be compared, in the place of comparing it."""
    comparisons: list[Comparison] = []

    def note(comparison: Comparison, **_: Any) -> ComparisonResult:
        comparisons.append(comparison)
        return ComparisonResult([], [])

    monkeypatch.setattr(experiments, "compare", note)
    return comparisons


def leaves(arguments: list[str]) -> int:
    """The status with which the command leaves, be it by returning or by exiting."""
    try:
        return main(arguments)
    except SystemExit as left:
        return int(left.code or 0)


# Help and version


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["demo", "compare", "--version", "tensorboard --logdir"]),
        (["demo", "--help"], ["--out", "nine policies"]),
        (
            ["compare", "--help"],
            [
                "--env",
                "--keep-ratio",
                "--cost",
                "--traceback",
                "--seeds",
                "--jobs",
                "--env-option",
                "module:object",
                "Example:",
            ],
        ),
    ],
)
def test_help_tells_what_there_is(arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves(arguments) == 0
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert all(word in told for word in words)


@pytest.mark.parametrize("command", ["demo", "compare", "train", "evaluate", "list"])
def test_help_shows_no_default_that_says_nothing(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves([command, "--help"]) == 0
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    for nothing in ("(default: None)", "(default: [])", "(default: False)", "SUPPRESS"):
        assert nothing not in told
    assert ("(default: 3)" in told) == (command in ("compare", "evaluate"))


def test_list_has_a_line_for_everything_there_is_to_choose_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    described = {words[0].partition(":")[0] for words in lines if len(words) == 2}
    assert described == {*ENVIRONMENTS, "DataSelect/<name>Samplewise-v0", *REGIMES, *POLICIES, *FEATURES, *REWARDS}


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves(["--version"]) == 0
    assert capsys.readouterr().out.strip() == version("data-select-gym")


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves([]) == 2
    assert "COMMAND" in capsys.readouterr().err


# Comparing


def test_a_comparison_ends_with_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main([*SHORT, "--policies", "full, random", "--keep-ratio", "0.25", "--out", str(out)]) == 0
    told, errors = capsys.readouterr()
    assert "DataSelect/Digits-v0, keep ratio 0.25, 1 seed" in told
    with (out / "results.csv").open(newline="") as file:
        rows = {row["policy"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["full", "random"]
    assert float(rows["random"]["keep_fraction"]) == 0.25
    for name, row in rows.items():
        (shown,) = [line for line in told.splitlines() if line.split()[:1] == [name]]
        assert f"{float(row['test_quality']):.4f}" in shown
        assert f"{float(row['cost']):.3f}" in shown
    assert told.splitlines()[-3:] == [
        f"Page: {out / 'page.html'}",
        f"Tables: {out / 'table.md'}, results.csv and results.json beside it",
        f"Curves: tensorboard --logdir {out / 'tensorboard'}",
    ]
    assert (out / "page.html").exists()
    assert errors == ""


@pytest.mark.slow
def test_a_comparison_leaves_a_trace_of_each_run_if_it_is_asked_to(tmp_path: Path) -> None:
    command = ["compare", "--policies", "full,random", "--seeds", "1", "--epochs", "3", "--threads", "1", "--profile"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    traces = tmp_path.glob("tensorboard/*/run_1/*.pt.trace.json.gz")
    assert [path.parts[-3] for path in sorted(traces)] == ["full-keep_1.0-seed_0", "random-keep_0.5-seed_0"]


def test_the_outcome_goes_to_a_new_folder_if_none_is_named(asked: list[Comparison]) -> None:
    main([*SHORT, "--policies", "full"])
    assert re.fullmatch(r"runs/digits-\d{8}-\d{6}", asked[0].out.as_posix())


def test_options_reach_the_comparison(asked: list[Comparison]) -> None:
    options = ["--env-option", "warmup-epochs=2", "--env-option", 'features=["loss", "margin"]']
    options += ["--env-option", "observe=fresh", "--env-option", 'reward={"difficulty": 1.0}']
    assert main([*SHORT, "--policies", "full", "--epochs", "5", "--device", "cpu", "--seeds", "4", *options]) == 0
    (comparison,) = asked
    assert (comparison.env, comparison.seeds, comparison.keep_ratios) == ("DataSelect/Digits-v0", 4, (0.5,))
    assert comparison.options == {
        "epochs": 5,
        "pool_size": 320,
        "batch_size": 64,
        "device": "cpu",
        "warmup_epochs": 2,
        "features": ["loss", "margin"],
        "observe": "fresh",
        "reward": {"difficulty": 1.0},
    }


def test_a_comparison_has_defaults(asked: list[Comparison]) -> None:
    assert main(["compare"]) == 0
    (comparison,) = asked
    assert list(comparison.policies) == ["full", "full-equal-cost", "random", "data-agent"]
    assert (comparison.keep_ratios, comparison.seeds, comparison.options, comparison.jobs) == ((0.5,), 3, {}, 1)


def test_several_keep_ratios_and_jobs_can_be_asked_for(asked: list[Comparison]) -> None:
    assert main(["compare", "--keep-ratio", "0.3, 0.5,0.7", "--jobs", "2", "--threads", "1"]) == 0
    assert (asked[0].keep_ratios, asked[0].jobs) == ((0.3, 0.5, 0.7), 2)


def test_all_policies_are_those_that_can_run_here(asked: list[Comparison]) -> None:
    assert main(["compare", "--policies", "all", "--epochs", "30"]) == 0
    assert tuple(asked[0].policies) == tuple(asked[0].policies.values()) == available_policies()


def test_policies_have_options_behind_their_names(asked: list[Comparison]) -> None:
    given = ["ppo:n_steps=5:learning_rate=1e-3", "sac:policy_kwargs={'net_arch': [8, 8]}", "infobatch:prune_ratio=0.2"]
    assert main(["compare", "--policies", ",".join(given), "--epochs", "30"]) == 0
    assert main(["evaluate", "--policy", given[1]]) == 0
    assert [list(one.policies.items()) for one in asked] == [[(text, text) for text in given], [(given[1], given[1])]]


def test_a_file_is_named_by_its_stem_unless_another_has_that_name() -> None:
    given = ["ppo", "runs/ppo.zip", "a/sac.zip", "b/sac.zip", "b/td3.zip", "full", "full", "my.module:policy"]
    assert name_policies(given) == {
        "ppo": "ppo",
        "runs/ppo.zip": "runs/ppo.zip",
        "a/sac.zip": "a/sac.zip",
        "b/sac.zip": "b/sac.zip",
        "td3": "b/td3.zip",
        "full": "full",
        "my.module:policy": "my.module:policy",
    }


def test_a_comparison_in_which_a_run_fails_leaves_with_one_and_tells_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sometimes(seen: Any) -> Any:
        if (tmp_path / "good").exists():
            return np.ones(len(seen))
        raise RuntimeError("no [idea]\nat all")

    module = ModuleType("policies_of_a_user")
    module.sometimes = sometimes  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    command = [*SHORT, "--policies", "policies_of_a_user:sometimes,random", "--out", "out"]
    assert main(command) == 1
    told = capsys.readouterr().out.splitlines()
    assert "Failed: policies_of_a_user:sometimes, keep ratio 0.5, seed 0: RuntimeError: no [idea]" in told
    assert "Tracebacks are in out/failures; the same command with --out out tries again" in told
    assert [line for line in told if line.split()[:1] == ["random"]]
    (tmp_path / "good").touch()
    assert main(command) == 0
    told = capsys.readouterr().out.splitlines()
    assert "1 of 2 runs had finished before and were not repeated" in told
    assert not [line for line in told if line.startswith("Failed")]


def test_a_comparison_that_is_interrupted_tells_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(comparison: Comparison, **_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "compare", stop)
    assert main([*SHORT, "--policies", "full", "--out", "my out"]) == 130
    assert capsys.readouterr().out == "Stopped before anything was written\n"
    Path("my out").mkdir()
    Path("my out/settings.json").touch()
    assert main([*SHORT, "--policies", "full", "--out", "my out"]) == 130
    assert capsys.readouterr().out == "Stopped; resume with: data-select-gym compare --resume 'my out'\n"


def test_a_policy_of_ones_own_may_be_in_the_present_folder(
    tmp_path: Path, asked: list[Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "in_present_folder.py").write_text("def keep_all(seen):\n    return seen[:, 0] >= 0\n")
    assert main([*SHORT, "--policies", "in_present_folder:keep_all"]) == 0


def test_a_cost_takes_the_place_of_the_keep_ratio(asked: list[Comparison], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--policies", "random", "--cost", "0.7,0.9"]) == 0
    assert (asked[0].keep_ratios, asked[0].costs) == ((), (0.7, 0.9))


def test_the_demo_compares_nine_policies_on_the_digits(asked: list[Comparison]) -> None:
    assert main(["demo", "--out", "here"]) == 0
    (comparison,) = asked
    assert len(comparison.policies) == 9
    assert set(comparison.policies) <= set(POLICIES)
    assert {"full", "full-equal-cost", "random", "data-agent", "data-agent-paper"} <= set(comparison.policies)
    assert (comparison.env, comparison.keep_ratios, comparison.seeds) == ("DataSelect/Digits-v0", (0.5,), 3)
    assert comparison.out == Path("here")


def test_a_policy_of_ones_own_is_named_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("policies_of_a_user")
    module.keep_half = lambda seen: np.arange(len(seen)) % 2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert main([*SHORT, "--policies", "policies_of_a_user:keep_half", "--out", str(tmp_path / "out")]) == 0
    (run,) = json.loads((tmp_path / "out" / "results.json").read_text())["runs"]
    assert run["policy"] == "policies_of_a_user:keep_half"
    assert run["result"]["keep_fraction"] == 0.5


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policies", "full,randon"], "policy='randon' is not known; known are: full"),
        (["--policies", ","], "policies={} is empty"),
        (["--policies", "no_such_module:thing"], "policy='no_such_module:thing' cannot be imported"),
        (["--keep-ratio", "0"], "keep_ratios[0]=0.0 is not a number in (0, 1]"),
        (["--keep-ratio", "0.5,nan"], "keep_ratios[1]=nan"),
        (["--keep-ratio", "0.5,0.50"], "keep_ratios=(0.5, 0.5): at least one is needed, and each only once"),
        (["--keep-ratio", "0.5,"], "--keep-ratio"),
        (["--keep-ratio", "half"], "invalid shares value: 'half'"),
        (["--keep-ratio", "0.3,x"], "'0.3,x'; a number such as 0.5 is needed, or several separated by commas, such as"),
        (["--jobs", "0"], "jobs=0"),
        (["--jobs", "2", "--threads", "2"], "threads=2: with jobs=2 a run has one thread"),
        (["--seeds", "0"], "seeds=0"),
        (["--threads", "0"], "threads=0"),
        (["--pool-size", "1"], "pool_size=1"),
        (["--pool-size", "100000"], "pool_size=100000"),
        (["--epochs", "1"], "epochs=1"),
        (["--model", "resnet18"], "unexpected keyword argument 'model'"),
        (["--data-dir", "here"], "unexpected keyword argument 'data_dir'"),
        (["--device", "abacus"], "device='abacus' cannot be used"),
        (["--policies", "random", "--device", "meta"], "device='meta' cannot be used"),
        (["--policies", "random", "--env-option", "channels_last=true"], "channels_last=True"),
        (["--cost", "0.5", "--keep-ratio", "0.5"], "argument --keep-ratio: not allowed with argument --cost"),
        (["--cost", "half"], "invalid shares value: 'half'"),
        (["--cost", "abc"], "argument --cost: invalid shares value: 'abc'; a number such as 0.5 is needed, or several"),
        (
            ["--policies", "full,ppo:n_step=5"],
            "error: ppo:n_step=5: got an unexpected keyword argument 'n_step'; this ",
        ),
        (["--policies", "full,ppo:n_step=5"], "did you mean 'n_steps'?"),
        (["--policies", "full,ppo:n_steps=x"], "error: ppo:n_steps=x: n_steps='x' is not a whole number"),
        (["--policies", "ppo:"], "policy='ppo:' ends with a colon; write 'ppo', or NAME=VALUE behind it"),
        (["--policies", "ppo.zip:n_steps=3"], "argument 'n_steps'; policy='ppo.zip' is a file, which takes no options"),
        (["--policies", "data-agent"], "error: data-agent: n_steps=10 is not below the 8 steps of a run"),
        (
            ["--cost", "0.05", "--policies", "full-equal-cost"],
            "full-equal-cost: cost=0.05 is out of reach: a run on all data costs from",
        ),
        (["--cost", "0.5", "--policies", "random"], "random: cost=0.5 is out of reach: a run costs from"),
        (["--policies", "rando"], "did you mean 'random'?"),
        (["--polices", "random"], "unrecognized arguments: --polices random; did you mean '--policies'?"),
        (["--env", "DataSelect/Digit-v0"], "Did you mean: `Digits"),
        (["--env-option", "reward"], "--env-option='reward' is not of the form NAME=VALUE"),
        (["--env-option", "=1"], "--env-option='=1' is not of the form NAME=VALUE"),
        (["--env-option", "reward=quality"], "reward='quality' is not known"),
        (["--env-option", "colour=1"], "unexpected keyword argument 'colour'"),
        (["--env-option", "keep_ratio=0.3"], "options['keep_ratio']=0.3: the comparison sets keep_ratio by itself"),
        (["--env", "DataSelect/Digit-v0"], "Digit"),
        (["--env", "DataSelect/Digits-v7"], "v7"),
        (["--env", "DataSelct/Digits-v0"], "Namespace DataSelct not found"),
        (["--env", "no environment"], "Malformed environment ID"),
        (["--env", "CartPole-v1"], "keep_ratio"),
        (["--env", "DataSelect/Custom-v0"], "error: missing argument task: a name, 'module:function', a function"),
        (["--env", "DataSelect/CIFAR100-v0"], "error: missing argument data_dir; this task takes: data_dir, model, "),
        (["--env", "DataSelect/InstructionTuning-v0"], "error: missing argument data_dir; this task takes: data_dir, "),
        (["--env", "DataSelect/Custom-v0", "--env-option", "task=no_such_module:thing"], "task='no_such_module:thing'"),
        (["--env", "DataSelect/CIFAR10-v0", "--data-dir", "nowhere"], "nowhere"),
        (["--colour", "red"], "--colour"),
        (["--seeds", "two"], "invalid int value: 'two'"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_mistake_is_told_in_a_message_and_not_a_traceback(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sane = {"--epochs": "3", "--seeds": "1", "--pool-size": "320"}
    own = {} if "--env" in arguments else sane
    filled = [part for pair in own.items() if pair[0] not in arguments for part in pair]
    assert leaves(["compare", *filled, "--out", "out", *arguments]) == 2
    told, errors = capsys.readouterr()
    assert "error: " in errors
    assert message in errors
    assert "Traceback" not in errors
    assert told == ""


def test_what_gymnasium_adds_to_a_message_of_this_package_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves([*SHORT, "--policies", "random", "--env-option", "colour=1"]) == 2
    assert "environment creator" not in capsys.readouterr().err
    assert leaves(["compare", "--env", "CartPole-v1"]) == 2
    assert "was raised from the environment creator for CartPole-v1 with kwargs" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--policies", "randon"], ["--env-option", "colour=1"], ["--keep-ratio", "2"]])
def test_nothing_is_written_after_a_mistake(wrong: list[str], tmp_path: Path) -> None:
    assert leaves([*SHORT, *wrong]) == 2
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_is_told_with_the_one_that_may_have_been_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves(["evalute"]) == 2
    assert "invalid choice: 'evalute'" in (told := capsys.readouterr().err)
    assert told.endswith("; did you mean 'evaluate'?\n")


def test_a_device_that_is_not_there_is_told_once_before_anything_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if torch.backends.cuda.is_built():
        pytest.skip("this torch can use a GPU")
    assert leaves([*SHORT, "--policies", "random", "--device", "cuda", "--out", "out"]) == 2
    told, errors = capsys.readouterr()
    assert (
        errors.startswith("data-select-gym: error: device='cuda' cannot be used (")
        and errors.count("cannot be used") == 1
    )
    assert (told, list(tmp_path.iterdir())) == ("", [])


def deep(*_: Any, **__: Any) -> Any:
    return torch.optim.SGD([], lr=0.1)  # a ValueError from within torch


@pytest.mark.parametrize("flag", [[], ["--traceback"]])
def test_an_error_that_nobody_foresaw_is_told_with_where_it_comes_from(
    flag: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "compare", deep)
    with pytest.raises(ValueError, match="empty parameter list"):
        main([*SHORT, *flag])
    # A line of the package that goes wrong is no message of its own, either.
    monkeypatch.setattr(experiments, "make_table", lambda *_: None)
    monkeypatch.setattr(experiments, "compare", lambda *_, **__: None)
    with pytest.raises(AttributeError):
        main([*SHORT, *flag])


def test_what_a_users_function_does_wrong_is_told_with_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tasks_of_a_user")
    module.make = deep  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(ValueError, match="empty parameter list"):
        main(["compare", "--env", "DataSelect/Custom-v0", "--env-option", f"task={module.__name__}:make"])


def test_a_mistake_too_is_told_with_where_it_comes_from_if_it_is_asked_for() -> None:
    with pytest.raises(ValueError, match="policy='randon' is not known"):
        main([*SHORT, "--policies", "randon", "--traceback"])


# The console script


@pytest.mark.slow
def test_the_installed_command_leaves_with_two_and_a_message_after_a_mistake() -> None:
    done = subprocess.run(
        [SCRIPT, *SHORT, "--policies", "randon"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("data-select-gym: error: policy='randon' is not known")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_installed_command_tells_its_version() -> None:
    done = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, version("data-select-gym"), "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("false", False),
        ("False", False),
        ("None", None),
        ("null", None),
        ('["loss"]', ["loss"]),
        ("['loss']", ["loss"]),
        ("fresh", "fresh"),
        ("module:object", "module:object"),
        ("../data", "../data"),
        ("", ""),
    ],
)
def test_values_of_options_are_written_as_in_json_or_python_or_are_plain_text(text: str, value: Any) -> None:
    read = read_value(text)
    assert read == value and type(read) is type(value)
