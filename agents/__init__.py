"""Policies: hand-crafted, learned, and a user's own."""

import data_select_gym.drawing  # noqa: F401  (before Stable-Baselines3 imports matplotlib)
from data_select_gym.agents.algorithms import ALGORITHMS, Algorithm
from data_select_gym.agents.beta import BetaDistribution, BetaPolicy
from data_select_gym.agents.budget import BudgetWarning
from data_select_gym.agents.data_agent import DataAgent
from data_select_gym.agents.driving import RunResult, drive
from data_select_gym.agents.environments import make_env
from data_select_gym.agents.evaluation import EvalRunsCallback, evaluate_runs
from data_select_gym.agents.frozen import FrozenPolicy
from data_select_gym.agents.keeper import Stopped
from data_select_gym.agents.one_run import learn_run
from data_select_gym.agents.policy import CoevolvingPolicy, Policy
from data_select_gym.agents.pool_policy import PoolPolicy
from data_select_gym.agents.pretrain import pretrain
from data_select_gym.agents.registry import POLICIES, RULES, available_policies, make_policy
from data_select_gym.agents.rules import Candidates, InfoBatch, Rule
from data_select_gym.agents.saved import UntrustedFileWarning, load_policy, save_model
from data_select_gym.agents.selector import Selector

__all__ = [
    "ALGORITHMS",
    "POLICIES",
    "RULES",
    "Algorithm",
    "BetaDistribution",
    "BetaPolicy",
    "BudgetWarning",
    "Candidates",
    "CoevolvingPolicy",
    "DataAgent",
    "EvalRunsCallback",
    "FrozenPolicy",
    "InfoBatch",
    "Policy",
    "PoolPolicy",
    "Rule",
    "RunResult",
    "Selector",
    "Stopped",
    "UntrustedFileWarning",
    "available_policies",
    "drive",
    "evaluate_runs",
    "learn_run",
    "load_policy",
    "make_env",
    "make_policy",
    "pretrain",
    "save_model",
]
