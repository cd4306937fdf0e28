"""What there is to choose from, with a line each."""

from __future__ import annotations

from data_select_gym.agents import ALGORITHMS, RULES
from data_select_gym.agents.fingerprint import object_fingerprint
from data_select_gym.envs.features import FEATURES
from data_select_gym.registration import DESCRIPTIONS, SAMPLEWISE, samplewise_id
from data_select_gym.rewards import REWARDS, KeptScore, MinibatchScore, PricedScore, Reward, ValidationGain


def catalogue() -> dict[str, dict[str, str]]:
    """Names and descriptions of environments, policies, features and rewards."""
    rules = {name: first_line(rule.__doc__) for name, rule in RULES.items()}
    return {
        "environments": DESCRIPTIONS | {samplewise_id("DataSelect/<name>-v0"): SAMPLEWISE},
        "policies": rules | {name: algorithm.description for name, algorithm in ALGORITHMS.items()},
        "features": {name: feature.description for name, feature in FEATURES.items()},
        "rewards": {name: describe_reward(name, reward) for name, reward in REWARDS.items()},
    }


def describe_reward(name: str, reward: Reward) -> str:
    """One line on a reward: on one that is not built in, the first of its own documentation."""
    if isinstance(reward, PricedScore):
        return f"rank of the {name.removeprefix('priced-')} of what is kept among the pool's, less the price"
    if isinstance(reward, KeptScore):
        return f"{name} of what is kept, judged against the pool"
    if isinstance(reward, ValidationGain):
        return "fall of the validation loss by the step over the share that was kept, the same for all candidates"
    if isinstance(reward, MinibatchScore):
        return f"{reward.quality.__name__} of what is kept, judged against its minibatch, as in Data Agent's paper"
    own = getattr(reward, "function", reward)
    return first_line(own.__doc__) or f"a reward of your own, {object_fingerprint(own)}"


def first_line(docstring: str | None) -> str:
    """The first line of a docstring, without its full stop."""
    return (docstring or "").partition("\n")[0].removesuffix(".")
