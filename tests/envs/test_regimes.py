"""Environments with regimes: fixed or drawn at every reset, reported, resumed, and unseen by whoever chooses."""

import copy
import json
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as check_for_gymnasium
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import TensorDataset

from data_select_gym.agents import make_env, make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, EnvCallback
from data_select_gym.experiments import Comparison, compare
from data_select_gym.tasks import Classification, LoaderConfig, Recipe, Task, make_task
from data_select_gym.tasks.problems import PROBLEMS, RESERVED, REWARDS
from data_select_gym.tasks.regimes import apply_regime
from data_select_gym.training.checkpoint_state import StateError

from ..tasks.written_texts import write_texts
from ..tiers import slow
from .joint_runs import P, digits, play, same, weights

REGIMES = {
    "clean": [],
    "symmetric-noise:0.4": ["mislabelled"],
    "pair-noise:0.3": ["mislabelled"],
    "long-tail:5": [],
    "duplicates:0.5": ["duplicated"],
    "off-target:0.4": ["off_target"],
    "input-noise:0.4": ["corrupted"],
    "pair-noise:0.3+duplicates:0.2+off-target:0.1": ["mislabelled", "duplicated", "off_target"],
}
MIXTURE = {"clean": 1, "pair-noise:0.3": 1, "long-tail:10": 1, "duplicates:0.7": 2}


def human(folder: Path) -> str:
    path = folder / "labels.npy"
    np.save(path, np.arange(1280) % 10)
    return f"human-noise:{path}"


def options_of(name: str, **more: Any) -> dict[str, Any]:
    return {"epochs": 3, "pool_size": 64, "batch_size": 64, "device": "cpu", "regime": name} | more


@pytest.mark.parametrize("regime", [*REGIMES, "human-noise", "random"])
def test_both_checkers_pass(regime: str, tmp_path: Path) -> None:
    options = options_of(human(tmp_path) if regime == "human-noise" else regime)
    check_for_gymnasium(gym.make("DataSelect/Digits-v0", **options).unwrapped)
    check_for_stable_baselines(DataSelectEnv("digits", **options), warn=False)


@pytest.mark.parametrize("regime", REGIMES)
def test_a_step_tells_the_shares_of_the_kept(regime: str, tmp_path: Path) -> None:
    env = DataSelectEnv("digits", **options_of(regime, tensorboard_log=tmp_path))
    names = REGIMES[regime]
    assert list(env.task.problems) == names
    _, info = env.reset(seed=0)
    assert info["regime"] == regime == env.regime
    told: dict[str, list[float]] = {name: [] for name in names}
    while not env.run.done:
        pool, mask = env.run.pool, np.arange(64) % 3 == 0
        *_, info = env.step(mask)
        assert "regime" not in info and [name for name in info if name in PROBLEMS] == names
        for name in names:
            assert info[name] == env.task.problems[name][pool].numpy()[mask].mean()
            told[name].append(float(info[name]))
    env.close()
    assert env.problem_shares == told
    curves = EventAccumulator(str(tmp_path / "run_1")).Reload()
    for name in names:
        assert [point.value for point in curves.Scalars(f"step/{name}")] == pytest.approx(told[name])


def test_existing_options_mean_the_same() -> None:
    option = digits(label_noise=0.3, label_noise_kind="pairs", label_noise_seed=4)
    regime = digits(regime="pair-noise:0.3", regime_seed=4)
    assert regime.task.label_digest == option.task.label_digest
    (first, info), *steps = play(regime)
    assert same([(first, {name: value for name, value in info.items() if name != "regime"}), *steps], play(option))
    both = digits(label_noise=0.3, samples=640, regime="duplicates:0.5")
    assert (len(both.task.train), list(both.task.problems)) == (640, ["mislabelled", "duplicated"])  # type: ignore[arg-type]


@pytest.mark.slow
def test_no_observation_reward_or_choice_depends_on_the_truth() -> None:
    task = apply_regime(make_task("digits", epochs=4), "pair-noise:0.3+duplicates:0.3+off-target:0.2+input-noise:0.2")
    order = torch.randperm(1280, generator=torch.Generator().manual_seed(0))
    truth = {name: values[order] for name, values in task.truth.items()}
    assert task.true_labels is not None
    other = replace(task, truth=truth, true_labels=task.true_labels[order])
    reward = {"priced-composite": 1.0, "alignment": 0.5}
    policies = ("low-loss", "infobatch", "rho-loss", "data-agent", "ppo")
    for name in policies:
        seen = []
        for each in (task, other):
            policy = make_policy(name)
            env = make_env(policy, "DataSelect/Custom-v0", task=each, pool_size=P, device="cpu")
            kept: list[Any] = []
            env.callbacks.append(Listener(kept))
            run_policy(policy, env, 3)
            seen.append([kept, weights(env), env.episode_return, env.run.cost, env.keep_fractions])
        assert same(seen[0], seen[1]), name
    known, unknown = (play(DataSelectEnv(each, pool_size=P, device="cpu", reward=reward)) for each in (task, other))
    for (*one, first), (*another, second) in zip(known[:-1], unknown[:-1], strict=True):
        assert same(one, another)
        assert same(without_problems(first), without_problems(second))
    assert not same(known, unknown)


class Listener(EnvCallback):
    """Notes what was observed, kept and paid."""

    def __init__(self, kept: list[Any]) -> None:
        self.kept = kept

    def on_step_end(self, env: Any, reward: float, info: dict[str, Any]) -> None:
        self.kept.append((reward, without_problems(info)))


def without_problems(info: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in info.items() if name not in PROBLEMS}


@pytest.mark.parametrize("regime", ["random", slow(MIXTURE), slow(["clean", ["off-target:0.2", 3.0]])])
def test_a_drawn_regime_changes_with_the_reset_and_nothing_else_depends_on_it(regime: Any) -> None:
    env, plain = digits(regime=regime), digits()
    assert env.observation_space == plain.observation_space and env.plan == plain.plan
    names, costs = [], set()
    for seed in range(8):
        observation, info = env.reset(seed=seed)
        assert observation.shape == env.observation_space.shape
        names.append(info["regime"])
        costs.add(env.step(np.ones(P, np.int8))[-1]["cost"].item())
        first = (env.task.label_digest, env.task.train[:][0].sum().item(), env.run.seed)  # type: ignore[index]
        again, told = env.reset(seed=seed)
        assert told["regime"] == info["regime"] and same(again, observation)
        assert first == (env.task.label_digest, env.task.train[:][0].sum().item(), env.run.seed)  # type: ignore[index]
        plain.reset(seed=seed)
        assert plain.run.seed == env.run.seed
    assert len(set(names)) > 1 and len(costs) == 1
    _, info = env.reset(seed=0)
    _, following = env.reset()
    other = digits(regime=regime)
    assert other.reset(seed=0)[1]["regime"] == info["regime"]
    assert other.reset()[1]["regime"] == following["regime"]


def test_weights_are_the_shares_of_what_is_drawn() -> None:
    env = digits(regime={"clean": 3, "symmetric-noise:0.2": 1, "pair-noise:0.2": 0})
    drawn = [env.regimes.draw(np.random.default_rng(seed)) for seed in range(400)]
    names = [each.name for each in drawn if each is not None]
    assert set(names) == {"clean", "symmetric-noise:0.2"} and 270 < names.count("clean") < 330
    assert len({each.seed for each in drawn if each is not None}) == 400


@pytest.mark.parametrize("given", [{"clean": 1}, ["clean"], [["clean", 1]]])
def test_what_is_drawn_from_cannot_be_changed_from_outside(given: Any) -> None:
    env = digits(regime=given)
    if isinstance(given, dict):
        given["pair-noise:0.3"] = 100
    elif given == ["clean"]:
        given[0] = "pair-noise:0.3"
    else:
        given[0][0] = "pair-noise:0.3"
    env.reset(seed=0)
    for each in (env, copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert each.regimes.weights == {"clean": 1.0} and each.config.resume_settings() == env.config.resume_settings()
    assert env.config.resume_settings()["regime"] == "{'clean': 1.0}"


def test_class_shares_are_those_of_the_drawn_regime() -> None:
    env = digits(regime=["symmetric-noise:0.4"], balance_classes=True)
    env.reset(seed=1)
    labels = env.pool_labels
    assert labels is not None
    assert torch.equal(labels, env.task.train[:][1][env.run.pool])  # type: ignore[index]


@pytest.mark.parametrize("regime", ["duplicates:0.5", MIXTURE, "random"])
@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_a_run_resumes_in_its_regime(regime: Any, way: str, tmp_path: Path) -> None:
    env = digits(regime=regime)
    env.reset(seed=5)
    env.step(np.ones(P, np.int8))
    if way == "file":
        env.save(tmp_path / "run")
        other = digits(regime=regime)
        _, info = other.load(tmp_path / "run")
        assert info["regime"] == env.regime
    else:
        other = pickle.loads(pickle.dumps(env)) if way == "pickle" else copy.deepcopy(env)
    assert other.regime == env.regime and other.task.label_digest == env.task.label_digest
    for name, flags in env.task.problems.items():
        assert torch.equal(other.task.problems[name], flags)
    mask = (np.arange(P) % 2).astype(np.int8)
    while not env.run.done:
        assert same(other.step(mask), env.step(mask))
    assert same(weights(other), weights(env)) and other.problem_shares == env.problem_shares
    assert same(other.reset(), env.reset())


@pytest.mark.parametrize(
    ("saved", "own"),
    [
        ({"regime": "input-noise:0.2"}, {}),
        ({}, {"regime": "input-noise:0.2"}),
        ({"regime": "input-noise:0.2"}, {"regime": "input-noise:0.3"}),
        ({"regime": "input-noise:0.2"}, {"regime": "input-noise:0.2", "regime_seed": 1}),
        ({"regime": ["clean"]}, {"regime": ["clean", "input-noise:0.2"]}),
    ],
)
def test_a_run_of_another_regime_is_not_resumed(saved: Any, own: Any, tmp_path: Path) -> None:
    env = digits(**saved)
    env.reset(seed=0)
    env.save(tmp_path / "run")
    with pytest.raises(StateError, match="the checkpoint is of regime="):
        digits(**own).load(tmp_path / "run")


@pytest.mark.parametrize("damaged", [None, {"name": "dirt", "seed": 0}, {"name": "clean", "seed": -1}, 3])
def test_a_damaged_regime_in_a_checkpoint_is_told(damaged: Any) -> None:
    env = digits(regime=["clean", "pair-noise:0.2"])
    env.reset(seed=0)
    state = env.state_dict() | {"regime": damaged}
    env.load_state_dict(state)
    with pytest.raises(StateError, match=r"the checkpoint (has no regime that was drawn|is of regime='dirt')"):
        env.reset()


def test_a_checkpoint_of_version_0_1_has_shares_of_wrong_labels_alone() -> None:
    env, other = (digits(label_noise=0.25) for _ in range(2))
    env.reset(seed=0)
    env.step(np.ones(P, np.int8))
    state = env.state_dict()
    state["mislabelled"] = state.pop("problem_shares")["mislabelled"]
    del state["regime"], state["settings"]["regime"]
    other.load_state_dict(state)
    other.reset()
    assert other.mislabelled == env.mislabelled != []


def test_a_spec_with_a_regime_goes_through_json() -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3, device="cpu", regime=MIXTURE)
    assert env.spec is not None and json.loads(env.spec.to_json())["kwargs"]["regime"] == MIXTURE
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert same(again.reset(seed=1), env.reset(seed=1))


def elsewhere() -> TensorDataset:
    return TensorDataset(torch.full((10, 1, 8, 8), 0.25), torch.zeros(10, dtype=torch.int64))


@pytest.mark.parametrize("other", [elsewhere(), f"{__name__}:elsewhere"])
def test_samples_may_come_from_another_data_set(other: Any) -> None:
    env = digits(regime="off-target:0.2", off_target=other)
    inputs = env.task.train[:][0]  # type: ignore[index]
    assert (inputs == 0.25).flatten(1).all(1).sum() == 256


def test_a_drawn_regime_must_keep_the_size() -> None:
    from data_select_gym.tasks.regimes import REGIMES, register_regime
    from data_select_gym.tasks.truth import at_rows

    @register_regime("first-half", value="", description="half")
    def half(task: Any, value: None, given: Any) -> Any:
        return at_rows(task, torch.arange(640))

    try:
        assert digits(regime="first-half").plan.samples == 640
        with pytest.raises(ValueError, match="has 640 training samples instead of 1280; regimes that are drawn must"):
            digits(regime=["clean", "duplicates:0.2+first-half"])
    finally:
        REGIMES.remove("first-half")


def test_a_problem_has_no_name_that_infos_curves_or_results_have(tmp_path: Path) -> None:
    options = {"epochs": 3, "pool_size": 64, "device": "cpu", "regime": "pair-noise:0.2"}
    env = digits(regime="pair-noise:0.2", on_non_finite="skip", tensorboard_log=tmp_path / "curves")
    _, info = env.reset(seed=0)
    *_, after = env.step(np.ones(P, np.int8))
    env.close()
    tags = EventAccumulator(str(tmp_path / "curves" / "run_1")).Reload().Tags()["scalars"]
    given: dict[str, Any] = {"policies": {"random": "random"}, "keep_ratios": [0.5], "seeds": 1, "options": options}
    compare(Comparison(env="DataSelect/Digits-v0", out=tmp_path / "out", **given))
    columns = (tmp_path / "out" / "results.csv").read_text().splitlines()[0].split(",")
    steps = [tag.removeprefix("step/") for tag in tags if tag.startswith("step/")]
    steps = [step for step in steps if not step.startswith(REWARDS)]
    assert steps and {*info, *after, *steps, *columns} <= RESERVED | PROBLEMS.keys()


def test_slots_tell_regime_and_shares() -> None:
    envs = gym.make_vec("DataSelect/DigitsSamplewise-v0", num_envs=32, epochs=3, regime="duplicates:0.5")
    _, infos = envs.reset(seed=0)
    assert set(infos["regime"]) == {"duplicates:0.5"}
    *_, infos = envs.step(np.ones(32, np.int64))
    assert infos["duplicated"].shape == (32,)


def test_a_comparison_tells_the_shares_and_applies_the_regime_once(tmp_path: Path) -> None:
    options = {"epochs": 3, "device": "cpu", "regime": "pair-noise:0.2+duplicates:0.5"}
    comparison = Comparison(
        env="DataSelect/Digits-v0",
        policies={"random": "random"},
        keep_ratios=[0.5],
        seeds=1,
        out=tmp_path,
        options=options,
    )
    (run,) = compare(comparison).runs
    assert (run.regime, run.regime_seed) == (options["regime"], 0)
    assert list(run.problems) == list(run.result.problems) == ["mislabelled", "duplicated"]
    assert run.result.problems["duplicated"] == pytest.approx(0.5, abs=0.1)
    page = (tmp_path / "page.html").read_text()
    assert "Duplicated samples among the kept" in page and "Mislabelled samples among the kept" in page
    assert "duplicated, late" in (tmp_path / "table.md").read_text()
    assert "duplicated,duplicated_late" in (tmp_path / "results.csv").read_text()


@pytest.mark.slow
def test_a_comparison_tells_which_regime_each_run_drew(tmp_path: Path) -> None:
    comparison = Comparison(
        env="DataSelect/Digits-v0",
        policies={"random": "random", "top-loss": "top-loss"},
        keep_ratios=[0.5],
        seeds=3,
        out=tmp_path,
        options={"epochs": 3, "pool_size": 64, "device": "cpu", "regime": "random"},
    )
    env = digits(regime="random")
    runs = compare(comparison).runs
    for run in runs:
        env.reset(seed=run.result.seed)
        assert (run.regime, run.regime_seed) == (env.regime, env.regime_seed)
    assert len({run.regime for run in runs}) > 1
    assert compare(comparison).runs == runs


def test_texts_have_regimes_too(tmp_path: Path) -> None:
    folder = write_texts(tmp_path, train=60, dev=20, test=20)
    sizes: dict[str, Any] = {"epochs": 4, "batch_size": 8, "pool_size": 16, "device": "cpu"}
    regime = "symmetric-noise:0.2+duplicates:0.3+off-target:0.2"
    env = gym.make("DataSelect/TextClassification-v0", data_dir=folder, regime=regime, **sizes)
    env.reset(seed=0)
    *_, info = env.step(np.ones(16, np.int8))
    assert {"mislabelled", "duplicated", "off_target", "token_cost"} <= info.keys()
    check_for_gymnasium(
        gym.make("DataSelect/TextClassification-v0", data_dir=folder, regime="random", **sizes).unwrapped
    )


def test_answers_are_swapped_in_instruction_tuning(tmp_path: Path) -> None:
    for name, count in (("train", 48), ("dev", 12), ("test", 12)):
        lines = [json.dumps({"question": f"Add {n} and 1.", "answer": f"{n + 1}"}) + "\n" for n in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    sizes: dict[str, Any] = {"epochs": 4, "batch_size": 8, "pool_size": 16, "max_length": 64, "device": "cpu"}
    regime = "answer-noise:0.5+off-target:0.25"
    env = DataSelectEnv("instruction_tuning", data_dir=tmp_path, regime=regime, **sizes)
    assert int(env.task.problems["off_target"].sum()) == 12 and env.task.label_digest is None
    env.reset(seed=0)
    *_, info = env.step(np.ones(16, np.int8))
    assert info["mislabelled"] > 0
    drawn = DataSelectEnv("instruction_tuning", data_dir=tmp_path, regime="random", **sizes)
    assert len({drawn.reset(seed=seed)[1]["regime"] for seed in range(4)}) > 1


@pytest.mark.slow
def test_samples_that_are_read_one_by_one_are_altered_as_they_are_read() -> None:
    images = [(torch.full((1, 4, 4), number / 40), number % 2) for number in range(40)]
    task = Task(
        name="read",
        train=images,  # type: ignore[arg-type]
        validation=images,  # type: ignore[arg-type]
        make_model=lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)),
        objective=Classification(),
        recipe=Recipe(3, 8, partial(torch.optim.SGD, lr=0.1)),
        loading=LoaderConfig(workers=1),
    )
    regime = "duplicates:0.25+input-noise:0.25+off-target:0.25+pair-noise:0.25"
    env = DataSelectEnv(task, pool_size=8, device="cpu", regime=regime)
    other = pickle.loads(pickle.dumps(env))
    assert same(play(env), play(other)) and len(env.problem_shares) == 4
    env.close()
    other.close()
