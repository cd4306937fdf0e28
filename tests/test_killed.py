"""A process that is killed loses nothing that was checkpointed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).parents[1] / "benchmarks" / "kills.py"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("policy", ["top-loss", "ppo"])
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_to_the_bit(policy: str) -> None:
    command = [sys.executable, str(KILLS), "--policy", policy, "--kills", "12", "--epochs", "8"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "12 kills over" in finished.stdout
