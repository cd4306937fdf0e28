"""Environment ids. Entry points are strings, so that registering imports neither torch nor Stable-Baselines3."""

from typing import Any

from gymnasium.envs.registration import register, registry

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "DataSelect/Digits-v0": {"task": "digits"},
    "DataSelect/CIFAR10-v0": {"task": "cifar10"},
    "DataSelect/CIFAR100-v0": {"task": "cifar100"},
    "DataSelect/Custom-v0": {},
}
DESCRIPTIONS = {
    "DataSelect/Digits-v0": "scikit-learn's 1,797 scans of handwritten digits, which come along; a run takes a second",
    "DataSelect/CIFAR10-v0": "60,000 photographs in ten classes, from data_dir; a small CNN or ResNet-18",
    "DataSelect/CIFAR100-v0": "60,000 photographs in a hundred classes, from data_dir; a small CNN or ResNet-18",
    "DataSelect/Custom-v0": "a task of your own: task='module:function', a function, or a Task",
}


def register_environments() -> None:
    """Register the environments with Gymnasium, unless they are registered already."""
    for name, kwargs in ENVIRONMENTS.items():
        if name not in registry:
            register(
                id=name,
                entry_point="data_select_gym.envs.env:DataSelectEnv",
                vector_entry_point="data_select_gym.envs.vector:SamplewiseVectorEnv",
                kwargs=kwargs,
            )
