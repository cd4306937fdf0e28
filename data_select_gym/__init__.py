"""Training a neural network as a Gymnasium environment: choose, step by step, which samples to train on."""

__version__ = "0.1.0"
