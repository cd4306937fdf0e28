"""Fingerprints: what a policy is, as a text that is the same in every process; it identifies runs and checkpoints."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.known_as import PARTS, known_as
from data_select_gym.agents.naming import read_policy, write_policy
from data_select_gym.arguments import check_path, import_named

LONGEST = 400
DEEPEST = 4


class Given(dict[str, Any]):
    """Arguments that were given by name, described to the same depth as the object they belong to."""


def policy_fingerprint(policy: Any) -> str:
    """The fingerprint of a policy, given in any form that :func:`~data_select_gym.agents.make_policy` takes.

    - a name: itself, with its options
    - a file: the SHA-256 of its content
    - ``"module:object"``: itself and the object's fingerprint
    - an object: its class, and those constructor arguments that it keeps under their names
    - a model: its weights
    - a function: its name, its defaults and the variables around it

    Code does not count.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ``"module:object"`` cannot be imported.
    """
    if names_file(policy):
        return f"file of SHA-256 {file_digest(check_path('policy', policy))}"
    if isinstance(policy, str):
        name, options = read_policy(policy)
        written = write_policy(name, options)
        found = name if ":" not in name else object_fingerprint(import_named("policy", name))
        text = written if found == name else f"{written}, which is {found}"
    else:
        text = object_fingerprint(policy)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... of SHA-256 {sha256(text.encode())}"


def object_fingerprint(value: Any, depth: int = DEEPEST) -> str:
    """The fingerprint of any value, ``depth`` levels deep."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, torch.Tensor):
        content = value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
        return f"{value.dtype}{list(value.shape)} of SHA-256 {sha256(content)}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.dtype}{list(value.shape)} of SHA-256 {sha256(value.tobytes())}"
    if isinstance(value, Path):
        return repr(str(value))
    depth = DEEPEST if isinstance(value, Given) else depth
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {object_fingerprint(item, depth - 1)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple | set | frozenset):
        items = [object_fingerprint(item, depth - 1) for item in value]
        return f"[{', '.join(sorted(items) if isinstance(value, set | frozenset) else items)}]"
    named = value if hasattr(value, "__qualname__") else type(value)
    place = known_as(named.__module__, named.__qualname__)
    inside = ", ".join(
        f"{PARTS.get((place, name), name)}={object_fingerprint(part, depth - 1)}"
        for name, part in parts_of(value).items()
    )
    return place + (f"({inside})" if inside else "")


def parts_of(value: Any) -> dict[str, Any]:
    """What tells a function or an object from others of its name or class."""
    if isinstance(value, type):
        return {}
    if isinstance(value, MethodType):
        return {"self": value.__self__}
    if isinstance(value, partial):
        return {"function": value.func, "args": value.args, "keywords": value.keywords}
    if isinstance(value, BaseAlgorithm):
        return {"weights": value.policy.state_dict()}
    if isinstance(value, torch.nn.Module):
        return {"weights": value.state_dict()}
    with suppress(TypeError, ValueError):  # what is written in C has no signature, and a variable may have no value yet
        if isinstance(value, FunctionType):
            known = inspect.signature(value).parameters.values()
            defaults = {entry.name: entry.default for entry in known if entry.default is not entry.empty}
            return defaults | dict(inspect.getclosurevars(value).nonlocals)
        names = inspect.signature(type(value)).parameters
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    return {}


def names_file(policy: object) -> bool:
    """Whether a policy is given as the path of a file: a ``Path``, or a string that ends with ``.zip``."""
    return isinstance(policy, Path) or (isinstance(policy, str) and policy.endswith(".zip"))


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content."""
    return sha256(path.read_bytes())


def sha256(content: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
