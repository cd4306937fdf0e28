"""Environment ids. Entry points are strings, so that registering imports neither torch nor Stable-Baselines3."""

from typing import Any

from gymnasium.envs.registration import register, registry

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "DataSelect/Digits-v0": {"task": "digits"},
    "DataSelect/CIFAR10-v0": {"task": "cifar10"},
    "DataSelect/CIFAR100-v0": {"task": "cifar100"},
    "DataSelect/ImageFolder-v0": {"task": "image_folder"},
    "DataSelect/TextClassification-v0": {"task": "text_classification"},
    "DataSelect/InstructionTuning-v0": {"task": "instruction_tuning"},
    "DataSelect/Custom-v0": {},
}
DESCRIPTIONS = {
    "DataSelect/Digits-v0": "scikit-learn's 1,797 scans of handwritten digits, which come along; a run takes a second",
    "DataSelect/CIFAR10-v0": "60,000 photographs in ten classes, from data_dir; a small CNN or ResNet-18",
    "DataSelect/CIFAR100-v0": "60,000 photographs in a hundred classes, from data_dir; a small CNN or ResNet-18",
    "DataSelect/ImageFolder-v0": "images from data_dir, laid out as ImageNet or Tiny-ImageNet; ResNets, a ViT and more",
    "DataSelect/TextClassification-v0": "labelled texts from data_dir; a small encoder, or any of transformers",
    "DataSelect/InstructionTuning-v0": "prompts and answers from data_dir; a small language model, or a checkpoint",
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
