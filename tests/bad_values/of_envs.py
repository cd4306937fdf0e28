"""Bad values for environments and their wrappers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from data_select_gym.envs import (
    DataSelectEnv,
    KeepRatioChoice,
    SamplewiseVecEnv,
    SamplewiseVectorEnv,
    ScoreAction,
    as_base_env,
    register_feature,
)
from data_select_gym.rewards import register_reward
from data_select_gym.tasks import Task, make_task

from .bad import (
    CALLABLE,
    CHOICE,
    COUNT,
    COUNT_FROM_0,
    FLAG,
    NAN,
    NOT_CALLABLE,
    NOT_COUNTS,
    NOT_COUNTS_FROM_0,
    NOT_FLAGS,
    NOT_NAMED,
    NOT_PATHS,
    NOT_SHARES,
    NOT_SHARES_FROM_0,
    PATH,
    SHARE,
    SHARE_FROM_0,
    TEXT,
    Bad,
    Good,
)

NOT_ENVS = (3, None, gym.make("CartPole-v1"))
DIGITS = {"task": "digits", "epochs": 3, "device": "cpu"}


def needs_data(data_dir: str, epochs: int = 3) -> Task:
    """A function with an argument that is needed."""
    raise AssertionError(data_dir, epochs)


def no_task() -> None:
    """A function that does not return a task."""


def joint(**settings: Any) -> DataSelectEnv:
    return DataSelectEnv(**DIGITS | settings)


GOOD: dict[Any, Good] = {
    DataSelectEnv: lambda folder: DIGITS,
    SamplewiseVectorEnv: lambda folder: {"num_envs": 64} | DIGITS,
    SamplewiseVecEnv: lambda folder: {"env": joint()},
    ScoreAction: lambda folder: {"env": joint()},
    KeepRatioChoice: lambda folder: {"env": joint()},
    register_feature: lambda folder: {"name": "mine", "function": len, "high": 1.0},
    register_reward: lambda folder: {"name": "mine"},
    as_base_env: lambda folder: {"env": "DataSelect/Digits-v0"},
}
POOL = "{name}={value} is not a whole number of at least 2 and at most 1280"
NOT_WRAPPED = "{name}={value} is not a DataSelectEnv, wrapped or not"
NOT_JOINT = "{name}={value} is a {kind}; a DataSelectEnv or the id of one is needed"
CARTPOLE = "{name}={value} is a CartPoleEnv; a DataSelectEnv or the id of one is needed"
MODES = CHOICE + "rgb_array, ansi"
NO_STEP = " leaves no step to select at; use more epochs"

TABLE = [
    Bad(DataSelectEnv, "task", (None,), "missing argument task: a name, 'module:function', a function"),
    Bad(DataSelectEnv, "task", (3, ["digits"]), "{name}={value} is not a name, a path, a function", TypeError),
    Bad(DataSelectEnv, "task", ("digit", ""), CHOICE + "digits, cifar10, "),
    Bad(DataSelectEnv, "task", ("no_such:make", "json:no_such"), "{name}={value} cannot be imported"),
    Bad(DataSelectEnv, "task", ("json:", ":make"), "{name}={value} is not of the form 'module:object'"),
    Bad(DataSelectEnv, "task", ("string:digits",), "{name}={value} is a str; a function that returns a Task is"),
    Bad(DataSelectEnv, "task", (no_task,), "argument 'epochs'; this task takes: none, and as any task", TypeError),
    Bad(DataSelectEnv, "task", (make_task("digits"),), "'epochs'; a task that is already built takes", TypeError),
    Bad(DataSelectEnv, "task", (needs_data,), "missing argument data_dir; this task takes: data_dir, epochs"),
    Bad(DataSelectEnv, "task", ("cifar10",), "missing argument data_dir; this task takes: data_dir, model, epochs, "),
    Bad(DataSelectEnv, "keep_ratio", (*NOT_SHARES, None), SHARE),
    Bad(
        DataSelectEnv,
        "keep_ratio",
        (0.001,),
        "{name}={value} of pool_size=128 is a single candidate; an update needs 2",
    ),
    Bad(DataSelectEnv, "balance_classes", NOT_FLAGS, FLAG, TypeError),
    Bad(DataSelectEnv, "rescale_loss", NOT_FLAGS, FLAG, TypeError),
    Bad(DataSelectEnv, "pool_size", (*NOT_COUNTS, 1, 1281), POOL),
    Bad(DataSelectEnv, "features", (3, None, 0.5), "{name}={value} is not a sequence of names", TypeError),
    Bad(DataSelectEnv, "features", ("colour", ""), CHOICE + "loss, uncertainty, "),
    Bad(DataSelectEnv, "features", (("loss", "colour"),), "{name}='colour' is not known"),
    Bad(DataSelectEnv, "features", (("loss", 3),), "{name}=3 is not known"),
    Bad(DataSelectEnv, "features", ((), ("loss", "loss")), "{name}={value} must name at least one feature"),
    Bad(DataSelectEnv, "observe", (*NOT_NAMED, None), CHOICE + "recorded, fresh"),
    Bad(DataSelectEnv, "action", (*NOT_NAMED, None, "score"), CHOICE + "mask, scores, keep-ratio, multi-discrete"),
    Bad(DataSelectEnv, "flat_observation", NOT_FLAGS, FLAG, TypeError),
    Bad(DataSelectEnv, "reward", (3, None), "{name}={value} is not a name, a mapping of names to weights", TypeError),
    Bad(DataSelectEnv, "reward", ("praise", ""), CHOICE + "difficulty, uncertainty, composite, "),
    Bad(DataSelectEnv, "warmup_epochs", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(
        DataSelectEnv,
        "warmup_epochs",
        (3,),
        "epochs=3 with {name}={value}, anneal_fraction=0.125 and schedule_fraction=1.0",
    ),
    Bad(DataSelectEnv, "anneal_fraction", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(DataSelectEnv, "anneal_fraction", (1.0,), "{name}={value} and schedule_fraction=1.0" + NO_STEP),
    Bad(DataSelectEnv, "schedule_fraction", (*NOT_SHARES, None), SHARE),
    Bad(DataSelectEnv, "schedule_fraction", (0.1,), "{name}={value}" + NO_STEP),
    Bad(DataSelectEnv, "device", ("abacus", "cpu:cpu", "", None, 0.5), "{name}={value} cannot be used"),
    Bad(DataSelectEnv, "channels_last", NOT_FLAGS, FLAG, TypeError),
    Bad(DataSelectEnv, "compile", NOT_FLAGS, FLAG, TypeError),
    Bad(DataSelectEnv, "on_non_finite", (*NOT_NAMED, None), CHOICE + "stop, skip"),
    Bad(DataSelectEnv, "tensorboard_log", NOT_PATHS, PATH, TypeError),
    Bad(DataSelectEnv, "profile", NOT_FLAGS, FLAG, TypeError),
    Bad(DataSelectEnv, "profile", (True,), "{name}={value} leaves its trace beside the curves; tensorboard_log is"),
    Bad(DataSelectEnv, "render_mode", (*NOT_NAMED, "human"), MODES),
    Bad(
        DataSelectEnv, "regime", (3, 0.5, True), "{name}={value} is a {kind}; a text, a mapping or a list is", TypeError
    ),
    Bad(DataSelectEnv, "regime", ("noise", "", "clean+dirt"), "{name}="),
    Bad(DataSelectEnv, "regime", ("clean:0.5", "duplicates", "duplicates:"), "{name}={value}: "),
    Bad(DataSelectEnv, "regime", ("duplicates:1", "duplicates:-0.1", "duplicates:nan"), "{name}={value}: p="),
    Bad(DataSelectEnv, "regime", ("long-tail:0.5", "long-tail:inf"), "{name}={value}: f="),
    Bad(DataSelectEnv, "regime", ("pair-noise:x",), "{name}={value}: 'x' is not a number"),
    Bad(DataSelectEnv, "regime", ("pair-noise:0.1+symmetric-noise:0.1",), "{name}={value}: 'pair-noise:0.1' and "),
    Bad(DataSelectEnv, "regime", ("human-noise:/no/such",), "{name}={value}: there is no such", FileNotFoundError),
    Bad(
        DataSelectEnv, "regime", ("answer-noise:0.2",), "{name}={value}: it does not apply to Digits: it needs prompts"
    ),
    Bad(DataSelectEnv, "regime", ([], {}, {"clean": 0}), "{name}={value} has no regime with a weight above 0"),
    Bad(DataSelectEnv, "regime", (["clean", "clean"],), "{name}={value} has 'clean' twice"),
    Bad(DataSelectEnv, "regime", ({"clean": -1}, {"clean": NAN}), "weight of {name} 'clean'="),
    Bad(DataSelectEnv, "regime", ([3],), "{name}=3 is a int; a str is needed", TypeError),
    Bad(DataSelectEnv, "regime_seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(DataSelectEnv, "off_target", ("no_such:make", "json:no_such"), "{name}={value} cannot be imported"),
    Bad(DataSelectEnv, "off_target", (3,), "{name} is a int; a map-style dataset is needed", TypeError),
    Bad(DataSelectEnv, "epoch", (3,), "keyword argument '{name}'; this task takes: epochs, batch_", TypeError),
    Bad(SamplewiseVectorEnv, "num_envs", (*NOT_COUNTS, None), COUNT),
    Bad(SamplewiseVectorEnv, "num_envs", (1281,), "pool_size={value} is not a whole number of at least 2 and at most"),
    Bad(SamplewiseVectorEnv, "pool_size", (32,), "num_envs=64 is the number of slots; {name} must be the same"),
    Bad(SamplewiseVectorEnv, "action", (*NOT_NAMED, None), CHOICE + "keep, score"),
    Bad(SamplewiseVectorEnv, "autoreset_mode", (*NOT_NAMED, None), CHOICE + "NextStep, SameStep, Disabled"),
    Bad(SamplewiseVectorEnv, "render_mode", (*NOT_NAMED, "human"), MODES),
    Bad(SamplewiseVectorEnv, "keep_ratio", NOT_SHARES, SHARE),
    Bad(SamplewiseVecEnv, "env", (3, None), NOT_JOINT, TypeError),
    Bad(SamplewiseVecEnv, "env", NOT_ENVS[2:], CARTPOLE, TypeError),
    Bad(SamplewiseVecEnv, "action", (*NOT_NAMED, None), CHOICE + "keep, score"),
    Bad(SamplewiseVecEnv, "autoreset", NOT_FLAGS, FLAG, TypeError),
    Bad(SamplewiseVecEnv, "epochs", (3,), "'{name}'; an environment that is already made takes no options", TypeError),
    Bad(SamplewiseVecEnv, "env", (joint(action="scores"),), "the environment was made with action='scores', for"),
    Bad(SamplewiseVectorEnv, "flat_observation", (True,), "the environment was made with {name}={value}, for"),
    Bad(ScoreAction, "env", (joint(action="keep-ratio"),), "made with action='keep-ratio'; one that takes masks is"),
    Bad(ScoreAction, "env", NOT_ENVS, NOT_WRAPPED, TypeError),
    Bad(KeepRatioChoice, "env", NOT_ENVS, NOT_WRAPPED, TypeError),
    Bad(KeepRatioChoice, "ratios", (0.5, None, 3), "{name}={value} is not a sequence of numbers", TypeError),
    Bad(KeepRatioChoice, "ratios", ((),), "{name}={value} is empty; at least one keep ratio is needed"),
    Bad(KeepRatioChoice, "ratios", ((0.5, 1.5),), "{name}=1.5 is not a number in (0, 1]"),
    Bad(KeepRatioChoice, "quality", (*NOT_NAMED, None), CHOICE + "difficulty, uncertainty, composite, alignment"),
    Bad(register_feature, "name", (3, None), TEXT, TypeError),
    Bad(register_feature, "name", ("", "my:own"), "{name}={value} cannot name a feature: letters, digits, "),
    Bad(register_feature, "name", ("loss", "embedding"), "{name}={value} is taken by the feature of data_select_gym."),
    Bad(register_reward, "name", (3, None), TEXT, TypeError),
    Bad(register_reward, "name", ("", "my:own"), "{name}={value} cannot name a reward: letters, digits, "),
    Bad(register_reward, "description", (3, None), TEXT, TypeError),
    Bad(register_reward, "paper", (3, None), TEXT, TypeError),
    Bad(register_reward, "needs", (("embedding",), {""}), "needs="),
    Bad(register_reward, "needs", (3, None, "alignment"), "{name}={value} is not a list of texts", TypeError),
    Bad(register_feature, "paper", (3, None), TEXT, TypeError),
    Bad(register_feature, "function", NOT_CALLABLE, CALLABLE, TypeError),
    Bad(register_feature, "low", (NAN, "0", None, True, 1.0), "low={value} and high=1.0 are not the ends of a range"),
    Bad(register_feature, "high", (NAN, "0", None, False, float("-inf")), "high={value} are not the ends of a range"),
    Bad(register_feature, "description", (3, None), TEXT, TypeError),
    Bad(register_feature, "needs", (("validation",), {""}), "needs="),
    Bad(register_feature, "needs", (3, None), "{name}={value} is a {kind}; a Iterable is needed", TypeError),
    Bad(DataSelectEnv, "features", (("json:no_such",),), "{name}='json:no_such' cannot be imported"),
    Bad(DataSelectEnv, "features", (("string:digits",),), "features='0123456789' is a str; something that", TypeError),
    Bad(DataSelectEnv, "reward", ("json:no_such",), "{name}={value} cannot be imported"),
    Bad(DataSelectEnv, "reward", ("string:digits",), "reward='0123456789' is a str; something that", TypeError),
    Bad(as_base_env, "env", (3, None), NOT_JOINT, TypeError),
    Bad(as_base_env, "env", NOT_ENVS[2:], CARTPOLE, TypeError),
    Bad(as_base_env, "keep_ratio", NOT_SHARES, SHARE),
]
