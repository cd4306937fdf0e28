"""Every bad value of an argument is refused by an error that names the argument, the value and what is allowed."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from data_select_gym import agents, envs, experiments, rewards, tasks, training
from data_select_gym.agents import registry
from data_select_gym.tasks import TASKS, variants
from data_select_gym.tasks.images import augment
from data_select_gym.training import checkpoints

from . import of_agents, of_envs, of_experiments, of_tasks, of_training
from .bad import Bad

TABLES = (of_tasks, of_training, of_envs, of_agents, of_experiments)
TABLE: list[Bad] = [row for table in TABLES for row in table.TABLE]
GOOD = {of: make for table in TABLES for of, make in table.GOOD.items()}
STANDS_FOR = of_tasks.STANDS_FOR | {of_experiments.compared: experiments.Comparison}

# What users do not make, but are given; and what is put together by what is in the table.
NOT_MADE_BY_USERS = {
    tasks: {"Batched", "Measured", "Sliced", "Stored", "Objective", "BatchLoader", "make_loader"},
    training: {"Evaluation", "RunCallback", "StepRecord"},
    envs: {"EnvCallback", "EnvConfig", "PoolView"},
    # The fields of an algorithm are those that the package itself has, and so are the distributions of a policy.
    agents: {"Algorithm", "BetaDistribution", "OnlinePolicy", "Policy", "Rule", "RunResult"},
    # Results, and tables of results.
    experiments: {
        "Failure",
        "ComparisonResult",
        "RunRecord",
        "RunKey",
        "Summary",
        "make_markdown",
        "make_table",
        "summarise",
    },
    # make_reward makes them; and functions of the tensors that a run has recorded.
    rewards: {"KeptScore", "MinibatchScore", "StepOutcome", "PricedScore", "Reward", "ValidationGain"}
    | {"WeightedSum", "alignment", "composite", "difficulty", "finite_loss", "score_of", "rank", "scaled_loss"}
    | {"uncertainty", "SampleScore"},
}
# Parameters that can have no bad value, or whose bad values are another's to tell.
NOT_CHECKED = {
    # Tensors that a ledger or a run has.
    agents.Candidates: {"signals", "generator", "indices", "visits", "labels"},
    # Stable-Baselines3 makes the policy, and hands these on to it.
    agents.PoolPolicy: {"lr_schedule"},
    agents.BetaPolicy: {"observation_space", "lr_schedule", "net_arch", "activation_fn"},
    agents.DataAgent: {"policy", "policy_kwargs", "_init_setup_model"},
    # The plan checks it, which knows the size of the training set.
    training.RunConfig: {"pool_size"},
    # Handed on to the model's learn(); what the run shows, if it has begun.
    agents.learn_run: {"callback", "tb_log_name", "reset_num_timesteps", "progress_bar", "begun"},
    # Compared with those of the environment, before a run.
    agents.FrozenPolicy: {"features"},
    # The task that is changed; make_task has checked it.
    variants.make_variant: {"task"},
}


def fault(row: Bad, value: Any, folder: Path) -> str:
    """What is wrong with the answer to a bad value; nothing if it is refused as the table says."""
    folder.mkdir()
    good = GOOD[row.of](folder) if row.of in GOOD else {}
    try:
        row.of(**good | (row.more or {}) | {row.name: value})
    except row.error as error:
        return "" if row.said_of(value) in str(error) else f"says {str(error)!r}"
    except Exception as error:
        return f"raises {error!r}"
    return "is taken"


@pytest.mark.filterwarnings("ignore:You are trying to run PPO on the GPU")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.of.__name__}-{row.name}")
def test_bad_values_are_named_with_the_argument_and_what_is_allowed(row: Bad, tmp_path: Path) -> None:
    answers = [(value, fault(row, value, tmp_path / str(number))) for number, value in enumerate(row.values)]
    assert [(value, wrong) for value, wrong in answers if wrong] == []


def public() -> list[Any]:
    """Functions and classes that users call."""
    exported = [
        getattr(package, name)
        for package, hidden in NOT_MADE_BY_USERS.items()
        for name in package.__all__
        if name not in hidden and callable(getattr(package, name))
    ]
    exported = [thing for thing in exported if not (isinstance(thing, type) and issubclass(thing, BaseException))]
    named = [tasks._find(name) for name in TASKS] + list(registry.RULES.values())
    return [*exported, *named, variants.make_variant, augment.FlipCrop, augment.ResizedCrop, checkpoints.Checkpoints]


def parameters(of: Any) -> set[str]:
    """Names of parameters; of those that a function hands on, what they are handed on to has them."""
    handed_on = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    names = {name for name, parameter in inspect.signature(of).parameters.items() if parameter.kind not in handed_on}
    if of is variants.make_variant:
        names |= set(variants.VARIANT_OPTIONS)
    return names


def test_every_parameter_is_in_a_table() -> None:
    tabled: dict[Any, set[str]] = {}
    for row in TABLE:
        tabled.setdefault(STANDS_FOR.get(row.of, row.of), set()).add(row.name)
    missing = {
        of.__name__: names
        for of in public()
        if (names := parameters(of) - tabled.get(of, set()) - NOT_CHECKED.get(of, set()))
    }
    assert not missing


def test_what_is_left_out_is_there_and_in_no_table() -> None:
    for package, hidden in NOT_MADE_BY_USERS.items():
        assert hidden <= set(package.__all__)
    tabled = {(STANDS_FOR.get(row.of, row.of), row.name) for row in TABLE}
    for of, names in NOT_CHECKED.items():
        assert names <= parameters(of)
        assert not {(of, name) for name in names} & tabled


@pytest.mark.parametrize("of", GOOD, ids=lambda of: of.__name__)
def test_the_other_arguments_are_good(of: Any, tmp_path: Path) -> None:
    if of not in (of_tasks.cifar10, of_tasks.cifar100):  # their files are large
        of(**GOOD[of](tmp_path))
