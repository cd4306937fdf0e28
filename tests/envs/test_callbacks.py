"""Callbacks are called in order, at every pool, evaluation, step and end of every run."""

from dataclasses import dataclass
from typing import Any

import pytest

from data_select_gym.agents import make_policy, pretrain, run_policy
from data_select_gym.envs import DataSelectEnv, EnvCallback
from data_select_gym.training import Evaluation, FunctionCallback, RunCallback, StepRecord

from .joint_runs import everything, play, same, small


class Log(EnvCallback):
    """Notes what it is called with."""

    def __init__(self, name: str = "", calls: list[Any] | None = None) -> None:
        self.name = name
        self.calls: list[Any] = [] if calls is None else calls

    def note(self, *what: Any) -> None:
        self.calls.append((self.name, *what) if self.name else what)

    def on_run_begin(self, run: Any) -> None:
        self.note("begin", run.pool_number)

    def on_pool_end(self, run: Any, record: StepRecord | None) -> None:
        self.note("pool", run.pool_number, None if record is None else int(record.kept.sum()))

    def on_evaluation(self, run: Any, evaluation: Evaluation) -> None:
        assert evaluation is run.evaluations[-1]
        self.note("evaluation", run.pool_number)

    def on_run_end(self, run: Any) -> None:
        self.note("end", run.pool_number, run.quality > 0)

    def on_reset_end(self, env: Any, info: dict[str, Any]) -> None:
        self.note("reset", env.run.pool_number, info["cost"].dtype.kind)

    def on_step_end(self, env: Any, reward: float, info: dict[str, Any]) -> None:
        self.note("step", env.keep_fractions[-1][0], reward == info["sample_rewards"].mean(dtype=float))


def test_a_run_calls_at_each_pool_evaluation_and_step_and_at_its_ends() -> None:
    env, log = small(), Log()
    env.callbacks.append(log)
    play(env, choose=everything)
    steps = [call for number in range(6, 10) for call in (("pool", number, 8), ("step", number, True))]
    warm_up = [("begin", 0), *[("pool", number, None) for number in range(1, 5)], ("evaluation", 5), ("pool", 5, None)]
    last = [("evaluation", 10), ("pool", 10, 8), *[("pool", number, None) for number in range(11, 15)]]
    end = [("evaluation", 15), ("pool", 15, None), ("end", 15, True), ("step", 10, True)]
    assert log.calls == [*warm_up, ("reset", 5, "f"), *steps, *last, *end]
    log.calls.clear()
    play(env, seed=None, choose=everything)
    assert log.calls[0] == ("begin", 0) and log.calls[-1] == ("step", 10, True)


def test_callbacks_change_nothing_and_may_come_and_go_within_a_run() -> None:
    plain, env, log = small(), small(), Log()
    plain.reset(seed=0)
    env.reset(seed=0)
    assert same(list(plain.step(everything(plain))), list(env.step(everything(env))))
    env.callbacks.append(log)
    plain.step(everything(plain))
    env.step(everything(env))
    assert log.calls == [("pool", 7, 8), ("step", 7, True)]
    env.callbacks = []
    assert same(list(plain.step(everything(plain))), list(env.step(everything(env))))
    assert len(log.calls) == 2


def test_those_of_a_policys_run_come_last_and_go_again() -> None:
    env, calls = small(), list[Any]()
    first = Log("env", calls)
    env.callbacks.append(first)
    run_policy(make_policy("random"), env, 0, callbacks=[Log("run", calls), FunctionCallback(lambda run: None)])
    assert env.callbacks == [first]
    assert [name for name, *_ in calls[:4]] == ["env", "run", "env", "run"]
    assert len(calls) == 2 * len([name for name, *_ in calls if name == "run"])
    with pytest.raises(RuntimeError, match="enough"):
        run_policy(make_policy("random"), env, 0, callbacks=[FunctionCallback(stop)])
    assert env.callbacks == [first]


def test_without_warm_up_and_on_resuming_the_reset_ends_before_the_run_begins() -> None:
    env, log = small(warmup_epochs=0), Log()
    env.callbacks.append(log)
    for _ in range(2):
        env.reset(seed=0)
        env.step(everything(env))
        assert [call[0] for call in log.calls] == ["reset", "begin", "pool", "step"]
        log.calls.clear()
        env.load_state_dict(env.state_dict())


def test_a_step_that_a_callback_fails_in_is_trained_on_and_not_counted() -> None:
    env = small()
    env.reset(seed=0)
    env.callbacks.append(FunctionCallback(stop))
    with pytest.raises(RuntimeError, match="enough"):
        env.step(everything(env))
    assert (env.run.pool_number, env.keep_fractions, env.run.done) == (6, [], False)


class Leaver(RunCallback):
    """Leaves at the first pool."""

    def __init__(self, env: DataSelectEnv, *, all_of_them: bool) -> None:
        self.env, self.all_of_them = env, all_of_them

    def on_pool_end(self, run: Any, record: StepRecord | None) -> None:
        if self.all_of_them:
            self.env.callbacks = []
        else:
            self.env.callbacks.remove(self)


@pytest.mark.parametrize("all_of_them", [False, True])
def test_one_of_a_policys_run_may_remove_itself_or_all(all_of_them: bool) -> None:
    env, log = small(), Log()
    env.callbacks.append(log)
    result = run_policy(make_policy("random"), env, 0, callbacks=[Leaver(env, all_of_them=all_of_them)])
    assert result.quality > 0 and env.callbacks == ([] if all_of_them else [log])


@dataclass
class Equal(RunCallback):
    name: str = "same"


def test_those_of_a_policys_run_are_told_from_others_that_compare_equal() -> None:
    env, mine, of_run = small(), Equal(), Equal()
    env.callbacks.append(mine)
    run_policy(make_policy("random"), env, 0, callbacks=[of_run])
    assert len(env.callbacks) == 1 and env.callbacks[0] is mine
    with env.listened_to_by([of_run], first=True):
        env.callbacks.append(Equal())
    assert len(env.callbacks) == 2 and env.callbacks[0] is mine


def stop(run: Any) -> None:
    raise RuntimeError("enough")


def test_those_of_a_training_hear_of_all_its_runs() -> None:
    log = Log()
    pretrain("ppo", "DataSelect/Digits-v0", runs=2, seed=0, callbacks=[log], epochs=3, pool_size=160, device="cpu")
    assert [call[0] for call in log.calls].count("begin") == 2
    assert [call[0] for call in log.calls].count("end") == 2


def test_on_pool_still_works_and_warns() -> None:
    env, pools = small(), list[int]()

    def note(run: Any) -> None:
        pools.append(run.pool_number)

    log = Log()
    env.callbacks.append(log)
    message = r"^env\.on_pool = f is called env\.callbacks\.append\(FunctionCallback\(f\)\) now; the old name goes in"
    with pytest.warns(DeprecationWarning, match=message):
        env.on_pool = note
    assert env.on_pool is note and env.callbacks[0] is log
    env.reset(seed=0)
    assert pools == [1, 2, 3, 4, 5]
    with pytest.warns(DeprecationWarning, match=message):
        env.on_pool = pools.append  # type: ignore[assignment]
    assert len(env.callbacks) == 2
    with pytest.warns(DeprecationWarning, match=message):
        env.on_pool = None
    assert env.on_pool is None and env.callbacks == [log]
    env.step(env.action_space.sample())
    assert len(pools) == 5


@pytest.mark.parametrize("callbacks", [[print], [None], 3])
def test_what_is_no_callback_is_refused(callbacks: Any) -> None:
    env = small()
    with pytest.raises(TypeError, match=r"^callbacks="):
        env.callbacks = callbacks
    assert isinstance(env, DataSelectEnv) and env.callbacks == []
