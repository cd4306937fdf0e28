from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.agents import DataAgent

from .data_agents import P, agent, drawn, fill, paper, silent


def test_gradients_are_not_clipped() -> None:
    made = silent(agent(n_minibatches=1, n_epochs=1))
    norms: list[float] = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [weight.grad for weight in made.policy.parameters() if weight.grad is not None]
        norms.append(torch.stack([gradient.norm() for gradient in gradients]).norm().item())

    made.policy.optimizer.register_step_pre_hook(note)
    fill(made, rewards=1000 * np.ones((10, P), dtype=np.float32))
    made.train()
    assert norms[0] > 100


def log_probability_gradients(model: DataAgent, advantages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gradient of the first update's loss with respect to each sample's log-probability, ``(n_steps, P)``."""
    filled = fill(model)
    filled.advantages = advantages.copy()
    order = {row.tobytes(): place for place, row in enumerate(filled.observations.reshape(-1, filled.obs_shape[0]))}
    caught: list[tuple[list[int], Tensor]] = []
    evaluate = model.policy.evaluate_actions

    def watched(observations: Tensor, actions: Tensor) -> Any:
        values, density, entropy = evaluate(observations, actions)
        density.retain_grad()
        caught.append(([order[row.tobytes()] for row in observations.numpy()], density))
        return values, density, entropy

    model.policy.evaluate_actions = watched  # type: ignore[method-assign]
    silent(model).train()
    places, density = caught[0]
    assert density.shape == (len(places),)
    gradients = np.full(advantages.size, np.nan, dtype=np.float32)
    assert density.grad is not None
    gradients[places] = density.grad.numpy()
    return gradients.reshape(advantages.shape)


@pytest.mark.parametrize("make", [paper, lambda: agent(n_minibatches=1)], ids=["paper", "default"])
def test_each_samples_log_probability_is_pushed_by_its_own_advantage(make: Any) -> None:
    advantages = drawn(5, 10, P)
    gradients = log_probability_gradients(make(), advantages)
    # The first pass starts at a ratio of one, where the gradient of the loss is -A / n.
    assert gradients == pytest.approx(-advantages / advantages.size, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("make", [paper, lambda: agent(n_minibatches=1)], ids=["paper", "default"])
def test_another_advantage_of_one_sample_moves_its_log_probability_and_no_other(make: Any) -> None:
    advantages = drawn(5, 10, P)
    changed = advantages.copy()
    changed[4, 7] += 3
    before, after = log_probability_gradients(make(), advantages), log_probability_gradients(make(), changed)
    assert np.argwhere(before != after).tolist() == [[4, 7]]


def test_the_update_makes_what_paid_more_likely_for_each_sample() -> None:
    model = agent(n_minibatches=1, n_epochs=30)
    fill(model)
    seen = torch.from_numpy(model.rollout_buffer.observations.reshape(-1, model.rollout_buffer.obs_shape[0]))
    high = (seen[:, 0] > 0.5).numpy().reshape(10, P)
    taken = model.rollout_buffer.actions[:, :, 0]
    fill(model, rewards=np.where(high, taken, -taken).astype(np.float32))
    silent(model).train()
    scores, _ = model.predict(seen.numpy(), deterministic=True)
    scores = scores.reshape(10, P)
    assert scores[high].mean() > scores[~high].mean() + 0.05
