"""What is compared, and the runs that it takes."""

from __future__ import annotations

import json
import pickle
import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_select_gym.agents import Policy, make_policy
from data_select_gym.agents.fingerprint import file_digest, names_file, object_fingerprint
from data_select_gym.agents.policy_env import environment_arguments, overridden
from data_select_gym.agents.required_config import differing
from data_select_gym.arguments import check_count, check_kind, check_least, check_path, check_positive, check_share
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.slots import as_base_env
from data_select_gym.experiments.commands import only_in_python
from data_select_gym.experiments.run_key import RunKey
from data_select_gym.training import Plan

OWN_OPTIONS = {"keep_ratio", "tensorboard_log"}
PACKAGES = ("data-select-gym", "gymnasium", "stable-baselines3", "torch", "numpy")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, and where the outcome goes.

    Attributes:
        env: id of the environment.
        policies: by the name that tables show: what :func:`~data_select_gym.agents.make_policy` takes.
        keep_ratios: the shares of candidates meant to be kept, each in (0, 1]; none where ``costs`` are given.
        seeds: how many; they are 0, 1, 2, ...
        out: folder for the outcome.
        options: other arguments of the environment.
        jobs: how many runs are carried out at the same time. With more than one, each has a process with one thread.
        checkpoint_minutes: between two checkpoints of a run, from which it goes on when the comparison is started
            again; None for none but when the process is asked to stop.
        costs: what runs are meant to cost, in the place of ``keep_ratios``, which then follow for each policy from its
            warm-up, annealing and looks. It makes no difference to ``full``.
    """

    env: str
    policies: Mapping[str, Any]
    keep_ratios: Sequence[float] = ()
    seeds: int
    out: Path
    options: dict[str, Any] = field(default_factory=dict)
    jobs: int = 1
    checkpoint_minutes: float | None = 10.0
    costs: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: a keep ratio, a cost, ``seeds``, ``jobs`` or ``checkpoint_minutes`` is out of its range, a keep
                ratio or a cost comes twice, there are no policies, there are keep ratios and costs or none of both, an
                option is one of these or what the comparison sets by itself, or a policy or an option cannot be sent
                to another process although there are to be several.
            TypeError: ``keep_ratios`` or ``costs`` is not a sequence, or another argument is of the wrong type.
        """
        check_kind("env", self.env, str)
        check_kind("policies", self.policies, Mapping)
        check_kind("options", self.options, Mapping)
        # Numbers of NumPy's have no word in the settings, by which runs are known again.
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in self.options.items()}
        object.__setattr__(self, "options", plain)
        object.__setattr__(self, "out", check_path("out", self.out))
        if self.checkpoint_minutes is not None:
            minutes = check_least("checkpoint_minutes", self.checkpoint_minutes, 0)
            object.__setattr__(self, "checkpoint_minutes", minutes)
        ratios = check_each("keep_ratios", self.keep_ratios, check_share)
        costs = check_each("costs", self.costs, check_positive)
        object.__setattr__(self, "keep_ratios", ratios)
        object.__setattr__(self, "costs", costs)
        if ratios and costs:
            raise ValueError(
                f"keep_ratios={ratios!r} and costs={costs!r}: one follows from the other; give one of them"
            )
        if not ratios and not costs:
            raise ValueError(f"keep_ratios={ratios!r}: at least one is needed, and each only once; or costs")
        for name in ("seeds", "jobs"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        if not self.policies:
            raise ValueError(f"policies={self.policies!r} is empty; at least one is needed")
        for name in OWN_OPTIONS & self.options.keys():
            raise ValueError(
                f"options[{name!r}]={self.options[name]!r}: the comparison sets {name} by itself; leave it out"
            )
        if self.jobs > 1:
            check_sendable("policies", self.policies, self.jobs)
            check_sendable("options", self.options, self.jobs)

    @cached_property
    def planned(self) -> list[RunKey]:
        """All runs in the order of tables: by seed, then by policy, then by keep ratio or cost."""
        budgets: dict[str, list[tuple[float, float | None]]] = {}
        for name, policy in self.policies.items():
            budgets[name] = [(ratio, None) for ratio in self.keep_ratios]
            if not make_policy(policy).uses_keep_ratio:
                budgets[name] = [(1.0, None)]
            elif self.costs:
                budgets[name] = [(self._at_costs[name, cost]["keep_ratio"], cost) for cost in self.costs]
        return [
            RunKey(name, ratio, seed, cost)
            for seed in range(self.seeds)
            for name in self.policies
            for ratio, cost in budgets[name]
        ]

    @cached_property
    def outline(self) -> tuple[Plan, str]:
        """The plan of a run and the name of its quality; looked up once, since making an environment reads the data."""
        env = as_base_env(self.env, **self._outlined)
        return env.plan, env.task.objective.primary_metric

    @property
    def _outlined(self) -> dict[str, Any]:
        """Arguments of an environment with the options, and with nothing that a policy needs."""
        return self._curves | {"keep_ratio": (*self.keep_ratios, 1.0)[0]} | self.options

    def make_env(self, policy: Policy, key: RunKey, **more: Any) -> DataSelectEnv:
        """The environment of a run with what its policy needs, which comes before the options."""
        return as_base_env(self.env, **(self._arguments(policy, key) | more))

    def _arguments(self, policy: Policy, key: RunKey) -> dict[str, Any]:
        if key.cost is not None:
            return self._at_costs[key.policy, key.cost]
        plan, _ = self.outline
        return environment_arguments(policy, plan, key.keep_ratio, self.options)

    @cached_property
    def _at_costs(self) -> dict[tuple[str, float], dict[str, Any]]:
        """Arguments of the environments by policy and cost."""
        made: dict[tuple[str, float], dict[str, Any]] = {}
        for name, given in self.policies.items():
            policy = make_policy(given)
            if policy.uses_keep_ratio:
                arguments = environment_arguments(policy, self.outline[0], 1.0, self.options)
                own = as_base_env(self.env, **(self._curves | arguments)).plan
                try:
                    made |= {(name, cost): arguments | policy.at_cost(own, cost) for cost in self.costs}
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
        return made

    @cached_property
    def environments(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Arguments of the environments, by policy and keep ratio, that are not those of the comparison."""
        made: dict[str, dict[str, dict[str, Any]]] = {}
        for key in self.planned:
            if key.seed == 0:
                given = {"keep_ratio": key.keep_ratio, **self.options}
                arguments = self._arguments(make_policy(self.policies[key.policy]), key)
                own = [name for name in arguments if name not in given] + differing(given, arguments)
                if own:
                    made.setdefault(key.policy, {})[f"{key.keep_ratio:g}"] = {name: arguments[name] for name in own}
        return made

    @property
    def _curves(self) -> dict[str, Any]:
        """Where curves would go of an environment that is only looked at, since some options need a place for them."""
        return {"tensorboard_log": str(self.out / "tensorboard")}

    def check_policies(self) -> None:
        """See that every policy can be made and can serve its environments, before anything is run.

        A warning tells of each option that was given and that a policy needs another value of.

        Raises:
            ValueError: a policy, or an argument of the environment, is unknown or out of its range.
        """
        told: set[str] = set()
        for key in self.planned:
            if key.seed == 0:
                policy = make_policy(self.policies[key.policy])
                env = self.make_env(policy, key, **self._curves)
                if key.policy not in told:
                    for line in overridden(policy, self.options, self._arguments(policy, key)):
                        warnings.warn(f"{key.policy}: {line}", UserWarning, stacklevel=3)
                told.add(key.policy)
                policy.check(env)

    def check_run(self) -> None:
        """See that the model can be made where it is to be trained, since without that every run would fail.

        Raises:
            Exception: it cannot.
        """
        with closing(as_base_env(self.env, **self._outlined)) as env:
            env.check_run()

    def settings(self) -> dict[str, Any]:
        """What a reader needs to repeat it, of the types that JSON has."""
        values = {
            "env": self.env,
            "policies": {name: name_policy(policy) for name, policy in self.policies.items()},
            "keep_ratios": self.keep_ratios,
            "costs": self.costs,
            "seeds": self.seeds,
            "options": self.options,
            "environments": self.environments,
            "only_in_python": only_in_python(self.policies, self.options),
            "jobs": self.jobs,
            "threads": torch.get_num_threads() if self.jobs == 1 else 1,
            "python": platform.python_version(),
            "versions": {package: version(package) for package in PACKAGES},
        }
        plain: dict[str, Any] = json.loads(json.dumps(values, default=describe))
        return plain


def check_each(name: str, values: Sequence[float], check: Callable[[str, float], float]) -> tuple[float, ...]:
    """The values as a tuple, each of which must pass the check and come only once.

    Raises:
        ValueError: one does not pass, or comes twice.
        TypeError: they are not in a sequence.
    """
    if not isinstance(values, Sequence):
        raise TypeError(f"{name}={values!r} is not a sequence of numbers")
    checked = tuple(check(f"{name}[{place}]", value) for place, value in enumerate(values))
    if len(set(checked)) < len(checked):
        raise ValueError(f"{name}={checked!r}: at least one is needed, and each only once")
    return checked


def name_policy(policy: Any) -> str:
    """A policy as commands name it; an object that none can name, since it has been given arguments, with these."""
    return str(policy) if isinstance(policy, str | Path) else object_fingerprint(policy)


def file_sha256(policy: Any) -> str:
    """The SHA-256 of the file that a policy is from; empty if it is from none."""
    return file_digest(check_path("policy", policy)) if names_file(policy) else ""


def check_sendable(argument: str, values: Mapping[str, Any], jobs: int) -> None:
    """See that all values can be sent to another process.

    Raises:
        ValueError: one cannot.
    """
    for name, value in values.items():
        try:
            pickle.dumps(value)
        except Exception as error:
            raise ValueError(
                f"{argument}[{name!r}]={value!r} cannot be sent to another process, as jobs={jobs} needs ({error}); "
                "name it as 'module:object', or use jobs=1"
            ) from error


def describe(value: Any) -> str:
    """A path as it is, and any other object by its own name or that of its type, which is the same in each process."""
    if isinstance(value, Path):
        return str(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"
