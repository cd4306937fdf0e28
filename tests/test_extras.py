"""Nothing of the core needs an extra."""

import re
import subprocess
import sys
from importlib.metadata import requires

import pytest

EXTRAS = "accelerate datasets huggingface_hub moviepy peft pyarrow sb3_contrib timm tokenizers torchvision transformers"
IMPORT_ALL = f"""
import sys
for name in {EXTRAS.split()}:
    sys.modules[name] = None
import importlib, pkgutil
import data_select_gym
import data_select_gym.agents
for package in (data_select_gym, data_select_gym.agents):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name != "data_select_gym.agents.learned.sb3_contrib_models":  # imported on demand
            importlib.import_module(module.name)
from data_select_gym.agents import run_policy, make_policy
import gymnasium
print(run_policy(make_policy("random"), gymnasium.make("DataSelect/Digits-v0", epochs=3).unwrapped, seed=0).cost)
"""


@pytest.mark.slow
def test_every_module_imports_and_the_core_runs_without_any_extra() -> None:
    finished = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert 0 < float(finished.stdout) < 1


def test_what_the_tests_block_is_what_the_extras_install() -> None:
    optional = [
        line for line in requires("data-select-gym") or [] if "extra ==" in line and 'extra == "dev"' not in line
    ]
    installed = {re.split(r"[^A-Za-z0-9_-]", line)[0].replace("-", "_") for line in optional}
    assert installed <= set(EXTRAS.split())
