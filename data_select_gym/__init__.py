"""Training a neural network as a Gymnasium environment: choose, step by step, which samples to train on."""

from data_select_gym.registration import register_environments
from data_select_gym.version import __version__

__all__ = ["__version__"]

register_environments()
