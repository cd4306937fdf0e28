"""The training run: pools, updates, schedule and evaluation."""

from data_select_gym.training.evaluation import Evaluation
from data_select_gym.training.plan import Plan
from data_select_gym.training.record import StepRecord
from data_select_gym.training.run import TrainingRun

__all__ = ["Evaluation", "Plan", "StepRecord", "TrainingRun"]
