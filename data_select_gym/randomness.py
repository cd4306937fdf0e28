"""Random streams that belong to a run, so that it neither draws from nor disturbs those outside."""

from __future__ import annotations

import os
import random
import threading
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.random import mtrand

_LOCK = threading.RLock()


def _free_lock() -> None:
    """Do not wait in a forked process for a thread that stayed behind within a block."""
    global _LOCK
    if _LOCK.acquire(blocking=False):
        _LOCK.release()
    else:
        _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_lock)


class RNGScope:
    """Within the block, the global generators of Python, NumPy and torch continue the run's own streams.

    Dropout, weight initialisation and users' datasets draw from global generators. On leaving the block, those are as
    they were before. A process has only one set of them, so only one thread at a time is within such a block.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        """Start the streams from ``seed``, a whole number in [0, 2**32); ``device`` is where the model runs."""
        self.device = device
        self.outside: list[tuple[Any, ...]] = []
        with _LOCK:
            outside = self._take()
            random.seed(seed)
            mtrand.set_bit_generator(np.random.MT19937())
            np.random.seed(seed)
            # torch.manual_seed would seed every GPU, and only this one is restored.
            torch.default_generator.manual_seed(seed)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            self.own = self._take()
            self._put(outside)

    def __enter__(self) -> None:
        _LOCK.acquire()
        try:
            self.outside.append(self._take())
            self._put(self.own)
        except BaseException:
            _LOCK.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.own = self._take()
            self._put(self.outside.pop())
        finally:
            _LOCK.release()

    def _take(self) -> tuple[Any, ...]:
        on_device = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
        numpy = mtrand.get_bit_generator(), np.random.get_state(legacy=False)
        return random.getstate(), numpy, torch.get_rng_state(), on_device

    def _put(self, state: tuple[Any, ...]) -> None:
        python, (bit_generator, numpy), host, on_device = state
        random.setstate(python)
        # A bit generator keeps its state, and exchanging it takes a hundredth of the time of setting a state. But NumPy
        # then forgets the second of two normal numbers that it drew together.
        already = mtrand.get_bit_generator() is bit_generator
        mtrand.set_bit_generator(bit_generator)
        if already or numpy["has_gauss"]:
            np.random.set_state(numpy)
        torch.set_rng_state(host)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, self.device)

    def state_dict(self) -> dict[str, Any]:
        """The positions of the streams. It may be called outside the block or within it."""
        return _to_state(self._take() if self.outside else self.own)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the state of another scope. It may be called outside the block or within it."""
        self.own = _from_state(state)
        if self.outside:
            self._put(self.own)


def _to_state(taken: tuple[Any, ...]) -> dict[str, Any]:
    """The states of the generators in types that a checkpoint can hold."""
    python, (_, numpy), host, on_device = taken
    kind, place = numpy["bit_generator"], numpy["state"]
    words = torch.from_numpy(place["key"].astype(np.int64))
    numpy = [kind, words, place["pos"], numpy["has_gauss"], numpy["gauss"]]
    return {"python": python, "numpy": numpy, "host": host, "on_device": on_device}


def _from_state(state: dict[str, Any]) -> tuple[Any, ...]:
    kind, keys, position, has_gauss, gauss = state["numpy"]
    version, words, following = state["python"]
    place: Any = {"key": keys.numpy().astype(np.uint32), "pos": position}
    bit_generator = np.random.MT19937()
    bit_generator.state = {"bit_generator": kind, "state": place}
    numpy = {"bit_generator": kind, "state": place, "has_gauss": has_gauss, "gauss": gauss}
    return (version, tuple(words), following), (bit_generator, numpy), state["host"], state["on_device"]
