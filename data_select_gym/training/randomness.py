"""Random states of a run's own, so that nothing outside it is drawn from or disturbed."""

from __future__ import annotations

import random
from types import TracebackType
from typing import Any

import numpy as np
import torch


class OwnRandomness:
    """Within the block, the global generators of Python, NumPy and torch continue the run's own streams.

    Dropout, weight initialisation and a user's dataset draw from global generators. On leaving, those are as they were.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        """Start the streams from ``seed``, a whole number in [0, 2**32); ``device`` is where the model runs."""
        self.device = device
        outside = self._take()
        random.seed(seed)
        np.random.seed(seed)
        # torch.manual_seed would seed every GPU, and only this one is put back.
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        self.own = self._take()
        self._put(outside)
        self.outside: list[tuple[Any, ...]] = []

    def __enter__(self) -> None:
        self.outside.append(self._take())
        self._put(self.own)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.own = self._take()
        self._put(self.outside.pop())

    def _take(self) -> tuple[Any, ...]:
        on_device = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
        return random.getstate(), np.random.get_state(), torch.get_rng_state(), on_device

    def _put(self, state: tuple[Any, ...]) -> None:
        python, numpy, host, on_device = state
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(host)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, self.device)

    def state(self) -> dict[str, Any]:
        """Where the streams are; outside the block, or within it."""
        return _to_state(self._take() if self.outside else self.own)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from another's state; outside the block, or within it."""
        self.own = _from_state(state)
        if self.outside:
            self._put(self.own)


def _to_state(taken: tuple[Any, ...]) -> dict[str, Any]:
    """The states of the generators in types that a checkpoint can hold."""
    python, (kind, keys, position, has_gauss, gauss), host, on_device = taken
    numpy = [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss]
    return {"python": python, "numpy": numpy, "host": host, "on_device": on_device}


def _from_state(state: dict[str, Any]) -> tuple[Any, ...]:
    kind, keys, position, has_gauss, gauss = state["numpy"]
    version, words, following = state["python"]
    numpy = (kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss)
    return (version, tuple(words), following), numpy, state["host"], state["on_device"]
