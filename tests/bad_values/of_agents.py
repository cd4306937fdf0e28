"""Bad values for policies and what learns and drives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary
from stable_baselines3 import PPO

from data_select_gym.agents import (
    ALGORITHMS,
    BetaPolicy,
    Candidates,
    DataAgent,
    EvalRunsCallback,
    FrozenPolicy,
    InfoBatch,
    PoolPolicy,
    Selector,
    evaluate_runs,
    learn_run,
    load_policy,
    make_env,
    make_policy,
    pretrain,
    register_algorithm,
    register_rule,
    run_policy,
    save_model,
)
from data_select_gym.agents.rules import (
    EL2N,
    UCB,
    Bandit,
    EpsilonGreedy,
    EstimateThenChoose,
    EvolvedSampling,
    Forgetting,
    Kakurenbo,
    SelectiveBackprop,
)
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.ledger import Ledger
from data_select_gym.signals import Signals

from .bad import (
    CALLABLE,
    CHOICE,
    COUNT,
    COUNT_FROM_0,
    FLAG,
    FROM_0,
    INF,
    NAN,
    NOT_CALLABLE,
    NOT_COUNTS,
    NOT_COUNTS_FROM_0,
    NOT_FLAGS,
    NOT_NAMED,
    NOT_PATHS,
    NOT_POSITIVE,
    NOT_SHARES,
    NOT_SHARES_FROM_0,
    PART,
    PATH,
    POSITIVE,
    SHARE,
    SHARE_FROM_0,
    TEXT,
    Bad,
    Good,
)

CARTPOLE = gym.make("CartPole-v1")


def joint() -> DataSelectEnv:
    return DataSelectEnv("digits", epochs=4, pool_size=320, device="cpu")


def slots() -> SamplewiseVecEnv:
    return SamplewiseVecEnv(joint(), action="score")


def model() -> PPO:
    return PPO("MlpPolicy", slots(), n_steps=2, batch_size=640, device="cpu")


def candidates(folder: Path) -> dict[str, Any]:
    four = torch.zeros(4)
    signals = Signals(four, four, four, four, four > 0, four)
    shown = {"signals": signals, "indices": torch.arange(4), "visits": torch.zeros(4, dtype=torch.int32)}
    return shown | {"keep_ratio": 0.5, "generator": torch.Generator(), "progress": 0.5}


def spaces(folder: Path) -> dict[str, Any]:
    low, high = np.zeros(8, np.float32), np.ones(8, np.float32)
    return {"observation_space": Box(low, high), "action_space": Box(0, 1, (1,)), "lr_schedule": lambda left: 1e-3}


def pool_spaces(folder: Path) -> dict[str, Any]:
    return {"observation_space": Box(0, 1, (4, 2)), "action_space": MultiBinary(4), "lr_schedule": lambda left: 1e-3}


GOOD: dict[Any, Good] = {
    BetaPolicy: spaces,
    PoolPolicy: pool_spaces,
    Candidates: candidates,
    DataAgent: lambda folder: {"env": slots(), "device": "cpu"},
    Selector: lambda folder: {
        "policy": "full",
        "ledger": Ledger(8),
        "keep_ratio": 0.5,
        "epochs": 2,
        "pools_per_epoch": 1,
    },
    EvalRunsCallback: lambda folder: {"env": joint(), "eval_freq": 1},
    run_policy: lambda folder: {"policy": make_policy("random"), "env": joint(), "seed": 0},
    evaluate_runs: lambda folder: {"policy": "random", "env": joint(), "seeds": [0]},
    make_env: lambda folder: {"policy": make_policy("random"), "env": "DataSelect/Digits-v0"},
    learn_run: lambda folder: {"model": model()},
    make_policy: lambda folder: {"policy": "infobatch"},
    pretrain: lambda folder: {"agent": "ppo", "env": joint(), "runs": 2, "seed": 0},
    register_rule: lambda folder: {"name": "mine"},
    register_algorithm: lambda folder: {"name": "of-bad-values", "algorithm": ALGORITHMS["ppo"]},
    save_model: lambda folder: {"model": model(), "path": folder / "agent.zip"},
}
NOT_JOINT = "{name}={value} is a {kind}; a DataSelectEnv or the id of one is needed"
CARTPOLE_ENV = "{name}={value} is a CartPoleEnv; a DataSelectEnv or the id of one is needed"
NOT_MODEL = "{name}={value} is a {kind}; a BaseAlgorithm is needed"
NO_POLICY = "{name}={value} is not a name, a file, a model, a callable or an object with select(observation)"
NO_CHECKPOINTS = "{name}={value} is a {kind}; a Checkpoints is needed"
SEED = COUNT_FROM_0 + " and at most 4294967295"
NO_SEEDS = "{name}={value} is not a sequence of whole numbers"

TABLE = [
    Bad(make_policy, "policy", (3, None, ["random"], 0.5), NO_POLICY, TypeError),
    Bad(make_policy, "policy", ("randon", ""), CHOICE + "full, full-equal-cost, random, "),
    Bad(make_policy, "policy", ("no_such:thing",), "{name}={value} cannot be imported"),
    Bad(make_policy, "policy", ("no/such.zip",), "{name}={value}: there is no such file", FileNotFoundError),
    Bad(make_policy, "policy", ("ppo:n_steps",), "{name}={value}: the options of ppo are written as NAME=VALUE"),
    Bad(make_policy, "n_steps", (5.0, "5", True), "{name}={value} is not a whole number", more={"policy": "ppo"}),
    Bad(make_policy, "beta", (1,), "argument '{name}'; this policy takes: prune_ratio", TypeError),
    Bad(InfoBatch, "prune_ratio", (-0.1, 1, NAN, INF, True, "0.5"), PART),
    Bad(SelectiveBackprop, "beta", (-0.1, NAN, INF, True, "1"), FROM_0),
    Bad(EpsilonGreedy, "epsilon", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(EpsilonGreedy, "alpha", (*NOT_SHARES, None), SHARE),
    Bad(UCB, "c", (-0.1, NAN, INF, True, "1", None), FROM_0),
    Bad(UCB, "alpha", (*NOT_SHARES, None), SHARE),
    Bad(EL2N, "early", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(EstimateThenChoose, "least", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(EstimateThenChoose, "most", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(Bandit, "window", (*NOT_COUNTS, None), COUNT),
    Bad(Bandit, "discount", (-0.1, 1, NAN, INF, True, "0.5"), PART),
    Bad(Bandit, "exploration", (*NOT_SHARES, None), SHARE),
    Bad(Bandit, "learning_rate", (*NOT_POSITIVE, None), POSITIVE),
    Bad(EvolvedSampling, "beta1", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(EvolvedSampling, "beta2", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(Kakurenbo, "tau", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(Forgetting, "early", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(Candidates, "keep_ratio", (*NOT_SHARES, None), SHARE),
    Bad(Candidates, "progress", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(BetaPolicy, "action_space", (Discrete(2), Box(-1, 1, (1,)), None), "{name}={value} is not a Box from 0 to 1"),
    Bad(PoolPolicy, "observation_space", (Box(0, 1, (4,)), MultiBinary(4), None), "{name}={value} and action_space="),
    Bad(PoolPolicy, "action_space", (MultiBinary(5), Discrete(2), None), "{name}={value} are not those of a pool"),
    Bad(BetaPolicy, "prior", (*NOT_COUNTS_FROM_0, 8), COUNT_FROM_0 + " and at most 7"),
    Bad(BetaPolicy, "use_sde", (True,), "{name}={value} is for Gaussian policies"),
    Bad(FrozenPolicy, "model", (3, None, "ppo.zip"), NOT_MODEL, TypeError),
    Bad(Selector, "policy", (3, None), NO_POLICY, TypeError),
    Bad(Selector, "policy", ("sac",), "{name}={value} learns within the run that it steers"),
    Bad(Selector, "policy", ("full-equal-cost",), "{name}={value} shortens the schedule, which is the loop's own"),
    Bad(Selector, "policy", ("rho-loss",), "{name}={value} needs the losses of all 8 samples"),
    Bad(Selector, "policy", ("bandit",), "{name}={value} is paid the fall of the validation loss"),
    Bad(Selector, "policy", ("estimate-then-choose",), "{name}={value} needs the run's evaluations"),
    Bad(Selector, "ledger", (3, None), "{name}={value} is a {kind}; a Ledger is needed", TypeError),
    Bad(Selector, "keep_ratio", (*NOT_SHARES, None), SHARE),
    Bad(Selector, "epochs", (*NOT_COUNTS, None), COUNT),
    Bad(Selector, "pools_per_epoch", (*NOT_COUNTS, None), COUNT),
    Bad(Selector, "seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(DataAgent, "env", (3,), NOT_JOINT, TypeError),
    Bad(DataAgent, "env", (CARTPOLE,), CARTPOLE_ENV, TypeError),
    Bad(DataAgent, "learning_rate", (*NOT_POSITIVE, None), POSITIVE),
    Bad(DataAgent, "n_steps", (*NOT_COUNTS, None), COUNT),
    Bad(DataAgent, "n_minibatches", (*NOT_COUNTS, None), COUNT),
    Bad(DataAgent, "n_epochs", (*NOT_COUNTS, None), COUNT),
    Bad(DataAgent, "gamma", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(DataAgent, "gae_lambda", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(DataAgent, "normalize_reward", NOT_FLAGS, FLAG, TypeError),
    Bad(DataAgent, "tensorboard_log", NOT_PATHS, PATH, TypeError),
    Bad(DataAgent, "verbose", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(DataAgent, "seed", (*NOT_COUNTS_FROM_0, 2**32), SEED),
    Bad(DataAgent, "device", ("abacus", "", None, 0.5), "{name}={value} cannot be used"),
    Bad(run_policy, "policy", ("random", None, 3), "{name}={value} is a {kind}; a Policy is needed", TypeError),
    Bad(run_policy, "env", (3, None), NOT_JOINT, TypeError),
    Bad(run_policy, "env", (CARTPOLE,), CARTPOLE_ENV, TypeError),
    Bad(run_policy, "seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(run_policy, "callbacks", ([print], [None], 3), "callbacks=", TypeError),
    Bad(run_policy, "checkpoints", ("folder", 3), NO_CHECKPOINTS, TypeError),
    Bad(make_env, "policy", ("random", None, 3), "{name}={value} is a {kind}; a Policy is needed", TypeError),
    Bad(make_env, "env", (3, None), TEXT, TypeError),
    Bad(make_env, "keep_ratio", NOT_SHARES, SHARE),
    Bad(make_env, "cost", (0, -0.1, NAN, True, "0.5", [0.5]), "{name}={value} is not a finite number above 0"),
    Bad(make_env, "cost", (1.5, 0.1), "{name}={value} is out of reach: a run costs from "),
    Bad(evaluate_runs, "policy", (3, None), NO_POLICY, TypeError),
    Bad(evaluate_runs, "env", (3, None), NOT_JOINT, TypeError),
    Bad(evaluate_runs, "seeds", (3, None, {0}), NO_SEEDS, TypeError),
    Bad(evaluate_runs, "seeds", ([], ()), "{name}={value} is empty; at least one is needed"),
    Bad(evaluate_runs, "seeds", ([0, -1],), "{name}[1]=-1 is not a whole number of at least 0"),
    Bad(evaluate_runs, "seeds", (["0"],), "{name}[0]='0' is not a whole number of at least 0"),
    Bad(EvalRunsCallback, "env", (3, None), NOT_JOINT, TypeError),
    Bad(EvalRunsCallback, "eval_freq", (*NOT_COUNTS, None), COUNT),
    Bad(EvalRunsCallback, "seeds", (3, None, {0}), NO_SEEDS, TypeError),
    Bad(EvalRunsCallback, "seeds", ([], ()), "{name}={value} is empty; at least one is needed"),
    Bad(EvalRunsCallback, "seeds", ([0.5],), "{name}[0]=0.5 is not a whole number of at least 0"),
    Bad(learn_run, "model", (3, None, "ppo"), NOT_MODEL, TypeError),
    Bad(learn_run, "log_interval", (*NOT_COUNTS, None), COUNT),
    Bad(pretrain, "callbacks", ([print], [None], 3), "callbacks=", TypeError),
    Bad(pretrain, "agent", (*NOT_NAMED, None, "random"), CHOICE + "data-agent, data-agent-paper, ppo, "),
    Bad(pretrain, "env", (3, None), NOT_JOINT, TypeError),
    Bad(pretrain, "env", (CARTPOLE,), CARTPOLE_ENV, TypeError),
    Bad(pretrain, "runs", (*NOT_COUNTS, None), COUNT),
    Bad(pretrain, "runs", (1,), "{name}={value}: ppo learns after every 10 steps"),
    Bad(pretrain, "seed", (*NOT_COUNTS_FROM_0, None, 2**32), SEED),
    Bad(pretrain, "on_run", NOT_CALLABLE, CALLABLE, TypeError),
    Bad(pretrain, "on_pool", NOT_CALLABLE, CALLABLE, TypeError),
    Bad(pretrain, "tensorboard_log", NOT_PATHS, PATH, TypeError),
    Bad(pretrain, "checkpoints", ("folder", 3), NO_CHECKPOINTS, TypeError),
    Bad(pretrain, "epochs", (3,), "'{name}'; an environment that is already made takes no options", TypeError),
    Bad(register_rule, "name", (3, None), TEXT, TypeError),
    Bad(register_rule, "name", ("", "my:own", "a.zip"), "{name}={value} cannot name a rule: letters, digits, "),
    Bad(register_rule, "description", (3, None), TEXT, TypeError),
    Bad(register_rule, "paper", (3, None), TEXT, TypeError),
    Bad(register_rule, "needs", (3, None, "contrib"), "{name}={value} is not a list of texts", TypeError),
    Bad(register_algorithm, "name", (3, None), TEXT, TypeError),
    Bad(register_algorithm, "name", ("full", "ppo"), "{name}={value} is taken by the "),
    Bad(register_algorithm, "algorithm", (3, None), "{name}={value} is a {kind}; a Algorithm is needed", TypeError),
    Bad(register_algorithm, "description", (3, None), TEXT, TypeError),
    Bad(register_algorithm, "paper", (3, None), TEXT, TypeError),
    Bad(register_algorithm, "needs", (3, None, "contrib"), "{name}={value} is not a list of texts", TypeError),
    Bad(save_model, "model", (3, None), NOT_MODEL, TypeError),
    Bad(save_model, "path", (*NOT_PATHS, None), PATH, TypeError),
    Bad(save_model, "path", ("agent", "agent.pt"), "{name}={value} does not end with .zip"),
    Bad(save_model, "path", ("/no/such/agent.zip",), "{name}={value}: there is no folder", FileNotFoundError),
    Bad(load_policy, "path", (*NOT_PATHS, None), "policy={value} is a {kind}; a path is needed", TypeError),
    Bad(load_policy, "path", ("/no/such.zip",), "policy={value}: there is no such file", FileNotFoundError),
]
