from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from data_select_gym.agents import DataAgent, learn_run, make_env, make_policy
from data_select_gym.envs import as_base_env

from ..tiers import slow
from .data_agents import STEPS, P, Watched, agent, counted, paper, slots, weights


def test_learning_stops_where_the_run_ends_and_begins_no_other() -> None:
    model, env, view = counted()
    watch = Watched()
    assert model.learn_run(callback=watch) is model
    assert (watch.steps, env.resets, env.run.done) == (STEPS, 1, True)
    assert model.num_timesteps == STEPS * P
    assert env.run.pool_number == env.plan.total_pools
    assert view.steps_per_run == STEPS


@pytest.mark.parametrize("n_steps", [7, slow(10), slow(STEPS - 1)])
def test_learning_stops_where_the_run_ends_whatever_a_rollout_takes(n_steps: int) -> None:
    model, env, _ = counted(n_steps=n_steps, n_minibatches=1)
    model.learn_run()
    assert (model.num_timesteps, env.resets, env.run.done) == (STEPS * P, 1, True)
    assert model._n_updates == (STEPS - 1) // n_steps


@pytest.mark.parametrize("n_steps", [STEPS, 64])
def test_a_model_that_would_learn_nothing_from_a_run_is_refused(n_steps: int) -> None:
    model, env, _ = counted(n_steps=n_steps, n_minibatches=1)
    with pytest.raises(ValueError, match=rf"^n_steps={n_steps} is not below the {STEPS} steps of a run"):
        model.learn_run()
    assert env.resets == 0


def test_a_policy_that_would_learn_nothing_from_a_run_is_refused_before_it() -> None:
    for name, steps in (("ppo", 4), ("data-agent", 8)):  # the latter does not anneal
        policy = make_policy(name)
        env = make_env(policy, "DataSelect/Digits-v0", epochs=3, pool_size=320, batch_size=64)
        with pytest.raises(ValueError, match=rf"^n_steps=10 is not below the {steps} steps of a run"):
            policy.check(env)
        assert env.seconds == 0
    make_policy("a2c").check(as_base_env("DataSelect/Digits-v0", epochs=3, pool_size=320, batch_size=64))


@pytest.mark.slow
def test_a_second_call_learns_from_a_second_run() -> None:
    model, env, _ = counted()
    first = weights(model.learn_run())
    model.learn_run()
    assert (env.resets, model.num_timesteps) == (2, STEPS * P)
    assert (weights(model) != first).any()
    model.learn_run(reset_num_timesteps=False)
    assert (env.resets, model.num_timesteps) == (3, 2 * STEPS * P)
    assert env.run.done


@pytest.mark.parametrize("autoreset", [True, False])
def test_autoreset_is_as_it_was_after_a_run(autoreset: bool) -> None:
    model, _, view = counted()
    view.autoreset = autoreset
    during = []
    model.learn_run(callback=Watched(lambda self: during.append(view.autoreset)))
    assert view.autoreset is autoreset
    assert set(during) == {False}


def test_autoreset_is_as_it_was_after_an_error() -> None:
    model, env, view = counted()

    def fail(_: Watched) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.learn_run(callback=Watched(fail))
    assert view.autoreset
    model.learn_run()
    assert (env.resets, env.run.done) == (2, True)


@pytest.mark.parametrize("reset", [True, slow(False)])
def test_ordinary_learning_follows_a_run_with_a_run_of_its_own(reset: bool) -> None:
    model, env, _ = counted()
    model.learn_run()
    model.learn(total_timesteps=10 * P, reset_num_timesteps=reset)
    assert env.resets == 2
    assert env.run.pool_number == env.plan.warmup_pools + 10


def test_a_run_follows_ordinary_learning_from_its_beginning() -> None:
    model, env, _ = counted()
    model.learn(total_timesteps=10 * P)
    watch = Watched()
    model.learn_run(callback=watch, reset_num_timesteps=False)
    assert (watch.steps, env.resets, env.run.done) == (STEPS, 2, True)


def test_a_callback_may_stop_a_run_early() -> None:
    model, env, _ = counted()
    watch = Watched(lambda self: self.steps < 5)
    model.learn_run(callback=watch)
    assert watch.steps == 5
    assert not env.run.done


def test_several_callbacks_are_called_at_every_step() -> None:
    model, _, _ = counted()
    first, second = Watched(), Watched()
    model.learn_run(callback=[first, second])
    assert (first.steps, second.steps) == (STEPS, STEPS)


def test_a_wrapped_environment_is_learned_from_as_well() -> None:
    view = slots()
    model = DataAgent(VecNormalize(view, norm_reward=False), device="cpu", seed=0, n_epochs=1)
    model.learn_run()
    assert view.env.run.done
    assert model.get_vec_normalize_env().obs_rms.count > STEPS * P


def test_a_model_of_another_environment_is_refused() -> None:
    with pytest.raises(TypeError, match=r"DummyVecEnv; a SamplewiseVecEnv, wrapped or not, is needed"):
        learn_run(PPO("MlpPolicy", "CartPole-v1", device="cpu"))


@pytest.mark.parametrize("make", [agent, slow(paper)])
def test_the_same_seed_learns_the_same(make: Any) -> None:
    def learned() -> NDArray[np.float32]:
        model = make(seed=4)
        return weights(model.learn_run())

    assert learned().tolist() == learned().tolist()
