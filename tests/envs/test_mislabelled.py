import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import Classification, Recipe, Task, make_task

from .joint_runs import P, digits, halves, nothing, play, same, small, weights

NOISE: dict[str, Any] = {"label_noise": 0.25, "label_noise_kind": "pairs", "label_noise_seed": 2}


def without(name: str, trace: list[Any]) -> list[Any]:
    """What a run returns, an entry of the infos left out."""
    *steps, last = trace
    return [
        *[(*step, {key: value for key, value in info.items() if key != name}) for *step, info in steps],
        last,
    ]


def test_a_step_tells_which_share_of_the_kept_was_mislabelled() -> None:
    env = digits(**NOISE)
    wrong = env.task.mislabelled
    assert wrong is not None and int(wrong.sum()) == 320
    _, info = env.reset(seed=0)
    assert "mislabelled" not in info and env.mislabelled == []
    told = []
    while not env.run.done:
        pool, mask = env.run.pool, halves(env).astype(bool)
        *_, info = env.step(mask)
        assert type(info["mislabelled"]) is np.float64
        assert info["mislabelled"] == wrong[pool].numpy()[mask].mean()
        told.append(info["mislabelled"])
    assert env.mislabelled == told and 0 < min(told) < max(told) < 1
    env.reset(seed=0)
    assert env.mislabelled == []


def test_shares_by_hand() -> None:
    env = digits(**NOISE)
    env.reset(seed=0)
    assert env.task.mislabelled is not None
    wrong = env.task.mislabelled[env.run.pool].numpy()
    *_, info = env.step(wrong)
    assert info["mislabelled"] == 1.0
    wrong = env.task.mislabelled[env.run.pool].numpy()
    *_, info = env.step(~wrong)
    assert info["mislabelled"] == 0.0
    wrong = env.task.mislabelled[env.run.pool].numpy()
    mask = np.zeros(P, bool)
    mask[[*wrong.nonzero()[0][:1], *(~wrong).nonzero()[0][:3]]] = True
    *_, info = env.step(mask)
    assert info["mislabelled"] == 0.25
    *_, info = env.step(nothing(env))
    assert info["mislabelled"] == 0.0


def test_nothing_is_told_where_the_true_labels_are_not_known() -> None:
    for env in (digits(), digits(label_noise=0.0), digits(label_noise=0.5, noisy_sets=["test"])):
        for *_, info in play(env)[:-1]:
            assert "mislabelled" not in info
        assert env.mislabelled == []


def test_true_labels_are_told_and_not_used() -> None:
    task = make_task("digits", epochs=3, **NOISE)
    options: dict[str, Any] = {"device": "cpu", "reward": {"priced-composite": 1.0, "difficulty": 0.5}}
    known = play(DataSelectEnv(task, **options))
    unknown = play(DataSelectEnv(replace(task, true_labels=None), **options))
    assert same(without("mislabelled", known), unknown)
    assert not same(known, unknown)


def test_which_labels_are_wrong_has_nothing_to_do_with_the_seed_of_the_run() -> None:
    env, other = digits(**NOISE), digits(**NOISE)
    play(env, seed=1)
    play(other, seed=2)
    assert env.task.mislabelled is not None and other.task.mislabelled is not None
    assert torch.equal(env.task.mislabelled, other.task.mislabelled)
    assert not same(weights(env), weights(other))


def test_a_task_that_is_built_takes_label_noise_too() -> None:
    env = small()
    noisy = DataSelectEnv(env.task, pool_size=8, device="cpu", label_noise=0.5)
    assert env.task.mislabelled is None
    assert noisy.task.mislabelled is not None and int(noisy.task.mislabelled.sum()) == 20


def test_a_task_that_draws_from_global_generators_is_the_same_each_time_and_leaves_them_alone() -> None:
    def draws() -> Task:
        data = torch.utils.data.TensorDataset(torch.rand(40, 3), torch.randint(3, (40,)))
        recipe = Recipe(3, 8, torch.optim.SGD)
        return Task("draws", data, lambda: torch.nn.Linear(3, 3), Classification(), recipe, validation=data)

    before = torch.get_rng_state()
    first = play(DataSelectEnv(draws, pool_size=8, device="cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert same(play(DataSelectEnv(draws, pool_size=8, device="cpu")), first)


def test_curves_hold_the_share_mislabelled(tmp_path: Path) -> None:
    env = digits(tensorboard_log=tmp_path, **NOISE)
    play(env)
    env.close()
    points = EventAccumulator(str(tmp_path / "run_1")).Reload().Scalars("step/mislabelled")
    assert [point.step for point in points] == list(range(11, 21))
    assert [point.value for point in points] == pytest.approx(env.mislabelled)


def test_the_checker_is_content_with_label_noise() -> None:
    check_env(
        gym.make(
            "DataSelect/Digits-v0", epochs=3, pool_size=128, batch_size=64, device="cpu", label_noise=0.4
        ).unwrapped
    )


def test_slots_of_a_vector_environment_tell_it_too() -> None:
    envs = gym.make_vec("DataSelect/DigitsSamplewise-v0", num_envs=32, epochs=3, **NOISE)
    envs.reset(seed=0)
    *_, infos = envs.step(np.ones(32, np.int64))
    assert infos["mislabelled"].shape == (32,) and len(set(infos["mislabelled"].tolist())) == 1


def test_spec_with_label_noise_makes_an_equal_environment_also_by_way_of_json_and_pickle() -> None:
    sets = ["train", "validation"]
    env = gym.make("DataSelect/Digits-v0", epochs=3, device="cpu", noisy_sets=sets, **NOISE)
    assert env.spec is not None
    assert json.loads(env.spec.to_json())["kwargs"]["label_noise"] == 0.25
    action = np.ones(P, np.int8)
    expected = [env.reset(seed=0), env.step(action)]
    for spec in (env.spec, EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        assert spec == env.spec
        again = gym.make(spec)
        assert same([again.reset(seed=0), again.step(action)], expected)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label_noise": 1.0}, ValueError, r"^label_noise=1.0 is not a number in \[0, 1\)$"),
        ({"label_noise_kind": "some"}, ValueError, r"^label_noise_kind='some' is not known"),
        ({"noisy_sets": "tests"}, ValueError, r"^noisy_sets='tests' is not known"),
        ({"label_nose": 0.2}, TypeError, r"unexpected keyword argument 'label_nose';"),
    ],
)
def test_bad_options_are_refused_when_the_environment_is_made(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        digits(**options)
    task = make_task("digits", epochs=3)
    with pytest.raises(ValueError, match=r"^true_labels has shape \(3,\); one for each of the 1280"):
        DataSelectEnv(replace(task, true_labels=torch.zeros(3, dtype=torch.int64)))
