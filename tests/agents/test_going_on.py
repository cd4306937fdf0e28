"""A run that a policy drives goes on from a checkpoint to the bit, from any step, with any policy."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_select_gym.agents import InfoBatch, RunResult, Stopped, available_policies, make_policy, pretrain, run_policy
from data_select_gym.agents.rules import UCB
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.slots import as_base_env
from data_select_gym.training import FunctionCallback, TrainingRun
from data_select_gym.training.checkpoints import Checkpoints

from ..tiers import slow
from .mechanisms import by_mechanism

POLICIES = [name for name in available_policies() if name not in ("ars", "full-equal-cost")]


class Killed(Exception):
    """Stands for the end of a process."""


def environment(policy: Any, **options: Any) -> DataSelectEnv:
    settings: dict[str, Any] = {"epochs": 5, "pool_size": 160, "batch_size": 40, "device": "cpu", **options}
    plan, keep_ratio = as_base_env("DataSelect/Digits-v0", **settings).plan, 0.5
    return as_base_env("DataSelect/Digits-v0", **settings | make_policy(policy).required_config(plan, keep_ratio))


def outcome(env: DataSelectEnv, result: RunResult) -> Any:
    run = env.run
    weights = {name: value.tolist() for name, value in run.model.state_dict().items()}
    columns = {name: column.tolist() for name, column in run.ledger.state_dict().items()}
    plain = replace(result, seconds=0.0, agent_seconds=0.0)
    return plain, weights, columns, run.evaluations, env.keep_fractions, env.kept_by_loss, env.price.value


def killed_after(pools: int, tell: Callable[[TrainingRun], None] | None = None) -> Callable[[TrainingRun], None]:
    def on_pool(run: TrainingRun) -> None:
        if run.pool_number >= pools:
            raise Killed

    return on_pool


def driven(policy: Any, folder: Path, deaths: list[int], **options: Any) -> Any:
    """What comes of a run whose process dies after so many pools, and is started again each time."""
    for pools in [*deaths, None]:
        env = environment(policy, **options)
        env.callbacks = [] if pools is None else [FunctionCallback(killed_after(pools))]
        try:
            result = run_policy(
                make_policy(policy), env, seed=3, checkpoints=Checkpoints(folder, minutes=None, steps=1)
            )
        except Killed:
            continue
        assert pools is None, "it should have died"
        return outcome(env, result)
    raise AssertionError


@pytest.mark.parametrize("policy", by_mechanism(POLICIES))
def test_a_run_that_dies_again_and_again_comes_to_the_same(policy: str, tmp_path: Path) -> None:
    env = environment(policy)
    whole = outcome(env, run_policy(make_policy(policy), env, seed=3))
    total = env.plan.total_pools
    deaths = [2, env.plan.warmup_pools + 1, total // 2, total // 2 + 3, env.plan.anneal_start + 1, total - 1]
    again = driven(policy, tmp_path / "checkpoints", sorted({min(pools, total) for pools in deaths}))
    for mine, other in zip(again, whole, strict=True):
        assert mine == other
    assert not (tmp_path / "checkpoints").exists()


class Counting:
    """Keeps every second candidate, then every third, and so on; it remembers where it is."""

    def __init__(self) -> None:
        self.asked = 1

    def select(self, observation: Any) -> Any:
        self.asked += 1
        return np.arange(len(observation)) % self.asked == 0

    def state_dict(self) -> dict[str, int]:
        return {"asked": self.asked}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.asked = state["asked"]


def test_a_policy_of_ones_own_may_say_what_it_remembers(tmp_path: Path) -> None:
    env = environment(Counting())
    whole = outcome(env, run_policy(make_policy(Counting()), env, seed=3))
    assert driven_anew(Counting, tmp_path / "own", [12, 13, 20]) == whole


def driven_anew(make: Callable[[], Any], folder: Path, deaths: list[int]) -> Any:
    for pools in [*deaths, None]:
        policy = make()
        env = environment(policy)
        env.callbacks = [] if pools is None else [FunctionCallback(killed_after(pools))]
        try:
            result = run_policy(
                make_policy(policy), env, seed=3, checkpoints=Checkpoints(folder, minutes=None, steps=1)
            )
        except Killed:
            continue
        return outcome(env, result)
    raise AssertionError


OPTIONS: list[dict[str, Any]] = [
    {"observe": "fresh"},
    {"features": ["loss", "embedding", "alignment"], "reward": "validation-gain"},
    {"label_noise": 0.2, "balance_classes": True},
    {"warmup_epochs": 0, "anneal_fraction": 0.0},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("policy", ["top-loss", slow("ppo")])
def test_it_goes_on_whatever_the_environment_is_asked_for(policy: str, options: dict[str, Any], tmp_path: Path) -> None:
    env = environment(policy, **options)
    whole = outcome(env, run_policy(make_policy(policy), env, seed=3))
    total = env.plan.total_pools
    assert driven(policy, tmp_path / "run", [total // 3, total // 2, total - 1], **options) == whole


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        env = environment("random")
        env.callbacks.append(FunctionCallback(killed_after(15)))
        run_policy(make_policy("random"), env, seed=3, checkpoints=Checkpoints(tmp_path, minutes=None, steps=1))
    for options, message in [
        ({"reward": "difficulty"}, r"^the checkpoint is of reward='priced-composite'; this environment has"),
        ({"rescale_loss": True}, r"^the checkpoint is of rescale_loss=False; this environment has rescale_loss=True$"),
        ({"epochs": 6}, r"^the checkpoint is of plan="),
    ]:
        with pytest.raises(ValueError, match=message):
            env = environment("random", **options)
            run_policy(make_policy("random"), env, seed=3, checkpoints=Checkpoints(tmp_path))
    top_loss = r"^the checkpoint is of policy='data_select_gym.agents.rules:Random'; here it is policy='.*:TopLoss'$"
    for policy, seed, message in [
        ("random", 4, r"^the checkpoint is of seed=3; here it is seed=4$"),
        ("top-loss", 3, top_loss),
    ]:
        with pytest.raises(ValueError, match=message):
            run_policy(make_policy(policy), environment(policy), seed=seed, checkpoints=Checkpoints(tmp_path))


def test_a_checkpoint_of_the_same_rule_with_other_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        env = environment("infobatch")
        env.callbacks.append(FunctionCallback(killed_after(15)))
        run_policy(InfoBatch(prune_ratio=0.2), env, seed=3, checkpoints=Checkpoints(tmp_path, minutes=None, steps=1))
    with pytest.raises(ValueError, match=r"prune_ratio=0.2\)'; here it is .*prune_ratio=0.8\)'$"):
        run_policy(InfoBatch(prune_ratio=0.8), environment("infobatch"), seed=3, checkpoints=Checkpoints(tmp_path))


def test_a_rule_that_goes_on_keeps_the_parameters_that_it_was_made_with() -> None:
    env = environment("ucb")
    env.reset(seed=0)
    before, after = UCB(c=0.2, alpha=0.5), UCB(c=3.0)
    before.start(env)
    before.mean += 7
    after.load_state_dict(before.state_dict(), env)
    assert (after.c, after.alpha) == (3.0, 0.3)
    assert after.mean.equal(before.mean) and after.seen.equal(before.seen)


def test_a_checkpoint_that_someone_made_up_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path).write(1, {"notes": {"policy": "data_select_gym.agents.rules:Random", "seed": 3}})
    with pytest.raises(ValueError, match=r"^the checkpoint is damaged: KeyError"):
        run_policy(make_policy("random"), environment("random"), seed=3, checkpoints=Checkpoints(tmp_path))


def test_seconds_go_on_too(tmp_path: Path) -> None:
    env = environment("random")
    env.callbacks.append(FunctionCallback(killed_after(30)))
    with pytest.raises(Killed):
        run_policy(make_policy("random"), env, seed=3, checkpoints=Checkpoints(tmp_path, minutes=None, steps=1))
    state = Checkpoints(tmp_path).read()
    assert state is not None
    result = run_policy(make_policy("random"), environment("random"), seed=3, checkpoints=Checkpoints(tmp_path))
    assert result.seconds > state["seconds"][0] > state["seconds"][1] > 0
    assert 0 < result.agent_seconds < result.seconds


@pytest.fixture
def heeded() -> Iterator[None]:
    """SIGINT is heeded, also where the tests are run by a shell that has it ignored in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def asking(*numbers: int) -> Callable[[TrainingRun], None]:
    """Sends these signals to the process, one after the other, when 20 pools have been trained on."""

    def ask(run: TrainingRun) -> None:
        if run.pool_number == 20:
            for number in numbers:
                signal.raise_signal(number)

    return ask


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_asked_to_stop_writes_a_checkpoint_first(number: int, tmp_path: Path) -> None:
    env = environment("random")
    whole = outcome(env, run_policy(make_policy("random"), env, seed=3))

    before = signal.getsignal(number)
    env = environment("random")
    env.callbacks.append(FunctionCallback(asking(number)))
    message = rf"^stopped by {signal.Signals(number).name}; a checkpoint is in {tmp_path}$"
    with pytest.raises(Stopped, match=message):
        run_policy(make_policy("random"), env, seed=3, checkpoints=Checkpoints(tmp_path, minutes=60))
    assert env.run.pool_number == 20 and signal.getsignal(number) is before
    env = environment("random")
    assert outcome(env, run_policy(make_policy("random"), env, seed=3, checkpoints=Checkpoints(tmp_path))) == whole


@pytest.mark.usefixtures("heeded")
def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    env = environment("full")
    env.callbacks.append(FunctionCallback(asking(signal.SIGINT, signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt) as stopped:
        run_policy(make_policy("full"), env, seed=3, checkpoints=Checkpoints(tmp_path, minutes=60))
    assert not isinstance(stopped.value, Stopped) and not Checkpoints(tmp_path).paths()


def test_a_second_sigterm_is_the_first_one_again(tmp_path: Path) -> None:
    env = environment("full")
    env.callbacks.append(FunctionCallback(asking(signal.SIGTERM, signal.SIGTERM)))
    with pytest.raises(Stopped, match=r"^stopped by SIGTERM; a checkpoint is in"):
        run_policy(make_policy("full"), env, seed=3, checkpoints=Checkpoints(tmp_path, minutes=60))


# Learning over many runs


def pretrained_until(agent: str, folder: Path, steps: int) -> None:
    """Train an agent until its process dies after so many steps."""
    with pytest.raises(Killed), pytest.MonkeyPatch.context() as patch:
        step, taken = DataSelectEnv._advance, itertools.count(1)

        def dies(env: Any, *arguments: Any, **more: Any) -> Any:
            if next(taken) == steps:
                raise Killed
            return step(env, *arguments, **more)

        patch.setattr(DataSelectEnv, "_advance", dies)
        settings: dict[str, Any] = {"epochs": 4, "pool_size": 160, "batch_size": 40, "device": "cpu"}
        checkpoints = Checkpoints(folder, minutes=None, steps=1)
        pretrain(agent, "DataSelect/Digits-v0", runs=3, seed=5, checkpoints=checkpoints, **settings)


def pretrained(agent: str, folder: Path | None) -> Any:
    """Weights and return of the last run of an agent, from its checkpoint if there is one."""
    told: list[float] = []
    settings: dict[str, Any] = {"epochs": 4, "pool_size": 160, "batch_size": 40, "device": "cpu"}
    model = pretrain(
        agent,
        "DataSelect/Digits-v0",
        runs=3,
        seed=5,
        on_run=lambda number, info: told.append(info["episode"]["r"]),
        checkpoints=None if folder is None else Checkpoints(folder, minutes=None, steps=1),
        **settings,
    )
    weights = {name: value.tolist() for name, value in model.policy.state_dict().items()}
    return weights, model.num_timesteps, told[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    ["ppo", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dqn", "data-agent", "sac", "recurrent-ppo"))],
)
def test_a_training_over_many_runs_goes_on_to_the_bit(agent: str, tmp_path: Path) -> None:
    for steps in (3, 12, 15):
        pretrained_until(agent, tmp_path / "checkpoints", steps)
    whole = pretrained(agent, None)
    assert pretrained(agent, tmp_path / "checkpoints") == whole
    # They are there until the model is saved: without it, the same call comes to the same end once more.
    assert pretrained(agent, tmp_path / "checkpoints") == whole


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    pretrained_until("ppo", tmp_path, 20)
    settings: dict[str, Any] = {"epochs": 4, "pool_size": 160, "batch_size": 40, "device": "cpu"}
    with pytest.raises(ValueError, match=r"^the checkpoint is of runs=3; here it is runs=4$"):
        checkpoints = Checkpoints(tmp_path)
        pretrain("ppo", "DataSelect/Digits-v0", runs=4, seed=5, checkpoints=checkpoints, **settings)
