"""A comparison in several processes that is asked to stop: each writes a checkpoint, and all goes on from these."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.cli import main

SCRIPT = Path(sys.executable).with_name("data-select-gym")

# Within the first run of each process there is a long while in which it can be asked to stop, until 'go' is there.
POLICIES = """
import time
from pathlib import Path

def slow(name, observation):
    Path("begun-" + name).touch()
    while not Path("all-begun").exists() and not Path("go").exists():
        time.sleep(0.01)
    if not Path("go").exists():
        time.sleep(0.5)
    return observation[:, 0] > 0.05

def one(observation):
    return slow("one", observation)

def two(observation):
    return slow("two", observation)
"""
COMMAND = [
    "compare",
    "--epochs",
    "6",
    "--pool-size",
    "100",
    "--env-option",
    "batch_size=50",
    "--seeds",
    "1",
    "--policies",
]
NAMES = "slow_policies:one,slow_policies:two,random"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow_policies.py").write_text(POLICIES)


def wait_for(*names: str) -> None:
    deadline = time.monotonic() + 300
    while not all(Path(name).exists() for name in names):
        assert time.monotonic() < deadline, f"{names} are not there"
        time.sleep(0.02)


def begun(disposition: Any) -> "subprocess.Popen[str]":
    """A comparison with both of its processes within a run, started with SIGINT heeded or ignored."""
    process = subprocess.Popen(
        [SCRIPT, *COMMAND, NAMES, "--jobs", "2", "--out", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, disposition),
    )
    wait_for("begun-one", "begun-two")
    Path("all-begun").touch()
    return process


def checkpoints() -> list[str]:
    return sorted({path.parent.name.partition("-")[0] for path in Path("out/checkpoints").rglob("checkpoint-*.pt")})


def to_all(process: "subprocess.Popen[str]") -> None:
    """As those do that end a job of many processes."""
    for _ in range(3):
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.05)


def from_the_keyboard(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGINT)


def stopped(process: "subprocess.Popen[str]") -> None:
    """See that it has ended in order."""
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 130, told
    assert told.splitlines()[-1] == "Stopped; resume with: data-select-gym compare --resume out"
    assert "Traceback" not in told
    assert checkpoints() == ["slow_policies_one", "slow_policies_two"]
    assert not list(Path("out/runs").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("ask", [to_all, from_the_keyboard])
def test_each_process_writes_a_checkpoint_before_it_ends(ask: Any) -> None:
    process = begun(signal.SIG_DFL)
    ask(process)
    stopped(process)


@pytest.mark.slow
def test_what_was_stopped_goes_on_to_what_would_have_come_without(monkeypatch: pytest.MonkeyPatch) -> None:
    process = begun(signal.SIG_IGN)
    process.send_signal(signal.SIGTERM)
    stopped(process)
    Path("go").touch()
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")
    assert main(["compare", "--resume", "out"]) == 0
    assert main([*COMMAND, NAMES, "--threads", "1", "--out", "whole"]) == 0
    runs = [json.loads(Path(out, "results.json").read_text())["runs"] for out in ("out", "whole")]
    for run in runs[0] + runs[1]:
        run["result"] = {name: value for name, value in run["result"].items() if "seconds" not in name}
        del run["busy"], run["jobs"]
    assert runs[0] == runs[1]
    assert not checkpoints()
