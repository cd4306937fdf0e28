import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.logger import KVWriter, Logger, configure
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from data_select_gym.agents import BetaPolicy, DataAgent, learn_run
from data_select_gym.agents.data_agent import ScaledRolloutBuffer
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, make_joint

P, STEPS = 32, 40  # a run of three epochs selects in the second of them
PAPER_ENV = {"features": ("embedding",), "reward": "minibatch-composite"}


def slots(pool_size: int = P, **options: Any) -> SamplewiseVecEnv:
    return SamplewiseVecEnv("DataSelect/Digits-v0", action="score", epochs=3, pool_size=pool_size, **options)


def agent(pool_size: int = P, **options: Any) -> DataAgent:
    return DataAgent(slots(pool_size), device="cpu", **({"seed": 0, "n_epochs": 2} | options))


def paper(pool_size: int = P, **options: Any) -> DataAgent:
    return DataAgent.paper(slots(pool_size, **PAPER_ENV), device="cpu", **({"seed": 0} | options))


def silent(model: DataAgent) -> DataAgent:
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def weights(model: DataAgent) -> NDArray[np.float32]:
    return torch.cat([weight.detach().flatten() for weight in model.policy.parameters()]).numpy()


def rows(model: DataAgent, count: int = 50) -> NDArray[np.float32]:
    shape = model.observation_space.shape or ()
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)


class Watched(BaseCallback):
    """Counts steps, and may do something at each."""

    def __init__(self, act: Any = None) -> None:
        super().__init__()
        self.act = act
        self.steps = 0

    def _on_step(self) -> bool:
        self.steps += 1
        return self.act is None or self.act(self) is not False


class Recorder(KVWriter):
    """Keeps what a logger writes."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.rows.append(dict(key_values))

    def close(self) -> None:
        pass


# Settings


def test_the_papers_agent_has_the_papers_settings() -> None:
    made = paper()
    assert (made.gamma, made.gae_lambda, made.n_steps, made.n_epochs) == (0.99, 0.95, 10, 4)
    assert made.batch_size == 10 * P
    assert [made.clip_range(left) for left in (1.0, 0.0)] == [0.2, 0.2]
    assert made.ent_coef == 0
    rates = [made.lr_schedule(left) for left in (1.0, 0.5, 0.0)]
    assert rates == pytest.approx([3e-4, 3e-4 * 0.505, 3e-6])
    assert type(made.policy.optimizer) is torch.optim.Adam
    (group,) = made.policy.optimizer.param_groups
    assert (group["eps"], group["weight_decay"], group["lr"]) == (1e-5, 5e-4, pytest.approx(3e-4))
    assert isinstance(made.policy, BetaPolicy)
    assert made.policy.net_arch == {"pi": [128, 128], "vf": [128, 128]}


def test_the_default_agent_has_discount_zero_and_smaller_networks() -> None:
    made = agent()
    assert (made.gamma, made.gae_lambda) == (0.0, 1.0)
    assert made.policy.net_arch == {"pi": [32, 32], "vf": [32, 32]}
    assert isinstance(made.policy, BetaPolicy)


def test_settings_of_the_paper_can_be_overridden_one_by_one() -> None:
    made = paper(gamma=0.5, n_epochs=1)
    assert (made.gamma, made.n_epochs, made.gae_lambda) == (0.5, 1, 0.95)


def test_the_papers_learning_rate_falls_over_the_run() -> None:
    recorder = Recorder()
    made = paper(n_steps=10)
    made.set_logger(Logger(folder=None, output_formats=[recorder]))
    made.learn_run()
    rates = [row["train/learning_rate"] for row in recorder.rows if "train/learning_rate" in row]
    left = [1 - 10 * rollout / STEPS for rollout in (1, 2, 3)]
    assert rates == pytest.approx([3e-4 * (0.01 + 0.99 * share) for share in left])


@pytest.mark.parametrize(("make", "updates"), [(paper, 4), (lambda: agent(n_epochs=3, n_minibatches=5), 15)])
def test_an_update_makes_as_many_optimizer_steps_as_the_settings_say(make: Any, updates: int) -> None:
    made = silent(make())
    steps = []
    made.policy.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    fill(made)
    made.train()
    assert len(steps) == updates


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


def test_the_number_of_minibatches_must_be_at_least_one() -> None:
    with pytest.raises(ValueError, match="n_minibatches=0"):
        agent(n_minibatches=0)


def test_an_id_or_a_joint_environment_is_looked_at_by_slots() -> None:
    joint = make_joint("DataSelect/Digits-v0", epochs=3, pool_size=P)
    made = DataAgent(joint, device="cpu")
    assert made.n_envs == P
    assert made.action_space == spaces.Box(0.0, 1.0, (1,), dtype=np.float32)
    assert DataAgent("DataSelect/Digits-v0", device="cpu").n_envs == 128
    wrapped = gym.make("DataSelect/Digits-v0", epochs=3, pool_size=P)
    assert DataAgent(wrapped, device="cpu").n_envs == P
    with pytest.raises(TypeError, match="a DataSelectEnv or the id of one is needed"):
        DataAgent(gym.make("CartPole-v1"), device="cpu")


def test_an_environment_whose_actions_are_keep_or_drop_is_refused() -> None:
    with pytest.raises(ValueError, match="action='score'"):
        DataAgent(SamplewiseVecEnv("DataSelect/Digits-v0", epochs=3), device="cpu")


# Advantages and rewards


def buffer(
    rewards: NDArray[np.float32], values: NDArray[np.float32], *, gamma: float, lam: float, **options: Any
) -> ScaledRolloutBuffer:
    steps, count = rewards.shape
    space, score = spaces.Box(0, 1, (2,), dtype=np.float32), spaces.Box(0, 1, (1,), dtype=np.float32)
    made = ScaledRolloutBuffer(steps, space, score, "cpu", lam, gamma, count, **options)
    add_steps(made, rewards, values)
    return made


def add_steps(made: ScaledRolloutBuffer, rewards: NDArray[np.float32], values: NDArray[np.float32]) -> None:
    count = rewards.shape[1]
    for reward, value in zip(rewards, values, strict=True):
        starts = np.zeros(count)
        made.add(np.zeros((count, 2)), np.zeros((count, 1)), reward, starts, torch.tensor(value), torch.zeros(count))


def advantages_by_hand(
    rewards: NDArray[Any], values: NDArray[Any], last: NDArray[Any], gamma: float, lam: float
) -> NDArray[Any]:
    following = np.vstack([values[1:], last])
    errors = rewards + gamma * following - values
    result = np.zeros_like(errors)
    ahead = np.zeros(errors.shape[1])
    for step in reversed(range(len(errors))):
        ahead = errors[step] + gamma * lam * ahead
        result[step] = ahead
    return result


def drawn(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.7, 2.0, size=shape).astype(np.float32)


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (0.0, 1.0)])
def test_advantages_are_divided_by_their_deviation_and_not_centred(gamma: float, lam: float) -> None:
    rewards, values, last = drawn(0, 4, 6), drawn(1, 4, 6), drawn(2, 6)
    made = buffer(rewards, values, gamma=gamma, lam=lam)
    made.compute_returns_and_advantage(torch.tensor(last), np.zeros(6, dtype=bool))
    expected = advantages_by_hand(rewards.astype(float), values, last, gamma, lam)
    assert made.advantages == pytest.approx(expected / expected.std(), rel=1e-4, abs=1e-5)
    assert abs(made.advantages.mean()) > 0.05
    assert made.advantages.std() == pytest.approx(1, rel=1e-5)
    # What the critic learns is not scaled.
    assert made.returns == pytest.approx(expected + values, rel=1e-4, abs=1e-5)


def test_advantages_that_are_all_zero_stay_zero() -> None:
    zeros = np.zeros((2, 3), dtype=np.float32)
    made = buffer(zeros, zeros, gamma=0.0, lam=1.0)
    made.compute_returns_and_advantage(torch.zeros(3), np.ones(3, dtype=bool))
    assert not made.advantages.any()


def test_rewards_are_normalised_by_the_mean_and_deviation_of_all_samples_so_far() -> None:
    first, second = drawn(0, 3, 50), 5 * drawn(1, 3, 50) + 2
    values, last = np.zeros((3, 50), dtype=np.float32), torch.zeros(50)
    made = buffer(first, values, gamma=0.0, lam=1.0, statistics=RunningMeanStd(shape=()))
    made.compute_returns_and_advantage(last, np.zeros(50, dtype=bool))
    assert made.rewards == pytest.approx((first - first.mean()) / first.std(), rel=1e-3, abs=1e-3)
    made.reset()
    add_steps(made, second, values)
    made.compute_returns_and_advantage(last, np.zeros(50, dtype=bool))
    seen = np.concatenate([first, second])
    assert made.rewards == pytest.approx((second - seen.mean()) / seen.std(), rel=1e-3, abs=1e-3)
    assert made.rewards.dtype == np.float32


def test_the_papers_agent_learns_from_normalised_rewards_and_the_default_from_plain_ones() -> None:
    rewards = 100 + drawn(0, 10, P)
    normal, plain = fill(paper(), rewards=rewards), fill(agent(), rewards=rewards)
    assert normal.rewards == pytest.approx((rewards - rewards.mean()) / rewards.std(), rel=1e-2, abs=1e-2)
    assert plain.rewards.tolist() == rewards.tolist()


def test_with_discount_zero_an_advantage_knows_nothing_of_later_steps() -> None:
    rewards = drawn(0, 10, P)
    one = fill(agent(), rewards=rewards)
    advantage, values = one.advantages, one.values
    unscaled = rewards - values
    assert advantage == pytest.approx(unscaled / unscaled.std(), rel=1e-4, abs=1e-5)


# The update


def fill(model: DataAgent, rewards: NDArray[np.float32] | None = None) -> ScaledRolloutBuffer:
    """Fill the rollout buffer with observations and actions of the policy, and with given or random rewards."""
    torch.manual_seed(0)
    made, steps, count = model.rollout_buffer, model.n_steps, model.n_envs
    assert isinstance(made, ScaledRolloutBuffer)
    made.reset()
    seen = np.random.default_rng(1).random((steps, count, *(model.observation_space.shape or ())), dtype=np.float32)
    paid = drawn(3, steps, count) if rewards is None else rewards
    for step in range(steps):
        with torch.no_grad():
            actions, values, density = model.policy(torch.from_numpy(seen[step]))
        made.add(seen[step], actions.numpy(), paid[step], np.zeros(count), values, density)
    made.compute_returns_and_advantage(torch.zeros(count), np.zeros(count, dtype=bool))
    return made


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


# Selection and reward in the environment


def quality_by_hand(losses: NDArray[Any], uncertainty: NDArray[Any]) -> NDArray[Any]:
    clipped = np.minimum(losses, np.quantile(losses, 0.95))
    difficulty = (clipped - clipped.min()) / (clipped.max() - clipped.min() + 1e-8)
    weight = difficulty.var() / (difficulty.var() + uncertainty.var() + 1e-8)
    return weight * difficulty + (1 - weight) * uncertainty


@pytest.mark.parametrize("keep_ratio", [0.25, 0.5])
def test_the_best_share_of_scores_is_kept_and_paid_its_score_times_its_quality(keep_ratio: float) -> None:
    env = slots(64, **PAPER_ENV, keep_ratio=keep_ratio)
    env.seed(0)
    env.reset()
    scores = np.random.default_rng(0).random((64, 1), dtype=np.float32)
    _, rewards, _, infos = env.step(scores)
    record = env.env.record
    assert record is not None
    best = np.argsort(-scores[:, 0])[: int(64 * keep_ratio)]
    assert np.flatnonzero(infos[-1]["kept"]).tolist() == sorted(best)
    expected = np.zeros(64)
    for positions in (part.numpy() for part in record.minibatches):
        quality = quality_by_hand(record.fresh.loss[positions].numpy(), record.fresh.uncertainty[positions].numpy())
        expected[positions] = scores[positions, 0] * quality
    assert rewards == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert (rewards > 0).sum() > 0.8 * len(best)


def test_scores_at_which_the_agent_learns_are_those_that_it_is_paid_for() -> None:
    paid: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def own_score(outcome: Any) -> Tensor:
        return outcome.action

    model = DataAgent(slots(reward=own_score, keep_ratio=1.0), device="cpu", seed=0, n_epochs=1)
    watch = Watched(lambda self: paid.append((self.locals["actions"][:, 0], self.locals["rewards"])))
    model.learn_run(callback=watch)
    assert len(paid) == STEPS
    for actions, rewards in paid:
        assert rewards == pytest.approx(actions)


# One run


class CountedEnv(DataSelectEnv):
    """Counts resets."""

    resets = 0

    def reset(self, **options: Any) -> Any:
        self.resets += 1
        return super().reset(**options)


def counted(**options: Any) -> tuple[DataAgent, CountedEnv, SamplewiseVecEnv]:
    env = CountedEnv("digits", epochs=3, pool_size=P)
    view = SamplewiseVecEnv(env, action="score")
    return DataAgent(view, device="cpu", **({"seed": 0, "n_epochs": 1} | options)), env, view


def test_learning_stops_where_the_run_ends_and_begins_no_other() -> None:
    model, env, view = counted()
    watch = Watched()
    assert model.learn_run(callback=watch) is model
    assert (watch.steps, env.resets, env.run.done) == (STEPS, 1, True)
    assert model.num_timesteps == STEPS * P
    assert env.run.pool_number == env.plan.total_pools
    assert view.steps_per_run == STEPS


@pytest.mark.parametrize("n_steps", [7, 10, 64])
def test_learning_stops_where_the_run_ends_whatever_a_rollout_takes(n_steps: int) -> None:
    model, env, _ = counted(n_steps=n_steps, n_minibatches=1)
    model.learn_run()
    assert (model.num_timesteps, env.resets, env.run.done) == (STEPS * P, 1, True)
    assert model._n_updates == (STEPS - 1) // n_steps


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


def test_ordinary_learning_follows_a_run_with_a_run_of_its_own() -> None:
    model, env, _ = counted()
    model.learn_run()
    model.learn(total_timesteps=10 * P)
    assert env.resets == 2
    assert env.run.pool_number == env.plan.warmup_pools + 10


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


@pytest.mark.parametrize("make", [agent, paper])
def test_the_same_seed_learns_the_same(make: Any) -> None:
    def learned() -> NDArray[np.float32]:
        model = make(seed=4)
        return weights(model.learn_run())

    assert learned().tolist() == learned().tolist()


# Saving and loading


@pytest.mark.parametrize("make", [agent, paper])
def test_a_loaded_agent_predicts_the_same_to_the_bit_at_any_pool_size(make: Any, tmp_path: Path) -> None:
    model = make().learn_run()
    model.save(tmp_path / "agent")
    options = PAPER_ENV if make is paper else {}
    for env in (None, slots(**options), slots(64, **options), slots(18, **options)):
        loaded = DataAgent.load(tmp_path / "agent", env=env, device="cpu")
        assert type(loaded) is DataAgent
        for deterministic in (True, False):
            torch.manual_seed(1)
            expected, _ = model.predict(rows(model), deterministic=deterministic)
            torch.manual_seed(1)
            assert loaded.predict(rows(model), deterministic=deterministic)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("make", [agent, paper])
def test_a_loaded_agent_goes_on_learning_as_the_saved_one_does(make: Any, tmp_path: Path) -> None:
    def go_on(model: DataAgent) -> NDArray[np.float32]:
        model.set_random_seed(7)
        return weights(model.learn_run(reset_num_timesteps=False))

    model = make().learn_run()
    model.save(tmp_path / "agent")
    loaded = DataAgent.load(tmp_path / "agent", env=slots(**(PAPER_ENV if make is paper else {})), device="cpu")
    before = weights(model)
    assert weights(loaded).tolist() == before.tolist()
    after = go_on(model)
    assert go_on(loaded).tolist() == after.tolist()
    assert (after != before).any()


@pytest.mark.parametrize(("pool_size", "minibatches"), [(64, 8), (18, 8), (33, 8)])
def test_a_loaded_agent_goes_on_learning_at_another_pool_size(pool_size: int, minibatches: int, tmp_path: Path) -> None:
    agent().learn_run().save(tmp_path / "agent")
    loaded = DataAgent.load(tmp_path / "agent", env=slots(pool_size), device="cpu")
    assert loaded.batch_size == math.ceil(10 * pool_size / minibatches)
    steps: list[int] = []
    loaded.policy.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    loaded.learn_run()
    updates = (loaded.env.steps_per_run - 1) // 10  # type: ignore[union-attr]
    assert len(steps) == updates * 2 * minibatches
    assert loaded.env.env.run.done  # type: ignore[union-attr]


def test_statistics_of_rewards_survive_saving_and_loading(tmp_path: Path) -> None:
    model = paper().learn_run()
    statistics = model.rollout_buffer.statistics
    # Nothing is left to learn for after the last of the four rollouts.
    assert statistics.count == pytest.approx(30 * P, abs=1)
    model.save(tmp_path / "agent")
    for pool_size in (P, 64):
        loaded = DataAgent.load(tmp_path / "agent", env=slots(pool_size, **PAPER_ENV), device="cpu")
        kept = loaded.rollout_buffer.statistics
        assert (kept.mean, kept.var, kept.count) == (statistics.mean, statistics.var, statistics.count)
        loaded.learn_run()
        assert kept.count == pytest.approx(statistics.count + (loaded.num_timesteps - 10 * pool_size), abs=1)
        assert loaded.rollout_buffer.statistics is kept


# Callbacks, logs and progress


def test_checkpoints_are_written_and_can_be_loaded(tmp_path: Path) -> None:
    model = agent()
    model.learn_run(callback=CheckpointCallback(save_freq=15, save_path=str(tmp_path), name_prefix="agent"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"agent_{15 * P}_steps.zip", f"agent_{30 * P}_steps.zip"]
    loaded = DataAgent.load(tmp_path / names[1], env=slots(), device="cpu")
    assert loaded.num_timesteps == 30 * P
    loaded.learn_run()


def test_curves_go_to_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = agent(tensorboard_log=str(tmp_path))
    model.learn_run()
    model.learn_run(tb_log_name="second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DataAgent_1", "second_1"]
    curves = EventAccumulator(str(tmp_path / "DataAgent_1"))
    curves.Reload()
    tags = set(curves.Tags()["scalars"])
    assert {"train/loss", "train/policy_gradient_loss", "train/value_loss", "train/learning_rate"} <= tags
    assert {"train/approx_kl", "train/clip_fraction", "train/explained_variance", "time/fps"} <= tags
    assert [event.step for event in curves.Scalars("train/loss")] == [20 * P, 30 * P, 40 * P]


def test_the_return_of_the_run_is_logged() -> None:
    recorder = Recorder()
    model, env, _ = counted()
    model.set_logger(Logger(folder=None, output_formats=[recorder]))
    model.learn_run(log_interval=1000)
    (row,) = recorder.rows
    assert row["rollout/ep_rew_mean"] == pytest.approx(env.episode_return)
    assert row["rollout/ep_len_mean"] == STEPS
    model.learn_run(callback=None, reset_num_timesteps=False)
    assert [episode["l"] for episode in model.ep_info_buffer] == [STEPS, STEPS]


def test_a_logger_of_ones_own_gets_the_same(tmp_path: Path) -> None:
    model = agent()
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn_run()
    model.logger.close()
    header = (tmp_path / "progress.csv").read_text().splitlines()[0].split(",")
    assert {"time/total_timesteps", "train/loss", "train/n_updates"} <= set(header)


def test_it_tells_what_it_learns_if_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    agent(verbose=0).learn_run()
    assert capsys.readouterr().out == ""
    agent(verbose=1).learn_run()
    told = capsys.readouterr().out
    assert "total_timesteps" in told
    assert "policy_gradient_loss" in told


@pytest.mark.filterwarnings("ignore::tqdm.TqdmExperimentalWarning")
def test_a_progress_bar_shows_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    agent().learn_run(progress_bar=True)
    told = "".join(capsys.readouterr())
    assert f"{STEPS * P:,}/{STEPS * P:,}" in told
