"""What a policy is, told by a text: the same for the same policy, and another for another."""

import functools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from data_select_gym.agents import ALGORITHMS, InfoBatch, OnlinePolicy, make_policy
from data_select_gym.agents.fingerprint import LONGEST, object_fingerprint, policy_fingerprint

RULES = "data_select_gym.agents.rules:"
# As version 0.1 wrote them, whose results and checkpoints are recognised by them.
OF_VERSION_0_1 = {
    "full": "data_select_gym.agents.rules:Full",
    "static-random": "data_select_gym.agents.rankings:StaticRandom",
    "top-loss": "data_select_gym.agents.rules:TopLoss",
    "selective-backprop": "data_select_gym.agents.rankings:SelectiveBackprop(beta=None)",
    "infobatch": "data_select_gym.agents.rules:InfoBatch(prune_ratio=None)",
    "ucb": "data_select_gym.agents.histories:UCB(c=1.0, alpha=0.3)",
    "forgetting": "data_select_gym.agents.histories:Forgetting(early=0.25)",
    "rho-loss": "data_select_gym.agents.rho:RhoLoss",
    "data-agent-paper": "data_select_gym.agents.policy:CoevolvingPolicy(algorithm=data_select_gym.agents.algorithms:"
    "Algorithm(description='Data Agent as published, arXiv 2603.07433', action='score', "
    "kind=data_select_gym.agents.data_agent:DataAgent, settings=data_select_gym.agents.algorithms:<lambda>, "
    "environment=data_select_gym.agents.algorithms:<lambda>, across_runs=''), options={})",
    "ppo": "data_select_gym.agents.policy:CoevolvingPolicy(algorithm=data_select_gym.agents.algorithms:Algorithm("
    "description='PPO, a keep or drop for each slot', action='keep', kind=stable_baselines3.ppo.ppo:PPO, "
    "settings=data_select_gym.agents.algorithms:on_policy.<locals>.settings("
    "fixed={'n_steps': 10, 'n_epochs': 4, 'learning_rate': 0.003}, minibatches=True), "
    "environment=data_select_gym.agents.algorithms:Algorithm.<lambda>, across_runs=''), options={})",
    "sac": "data_select_gym.agents.policy:CoevolvingPolicy(algorithm=data_select_gym.agents.algorithms:Algorithm("
    "description='SAC, a score for each slot', action='score', kind=stable_baselines3.sac.sac:SAC, "
    "settings=data_select_gym.agents.algorithms:off_policy.<locals>.settings(fixed={}, usual={'policy': 'MlpPolicy', "
    "'gamma': 0.0, 'learning_rate': 0.003, 'learning_starts': 0, 'train_freq': ..., 'gradient_steps': 4, "
    "'policy_kwargs': ..., 'device': 'cpu', 'noise': 0.0}), "
    "environment=data_select_gym.agents.algorithms:Algorithm.<lambda>, across_runs=''), options={})",
}


def above(least: float) -> Any:
    return lambda observation: observation[:, 0] > least


def half(observation: Any, least: float = 0.5) -> Any:
    return observation[:, 0] > least


@dataclass
class Own:
    least: Any
    chosen: int = 0

    def select(self, observation: Any) -> Any:
        return observation[:, 0] > self.least


class Net:
    """Keeps a module, and something that it does not tell under the name of an argument."""

    def __init__(self, net: nn.Module, hidden: int = 3) -> None:
        self.net = net
        self._hidden = hidden


def linear(weight: float) -> nn.Linear:
    made = nn.Linear(1, 1)
    with torch.no_grad():
        made.weight.fill_(weight)
        made.bias.fill_(0)
    return made


def test_names_are_what_they_are_and_objects_have_their_parameters() -> None:
    assert policy_fingerprint("infobatch") == "infobatch"
    assert policy_fingerprint(InfoBatch()) == f"{RULES}InfoBatch(prune_ratio=None)"
    assert policy_fingerprint(InfoBatch(prune_ratio=0.2)) == f"{RULES}InfoBatch(prune_ratio=0.2)"
    assert policy_fingerprint(make_policy("top-loss")) == f"{RULES}TopLoss"
    named = "data_select_gym.agents.rules:TopLoss"
    assert policy_fingerprint(named) == named
    assert policy_fingerprint("string:digits") == "string:digits, which is '0123456789'"


@pytest.mark.parametrize("name", OF_VERSION_0_1)
def test_bundled_policies_have_the_fingerprints_of_version_0_1(name: str) -> None:
    assert object_fingerprint(make_policy(name)) == OF_VERSION_0_1[name]


def test_a_function_has_the_fingerprint_of_version_0_1() -> None:
    of_version_0_1 = f"data_select_gym.agents.policy:UserPolicy(policy={__name__}:half(least=0.5))"
    assert object_fingerprint(make_policy(half)) == of_version_0_1


PAIRS: list[tuple[Any, Any]] = [
    (above(0.1), above(0.2)),
    (half, functools.partial(half, least=0.4)),
    (functools.partial(half, least=0.3), functools.partial(half, least=0.4)),
    (Own(0.1), Own(0.2)),
    (Own(0.1).select, Own(0.2).select),
    (Own(np.float32(0.5)), Own(np.float32(0.25))),
    (Own({"a": [1, (2, Path("x"))]}), Own({"a": [1, (2, Path("y"))]})),
    (Own(torch.tensor([1.0, 2.0])), Own(torch.tensor([1.0, 3.0]))),
    (Own(torch.tensor(1.0, dtype=torch.bfloat16)), Own(torch.tensor(2.0, dtype=torch.bfloat16))),
    (Own(np.arange(3)), Own(np.arange(3)[::-1])),
    (Own(np.array([{}], dtype=object)), Own(np.arange(1))),
    (Net(linear(1.0)), Net(linear(2.0))),
    (OnlinePolicy(ALGORITHMS["ppo"]), OnlinePolicy(ALGORITHMS["a2c"])),
    (Own("x" * 2 * LONGEST), Own("x" * 2 * LONGEST + "y")),
]


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_policies_with_other_parameters_are_others(pair: tuple[Any, Any]) -> None:
    first, second = map(policy_fingerprint, pair)
    assert first == policy_fingerprint(pair[0]) != second
    assert all(len(text) < LONGEST + 100 and " at 0x" not in text for text in (first, second))


def test_what_is_not_kept_under_the_name_of_an_argument_is_not_told() -> None:
    assert policy_fingerprint(Net(linear(1.0), 3)) == policy_fingerprint(Net(linear(1.0), 4))


def test_what_holds_itself_has_an_end() -> None:
    own = Own(None)
    own.least = own
    assert object_fingerprint(own).endswith("=..., chosen=0), chosen=0), chosen=0), chosen=0)")


def test_a_file_is_its_content_and_not_its_name(tmp_path: Path) -> None:
    for name, content in (("a.zip", b"1"), ("b.zip", b"1"), ("c.zip", b"2")):
        (tmp_path / name).write_bytes(content)
    first, second, third = (policy_fingerprint(tmp_path / name) for name in ("a.zip", "b.zip", "c.zip"))
    assert first == second == policy_fingerprint(str(tmp_path / "a.zip")) != third
    with pytest.raises(FileNotFoundError, match=r"d\.zip"):
        policy_fingerprint(tmp_path / "d.zip")


@pytest.mark.slow
def test_another_process_says_the_same() -> None:
    call = "from data_select_gym.agents import *; from data_select_gym.agents.fingerprint import *; "
    call += "print(object_fingerprint(OnlinePolicy(ALGORITHMS['dqn'])))"
    said = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True).stdout
    assert said.rstrip("\n") == object_fingerprint(OnlinePolicy(ALGORITHMS["dqn"]))
