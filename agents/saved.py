"""Models of Stable-Baselines3 on file, with what it takes to use them as policies: a zip file of theirs.

Loading one unpickles what is in it, as Stable-Baselines3 does: load only files whose origin you trust.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.one_run import samplewise
from data_select_gym.agents.policy import FrozenPolicy
from data_select_gym.arguments import import_named
from data_select_gym.files import replacing

# A class is looked up by what the file says, so only in packages whose classes are known to be algorithms.
PACKAGES = ("stable_baselines3", "sb3_contrib", "data_select_gym")
NOTE = "learned_with"


def save_model(model: BaseAlgorithm, path: str | Path) -> Path:
    """Write a model with its class and the features that it learned from.

    Args:
        model: a model whose environment is a :class:`~data_select_gym.envs.SamplewiseVecEnv`, wrapped or not.
        path: of the file, ending with ``.zip``.

    Returns:
        The path written to.

    Raises:
        TypeError: the model's environment is another one.
        ValueError: the suffix is not ``.zip``, or the environment is in a ``VecNormalize``, whose statistics the file
            would not hold.
        FileNotFoundError: there is no such folder.
    """
    target = check_target(path)
    env = samplewise(model.get_env())
    if model.get_vec_normalize_env() is not None:
        raise ValueError("the model's environment is in a VecNormalize, whose statistics its file would not hold")
    kind = type(model)
    note = {"class": f"{kind.__module__}:{kind.__qualname__}", "features": list(env.env.features)}
    setattr(model, NOTE, note)
    with replacing(target) as temporary, temporary.open("wb") as file:
        model.save(file)
    return target


def check_target(path: str | Path) -> Path:
    """The path of a file that a model can be written to.

    Raises:
        ValueError: it does not end with ``.zip``.
        FileNotFoundError: there is no such folder.
    """
    target = Path(path)
    if target.suffix != ".zip":
        raise ValueError(f"path={str(path)!r} does not end with .zip")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path={str(path)!r}: there is no folder {str(target.parent)!r}")
    return target


def load_policy(path: str | Path) -> FrozenPolicy:
    """The policy of a model that was written by :func:`save_model`; it learns no more.

    Args:
        path: of the file. Its content is unpickled: load only files whose origin you trust.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"policy={str(path)!r}: there is no such file")
    note = read_note(Path(path))
    kind = import_named("policy", note["class"])
    if not isinstance(kind, type) or not issubclass(kind, BaseAlgorithm):
        raise ValueError(f"policy={str(path)!r} names {note['class']}, which is not an algorithm")
    return FrozenPolicy(kind.load(path, device="cpu"), features=tuple(note["features"]))


def read_note(path: Path) -> dict[str, Any]:
    """What :func:`save_model` wrote of a model, read without unpickling anything.

    Raises:
        ValueError: the file is not one of :func:`save_model`, or its class is from another package.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read("data"))
        note: dict[str, Any] = content[NOTE]
        package = note["class"].partition(".")[0]
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"policy={str(path)!r} is not a model written by save_model or 'data-select-gym train'; "
            "load any other with its own class, and give the model"
        ) from error
    if package not in PACKAGES:
        raise ValueError(f"policy={str(path)!r} is a model of {note['class']}; allowed are: {', '.join(PACKAGES)}")
    return note
