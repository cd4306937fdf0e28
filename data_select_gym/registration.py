"""Environment ids. Entry points are strings, so that registering imports neither torch nor Stable-Baselines3."""

from typing import Any, NoReturn

from gymnasium.envs.registration import register, registry
from gymnasium.error import Error

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
SAMPLEWISE = "each of these by slots, for gym.make_vec: a sub-environment for each candidate of the pool"


def samplewise_id(name: str) -> str:
    """The id of the samplewise view of an environment: ``"DataSelect/DigitsSamplewise-v0"`` of Digits."""
    return name.removesuffix("-v0") + "Samplewise-v0"


def register_environments() -> None:
    """Register the environments and their samplewise views with Gymnasium, unless they are registered already."""
    for name, kwargs in ENVIRONMENTS.items():
        if name not in registry:
            register(id=name, entry_point="data_select_gym.envs.env:DataSelectEnv", kwargs=kwargs)
        if samplewise_id(name) not in registry:
            register(
                id=samplewise_id(name),
                entry_point="data_select_gym.registration:refuse_single",
                vector_entry_point="data_select_gym.envs.vector:SamplewiseVectorEnv",
                kwargs=kwargs,
            )


def refuse_single(**options: Any) -> NoReturn:
    """What ``gym.make`` does with the id of a samplewise view.

    Raises:
        Error: always; it says what to type instead.
    """
    raise Error(
        "the id of a samplewise view is one of a vector environment, with a sub-environment for each slot of the pool: "
        "gym.make_vec(id, num_envs=128) makes it, with no other vectorization_mode; gym.make(id) takes the id without "
        "'Samplewise', as 'DataSelect/Digits-v0', for one agent that decides on the whole pool"
    )
