"""Comparing policies: the same seeds, initial weights, pools, epochs and evaluation for each."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from data_select_gym.agents import Policy, drive, make_policy
from data_select_gym.arguments import check_count, check_share
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.slots import make_joint
from data_select_gym.experiments.plots import draw_curves, draw_quality
from data_select_gym.experiments.results import Run, summarise, write_results
from data_select_gym.experiments.table import make_markdown
from data_select_gym.files import replacing
from data_select_gym.training import Plan, TrainingRun

OWN_OPTIONS = {"keep_ratio", "tensorboard_log"}
PACKAGES = ("data-select-gym", "gymnasium", "stable-baselines3", "torch", "numpy")


@dataclass(frozen=True)
class Comparison:
    """What is compared, and where the outcome goes.

    Attributes:
        env: id of the environment.
        policies: by the name that tables show: what :func:`~data_select_gym.agents.make_policy` takes.
        keep_ratio: the share of candidates meant to be kept, in (0, 1].
        seeds: how many; they are 0, 1, 2, ...
        out: folder for the outcome.
        options: other arguments of the environment.
    """

    env: str
    policies: Mapping[str, Any]
    keep_ratio: float
    seeds: int
    out: Path
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: ``keep_ratio`` or ``seeds`` is out of its range, there are no policies, or an option is one of
                these or what the comparison sets by itself.
        """
        check_share("keep_ratio", self.keep_ratio)
        check_count("seeds", self.seeds)
        if not self.policies:
            raise ValueError(f"policies={self.policies!r} is empty; at least one is needed")
        for name in OWN_OPTIONS & self.options.keys():
            raise ValueError(
                f"options[{name!r}]={self.options[name]!r}: the comparison sets {name} by itself; leave it out"
            )

    @cached_property
    def outline(self) -> tuple[Plan, str]:
        """The plan of a run and the name of its quality; looked up once, since making an environment reads the data."""
        env = make_joint(self.env, keep_ratio=self.keep_ratio, **self.options)
        return env.plan, env.task.objective.quality

    def make_env(self, policy: Policy, **more: Any) -> DataSelectEnv:
        """The environment with what a policy needs."""
        plan, _ = self.outline
        needed = policy.environment(plan, self.keep_ratio)
        return make_joint(self.env, **({"keep_ratio": self.keep_ratio} | self.options | needed | more))

    def settings(self) -> dict[str, Any]:
        """What a reader needs to repeat it."""
        return {
            "env": self.env,
            "policies": list(self.policies),
            "keep_ratio": self.keep_ratio,
            "seeds": self.seeds,
            "options": self.options,
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "versions": {package: version(package) for package in PACKAGES},
        }


def compare(
    comparison: Comparison,
    *,
    on_pool: Callable[[str, int, TrainingRun], None] | None = None,
) -> list[Run]:
    """Run every policy on every seed, and write the outcome.

    ``results.csv``, ``results.json``, ``table.md``, ``quality_vs_cost.png``, ``curves.png`` and a folder
    ``tensorboard`` with a folder for each run are written to ``comparison.out``; the first three after every run.

    Args:
        comparison: what is compared.
        on_pool: called after every pool of every run with the policy's name, the seed and the run.

    Raises:
        ValueError: a policy, or an argument of the environment, is unknown or out of its range.
    """
    policies = {name: make_policy(policy) for name, policy in comparison.policies.items()}
    for policy in policies.values():
        policy.check(comparison.make_env(policy))
    comparison.out.mkdir(parents=True, exist_ok=True)
    warm_libraries()
    _, quality = comparison.outline
    runs: list[Run] = []
    for seed in range(comparison.seeds):
        for name, policy in policies.items():
            env = comparison.make_env(
                policy, tensorboard_log=str(comparison.out / "tensorboard" / name / f"seed_{seed}")
            )
            if on_pool is not None:
                env.on_pool = lambda run, name=name, seed=seed: on_pool(name, seed, run)
            runs.append(run_one(name, policy, env, seed))
            write_results(comparison.out, comparison.settings(), runs)
            with replacing(comparison.out / "table.md") as path:
                path.write_text(make_markdown(summarise(runs), quality))
    draw_quality(comparison.out / "quality_vs_cost.png", summarise(runs), quality)
    draw_curves(comparison.out / "curves.png", runs, quality)
    return runs


def run_one(name: str, policy: Policy, env: DataSelectEnv, seed: int) -> Run:
    """One run of one policy."""
    result = drive(policy, env, seed)
    curve = [
        {"epoch": evaluation.epoch, "progress": evaluation.progress, "cost": evaluation.cost, **evaluation.metrics()}
        for evaluation in env.run.evaluations
    ]
    env.close()
    return Run(name, result, curve, [share for _, share in env.keep_fractions])


def warm_libraries() -> None:
    """A short run that is not measured, so that the first policy does not pay for what libraries load on first use."""
    drive(make_policy("random"), make_joint("DataSelect/Digits-v0", epochs=3), seed=0)


def total_pools(comparison: Comparison) -> int:
    """Pools that the whole comparison shows."""
    policies = [make_policy(policy) for policy in comparison.policies.values()]
    return comparison.seeds * sum(comparison.make_env(policy).plan.total_pools for policy in policies)
