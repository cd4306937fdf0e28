import re
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.task_registry import samplewise_id
from data_select_gym.tasks import Classification, Recipe, Task
from data_select_gym.training import FunctionCallback

P = 8
NAN, INF = float("nan"), float("inf")
same = partial(data_equivalence, exact=True)


def digits(**options: Any) -> DataSelectEnv:
    return DataSelectEnv(**{"task": "digits", "epochs": 3, "device": "cpu"} | options)


def task_with(model: Any) -> Task:
    inputs = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, inputs[:, :3].argmax(1))
    return Task("small", data, model, Classification(), Recipe(3, 8, partial(torch.optim.SGD, lr=0.1)))


def small(**options: Any) -> DataSelectEnv:
    """Thirty-six samples in four pools of eight."""
    return DataSelectEnv(task_with(lambda: nn.Linear(4, 3)), device="cpu", **{"pool_size": P} | options)


def make_slots(name: str, **options: Any) -> Any:
    return gym.make_vec(samplewise_id(name), num_envs=64, **options)


def begun_twice() -> tuple[DataSelectEnv, DataSelectEnv]:
    """Two environments at the same step of the same run."""
    pair = small(), small()
    for env in pair:
        env.reset(seed=0)
    return pair


def no_task() -> None:
    """A function that does not return a task."""


def play_on(env: DataSelectEnv) -> list[Any]:
    """The rest of a run, and the weights at its end."""
    trace: list[Any] = []
    while not env.run.done:
        trace.append(env.step(env.run.pool.numpy() % 2))
    return [*trace, *(value.numpy().copy() for value in env.run.model.state_dict().values())]


ONE_VALUE = "booleans or numbers are needed"


def test_function_that_returns_no_task_is_named() -> None:
    with pytest.raises(TypeError, match="returned a NoneType; a Task is needed"):
        DataSelectEnv(no_task)


def test_wrong_argument_is_named_through_gymnasium_too() -> None:
    with pytest.raises(ValueError, match=r"keep_ratio=2 is not a number in \(0, 1\]"):
        gym.make("DataSelect/Digits-v0", keep_ratio=2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CIFAR10", "missing argument data_dir"),
        ("InstructionTuning", "missing argument data_dir"),
        ("ImageFolder", "data_dir=None and dataset=None: exactly one of them is needed"),
        ("TextClassification", "data_dir=None and dataset=None: exactly one of them is needed"),
        ("Custom", "missing argument task: a name, 'module:function', a function that returns a Task, or a Task"),
    ],
)
def test_a_missing_argument_is_gymnasiums_error_and_a_value_error(name: str, message: str) -> None:
    for make in (gym.make, make_slots, SamplewiseVecEnv):
        with pytest.raises(gym.error.MissingArgument, match=f"^{message}") as caught:
            make(f"DataSelect/{name}-v0")
        assert isinstance(caught.value, ValueError)
    with pytest.raises(ValueError, match=r"^data_dir='here' and dataset='there': exactly one") as both:
        gym.make("DataSelect/ImageFolder-v0", data_dir="here", dataset="there")
    assert not isinstance(both.value, gym.error.MissingArgument)


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100", "InstructionTuning"])
def test_a_data_dir_of_none_is_a_missing_argument(name: str) -> None:
    with pytest.raises(
        gym.error.MissingArgument, match=r"^missing argument data_dir; this task takes: data_dir, model"
    ):
        gym.make(f"DataSelect/{name}-v0", data_dir=None)


def test_an_unexpected_argument_is_told_in_pythons_words_with_all_that_are_taken() -> None:
    for make in (gym.make, make_slots, SamplewiseVecEnv):
        with pytest.raises(TypeError) as caught:
            make("DataSelect/Digits-v0", anneal_fracton=0)
        message = str(caught.value)
        assert message.startswith("got an unexpected keyword argument 'anneal_fracton'; this task takes: epochs, batch")
        assert "; the environment takes: task, keep_ratio, balance_classes, " in message
        assert "render_mode, regime, regime_seed, off_target; did you mean 'anneal_fraction'?" in message
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'"):
        gym.make("DataSelect/Digits-v0", frameskip=1)
    with pytest.raises(TypeError, match=r"'keep_rato'; a task that is already built .*; did you mean 'keep_ratio'\?$"):
        DataSelectEnv(task_with(lambda: nn.Linear(4, 3)), keep_rato=0.5)


@pytest.mark.parametrize("device", ["quantum", "cuda:99", "cpu:cpu"])
def test_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ValueError, match=f"device='{device}' cannot be used .*; allowed are 'auto', 'cpu'"):
        digits(device=device).reset()


def test_damaged_data_is_named_with_its_file(tmp_path: Path) -> None:
    make = partial(digits, task="cifar10", data_dir=str(tmp_path), batch_size=8)
    with pytest.raises(FileNotFoundError, match="holds no CIFAR-10 files"):
        make()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "test_batch"):
        (tmp_path / f"{name}.bin").write_bytes(bytes(3073 * 10))
    with pytest.raises(FileNotFoundError, match=r"not data_batch_5\.bin"):
        make()
    (tmp_path / "data_batch_5.bin").write_bytes(bytes(3073 * 10 - 1))
    with pytest.raises(ValueError, match=r"data_batch_5\.bin is truncated: its 30729 bytes"):
        make()
    (tmp_path / "data_batch_5.bin").write_bytes(bytes(3073 * 9) + b"\x0b" + bytes(3072))
    with pytest.raises(ValueError, match=r"data_batch_5\.bin: label 11 is not in 0 to 9"):
        make()
    (tmp_path / "data_batch_5.bin").write_bytes(bytes(3073 * 10))
    assert make().plan.samples == 48


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: nn.Flatten(0), r"the model's output is torch\.float32 of shape \(8,\); classification needs"),
        (lambda: nn.Linear(4, 1), r"of shape \(2, 1\); .* with C of at least 2"),
        (lambda: nn.Unflatten(1, (2, 2)), r"of shape \(2, 2, 2\)"),
        (lambda: nn.LSTM(4, 3), "the model's output is a tuple; classification needs a tensor of logits"),
    ],
)
def test_model_whose_output_does_not_fit_is_found_before_anything_is_trained(model: Any, message: str) -> None:
    env = DataSelectEnv(task_with(model), device="cpu")
    trained: list[Any] = []
    env.callbacks.append(FunctionCallback(trained.append))
    with pytest.raises(ValueError, match=message):
        env.reset()
    assert not trained


def test_embedding_of_a_model_without_a_linear_layer_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"head=None is not an nn\.Linear of the model; it has: none"):
        DataSelectEnv(task_with(nn.Identity), features=["embedding"])


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (lambda outcome: outcome.kept[:3].float(), r"reward returned \(3,\); a tensor of shape \(8,\) is needed"),
        (lambda outcome: outcome.kept.float().mean(), r"reward returned \(\); a tensor"),
        (lambda outcome: 1.0, "reward returned float; a tensor"),
        (lambda outcome: (outcome.kept.numpy(), {}), "reward returned ndarray; a tensor"),
        (lambda outcome: (outcome.action, {"mine": outcome.action}), r"the term 'mine' of shape \(8,\); one value is"),
    ],
)
def test_reward_of_ones_own_must_give_a_value_for_each_candidate(reward: Any, message: str) -> None:
    env = small(reward=reward)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(np.ones(P))


def test_options_of_a_reset_that_are_not_known_are_ignored_as_by_gymnasiums_environments() -> None:
    one, other = small(), small()
    assert same(list(one.reset(seed=5, options={"hard": True})), list(other.reset(seed=5)))
    assert same(list(one.reset(options={})), list(other.reset(options=None)))
    assert same(play_on(one), play_on(other))


@pytest.mark.parametrize("seed", [-1, 1.5, "one"])
def test_wrong_seed_is_refused_and_the_run_goes_on(seed: Any) -> None:
    env, undisturbed = begun_twice()
    with pytest.raises(gym.error.Error, match="Seed"):
        env.reset(seed=seed)
    assert same(play_on(env), play_on(undisturbed))


def test_step_before_the_first_reset_is_an_error() -> None:
    env = small()
    for step in (env.step, env.step_scores):
        with pytest.raises(ResetNeeded, match="reset"):
            step(np.ones(P))
    with pytest.raises(ResetNeeded, match="reset"):
        _ = env.run


def test_step_after_the_end_is_an_error_and_changes_nothing() -> None:
    env = small()
    env.reset(seed=0)
    play_on(env)
    before = [value.clone() for value in env.run.model.state_dict().values()]
    for step in (env.step, env.step_scores):
        with pytest.raises(ResetNeeded, match=r"the run is over; call reset\(\)"):
            step(np.ones(P))
    assert all(torch.equal(one, two) for one, two in zip(before, env.run.model.state_dict().values(), strict=True))
    assert env.run.cost == pytest.approx((8 + sum(kept for _, kept in env.keep_fractions)) / 12)
    env.reset()
    env.step(np.ones(P))


ACTIONS: list[tuple[Any, str]] = [
    (np.ones(P - 1), "has shape (7,); (8,) is needed, one value for each candidate"),
    (np.ones(P + 1), "has shape (9,); (8,) is needed"),
    (np.ones((P, 1)), "has shape (8, 1); (8,) is needed"),
    (np.ones((1, P)), "has shape (1, 8); (8,) is needed"),
    (1, "has shape (); (8,) is needed"),
    ([], "has shape (0,); (8,) is needed"),
    (np.where(np.arange(P) == 7, NAN, 1), "[7]=nan; each must be "),
    (np.where(np.arange(P) == 5, INF, 1), "[5]=inf; each must be "),
    (np.array(["keep"] * P), f"is of type <U4; {ONE_VALUE}"),
    (np.array([None] * P), f"is of type object; {ONE_VALUE}"),
    (np.ones(P, dtype=complex), f"is of type complex128; {ONE_VALUE}"),
    ([1, [0, 1]], "is no array of booleans or numbers"),
    (torch.ones(P, requires_grad=True), "is no array of booleans or numbers"),
    (None, f"is None; {ONE_VALUE}"),
]


MASKS: list[tuple[Any, str]] = [
    (np.where(np.arange(P) == 3, -0.5, 0), "[3]=-0.5; each must be "),
    (np.where(np.arange(P) == 2, 1e300, 1), "[2]=1e+300; each must be "),
    (-np.ones(P, dtype=np.int64), "[0]=-1; each must be "),
]


@pytest.mark.parametrize(
    ("action", "message", "scores"),
    [(*row, scores) for row in ACTIONS for scores in (False, True)] + [(*row, False) for row in MASKS],
)
def test_rejected_action_is_named_and_the_run_goes_on_as_if_nothing_had_happened(
    action: Any, message: str, scores: bool
) -> None:
    env, undisturbed = begun_twice()
    step, name = (env.step_scores, "scores") if scores else (env.step, "action")
    for _ in range(3):
        with pytest.raises(ValueError, match=re.escape(name + message if message[0] == "[" else f"{name} {message}")):
            step(action)
        mask: NDArray[Any] = env.run.pool.numpy() % 2
        assert same(list(env.step(mask)), list(undisturbed.step(mask)))
    assert same(play_on(env), play_on(undisturbed))
    assert env.episode_return == undisturbed.episode_return


SCORES: list[NDArray[Any]] = [
    np.where(np.arange(P) == 3, 1 + 1e-6, 0.5),
    np.random.default_rng(0).normal(0.5, 2.0, P),
    np.where(np.arange(P) == 2, 1e300, -1e300),
    np.arange(-3, P - 3),
]


@pytest.mark.parametrize("scores", SCORES, ids=["rounded", "gaussian", "huge", "integers"])
@pytest.mark.parametrize("reward", ["composite", "priced-composite"])
def test_scores_beyond_their_range_are_clipped_to_it(scores: NDArray[Any], reward: str) -> None:
    clipped = np.clip(scores, 0.0, 1.0)
    env, direct = small(reward=reward), small(reward=reward)
    views = [SamplewiseVecEnv(small(reward=reward), action="score") for _ in range(2)]
    for each in (env, direct):
        each.reset(seed=0)
    for view in views:
        view.seed(0)
        view.reset()
    assert same(list(env.step_scores(scores)), list(direct.step_scores(clipped)))
    assert same(list(views[0].step(scores)), list(views[1].step(clipped[:, None])))


def test_a_step_after_an_error_in_the_last_one_says_that_the_run_has_ended() -> None:
    def reward(outcome: Any) -> Any:
        if env.run.pool_number >= env.plan.anneal_start:
            raise KeyError("mine")
        return outcome.action

    env = small(reward=reward)
    env.reset(seed=0)
    with pytest.raises(KeyError, match="mine"):
        play_on(env)
    for step in (env.step, env.step_scores):
        with pytest.raises(ResetNeeded, match="an error ended the run in its warm-up or at its last step; call reset"):
            step(np.ones(P))
    env.reset()
    env.step(np.ones(P))


@pytest.mark.parametrize(("pool_size", "keep_ratio"), [(2, 0.5), (3, 0.4), (4, 0.3), (8, 0.01)])
def test_a_share_that_is_a_single_candidate_is_refused(pool_size: int, keep_ratio: float) -> None:
    message = rf"^keep_ratio={keep_ratio} of pool_size={pool_size} is a single candidate; an update needs 2$"
    with pytest.raises(ValueError, match=message):
        small(pool_size=pool_size, keep_ratio=keep_ratio)
    env = small(pool_size=pool_size, keep_ratio=2 / pool_size)
    env.reset(seed=0)
    *_, info = env.step_scores(np.arange(pool_size) / pool_size)
    assert info["kept"].sum() == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_size", np.int64(8)),
        ("warmup_epochs", np.int64(1)),
        ("anneal_fraction", np.float64(0.125)),
        ("schedule_fraction", np.float32(1)),
        ("keep_ratio", np.float32(0.5)),
        ("reward", {"difficulty": np.float32(0.5)}),
    ],
)
def test_numbers_of_numpys_are_taken_and_saved(name: str, value: Any, tmp_path: Path) -> None:
    env, plain = small(**{name: value}), small(**{name: value if isinstance(value, dict) else value.item()})
    for each in (env, plain):
        each.reset(seed=0)
    env.save(tmp_path / "state.pt")
    other = small(**{name: value})
    other.load(tmp_path / "state.pt")
    assert same(play_on(other), play_on(plain))


@pytest.mark.parametrize("reward", [{"difficulty": 0.5, "uncertainty": 0.5}, {"uncertainty": 1.0}, "difficulty"])
def test_a_state_of_other_reward_weights_is_refused(reward: Any) -> None:
    env = small(reward={"uncertainty": 0.5, "difficulty": 0.5})
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^the checkpoint is of reward=\{.*\}; this environment has reward="):
        small(reward=reward).load_state_dict(env.state_dict())
    small(reward=dict(env.reward_given)).load_state_dict(env.state_dict())  # type: ignore[call-overload]


@pytest.mark.parametrize("state", [None, 3, []])
def test_a_state_that_is_no_dict_is_told(state: Any) -> None:
    with pytest.raises(ValueError, match=rf"^the checkpoint is a {type(state).__name__}; a dict is needed$"):
        digits().load_state_dict(state)
