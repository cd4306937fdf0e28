"""Within a step nothing looks at what is on the device, since a GPU would have to be waited for.

On the device ``meta`` there are no values, so that on any machine it is an error to look at one. Copies to a GPU that
are waited for are told by PyTorch where there is one.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data_select_gym.agents import Candidates
from data_select_gym.agents.registry import RULES
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import FEATURES, observe
from data_select_gym.envs.kept_loss_histogram import KeptLossHistogram
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.envs.step_info import step_outcome
from data_select_gym.ledger import Ledger
from data_select_gym.rewards import REWARDS
from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, Regression
from data_select_gym.tasks.detection import Detection
from data_select_gym.tasks.images.augment import FlipCrop, ResizedCrop
from data_select_gym.tasks.language import LanguageModelling
from data_select_gym.tasks.language.language_objective import IGNORED, Answers
from data_select_gym.training.record import StepRecord

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
DEVICES = ["meta", pytest.param("cuda", marks=GPU)]
N, P, K, D = 40, 8, 5, 3  # samples, candidates, trained of them, and length of an embedding
LABELS = torch.arange(P) % 3


@contextmanager
def waits(mode: str) -> Iterator[list[warnings.WarningMessage]]:
    """What PyTorch is to do with a wait for a GPU: ``"error"``, or ``"warn"`` to have it in the list."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode(mode)
            caught.clear()  # of one that says that not all is found
        try:
            yield caught
        finally:
            if torch.cuda.is_available():
                torch.cuda.set_sync_debug_mode("default")


def signals(count: int, device: str) -> Signals:
    column = torch.zeros(count, device=device)
    return Signals(
        **dict.fromkeys(("loss", "uncertainty", "confidence", "margin", "el2n", "alignment"), column),
        correct=column > 0,
        embedding=torch.zeros(count, D, device=device),
    )


def record(device: str) -> StepRecord:
    kept = torch.arange(P) < K
    minibatches = (torch.tensor([1, 0, 2]), torch.tensor([4, 3]))
    gain = torch.zeros((), device=device)
    trained = torch.cat(minibatches).to(device)
    return StepRecord(
        torch.arange(P), kept, minibatches, trained, signals(P, device), signals(P, device), gain, (), gain
    )


@pytest.mark.parametrize("device", DEVICES)
def test_no_reward_waits_nor_does_the_tally(device: str) -> None:
    step, tally = record(device), KeptLossHistogram(1, device)
    with waits("error"):
        outcome = step_outcome(step, torch.ones(P), step.kept, 0.5)
        for reward in REWARDS.values():
            values, _ = reward(outcome)
            assert values.shape == (P,) and values.device.type == device
        tally.count(step.recorded.loss, outcome.kept)


@pytest.mark.parametrize("device", DEVICES)
def test_reading_observing_and_recording_do_not_wait(device: str) -> None:
    ledger = Ledger(N, device=device, embedding_dim=D, alignment=True)
    rows, fresh = torch.arange(P), signals(K, device)
    trained = rows[:K].to(device)
    run: Any = SimpleNamespace(
        ledger=ledger, rows=rows.to(device), pool_number=3, epoch=1, progress=0.5, plan=SimpleNamespace(total_pools=9)
    )
    with waits("error"):
        seen = ledger.read(run.rows)
        assert observe(tuple(FEATURES), PoolView.of(run, seen, 0.5)).shape == (P, len(FEATURES) - 1 + D)
        ledger.record(trained, fresh, step=3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("labels", [None, LABELS], ids=["any", "balanced"])
@pytest.mark.parametrize("name", sorted(RULES.keys() - {"rho-loss"}))  # which trains a model when it starts
def test_no_rule_waits_to_choose(name: str, labels: Tensor | None, device: str) -> None:
    rule = RULES[name]()
    rule.begin(N, 0, torch.device(device))
    rows = torch.arange(P).to(device)
    candidates = Candidates(signals(P, device), 0.5, rule.generator, rows, (rows + 1).int(), 0.1, labels)
    with waits("error"):
        assert rule.choose(candidates).shape == (P,)


class Detector(nn.Module):
    """Scores the rows of each image."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(D, 2)

    def forward(self, images: Any, targets: Any) -> Any:
        return {"loss": self.scores(images[0]).square().mean()}


def objectives() -> dict[str, tuple[Any, nn.Module, Any, Any]]:
    """Of each kind: the objective, a model, inputs and targets."""
    rows, numbers = torch.zeros(P, D), torch.zeros(P)
    tokens = torch.full((2, 4), IGNORED)
    tokens[0, 2], tokens[1, 1:] = 1, 2
    words = nn.Sequential(nn.Embedding(5, D), nn.Linear(D, 5))
    return {
        "classification": (Classification(), nn.Linear(D, 3), rows, torch.arange(P) % 3),
        "regression": (Regression(), nn.Linear(D, 1), rows, numbers),
        "regression with variance": (Regression(variance=True), nn.Linear(D, 2), rows, numbers),
        "language": (LanguageModelling(), words, torch.zeros(2, 4, dtype=torch.int64), Answers(tokens, 4)),
        "detection": (Detection(scores="scores"), Detector(), [rows, rows], [{}, {}]),
    }


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", sorted(objectives()))
def test_no_objective_waits(kind: str, device: str) -> None:
    with torch.device(device):
        objective, model, inputs, targets = objectives()[kind]
    for mode in ("default", "error"):  # what is set up at the first use may be waited for
        with waits(mode):
            losses, found = objective(model, inputs, targets, embed=True)
            losses.mean().backward()
    assert len(losses) == len(found) and losses.device.type == device and found.embedding is not None


@GPU
@pytest.mark.parametrize("augment", [FlipCrop(), ResizedCrop()])
def test_no_augmentation_waits(augment: Any) -> None:
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8, device="cuda")
    generator = torch.Generator("cuda").manual_seed(0)
    for mode in ("default", "error"):
        with waits(mode):
            augment(images, generator)


@GPU
def test_a_whole_step_waits_once_and_at_most_once_more_for_each_minibatch() -> None:
    env = DataSelectEnv("digits", epochs=4, device="cuda", features=tuple(FEATURES))
    env.reset(seed=0)
    keep = np.arange(env.plan.pool_size) % 2
    env.step(keep)
    with waits("warn") as caught:
        env.step(keep)
    assert env.record is not None and not env.record.evaluations
    assert len(caught) <= 1 + len(env.record.minibatches), "\n".join(map(str, caught))
