"""Stable-Baselines3 models in their zip files, with what it takes to use them as policies.

Loading one unpickles it, as Stable-Baselines3 does: load only files whose origin you trust.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.fingerprint import file_digest
from data_select_gym.agents.learned.frozen import FrozenPolicy
from data_select_gym.agents.learned.one_run import features_of
from data_select_gym.agents.learned.own_wrappers import check_own_wrappers
from data_select_gym.arguments import check_kind, check_path, import_named
from data_select_gym.files import replacing
from data_select_gym.randomness import RNGScope
from data_select_gym.tasks.float32 import in_float32
from data_select_gym.training.device import choose_device

# The file names the class, so it is only looked up in packages whose classes are known to be algorithms.
PACKAGES = ("stable_baselines3", "sb3_contrib", "data_select_gym")
NOTE = "learned_with"
# What a file says of a model, unpacked; some ten thousand bytes are usual.
MOST_DATA = 1 << 24
# SHA-256 of the files that this process has written or has warned of.
KNOWN: set[str] = set()


class UntrustedFileWarning(UserWarning):
    """A file is about to be unpickled, which runs any code in it."""


def save_model(model: BaseAlgorithm, path: str | Path) -> Path:
    """Write a model with its class and the features that it learned from.

    Args:
        model: a model whose environment is a :class:`~data_select_gym.envs.SamplewiseVecEnv`, or one of whole pools,
            wrapped or not.
        path: of the file, ending with ``.zip``.

    Returns:
        The path written to.

    Raises:
        TypeError: ``model`` is not one of Stable-Baselines3, or its environment is another one; or ``path`` is none.
        ValueError: the suffix is not ``.zip``, the environment is in a ``VecNormalize``, whose statistics the file
            would not hold, or within another wrapper that changes what the model sees or does; or the model is of a
            class that :func:`load_policy` would not look up.
        OSError: there is no such folder, or the file cannot be written.
    """
    target = check_target(path)
    env = check_kind("model", model, BaseAlgorithm).get_env()
    features = features_of(env)
    if features is None:
        raise TypeError(f"the model's environment is a {type(env).__name__}; one of slots or of pools is needed")
    check_own_wrappers(model)
    if model.get_vec_normalize_env() is not None:
        raise ValueError("the model's environment is in a VecNormalize, whose statistics its file would not hold")
    kind = f"{type(model).__module__}:{type(model).__qualname__}"
    check_package("the model", kind)
    # Only attributes go to the file. Left on the model, it would go to files of other environments too.
    setattr(model, NOTE, {"class": kind, "features": list(features)})
    try:
        with replacing(target) as temporary, temporary.open("wb") as file:
            model.save(file)
    finally:
        delattr(model, NOTE)
    KNOWN.add(file_digest(target))
    return target


def check_target(path: str | Path) -> Path:
    """The path of a file that a model can be written to.

    Raises:
        ValueError: it does not end with ``.zip``.
        TypeError: it is no path.
        FileNotFoundError: there is no such folder.
        IsADirectoryError: it is a folder itself.
    """
    target = check_path("path", path)
    if target.suffix != ".zip":
        raise ValueError(f"path={str(path)!r} does not end with .zip")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path={str(path)!r}: there is no folder {str(target.parent)!r}")
    if target.is_dir():
        raise IsADirectoryError(f"path={str(path)!r} is a folder")
    return target


def load_policy(path: str | Path) -> FrozenPolicy:
    """The policy of a model written by :func:`save_model`; it no longer learns.

    An :class:`UntrustedFileWarning` is given once for each file that this process did not write.

    Args:
        path: of the file. Its content is unpickled: load only files whose origin you trust.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, or a damaged one.
    """
    file = check_path("policy", path)
    if not file.is_file():
        raise FileNotFoundError(f"policy={str(path)!r}: there is no such file")
    named, features = read_note(file)
    kind = import_named("policy", named)
    if not isinstance(kind, type) or not issubclass(kind, BaseAlgorithm):
        raise ValueError(f"policy={str(path)!r} names {named}, which is not an algorithm")
    digest = file_digest(file)
    if digest not in KNOWN:
        message = f"policy={str(path)!r} is unpickled, which runs what code is in it; load only files that you trust"
        warnings.warn(message, UntrustedFileWarning, stacklevel=2)
        KNOWN.add(digest)
    try:
        # A model draws initial weights, and may seed the global generators, before it gets those of the file.
        with RNGScope(0, choose_device("auto")):
            model = in_float32(kind.load, file, device="cpu")
    except Exception as error:
        raise ValueError(
            f"policy={str(path)!r} cannot be loaded: it is damaged or of other versions ({error})"
        ) from error
    return FrozenPolicy(model, features=features)


def read_note(path: Path) -> tuple[str, tuple[str, ...]]:
    """The class of a model, as ``"module:class"``, and its features, read without unpickling.

    Raises:
        ValueError: the file is not one of :func:`save_model`, or its class is from another package.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("data").compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("'data' is packed in a way that cannot be unpacked bit by bit")
            with archive.open("data") as file:
                data = file.read(MOST_DATA + 1)
        if len(data) > MOST_DATA:
            raise ValueError(f"'data' is longer than {MOST_DATA} bytes")
        content = json.loads(data)
        kind, features = str(content[NOTE]["class"]), tuple(content[NOTE]["features"])
    # Damaged files raise errors of any kind.
    except Exception as error:
        raise ValueError(
            f"policy={str(path)!r} is not a model written by save_model or 'data-select-gym train'; "
            "load any other with its own class, and give the model"
        ) from error
    check_package(f"policy={str(path)!r}", kind)
    return kind, features


def check_package(source: str, kind: str) -> None:
    """Check that a class, given as ``"module:class"``, is from one of the allowed packages.

    Raises:
        ValueError: it is not.
    """
    if kind.partition(".")[0] not in PACKAGES:
        raise ValueError(f"{source} is of the class {kind}; allowed are those of: {', '.join(PACKAGES)}")
