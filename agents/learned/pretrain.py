"""Learning over many runs, before a policy is frozen and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from data_select_gym.agents.factory import make_policy
from data_select_gym.agents.fingerprint import policy_fingerprint
from data_select_gym.agents.learned.at_work import learning
from data_select_gym.agents.learned.one_run import CountUpdates, StopAtRunEnd
from data_select_gym.agents.learned.online import OnlinePolicy
from data_select_gym.agents.learned.resume_learning import OfferCheckpoints, go_on
from data_select_gym.agents.naming import read_policy
from data_select_gym.agents.policy_env import make_env
from data_select_gym.agents.registry import ALGORITHMS
from data_select_gym.agents.run_checkpointer import RunCheckpointer
from data_select_gym.arguments import check_callable, check_choice, check_count, check_kind, check_path
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.randomness import RNGScope
from data_select_gym.training import FunctionCallback, RunCallback
from data_select_gym.training.checkpoints import Checkpoints
from data_select_gym.training.device import choose_device

# Called after each run with its number, from 1, and the last step's info, in which "episode" and "eval" are.
OnRun = Callable[[int, dict[str, Any]], None]
# Called after each pool with the number of the run, from 1, and the share of it that is done.
OnPool = Callable[[int, float], None]


class CountRuns(StopAtRunEnd):
    """Reports each run that ends, and stops learning after the last, without the warm-up of another.

    It does not stop ARS, which ends with a whole set of candidates and begins each run itself.
    """

    def __init__(self, env: SamplewiseVecEnv, runs: int, on_run: OnRun | None) -> None:
        super().__init__()
        self.env = env
        self.runs = runs
        self.on_run = on_run
        self.ended = 0

    def _on_training_start(self) -> None:
        self._begin_no_other()

    def _on_step(self) -> bool:
        if not self.locals["dones"].all():
            return True
        self.ended += 1
        self._begin_no_other()
        if self.on_run is not None:
            self.on_run(self.ended, self.locals["infos"][-1])
        return self.ended < self.runs or super()._on_step()

    def _on_training_end(self) -> None:
        # If learning continues, it begins with a new run.
        self.env.autoreset = True
        self.model._last_obs = None

    def _begin_no_other(self) -> None:
        """Let no other run follow the one that has begun if it is the last."""
        if self.ended == self.runs - 1:
            self.env.autoreset = False


def pretrain(
    agent: str | OnlinePolicy,
    env: str | gym.Env[Any, Any],
    *,
    runs: int,
    seed: int,
    on_run: OnRun | None = None,
    on_pool: OnPool | None = None,
    tensorboard_log: str | Path | None = None,
    checkpoints: Checkpoints | None = None,
    callbacks: Sequence[RunCallback] = (),
    **options: Any,
) -> BaseAlgorithm:
    """Let an agent learn over many runs, each with new initial weights and pools.

    With ``checkpoints`` it resumes from the newest one, bit-identically on a CPU. On SIGINT and SIGTERM one is written
    before :class:`~data_select_gym.agents.Stopped` is raised. They stay until the caller has saved the model and calls
    ``checkpoints.clear()``. ARS writes none.

    Args:
        agent: name of a learned policy, one of :data:`ALGORITHMS`, with or without options, as in ``"ppo:n_steps=5"``;
            or what :func:`~data_select_gym.agents.make_policy` makes of it.
        env: id of the environment, or an environment that has what the agent needs.
        runs: how many; ARS may take some more, since it ends with a whole set of candidates.
        seed: of the agent and of all runs.
        on_run: called after each run with its number, from 1, and its last info.
        on_pool: called after each pool with the number of its run, from 1, and the share of the run that is over.
        tensorboard_log: folder for curves of what is learned; none if None.
        checkpoints: of this training; none are written if None.
        callbacks: for every run of the training.
        options: arguments of the environment, if an id is given; what the agent needs overrides them.

    Returns:
        The model, for :func:`~data_select_gym.agents.save_model` and :class:`~data_select_gym.agents.FrozenPolicy`.

    Raises:
        ValueError: the agent is unknown, ``runs`` or ``seed`` is out of its range, the agent would learn nothing from
            so few steps, or the checkpoint is of another training.
        TypeError: ``env`` is another kind of environment, the agent takes no such option, or another argument is of the
            wrong type.
        Stopped: the process was asked to stop, and a checkpoint was written.
    """
    learned, name = find_agent(agent)
    algorithm = learned.algorithm
    runs = check_count("runs", runs)
    seed = check_count("seed", seed, least=0, most=2**32 - 1)
    if on_run is not None:
        check_callable("on_run", on_run)
    if on_pool is not None:
        check_callable("on_pool", on_pool)
    curves = None if tensorboard_log is None else str(check_path("tensorboard_log", tensorboard_log))
    if checkpoints is not None:
        check_kind("checkpoints", checkpoints, Checkpoints)
    if isinstance(env, str):
        slots = SamplewiseVecEnv(make_env(learned, env, **options), action=algorithm.action)
    else:
        slots = SamplewiseVecEnv(env, action=algorithm.action, **options)
    randomness = RNGScope(seed, choose_device("auto"))
    try:
        with randomness:
            model = algorithm.make(slots, **learned.options)
            steps, between = runs * slots.steps_per_run, getattr(model, "n_steps", 1)
            if between >= steps and not algorithm.across_runs:
                raise ValueError(
                    f"runs={runs!r}: {name} learns after every {between} steps that are not the last, and there are "
                    f"only {steps}; use more runs, more epochs or smaller pools"
                )
            model.tensorboard_log = curves
            slots.seed(seed)
            # Off-policy algorithms count episodes, of which a run has one for each slot, and the others updates.
            interval = slots.num_envs if isinstance(model, OffPolicyAlgorithm) else 1

            def learn(**arguments: Any) -> None:
                with learning(model):
                    model.learn(log_interval=interval, tb_log_name=name, **arguments)

            count = CountRuns(slots, runs, on_run)
            if on_pool is not None:
                callbacks = [*callbacks, FunctionCallback(lambda run: on_pool(count.ended + 1, run.progress))]
            with slots.env.listened_to_by(callbacks):
                if checkpoints is None or algorithm.across_runs:
                    learn(total_timesteps=steps * slots.num_envs, callback=[count, CountUpdates(slots.env)])
                else:
                    notes = {"agent": policy_fingerprint(agent), "runs": runs, "seed": seed}
                    learn_with_checkpoints(
                        model, learn, count, RunCheckpointer(slots.env, checkpoints, notes), randomness
                    )
    except BaseException:
        if isinstance(env, str):  # the caller cannot close it
            slots.close()
        raise
    return model


def find_agent(agent: Any) -> tuple[OnlinePolicy, str]:
    """A learned policy, as it is given to :func:`pretrain`, and its name.

    Raises:
        ValueError: it is no learned policy.
        TypeError: it takes no such option.
    """
    if isinstance(agent, OnlinePolicy):
        return agent, next((name for name, known in ALGORITHMS.items() if known is agent.algorithm), "agent")
    name = read_policy(agent)[0] if isinstance(agent, str) else agent
    check_choice("agent", name, ALGORITHMS)
    return cast(OnlinePolicy, make_policy(agent)), name


def learn_with_checkpoints(
    model: BaseAlgorithm,
    learn: Callable[..., Any],
    count: CountRuns,
    checkpointer: RunCheckpointer,
    randomness: RNGScope,
) -> None:
    """Learn from where the checkpointer's checkpoint left off, if there is one, to the end of the last run.

    Args:
        model: just made.
        learn: its method, with all arguments that have nothing to do with checkpoints.
        count: the callback that counts the runs.
        checkpointer: of the model's environment.
        randomness: the block of random generators within which the model was made.
    """
    slots = count.env
    if checkpointer.policy_state is not None:
        count.ended = int(checkpointer.policy_state["ended"])
        model._last_obs = go_on(model, checkpointer.policy_state, randomness)  # type: ignore[assignment]
    offer = OfferCheckpoints(checkpointer, randomness, lambda: {"ended": count.ended})
    with checkpointer.watching(one_run=False):
        learn(
            total_timesteps=count.runs * slots.steps_per_run * slots.num_envs - model.num_timesteps,
            callback=[count, CountUpdates(slots.env), offer],
            reset_num_timesteps=checkpointer.policy_state is None,
        )
