"""The walks of docs/extend.md: each writes one file, and what it registers is listed and can be used."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL))
ADDED = {
    "agents/rules/surest.py": ("surest", "The share with the highest confidence (Doe et al., 2026)"),
    "data_select_gym/rewards/confidence.py": ("confidence", "Confidence of what is kept"),
    "data_select_gym/envs/features/loss_rank.py": ("loss_rank", "Position of the loss in the pool"),
    "data_select_gym/tasks/blobs.py": ("DataSelect/Blobs-v0", "a linear model on two blobs; data: made up"),
    "agents/learned/algorithms/patient_a2c.py": ("patient-a2c", "A2C of longer rollouts (arXiv 1602.01783)"),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package, to which the files of the page were added."""
    folder = tmp_path_factory.mktemp("package")
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "data_select_gym", folder / "data_select_gym", ignore=leave)
    shutil.copytree(ROOT / "agents", folder / "data_select_gym" / "agents", ignore=leave)
    for path in ADDED:
        file = folder / (path if path.startswith("data_select_gym") else f"data_select_gym/{path}")
        assert not file.exists()
        file.write_text(BLOCKS[path], encoding="utf-8")
    return folder


def run(package: Path, code: str) -> str:
    """What a process prints that has the copy of the package."""
    start = f"import sys; sys.path.insert(0, {str(package)!r})\nfrom data_select_gym.cli import main\n"
    done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_walk_is_a_file_of_some_ten_lines() -> None:
    assert set(ADDED) <= set(BLOCKS)
    assert all(len(BLOCKS[path].splitlines()) <= 20 for path in ADDED)


@pytest.mark.slow
def test_what_was_added_is_listed(package: Path) -> None:
    lines = dict(line.split(maxsplit=1) for line in run(package, "main(['list'])").splitlines() if line[0] == " ")
    assert {name: lines[name] for name, _ in ADDED.values()} == dict(ADDED.values())


@pytest.mark.slow
def test_what_was_added_can_be_used(package: Path) -> None:
    code = """
import gymnasium as gym
assert "torch" not in sys.modules
env = gym.make("DataSelect/Blobs-v0", epochs=4, features=["loss_rank", "price"], reward="confidence")
observation, _ = env.reset(seed=0)
assert observation.shape == (128, 2) and 0 <= observation[:, 0].min() < observation[:, 0].max() <= 1
assert gym.make_vec("DataSelect/BlobsSamplewise-v0", num_envs=64).num_envs == 64
from data_select_gym.agents import make_policy
from data_select_gym.tasks import make_task
assert make_policy("patient-a2c").algorithm.kind.__name__ == "A2C"
assert make_task("blobs").name == "Blobs"
"""
    run(package, code)


@pytest.mark.slow
def test_what_was_added_can_be_compared(package: Path, tmp_path: Path) -> None:
    code = f"""
options = ["--env-option", "reward=confidence", "--env-option", "features=[\\"loss_rank\\", \\"loss\\"]"]
out = ["--seeds", "1", "--out", {str(tmp_path / "out")!r}]
assert main(["compare", "--env", "DataSelect/Blobs-v0", "--policies", "surest,patient-a2c", *options, *out]) == 0
"""
    run(package, code)
    table = (tmp_path / "out" / "results.csv").read_text(encoding="utf-8")
    assert "surest" in table and "patient-a2c" in table
