"""Rewards by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from data_select_gym.arguments import check_callable, check_choice
from data_select_gym.registry import Registry, calling_module, describe
from data_select_gym.rewards.reward import NEEDS, CallableReward, Reward, StepOutcome

Given = TypeVar("Given", bound=Callable[[StepOutcome], Any])


def check_reward(reward: Any) -> Reward:
    """Return ``reward``, made if it is a class; a function or another object as a :class:`CallableReward`.

    Raises:
        TypeError: it cannot be called.
    """
    if isinstance(reward, type):
        reward = reward()
    return reward if isinstance(reward, Reward) else CallableReward(check_callable("reward", reward))


REWARDS: Registry[Reward] = Registry("reward", "data_select_gym.rewards", check_reward)


def register_reward(
    name: str, *, description: str = "", paper: str = "", needs: Iterable[str] = ()
) -> Callable[[Given], Given]:
    """Register a function of a :class:`StepOutcome`, a :class:`Reward` or a class of them, by name.

    Example:
        >>> from data_select_gym.rewards import make_reward
        >>> @register_reward("confidence")
        ... def confidence(outcome):
        ...     '''Confidence of what is kept.'''
        ...     return outcome.action * outcome.fresh.confidence
        >>> make_reward({"confidence": 0.5, "validation-gain": 0.5}).needs
        frozenset({'validation_gain'})

    Args:
        name: of the reward.
        description: one line; the first of the docstring if empty.
        paper: an arXiv id or a citation.
        needs: what must be measured on the validation set for it, ``"alignment"`` or ``"validation_gain"``, beside
            what its attribute ``needs`` names.

    Raises:
        ValueError: the name is taken, or is not one of letters, digits, ``-``, ``_`` and ``.``; or ``needs`` has
            something else.
        TypeError: what is decorated cannot be called, or another argument is of the wrong type.
    """
    module = calling_module(2)
    wanted = tuple(needs) if isinstance(needs, Iterable) and not isinstance(needs, str) else needs
    REWARDS.check_texts(name, description, paper, wanted)
    for need in wanted:
        check_choice("needs", need, NEEDS)

    def register(given: Given) -> Given:
        reward = check_reward(given)
        if isinstance(reward, CallableReward):
            reward = CallableReward(reward.function, frozenset(wanted))
        line = description or describe("reward", given)
        REWARDS.register(name, reward, description=line, paper=paper, needs=sorted(reward.needs), module=module)
        return given

    return register
