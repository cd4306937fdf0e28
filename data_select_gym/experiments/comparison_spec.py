"""What is compared, and the runs that it takes."""

from __future__ import annotations

import pickle
import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_select_gym.arguments import check_count, check_kind, check_least, check_path, check_positive, check_share
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.config import current_names
from data_select_gym.experiments.command_line import only_in_python
from data_select_gym.experiments.run_key import RunKey
from data_select_gym.experiments.run_spec import Resolver, RunSpec
from data_select_gym.experiments.settings_json import as_json, name_policy, package_versions
from data_select_gym.experiments.shared_task import SharedTask

OWN_OPTIONS = {"keep_ratio", "tensorboard_log"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, and where the results go.

    The task is opened once in each process and shared by its runs, so a dataset must give the same sample each time.

    Attributes:
        env: id of the environment.
        policies: by the name that tables show: what :func:`~data_select_gym.agents.make_policy` takes.
        keep_ratios: the shares of candidates meant to be kept, each in (0, 1]; none where ``costs`` are given.
        seeds: how many; they are 0, 1, 2, ...
        out: folder for the results.
        options: other arguments of the environment.
        jobs: how many runs go on at the same time. With more than one, each has a process with one thread.
        checkpoint_minutes: between two checkpoints of a run, from which it resumes when the comparison is started
            again; None for none but when the process is asked to stop.
        costs: what runs are meant to cost, instead of ``keep_ratios``, which then follow for each policy from its
            warm-up, annealing and extra forward passes. It makes no difference to ``full``.
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
                ratio or a cost comes twice, there are no policies, there are both keep ratios and costs or neither, an
                option is one of these or what the comparison sets by itself, or a policy or an option cannot be sent
                to another process although there are to be several.
            TypeError: ``keep_ratios`` or ``costs`` is not a sequence, or another argument is of the wrong type.
        """
        check_kind("env", self.env, str)
        check_kind("policies", self.policies, Mapping)
        check_kind("options", self.options, Mapping)
        # NumPy's numbers have no word in JSON, and stored settings must equal these.
        options = current_names(self.options)
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()}
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

    @classmethod
    def from_settings(
        cls, settings: Mapping[str, Any], out: str | Path, *, checkpoint_minutes: float | None = 10.0
    ) -> Comparison:
        """The comparison that :meth:`settings` describes.

        Args:
            settings: as :func:`~data_select_gym.experiments.run_files.read_settings` reads them.
            out: folder for the results.
            checkpoint_minutes: between two checkpoints of a run.

        Raises:
            ValueError: the comparison has policies or options that only Python code can name; or as for any.
        """
        if settings.get("only_in_python"):
            raise ValueError(
                f"{str(out)!r} holds a comparison that was made from Python, of which no command can name "
                f"{', '.join(map(str, settings['only_in_python']))}; resume with compare(...) in Python"
            )
        names = ("env", "policies", "keep_ratios", "costs", "seeds", "options", "jobs")
        return cls(out=Path(out), checkpoint_minutes=checkpoint_minutes, **{name: settings[name] for name in names})

    def settings(self) -> dict[str, Any]:
        """What a reader needs to repeat it, of the types that JSON has; :meth:`from_settings` reads it."""
        environments: dict[str, dict[str, Any]] = {}
        for spec in self.specs:
            if spec.differing:
                environments.setdefault(spec.name, {})[f"{spec.keep_ratio:g}"] = spec.differing
        return as_json(
            {
                "env": self.env,
                "policies": {name: name_policy(policy) for name, policy in self.policies.items()},
                "keep_ratios": self.keep_ratios,
                "costs": self.costs,
                "seeds": self.seeds,
                "options": self.options,
                "environments": environments,
                "only_in_python": only_in_python(self.policies, self.options),
                "jobs": self.jobs,
                "threads": torch.get_num_threads() if self.jobs == 1 else 1,
                "python": platform.python_version(),
                "versions": package_versions(),
            }
        )

    @cached_property
    def specs(self) -> tuple[RunSpec, ...]:
        """What the runs are, by policy, then by keep ratio or cost; resolved once, and read by all that follows.

        Raises:
            ValueError: a policy, or an argument of the environment, is unknown or out of its range.
        """
        return tuple(self._resolver.resolve(self.task, self._curves))

    @cached_property
    def planned(self) -> list[RunKey]:
        """All runs in the order of tables: by seed, then by policy, then by keep ratio or cost."""
        if self.costs:
            return [spec.key(seed) for seed in range(self.seeds) for spec in self.specs]
        # Keep ratios that were given are known before the data is read, so that progress can be shown meanwhile.
        return [
            RunKey(name, ratio, seed)
            for seed in range(self.seeds)
            for name in self.policies
            for ratio, _ in self._resolver.budgets(name)
            if ratio is not None
        ]

    def spec(self, key: RunKey) -> RunSpec:
        """What a run is."""
        return next(spec for spec in self.specs if spec.key(key.seed) == key)

    @cached_property
    def task(self) -> SharedTask:
        """The task, and the environment that is made of it with nothing that a policy needs.

        Raises:
            Exception: it cannot be opened.
        """
        arguments = self._curves | {"keep_ratio": (*self.keep_ratios, 1.0)[0]} | self.options
        return SharedTask(self.env, arguments)

    @property
    def primary_metric(self) -> str:
        """Name of the metric by which policies are compared."""
        return self.task.env.task.objective.primary_metric

    def make_env(self, key: RunKey, **more: Any) -> DataSelectEnv:
        """The environment of a run, with what its policy needs, which comes before the options."""
        return self.task.make_env({**self.spec(key).arguments, **more})

    def check_policies(self) -> None:
        """Resolve every policy, before anything is run.

        A warning names each option that was given and that a policy needs another value of.

        Raises:
            ValueError: a policy, or an argument of the environment, is unknown or out of its range.
        """
        first: dict[str, RunSpec] = {}
        for spec in self.specs:
            first.setdefault(spec.name, spec)
        for spec in first.values():
            for line in spec.overridden:
                warnings.warn(f"{spec.name}: {line}", UserWarning, stacklevel=3)

    def check_run(self) -> None:
        """See that the model can be made where it is to be trained, since without that every run would fail.

        Raises:
            Exception: it cannot.
        """
        with closing(self.task.env) as env:
            env.check_run()

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: the specifications, and not the task, which each process opens."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)} | {"specs": self.specs}

    @cached_property
    def _resolver(self) -> Resolver:
        return Resolver(self.policies, self.keep_ratios, self.costs, self.options)

    @property
    def _curves(self) -> dict[str, Any]:
        """Where curves would go of an environment that is never run, since some options need a place for them."""
        return {"tensorboard_log": str(self.out / "tensorboard")}


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
