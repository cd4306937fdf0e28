"""The commands ``train`` and ``evaluate``, and files of agents in comparisons."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from data_select_gym import agents
from data_select_gym.agents import load_policy, make_policy
from data_select_gym.cli import main
from data_select_gym.envs import DataSelectEnv
from data_select_gym.experiments import progress

pytestmark = pytest.mark.usefixtures("without_pictures")

SMALL = ["--epochs", "4", "--pool-size", "320", "--env-option", "batch_size=64", "--threads", "1"]
TRAIN = ["train", *SMALL, "--runs", "2"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    # The command sets it for its process, which here is that of the tests.
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")
    # However slow the machine is, stderr is for mistakes here.
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", math.inf)


def leaves(arguments: list[str]) -> int:
    """The status with which the command leaves, be it by returning or by exiting."""
    try:
        return main(arguments)
    except SystemExit as left:
        return int(left.code or 0)


def results(out: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(Path(out, "results.json").read_text())["runs"]
    return runs


def compared(policies: str, out: str = "out") -> int:
    return main(["compare", *SMALL, "--seeds", "1", "--policies", policies, "--out", out])


def test_training_tells_how_far_it_is_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert main([*TRAIN, "--agent", "ppo", "--cost", "0.8", "--out", "a.zip"]) == 0
    out, errors = capsys.readouterr()
    told = errors.splitlines()
    assert re.fullmatch(r"0\.\d of 2 runs after \d+ s(, about .* left)?: ppo learns from run 1", told[0])
    assert told[-1].endswith(": ppo learns from run 2") and told[-1].startswith(("1.9", "2.0"))
    assert [float(cost) for cost in re.findall(r"cost (\d\.\d+)", out)] == pytest.approx([0.8, 0.8], abs=0.1)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ["--agent", "--runs", "--seed", "--out", "--tensorboard", "--env-option", "Example:"]),
        ("evaluate", ["--policy", "--keep-ratio", "--seeds", "--jobs", "origin you trust", "Example:"]),
    ],
)
def test_help_tells_what_there_is(command: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves([command, "--help"]) == 0
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert all(word in told for word in words)


def test_an_agent_is_trained_and_then_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--agent", "ppo", "--keep-ratio", "0.25", "--out", "a[bold].zip"]) == 0
    told, errors = capsys.readouterr()
    figure = r"-?\d+\.\d{3}"
    line = rf"run (\d): return {figure}, cost {figure}, .*\bval_accuracy \d\.\d{{4}}.*"
    *runs, last = told.splitlines()
    assert [match and match[1] for match in (re.fullmatch(line, run) for run in runs)] == ["1", "2"]
    assert last == (
        "Saved as a[bold].zip; evaluate it with: "
        "data-select-gym evaluate --env DataSelect/Digits-v0 --policy a[bold].zip"
    )
    assert errors == ""
    judge = [
        "evaluate",
        *SMALL,
        "--policy",
        "a[bold].zip",
        "--seeds",
        "2",
        "--keep-ratio",
        "0.3,0.7",
        "--out",
        "judged",
    ]
    assert main(judge) == 0
    judged = [(run["policy"], run["keep_ratio"], run["result"]["seed"]) for run in results("judged")]
    assert judged == [("a[bold]", 0.3, 0), ("a[bold]", 0.7, 0), ("a[bold]", 0.3, 1), ("a[bold]", 0.7, 1)]
    assert "Page: judged/page.html" in capsys.readouterr().out


def test_options_reach_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def note(agent: str, env: str, **options: Any) -> None:
        asked.update(options, agent=agent, env=env)
        raise KeyboardInterrupt

    monkeypatch.setattr(agents, "pretrain", note)
    options = ["--agent", "sac", "--seed", "7", "--keep-ratio", "0.3", "--device", "cpu", "--tensorboard", "curves"]
    assert main([*TRAIN, *options, "--env-option", 'features=["loss"]', "--out", "sac.zip"]) == 130
    del asked["on_run"], asked["on_pool"]
    checkpoints = asked.pop("checkpoints")
    assert (str(checkpoints.folder), checkpoints.minutes) == ("sac.checkpoints", 10)
    assert asked == {
        "agent": "sac",
        "env": "DataSelect/Digits-v0",
        "runs": 2,
        "seed": 7,
        "keep_ratio": 0.3,
        "epochs": 4,
        "pool_size": 320,
        "batch_size": 64,
        "device": "cpu",
        "features": ["loss"],
        "tensorboard_log": "curves",
    }


def test_the_same_seed_trains_the_same_agent() -> None:
    for out, seed in (("one.zip", "5"), ("two.zip", "5"), ("three.zip", "6")):
        assert main([*TRAIN, "--agent", "a2c", "--seed", seed, "--out", out]) == 0
    first, second, third = (
        {name: value.tolist() for name, value in load_policy(name).model.policy.state_dict().items()}
        for name in ("one.zip", "two.zip", "three.zip")
    )
    assert first == second != third


def test_curves_are_written_where_they_are_asked_for() -> None:
    assert main([*TRAIN, "--agent", "a2c", "--out", "a2c.zip", "--tensorboard", "curves"]) == 0
    assert [path.parent.name for path in Path("curves").rglob("events.*")] == ["a2c_1"]


@pytest.mark.parametrize("before", [b"an older agent", None])
def test_a_training_that_is_interrupted_saves_nothing(
    before: bytes | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if before is not None:
        Path("ppo.zip").write_bytes(before)
    step, taken = DataSelectEnv.step, iter(range(100))

    def stop(env: DataSelectEnv, action: Any) -> Any:
        if next(taken) == 10:
            raise KeyboardInterrupt
        return step(env, action)

    monkeypatch.setattr(DataSelectEnv, "step", stop)
    assert main([*TRAIN, "--out", "ppo.zip"]) == 130
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("run 1: ")
    assert told[1:] == ["Stopped; nothing was saved"]
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == ({"ppo.zip": before} if before else {})


# Files in comparisons


def test_features_that_an_agent_learned_from_come_with_its_file() -> None:
    features = ["--env-option", 'features=["alignment", "loss"]']
    assert main([*TRAIN, *features, "--agent", "a2c", "--out", "aligned.zip"]) == 0
    assert make_policy("aligned.zip").features == ("alignment", "loss")  # type: ignore[attr-defined]
    assert compared("random,aligned.zip") == 0
    assert [run["policy"] for run in results("out")] == ["random", "aligned"]


@pytest.mark.slow
def test_an_agent_that_was_trained_anew_is_judged_anew(capsys: pytest.CaptureFixture[str]) -> None:
    def told() -> list[str]:
        return [line for line in capsys.readouterr().out.splitlines() if "finished before" in line]

    assert main([*TRAIN, "--agent", "a2c", "--out", "a2c.zip"]) == 0
    assert compared("random,a2c.zip") == compared("random,a2c.zip") == 0
    assert told() == ["2 of 2 runs had finished before and were not repeated"]
    first = results("out")
    assert [len(run["policy_sha256"]) for run in first] == [0, 64]
    assert main([*TRAIN, "--agent", "a2c", "--seed", "9", "--out", "a2c.zip"]) == 0
    with pytest.warns(
        UserWarning, match=r"^a2c, keep ratio 0.5, seed 0: .* of the policy 'file of SHA-256 .* repeated$"
    ):
        assert compared("random,a2c.zip") == 0
    assert told() == ["1 of 2 runs had finished before and were not repeated"]
    again = results("out")
    assert again[0] == first[0]
    assert again[1]["policy_sha256"] not in ("", first[1]["policy_sha256"])
    # A policy that learns within its run is not taken for the file of the same name.
    with pytest.warns(UserWarning, match=r"^a2c, .* of the policy 'file of SHA-256 .*'; here it is 'a2c', and the run"):
        assert compared("random,a2c") == 0
    assert told() == ["1 of 2 runs had finished before and were not repeated"]


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "ppo.pt"], "path='ppo.pt' does not end with .zip"),
        (["--out", "no/ppo.zip"], "path='no/ppo.zip': there is no folder 'no'"),
        (["--agent", "random"], "agent='random' is not known; known are: data-agent"),
        (["--agent", "other.zip"], "agent='other.zip' is not known"),
        (["--runs", "0"], "runs=0"),
        (["--runs", "many"], "invalid int value: 'many'"),
        (["--seed", "-1"], "seed=-1"),
        (["--threads", "0"], "threads=0"),
        (["--keep-ratio", "2"], "keep_ratio=2.0"),
        (["--keep-ratio", "0.3,0.5"], "--keep-ratio"),
        (["--cost", "abc"], "argument --cost: invalid share value: 'abc'; a number such as 0.5 is needed"),
        (["--cost", "0.01"], "cost=0.01 is out of reach: a run costs from"),
        (["--epochs", "1"], "epochs=1"),
        (["--pool-size", "100000"], "pool_size=100000"),
        (["--model", "resnet18"], "unexpected keyword argument 'model'"),
        (["--env-option", "colour=1"], "unexpected keyword argument 'colour'"),
        (["--env-option", "keep_ratio=0.3"], "--env-option keep_ratio=0.3: the command sets keep_ratio by itself"),
        (["--env-option", "seed=3"], "--env-option seed=3: the command sets seed by itself"),
        (["--env-option", 'features=["colour"]'], "features='colour' is not known"),
        (["--env", "DataSelect/Digit-v0"], "Digit"),
        (["--env", "CartPole-v1"], "keep_ratio"),
        (["--runs", "1", "--pool-size", "640"], "runs=1: ppo learns after every 10 steps"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_mistake_is_told_before_anything_is_trained(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(env: DataSelectEnv, **options: Any) -> None:
        raise AssertionError("a run has begun")

    monkeypatch.setattr(DataSelectEnv, "reset", fail)
    assert leaves([*TRAIN, "--out", "ppo.zip", *arguments]) == 2
    told, errors = capsys.readouterr()
    assert "error: " in errors
    assert message in errors
    assert "Traceback" not in errors
    assert told == ""
    assert list(Path().iterdir()) == []


def test_a_file_for_the_agent_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert leaves(TRAIN) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("nothing.zip", "policy='nothing.zip': there is no such file"),
        ("text.zip", "policy='text.zip' is not a model written by save_model or 'data-select-gym train'"),
        ("randon", "policy='randon' is not known"),
        ("ars", "pre-train it with 'data-select-gym train' instead"),
    ],
)
def test_only_policies_that_can_be_used_are_judged(
    policy: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.zip").write_text("no zip")
    assert leaves(["evaluate", *SMALL, "--policy", policy, "--out", "out"]) == 2
    told, errors = capsys.readouterr()
    assert message in errors
    assert told == ""
    assert not Path("out").exists()
