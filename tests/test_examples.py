"""The examples run, and the custom policy and task are as short as the README says."""

import ast
import runpy
import sys
from pathlib import Path

import pytest
import torch
from stable_baselines3 import PPO

from data_select_gym.agents import BudgetWarning, save_model
from data_select_gym.envs import SamplewiseVecEnv

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("custom_policy", ["--epochs", "3", "--seeds", "1", "--out", "{out}"], "hard but not hardest"),
        ("custom_task", ["--epochs", "3"], "top-loss: validation accuracy"),
        (
            "train_agents",
            ["--epochs", "4", "--runs", "1", "--tensorboard-log", "{out}"],
            "Data Agent, while it learned",
        ),
        ("own_loop", ["--epochs", "3"], "top-loss: validation accuracy"),
    ],
)
def test_an_example_runs(
    name: str,
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = EXAMPLES / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(script), *(text.format(out=tmp_path / "out") for text in arguments)])
    runpy.run_path(str(script), run_name="__main__")
    assert expected in capsys.readouterr().out


def test_the_loop_goes_on_where_an_agent_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = PPO(
        "MlpPolicy", SamplewiseVecEnv("DataSelect/Digits-v0", epochs=3), n_steps=2, batch_size=256, device="cpu"
    )
    with torch.no_grad():
        model.policy.action_net.bias.copy_(torch.tensor([20.0, -20.0]))
    path = save_model(model, tmp_path / "nothing.zip")
    script = EXAMPLES / "own_loop.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--policy", str(path), "--keep-ratio", "0.3", "--epochs", "3"])
    with pytest.warns(BudgetWarning, match="it kept 0% over the last 10 steps"):
        runpy.run_path(str(script), run_name="__main__")
    assert "after 1280 samples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "function", "most"), [("custom_policy", "hard_but_not_hardest", 10), ("custom_task", "moons", 30)]
)
def test_what_is_the_users_own_is_short(name: str, function: str, most: int) -> None:
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text())
    (definition,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    assert definition.end_lineno - definition.lineno + 1 <= most
