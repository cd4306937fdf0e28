"""The seconds of a run by phase: where its time goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import ParamSpec, Protocol, TypeVar

import torch

from data_select_gym.arguments import is_number

PHASES = {
    "load": "reading samples to train on, and making batches of them on the device",
    "train": "augmentation, forward and backward pass, update of the weights, and going from minibatch to minibatch",
    "signals": "signals of the samples in a forward pass",
    "ledger": "reading and recording signals",
    "look": "extra forward passes, which are not trained on, reading included",
    "evaluate": "evaluation, reading included",
    "bookkeeping": "rewards, observations, curves, checkpoints, and whatever is not named here",
    "copy": "copies from the device to the host, and waiting for them",
    "policy": "whatever is outside the environment except updates: above all the policy's choice",
    "update": "the agent's learning",
}
OUTSIDE = "policy"
FEW = 1000

Item = TypeVar("Item")
P = ParamSpec("P")
Result = TypeVar("Result")

_active: ContextVar[PhaseTimer | None] = ContextVar("active", default=None)


class PhaseTimer:
    """Counts a run's seconds by phase. It is always on: a change of phase takes a microsecond.

    Phases nest, and the time of an inner one is not counted for the outer one, so that all of them add up to the time
    since the timer was made. Time outside all phases is the policy's.

    On a GPU it is the time between marks in the stream of its work, which is read once it has passed. Work is queued
    long before it is done, so the time of queueing would not say where time goes.

    Attributes:
        labels: whether phases are shown in the traces of ``torch.profiler``.
    """

    def __init__(self, device: torch.device) -> None:
        """Start with nothing counted; ``device`` is where the run computes."""
        self.labels = False
        self._line: _Line = _StreamLine(device) if device.type == "cuda" else _HostLine()
        self._open = [OUTSIDE]
        self._stopped = False

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Count the seconds of a block for the phase ``name``, one of :data:`PHASES`."""
        return _Block(self, name)

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and count the seconds that it takes to get them for the phase ``name``."""
        iterator = iter(items)
        while True:
            with self.phase(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def stop(self) -> None:
        """Stop counting outside of phases, since the run is over."""
        self._stopped = True

    def read(self) -> dict[str, float]:
        """Seconds so far by phase. On a GPU this waits until all queued work is done."""
        self._mark()
        return self._line.read()

    def state_dict(self) -> dict[str, float]:
        """The same, for another timer to go on from."""
        return self.read()

    def load_state_dict(self, seconds: Mapping[str, float]) -> None:
        """Go on from the seconds of another timer.

        Raises:
            ValueError: they are of other phases, or are no numbers.
        """
        if seconds.keys() != PHASES.keys() or not all(map(is_number, seconds.values())):
            raise ValueError(f"seconds={seconds!r:.200} are not numbers for {', '.join(PHASES)}")
        self._mark()
        self._line.replace(seconds)

    def _mark(self) -> None:
        name = self._open[-1]
        self._line.mark(None if self._stopped and name == OUTSIDE else name)


def phase(name: str) -> AbstractContextManager[None]:
    """Count the seconds of a block for a phase of the run that is at work, if there is one."""
    timer = _active.get()
    return nullcontext() if timer is None else timer.phase(name)


def timed(name: str) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """A decorator that counts the seconds of a function for a phase, as :func:`phase` does."""

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        @wraps(function)
        def count(*arguments: P.args, **named: P.kwargs) -> Result:
            with phase(name):
                return function(*arguments, **named)

        return count

    return decorate


class _Block(AbstractContextManager[None]):
    """A block of one phase."""

    def __init__(self, timer: PhaseTimer, name: str) -> None:
        self.timer = timer
        self.name = name
        self.label = torch.profiler.record_function(name) if timer.labels else None  # takes several microseconds
        self.token: Token[PhaseTimer | None] | None = None

    def __enter__(self) -> None:
        self.timer._mark()
        self.timer._open.append(self.name)
        self.token = _active.set(self.timer)
        if self.label is not None:
            self.label.__enter__()  # type: ignore[no-untyped-call]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.label is not None:
            self.label.__exit__(kind, error, trace)
        self.timer._mark()
        self.timer._open.pop()
        if self.token is not None:
            _active.reset(self.token)


class _Line(Protocol):
    """A line of time, cut by marks into stretches of one phase each."""

    def mark(self, name: str | None) -> None:
        """End a stretch, which belonged to the phase ``name``, or to none."""

    def read(self) -> dict[str, float]:
        """Seconds of each phase up to the last mark."""

    def replace(self, seconds: Mapping[str, float]) -> None:
        """Replace the seconds up to the last mark."""


class _HostLine:
    """The time of the host."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.last = time.perf_counter()

    def mark(self, name: str | None) -> None:
        now = time.perf_counter()
        if name is not None:
            self.seconds[name] += now - self.last
        self.last = now

    def read(self) -> dict[str, float]:
        return dict(self.seconds)

    def replace(self, seconds: Mapping[str, float]) -> None:
        self.seconds = {name: float(seconds[name]) for name in PHASES}


class _StreamLine:
    """The time of a GPU: marks are events in its current stream."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.waiting: deque[tuple[str | None, torch.cuda.Event]] = deque()
        self.passed: list[torch.cuda.Event] = []
        self.last = self._event()

    def mark(self, name: str | None) -> None:
        self.waiting.append((name, self._event()))
        if len(self.waiting) > FEW:
            self._count(wait=False)

    def read(self) -> dict[str, float]:
        self._count(wait=True)
        return dict(self.seconds)

    def replace(self, seconds: Mapping[str, float]) -> None:
        self._count(wait=True)
        self.seconds = {name: float(seconds[name]) for name in PHASES}

    def _event(self) -> torch.cuda.Event:
        event = self.passed.pop() if self.passed else torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _count(self, *, wait: bool) -> None:
        """Count the stretches that have passed; with ``wait``, wait for all of them."""
        if wait and self.waiting:
            self.waiting[-1][1].synchronize()
        while self.waiting and self.waiting[0][1].query():  # type: ignore[no-untyped-call]
            name, event = self.waiting.popleft()
            if name is not None:
                self.seconds[name] += self.last.elapsed_time(event) / 1000  # elapsed_time is in milliseconds
            self.passed.append(self.last)
            self.last = event
