"""The state of a model of Stable-Baselines3 between two rollouts, in types that a checkpoint can hold."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.utils import get_device

from data_select_gym.training.checkpoint_state import State

COUNTERS = (bool, int, float)
# Where a log goes is not part of what was learned.
NO_COUNTERS = ("_custom_logger",)
RECURRENT = "_last_lstm_states"


def model_state_dict(model: BaseAlgorithm) -> State:
    """Everything that learning resumes from at the beginning of a rollout.

    By then, the model has learned from the rollout before. The tensors are those of the model, not copies: write them
    before it continues.
    """
    _, variables = model._get_torch_save_params()
    buffer = getattr(model, "replay_buffer", None)
    statistics = getattr(getattr(model, "rollout_buffer", None), "statistics", None)
    return {
        "parameters": model.get_parameters(),
        "variables": {name: getattr(model, name).detach() for name in variables},
        "counters": _counters(model),
        "episodes": [{name: float(value) for name, value in entry.items()} for entry in model.ep_info_buffer or ()],
        "episode_starts": torch.from_numpy(np.asarray(model._last_episode_starts)),
        "recurrent": [list(pair) for pair in getattr(model, RECURRENT, None) or ()],
        "replay": None if buffer is None else _replay_state_dict(buffer),
        "statistics": None if statistics is None else [float(statistics.mean), float(statistics.var), statistics.count],
    }


def load_model_state_dict(model: BaseAlgorithm, state: State) -> None:
    """Restore the state of a model of the same kind; its environment is restored apart from it.

    Raises:
        ValueError: the state is that of another kind of model.
    """
    try:
        model.set_parameters(state["parameters"], device=model.device)
        for name, value in state["variables"].items():
            getattr(model, name).data.copy_(value)
        for name, value in state["counters"].items():
            setattr(model, name, value)
        model.ep_info_buffer = deque(state["episodes"], maxlen=model._stats_window_size)
        model.ep_success_buffer = deque(maxlen=model._stats_window_size)
        model._last_episode_starts = state["episode_starts"].numpy()
        if state["recurrent"]:
            states = getattr(model, RECURRENT)
            pairs = [tuple(part.to(get_device(model.device)) for part in pair) for pair in state["recurrent"]]
            setattr(model, RECURRENT, type(states)(*pairs))
        if state["replay"] is not None:
            _load_replay_state_dict(model.replay_buffer, state["replay"])  # type: ignore[attr-defined]
        if state["statistics"] is not None:
            statistics = model.rollout_buffer.statistics  # type: ignore[attr-defined]
            mean, variance, statistics.count = state["statistics"]
            statistics.mean, statistics.var = np.asarray(mean), np.asarray(variance)
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        raise ValueError(f"the checkpoint does not fit a {type(model).__name__}: {error}") from error


def _counters(owner: object) -> dict[str, Any]:
    counters = {name: value for name, value in vars(owner).items() if type(value) in COUNTERS}
    return {name: value for name, value in counters.items() if name not in NO_COUNTERS}


def _replay_state_dict(buffer: ReplayBuffer) -> State:
    filled = buffer.buffer_size if buffer.full else buffer.pos
    arrays = {name: torch.from_numpy(array[:filled]) for name, array in _arrays(buffer).items()}
    return {"arrays": arrays, "counters": _counters(buffer)}


def _load_replay_state_dict(buffer: ReplayBuffer, state: State) -> None:
    for name, array in _arrays(buffer).items():
        saved = state["arrays"][name].numpy()
        array[: len(saved)] = saved
    for name, value in state["counters"].items():
        setattr(buffer, name, value)


def _arrays(buffer: ReplayBuffer) -> dict[str, NDArray[Any]]:
    return {name: value for name, value in vars(buffer).items() if isinstance(value, np.ndarray) and value.ndim > 1}
