"""RHO-LOSS: its rule against values worked out by hand, its held-out model, and what it costs."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.agents import Candidates, RunResult, make_policy, run_policy
from data_select_gym.agents.rules.rho import RhoLoss, irreducible_losses
from data_select_gym.envs import DataSelectEnv
from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, Recipe, Task

INF, NAN = float("inf"), float("nan")
# 40 samples in pools of 20: 2 pools in each of 4 epochs, of which 2 select; 6 samples are held out.
TRAIN, HELD_OUT, POOL, EPOCHS = 40, 6, 20, 4
FULL = TRAIN * EPOCHS


def tensors(count: int, seed: int) -> TensorDataset:
    inputs = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, inputs.argmax(dim=1))


def small_task(held_out: int = HELD_OUT, make_model: Any = lambda: nn.Linear(3, 3)) -> Task:
    return Task(
        name="small",
        train=tensors(TRAIN, 0),
        validation=tensors(held_out, 1),
        test=tensors(7, 2),
        make_model=make_model,
        objective=Classification(),
        recipe=Recipe(epochs=EPOCHS, batch_size=4, optimizer=lambda weights: torch.optim.SGD(weights, lr=0.5)),
    )


def small_env(task: Task | None = None) -> DataSelectEnv:
    return DataSelectEnv(task or small_task(), pool_size=POOL, device="cpu")


def rule(irreducible: list[float]) -> RhoLoss:
    made = RhoLoss()
    made.irreducible = torch.tensor(irreducible)
    return made


def candidates(loss: list[float], indices: list[int], keep_ratio: float = 0.5) -> Candidates:
    losses = torch.tensor(loss)
    half = torch.full_like(losses, 0.5)
    signals = Signals(loss=losses, uncertainty=half, confidence=half, margin=half, el2n=half, correct=half > 0)
    rows = torch.tensor(indices)
    return Candidates(signals, keep_ratio, torch.Generator(), rows, torch.ones_like(rows), progress=0.5)


def test_the_highest_loss_minus_irreducible_loss_is_kept() -> None:
    made = rule([0.0, 0.0, 3.0, 0.5, 1.9, 0.0])
    # Reducible are 2.0 - 1.9 = 0.1, 3.5 - 3.0 = 0.5, 1.0 - 0.5 = 0.5 and 0.3 - 0.0 = 0.3.
    assert made.choose(candidates([2.0, 3.5, 1.0, 0.3], [4, 2, 3, 0])).tolist() == [False, True, True, False]
    # The second highest loss has the least to be learned.
    kept = made.choose(candidates([2.0, 3.5, 1.0, 0.3], [4, 2, 3, 0], keep_ratio=0.75))
    assert kept.tolist() == [False, True, True, True]


def test_samples_that_were_never_seen_or_diverged_come_first() -> None:
    made = rule([0.0, 9.0, INF, 0.0])
    kept = made.choose(candidates([1.0, INF, INF, NAN], [0, 1, 2, 3], keep_ratio=0.75))
    assert kept.tolist() == [False, True, True, True]


def test_the_held_out_model_is_trained_on_the_validation_set_for_the_whole_recipe() -> None:
    made: list[nn.Module] = []

    def make_model() -> nn.Module:
        made.append(nn.Linear(3, 3))
        return made[-1]

    env = small_env(small_task(make_model=make_model))
    env.reset(seed=0)
    rho = RhoLoss()
    rho.start(env)
    held_out = made[-1]
    assert held_out is not env.run.model
    assert isinstance(env.task.train, TensorDataset) and isinstance(env.task.validation, TensorDataset)
    objective = Classification()
    with torch.no_grad():
        losses, _ = objective(held_out, *env.task.train.tensors, embed=False)
        on_held_out, _ = objective(held_out, *env.task.validation.tensors, embed=False)
    assert torch.allclose(rho.irreducible, losses, atol=1e-6)
    assert rho.irreducible.shape == (TRAIN,)
    # It has learned its own few samples better than the others.
    assert on_held_out.mean() < losses.mean()


def test_the_held_out_model_never_sees_the_test_set_or_the_training_labels() -> None:
    task = small_task()
    assert isinstance(task.train, TensorDataset)
    inputs, labels = task.train.tensors
    other = replace(task, train=TensorDataset(inputs, (labels + 1) % 3), test=tensors(9, 5))
    confidences = []
    for each in (task, other):
        env = small_env(each)
        env.reset(seed=0)
        confidences.append(irreducible_losses(env.run))
    # The losses of all three labels belong to one prediction, so that their exponentials sum to 1.
    env = small_env(replace(task, train=TensorDataset(inputs, (labels + 2) % 3)))
    env.reset(seed=0)
    total = sum((-losses).exp() for losses in [*confidences, irreducible_losses(env.run)])
    assert isinstance(total, Tensor)
    assert torch.allclose(total, torch.ones(TRAIN), atol=1e-5)


def test_its_training_and_a_third_of_its_forward_pass_are_counted() -> None:
    env = small_env()
    env.reset(seed=0)
    before = env.run.cost
    irreducible_losses(env.run)
    assert env.run.cost - before == pytest.approx((HELD_OUT * EPOCHS + TRAIN / 3) / FULL)


def test_a_run_costs_what_it_selects_and_the_held_out_model() -> None:
    result = run_policy(make_policy("rho-loss"), small_env(), seed=0)
    assert result.keep_fraction == 0.5
    assert result.cost == pytest.approx((2 * TRAIN + 2 * TRAIN / 2 + HELD_OUT * EPOCHS + TRAIN / 3) / FULL)
    assert result.agent_seconds > 0


def test_the_run_itself_begins_as_that_of_any_other_policy() -> None:
    def first_pool(policy: str) -> tuple[list[float], list[int]]:
        env = small_env()
        env.reset(seed=3)
        made = make_policy(policy)
        made.start(env)
        return torch.cat([part.detach().flatten() for part in env.run.model.parameters()]).tolist(), (
            env.run.pool.tolist()
        )

    assert first_pool("rho-loss") == first_pool("random")


def test_the_same_seed_gives_the_same_run_and_global_random_states_stay() -> None:
    def run(seed: int) -> RunResult:
        return replace(run_policy(make_policy("rho-loss"), small_env(), seed), seconds=0.0, agent_seconds=0.0)

    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]

    before = states()
    first = run(1)
    assert states() == before
    torch.manual_seed(99)
    assert run(1) == first
    assert run(2) != replace(first, seed=2)


def test_a_single_held_out_sample_is_refused_before_anything_runs() -> None:
    env = small_env(small_task(held_out=1))
    with pytest.raises(ValueError, match="rho-loss trains a model on the validation set, which has fewer than two"):
        run_policy(make_policy("rho-loss"), env, seed=0)
    assert env.seconds == 0


@pytest.mark.slow
def test_it_leaves_out_wrong_labels() -> None:
    env = DataSelectEnv("digits", epochs=6, batch_size=4, pool_size=64, label_noise=0.4, device="cpu")
    share = run_policy(make_policy("rho-loss"), env, seed=0).mislabelled_late
    assert share is not None
    assert share < 0.2
