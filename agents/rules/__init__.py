"""Rules: policies that choose by a formula."""

from data_select_gym.agents.rules.histories import EL2N, UCB, EpsilonGreedy, Forgetting, HistoryRule
from data_select_gym.agents.rules.rankings import LowLoss, Margin, SelectiveBackprop, StaticRandom, Uncertainty
from data_select_gym.agents.rules.rho import RhoLoss
from data_select_gym.agents.rules.rule import Candidates, Full, FullEqualCost, InfoBatch, Random, Rule, TopLoss

__all__ = [
    "EL2N",
    "UCB",
    "Candidates",
    "EpsilonGreedy",
    "Forgetting",
    "Full",
    "FullEqualCost",
    "HistoryRule",
    "InfoBatch",
    "LowLoss",
    "Margin",
    "Random",
    "RhoLoss",
    "Rule",
    "SelectiveBackprop",
    "StaticRandom",
    "TopLoss",
    "Uncertainty",
]
