"""Comparisons whose runs are carried out in several processes."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from data_select_gym.experiments import ComparisonResult, RunKey, compare

from .comparisons import comparison, keep_hard, untimed

POLICIES_OF_A_USER = """
import os
import signal

import torch

def is_killed(observation):
    os.kill(os.getpid(), signal.SIGKILL)

def raises(observation):
    raise RuntimeError("no idea")

def tells_threads(observation):
    if (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) != (1, "1"):
        raise RuntimeError("more threads than one")
    return observation[:, 0] > 0.05
"""

NAMES = ("is_killed", "raises", "tells_threads")
FAILING = {
    "is_killed": "the process of this run was ended by SIGKILL; the system does so when memory runs out",
    "raises": "RuntimeError: no idea",
}


class InProcesses:
    """A comparison in two processes in which some runs fail, and the calls of ``on_pool``."""

    def __init__(self, out: Path) -> None:
        self.calls: list[tuple[RunKey, float]] = []
        policies = {name: f"policies_of_processes:{name}" for name in NAMES} | {"full": "full", "agent": "ppo"}
        self.comparison = comparison(out, policies=policies, seeds=1, jobs=2)
        self.outcome: ComparisonResult = compare(self.comparison, on_pool=lambda *call: self.calls.append(call))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcesses]:
    folder = tmp_path_factory.mktemp("processes")
    (folder / "policies_of_processes.py").write_text(POLICIES_OF_A_USER)
    sys.path.append(str(folder))
    yield InProcesses(folder / "out")
    sys.path.remove(str(folder))


@pytest.mark.slow
def test_processes_give_the_same_numbers_as_one(done: InProcesses, tmp_path: Path) -> None:
    assert torch.get_num_threads() == 1
    alone = compare(comparison(tmp_path, policies={"full": "full", "agent": "ppo"}, seeds=1))
    runs = [run for run in done.outcome.runs if run.policy in ("full", "agent")]
    assert untimed(runs) == untimed(alone.runs)


@pytest.mark.slow
def test_a_process_that_dies_takes_no_other_run_along(done: InProcesses) -> None:
    assert [(failure.policy, failure.error) for failure in done.outcome.failures] == list(FAILING.items())
    assert [run.policy for run in done.outcome.runs] == ["tells_threads", "full", "agent"]


@pytest.mark.slow
def test_progress_is_told_from_processes(done: InProcesses) -> None:
    shares = [share for key, share in done.calls if key == RunKey("agent", 0.5, 0)]
    assert shares == [*(number / 32 for number in range(1, 33)), 1]
    assert {key for key, share in done.calls if share == 1} == set(done.comparison.planned)


def test_what_cannot_be_sent_to_a_process_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"policies\['mine'\]=.*lambda.* cannot be sent to another process, as jobs=2"):
        comparison(tmp_path, policies={"full": "full", "mine": lambda seen: seen[:, 0] > 0}, jobs=2)
    with pytest.raises(ValueError, match=r"options\['reward'\]=.* name it as 'module:object', or use jobs=1"):
        comparison(tmp_path, policies={"full": "full"}, options={"reward": lambda pool: pool.kept}, jobs=2)
    assert comparison(tmp_path, policies={"mine": keep_hard}, jobs=1).jobs == 1
