"""Agents that learn over many runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_select_gym.agents import ALGORITHMS, load_policy, make_policy, pretrain, run_policy, save_model
from data_select_gym.envs import DataSelectEnv

from ..tiers import slow
from .mechanisms import by_mechanism
from .policy_runs import untimed
from .small_agents import STEPS, P, global_draws, image_env, image_task, learned, weights


@pytest.fixture
def resets(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The seeds of the resets of all environments."""
    seeds: list[int | None] = []
    begin = DataSelectEnv.reset

    def note(env: DataSelectEnv, *, seed: int | None = None, options: Any = None) -> Any:
        seeds.append(seed)
        return begin(env, seed=seed, options=options)

    monkeypatch.setattr(DataSelectEnv, "reset", note)
    return seeds


# Every algorithm


@pytest.mark.parametrize("name", by_mechanism(ALGORITHMS))
def test_every_algorithm_learns_over_runs_and_drives_one_from_a_file(
    name: str, resets: list[int | None], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    model = learned(name, seed=5, on_run=lambda number, info: told.append((number, info["episode"]["l"])))
    steps = model.get_env().steps_per_run  # type: ignore[union-attr]
    # ARS ends with a whole set of eight candidates, and begins with a run that it does not judge.
    runs, warm_ups = (8, 9) if name == "ars" else (2, 2)
    assert told == [(number, steps) for number in range(1, runs + 1)]
    assert resets == [5] + [None] * (warm_ups - 1)
    assert model.num_timesteps == runs * steps * P
    assert model._n_updates > 0
    policy = load_policy(save_model(model, tmp_path / "agent.zip"))
    env = image_env(**policy.required_config(image_env().plan, 0.5))
    result = run_policy(policy, env, seed=0)
    assert result.steps == STEPS
    assert untimed(result) == untimed(run_policy(make_policy(model), env, seed=0))
    if ALGORITHMS[name].action == "score":
        assert result.keep_fraction == 0.5


# What is the same, and what is not


@pytest.mark.parametrize("name", ["ppo", slow("td3"), slow("ars")])
def test_the_same_seed_gives_the_same_weights_and_touches_no_global_generator(name: str) -> None:
    before = global_draws()
    first = learned(name, seed=3)
    assert global_draws() == before
    np.random.seed(1)
    assert weights(learned(name, seed=3)).tolist() == weights(first).tolist()
    assert (weights(learned(name, seed=4)) != weights(first)).any()


def test_numbers_of_numpys_are_taken() -> None:
    model = learned("ppo", seed=np.int64(3), runs=np.int32(2))  # type: ignore[arg-type]
    assert weights(model).tolist() == weights(learned("ppo", seed=3)).tolist()


def test_every_run_has_weights_and_pools_of_its_own() -> None:
    infos: list[dict[str, Any]] = []
    learned("ppo", runs=3, on_run=lambda number, info: infos.append(info))
    assert len({tuple(info["indices"]) for info in infos}) == 3
    assert len({info["eval"]["val_loss"] for info in infos}) == 3


def test_the_last_run_ends_and_no_other_begins(resets: list[int | None]) -> None:
    model = learned("ppo", runs=3)
    assert len(resets) == 3
    assert model.get_env().env.run.done  # type: ignore[union-attr]


def test_ars_begins_no_run_that_it_does_not_judge_but_the_first(resets: list[int | None]) -> None:
    learned("ars", runs=5)
    assert len(resets) == 8 + 1


def test_learning_can_go_on_after_it(resets: list[int | None]) -> None:
    model = learned("ppo")
    before = weights(model)
    model.learn(3 * STEPS * P, reset_num_timesteps=False)
    assert (weights(model) != before).any()
    assert len(resets) == 2 + 3 + 1


def test_an_environment_that_is_already_made_is_learned_from() -> None:
    env = image_env()
    model = pretrain("ppo", env, runs=2, seed=0)
    assert model.get_env().env is env  # type: ignore[union-attr]
    assert weights(model).tolist() == weights(learned("ppo", seed=0)).tolist()


def test_what_the_agent_needs_comes_before_what_was_asked_for() -> None:
    with pytest.warns(UserWarning, match=r"^Data Agent as published.*: features=\['loss'\] was given, and "):
        model = learned("data-agent-paper", features=["loss"])
    assert model.get_env().env.features == ("embedding",)  # type: ignore[union-attr]


# Curves


@pytest.mark.parametrize("name", ["ppo", slow("a2c"), slow("dqn"), slow("ars")])
def test_curves_reach_from_the_first_run_to_the_last(name: str, tmp_path: Path) -> None:
    returns: list[float] = []
    model = learned(
        name, runs=3, tensorboard_log=tmp_path, on_run=lambda number, info: returns.append(info["episode"]["r"])
    )
    (folder,) = tmp_path.iterdir()
    assert folder.name == f"{name}_1"
    events = EventAccumulator(str(folder))
    events.Reload()
    curve = events.Scalars("rollout/ep_rew_mean")
    assert curve[-1].step == model.num_timesteps
    assert len(curve) > 1
    if name != "ars":  # whose curve has the mean of a set of candidates
        assert curve[-1].value == pytest.approx(np.mean(returns), rel=1e-4)
    if isinstance(model, OffPolicyAlgorithm):
        means = [np.mean(returns[:number]) for number in (1, 2, 3)]
        assert [point.value for point in curve] == pytest.approx(means, rel=1e-4)


def test_no_curves_are_written_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    learned("ppo")
    assert list(tmp_path.iterdir()) == []


# Mistakes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent": "random"}, r"^agent='random' is not known; known are: data-agent, "),
        ({"runs": 0}, r"^runs=0 is not a whole number of at least 1"),
        ({"runs": 1.5}, r"^runs=1.5 is not"),
        ({"seed": -1}, r"^seed=-1 is not a whole number of at least 0 and at most 4294967295"),
        ({"seed": 2**32}, r"^seed=4294967296 is not"),
        ({"keep_ratio": 0}, r"^keep_ratio=0 is not"),
        ({"features": ["colour"]}, r"^features='colour' is not known"),
        ({"runs": 1}, rf"^runs=1: ppo learns after every 10 steps that are not the last, and there are only {STEPS};"),
        (
            {"runs": 1, "agent": "dqn", "pool_size": 64, "task": image_task(3)},
            r"^runs=1: dqn learns after every 1 steps",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_runs(
    changes: dict[str, Any], message: str, resets: list[int | None]
) -> None:
    options: dict[str, Any] = {"task": image_task(), "pool_size": P, "agent": "ppo", "runs": 2, "seed": 0} | changes
    agent = options.pop("agent")
    with pytest.raises(ValueError, match=message):
        pretrain(agent, "DataSelect/Custom-v0", **options)
    assert resets == []


def test_an_environment_that_is_already_made_takes_no_options() -> None:
    with pytest.raises(TypeError, match=r"argument 'keep_ratio'; an environment that is already made takes no options"):
        pretrain("ppo", image_env(), runs=2, seed=0, keep_ratio=0.3)
