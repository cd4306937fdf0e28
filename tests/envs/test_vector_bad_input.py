from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from data_select_gym.envs import SamplewiseVectorEnv

from .joint_runs import same, weights
from .vector_runs import OPTIONS, P, actions_of, slots


def test_step_before_reset_is_an_error() -> None:
    with pytest.raises(ResetNeeded, match="reset"):
        slots().step(actions_of("keep", 0))


@pytest.mark.parametrize("pool_size", [P, None])
def test_pool_size_may_be_repeated(pool_size: int | None) -> None:
    assert SamplewiseVectorEnv(P, task="digits", pool_size=pool_size, **OPTIONS).env.plan.pool_size == P


@pytest.mark.parametrize(
    ("kind", "actions", "message"),
    [
        ("keep", np.full(P, 2), r"actions holds 2; each must be 0 \(drop\) or 1 \(keep\)"),
        ("keep", np.full(P, 0.5), r"actions holds 0\.5; "),
        ("keep", np.full(P, np.nan), "actions holds nan; "),
        ("keep", np.ones(P - 1), r"shape \(63,\); \(64,\) is needed"),
        ("keep", np.ones((P, 2)), r"shape \(64, 2\); \(64,\) is needed"),
        ("score", np.full(P, np.inf), r"scores\[0\]=inf; each must be finite, and is clipped to \[0, 1\]"),
        ("score", np.full((P, 1), np.nan), r"scores\[0\]=nan"),
        ("score", np.ones((1, P)), r"shape \(1, 64\)"),
    ],
)
def test_rejected_actions_are_named_and_change_nothing(kind: str, actions: NDArray[Any], message: str) -> None:
    env, undisturbed = slots(action=kind), slots(action=kind)
    env.reset(seed=0)
    undisturbed.reset(seed=0)
    for number in range(3):
        with pytest.raises(ValueError, match=message):
            env.step(actions)
        given = actions_of(kind, number)
        assert same(list(env.step(given)), list(undisturbed.step(given)))
    assert same(weights(env.env), weights(undisturbed.env))
