"""The training run: pools, updates, schedule and evaluation."""

from data_select_gym.training.callbacks import FunctionCallback, RunCallback
from data_select_gym.training.checkpoint_state import StateError
from data_select_gym.training.checkpoints import Checkpoints, CheckpointWarning
from data_select_gym.training.config import RunConfig
from data_select_gym.training.evaluator import Evaluation
from data_select_gym.training.non_finite import NonFiniteLossError
from data_select_gym.training.plan import Plan
from data_select_gym.training.record import StepRecord
from data_select_gym.training.run import TrainingRun

__all__ = [
    "CheckpointWarning",
    "Checkpoints",
    "Evaluation",
    "FunctionCallback",
    "NonFiniteLossError",
    "Plan",
    "RunCallback",
    "RunConfig",
    "StateError",
    "StepRecord",
    "TrainingRun",
]
