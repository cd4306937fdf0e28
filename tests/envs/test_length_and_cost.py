import math
from typing import Any

import pytest

from .joint_runs import Choice, N, P, digits, everything, halves, nothing, play


@pytest.mark.parametrize(("epochs", "pool_size"), [(3, 128), (8, 640), (9, 640), (17, 1280), (4, 300), (3, 1000)])
def test_run_has_a_step_for_each_pool_between_warm_up_and_annealing(epochs: int, pool_size: int) -> None:
    env = digits(epochs=epochs, pool_size=pool_size)
    steps = len(play(env, choose=nothing)) - 2
    assert steps == (epochs - 1 - math.ceil(0.125 * epochs)) * (N // pool_size)
    # Neither the steps nor the last one's kept samples are trained on, only the warm-up and the annealing.
    assert env.run.cost == pytest.approx((1 + math.ceil(0.125 * epochs)) / epochs)


def test_warm_up_annealing_and_length_can_be_chosen() -> None:
    settings: list[tuple[dict[str, Any], int, float]] = [
        ({"warmup_epochs": 0}, 30, 0.25),
        ({"anneal_fraction": 0}, 30, 0.25),
        ({"warmup_epochs": 2, "anneal_fraction": 0.25}, 10, 0.75),
        ({"warmup_epochs": 0, "anneal_fraction": 0}, 40, 0),
        ({"schedule_fraction": 0.5}, 0, 0),
        ({"schedule_fraction": 0.75}, 10, 0.5),
    ]
    for options, steps, cost in settings:
        if not steps:
            with pytest.raises(ValueError, match=r"schedule_fraction=0\.5"):
                digits(epochs=4, **options)
            continue
        env = digits(epochs=4, **options)
        trace = play(env, choose=nothing)
        assert len(trace) - 2 == steps
        assert env.run.cost == pytest.approx(cost)
        assert trace[-2][-1]["progress"] == 1


@pytest.mark.parametrize("choose", [halves, everything, nothing])
def test_cost_counts_the_warm_up_what_was_kept_and_the_annealing(choose: Choice) -> None:
    env = digits(epochs=4, pool_size=300)
    _, info = env.reset(seed=0)
    trained = 1200
    assert info["cost"] == pytest.approx(trained / 4800)
    while not env.run.done:
        *_, info = env.step(choose(env))
        trained += info["kept"].sum() + 1200 * env.run.done
        assert info["cost"] == pytest.approx(trained / 4800)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"observe": "fresh", "pool_size": 300, "schedule_fraction": 0.9},
        {"observe": "fresh", "reward": {"alignment": 1.0, "validation-gain": 1.0}, "features": ["alignment"]},
        {"reward": "alignment", "warmup_epochs": 0, "anneal_fraction": 0.0},
    ],
)
def test_the_plan_of_the_environment_is_that_of_its_run(options: dict[str, Any]) -> None:
    env = digits(**options)
    play(env, choose=everything)
    assert env.run.plan == env.plan
    assert env.run.cost == pytest.approx(env.run.plan.cost(1.0))


def test_fresh_look_costs_a_third_of_the_pool_at_each_observation_that_is_acted_on() -> None:
    env, plain = digits(observe="fresh"), digits()
    _, info = env.reset(seed=0)
    looks = 1
    assert info["cost"] == pytest.approx((N + looks * P / 3) / (3 * N))
    plain.reset(seed=0)
    while not env.run.done:
        mask = halves(env)
        *_, terminated, _, info = env.step(mask)
        plain.step(mask)
        looks += not terminated
        assert info["cost"] - plain.run.cost == pytest.approx(looks * P / 3 / (3 * N))
    assert looks == 10
