"""What a comparison resolves to before anything is run: a specification for each policy and budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data_select_gym.agents import Policy, make_policy
from data_select_gym.agents.fingerprint import file_digest, names_file, policy_fingerprint
from data_select_gym.agents.policy_env import environment_arguments, overridden
from data_select_gym.agents.required_config import differing
from data_select_gym.arguments import check_path
from data_select_gym.errors import explains_itself
from data_select_gym.experiments.run_key import RunKey
from data_select_gym.experiments.shared_task import SharedTask
from data_select_gym.training import Plan


@dataclass(frozen=True)
class RunSpec:
    """What the runs of one policy at one keep ratio or cost have in common; they differ in the seed only.

    Attributes:
        name: of the policy, as tables show it.
        given: the policy, as :func:`~data_select_gym.agents.make_policy` takes it.
        fingerprint: what the policy is, see :func:`~data_select_gym.agents.fingerprint.policy_fingerprint`.
        file_sha256: of the policy's file; empty if it is from none.
        keep_ratio: the share of candidates meant to be kept; 1 for a policy to which it makes no difference.
        cost: that was asked for, from which the keep ratio was found; None where that was given.
        keeps_freely: whether nothing holds the policy to the keep ratio.
        arguments: of the environment.
        differing: those of the arguments that are not the comparison's.
        overridden: a line for each option of the comparison that the policy needs another value of.
        plan: of a run.
    """

    name: str
    given: Any
    fingerprint: str
    file_sha256: str
    keep_ratio: float
    cost: float | None
    keeps_freely: bool
    arguments: Mapping[str, Any]
    differing: Mapping[str, Any]
    overridden: tuple[str, ...]
    plan: Plan

    def key(self, seed: int) -> RunKey:
        """What the run with this seed is known by."""
        return RunKey(self.name, self.keep_ratio, seed, self.cost)

    def make_policy(self) -> Policy:
        """The policy for one run.

        Raises:
            ValueError: the policy's file is no longer the one that was resolved.
        """
        if self.file_sha256 and file_sha256(self.given) != self.file_sha256:
            raise ValueError(f"policy={self.given!r}: the file has changed since the comparison began; compare again")
        return make_policy(self.given)


class Resolver:
    """Resolves the policies of a comparison.

    Attributes:
        policies: by name, each made once, to be asked what it needs.
    """

    def __init__(
        self, given: Mapping[str, Any], keep_ratios: Sequence[float], costs: Sequence[float], options: Mapping[str, Any]
    ) -> None:
        """Make the policies.

        Raises:
            ValueError: a policy is unknown.
        """
        self.given, self.keep_ratios, self.costs, self.options = given, keep_ratios, costs, options
        self.policies: dict[str, Policy] = {}
        for name, policy in given.items():
            with naming(name):
                self.policies[name] = make_policy(policy)

    def budgets(self, name: str) -> list[tuple[float | None, float | None]]:
        """The keep ratios and costs at which a policy is run; one of the two is None."""
        if not self.policies[name].uses_keep_ratio:
            return [(1.0, None)]
        return [(None, cost) for cost in self.costs] or [(ratio, None) for ratio in self.keep_ratios]

    def resolve(self, task: SharedTask, curves: dict[str, Any]) -> Iterator[RunSpec]:
        """The specifications, by policy, then by budget; each policy is checked against its environment.

        Args:
            task: of the comparison.
            curves: where an environment that is never run would write, since some options need a place for that.

        Raises:
            ValueError: a policy cannot serve its environment, or cannot have a cost; or an argument of the environment
                is out of its range.
        """
        for name, policy in self.policies.items():
            for ratio, cost in self.budgets(name):
                share = 1.0 if ratio is None else ratio
                arguments = environment_arguments(policy, task.env.plan, share, self.options)
                env = task.make_env(arguments | curves)
                if cost is not None:
                    with naming(name):
                        arguments |= policy.at_cost(env.plan, cost)
                    share = arguments["keep_ratio"]
                    env = task.make_env(arguments | curves)
                with naming(name):
                    policy.check(env)
                yield self._specify(name, (share, cost), arguments, env.plan)

    def _specify(
        self, name: str, budget: tuple[float, float | None], arguments: Mapping[str, Any], plan: Plan
    ) -> RunSpec:
        policy, given = self.policies[name], self.given[name]
        asked = {"keep_ratio": budget[0], **self.options}
        others = [argument for argument in arguments if argument not in asked] + differing(asked, arguments)
        fingerprint, sha256 = self._fingerprints[name]
        return RunSpec(
            name=name,
            given=given,
            fingerprint=fingerprint,
            file_sha256=sha256,
            keep_ratio=budget[0],
            cost=budget[1],
            keeps_freely=policy.keeps_freely,
            arguments=arguments,
            differing={argument: arguments[argument] for argument in others},
            overridden=tuple(overridden(policy, self.options, arguments)),
            plan=plan,
        )

    @cached_property
    def _fingerprints(self) -> dict[str, tuple[str, str]]:
        return {name: (policy_fingerprint(given), file_sha256(given)) for name, given in self.given.items()}


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Within the block, errors of this package that do not name the policy get its name in front."""
    try:
        yield
    except (TypeError, ValueError) as error:
        known = type(error) in (TypeError, ValueError) and explains_itself(error)
        if not known or "policy=" in str(error):
            raise
        raise type(error)(f"{name}: {error}") from error


def file_sha256(policy: Any) -> str:
    """The SHA-256 of the file that a policy is from; empty if it is from none."""
    return file_digest(check_path("policy", policy)) if names_file(policy) else ""
