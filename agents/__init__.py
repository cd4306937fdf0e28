"""Policies: rules, learned policies and custom ones."""

import data_select_gym.matplotlib_backend  # noqa: F401  (before Stable-Baselines3 imports matplotlib)
from data_select_gym.agents.budget import BudgetWarning
from data_select_gym.agents.factory import make_policy
from data_select_gym.agents.history_rule import HistoryRule
from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.learned.beta import BetaDistribution, BetaPolicy
from data_select_gym.agents.learned.data_agent import DataAgent
from data_select_gym.agents.learned.frozen import FrozenPolicy
from data_select_gym.agents.learned.one_run import learn_run
from data_select_gym.agents.learned.online import OnlinePolicy
from data_select_gym.agents.learned.pool_policy import PoolPolicy
from data_select_gym.agents.learned.pretrain import pretrain
from data_select_gym.agents.learned.saved import UntrustedFileWarning, load_policy, save_model
from data_select_gym.agents.policy import Policy
from data_select_gym.agents.policy_env import make_env
from data_select_gym.agents.registry import (
    ALGORITHMS,
    POLICIES,
    RULES,
    available_policies,
    register_algorithm,
    register_rule,
)
from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.agents.rules.infobatch import InfoBatch
from data_select_gym.agents.run_checkpointer import Stopped
from data_select_gym.agents.run_evaluation import EvalRunsCallback, evaluate_runs
from data_select_gym.agents.runner import RunResult, run_policy
from data_select_gym.agents.selector import Selector
from data_select_gym.deprecation import deprecated_names

__all__ = [
    "ALGORITHMS",
    "POLICIES",
    "RULES",
    "Algorithm",
    "BetaDistribution",
    "BetaPolicy",
    "BudgetWarning",
    "Candidates",
    "DataAgent",
    "EvalRunsCallback",
    "FrozenPolicy",
    "HistoryRule",
    "InfoBatch",
    "OnlinePolicy",
    "Policy",
    "PoolPolicy",
    "Rule",
    "RunResult",
    "Selector",
    "Stopped",
    "UntrustedFileWarning",
    "available_policies",
    "evaluate_runs",
    "learn_run",
    "load_policy",
    "make_env",
    "make_policy",
    "pretrain",
    "register_algorithm",
    "register_rule",
    "run_policy",
    "save_model",
]

__getattr__ = deprecated_names(__name__, {"drive": "run_policy", "CoevolvingPolicy": "OnlinePolicy"})
