"""Checkpoints of a run that a policy drives, also written when the process is asked to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.episode import ANNEALING, SELECTION
from data_select_gym.training import NonFiniteLossError, RunCallback, StepRecord
from data_select_gym.training.callbacks import Run
from data_select_gym.training.checkpoint_state import State, StateError
from data_select_gym.training.checkpoints import Checkpoints

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """The process was asked to stop, and a checkpoint was written before it does."""


class OtherRunError(StateError):
    """The checkpoint is of a run of another policy, or with another seed."""


class RunCheckpointer(RunCallback):
    """Writes checkpoints of one run when they are due, and when the process is asked to stop.

    Attributes:
        env: the environment that is driven.
        checkpoints: where they go.
        policy_state: of the checkpoint that the run resumes from; None for a new run, or one that got no further than
            the warm-up with a policy that begins after it.
        annealing: whether the run resumes in its annealing epochs, in which the policy is idle.
        before: seconds of the run, and those within the environment, before it resumed.
    """

    def __init__(self, env: DataSelectEnv, checkpoints: Checkpoints, notes: State) -> None:
        """Have the environment resume from the newest checkpoint, if there is one.

        Args:
            env: the environment that is driven.
            checkpoints: where they go.
            notes: what must be the same for it to be the same run.

        Raises:
            OtherRunError: the checkpoint has other notes.
            StateError: it is damaged, or of another environment.
        """
        self.env = env
        self.checkpoints = checkpoints
        self.notes = notes
        self.policy_state: State | None = None
        self.annealing = False
        self.before = (0.0, 0.0)
        self._began, self._began_env = time.perf_counter(), env.seconds
        self._asked: int | None = None
        state = checkpoints.read()
        if state is not None:
            self._take(state)

    def _take(self, state: State) -> None:
        for name, value in self.notes.items():
            there = state["notes"].get(name) if isinstance(state.get("notes"), dict) else None
            if there != value:
                raise OtherRunError(f"the checkpoint is of {name}={there!r}; here it is {name}={value!r}")
        try:
            self.policy_state, (whole, within) = state["policy"], state["seconds"]
            self.before = float(whole), float(within)
            self.annealing = state["env"]["phase"] == ANNEALING
            self.env.load_state_dict(state["env"])
        except (KeyError, TypeError) as error:
            raise StateError(f"the checkpoint is damaged: {error!r}") from error

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds of the run so far, and those within the environment."""
        whole, within = self.before
        return whole + time.perf_counter() - self._began, within + self.env.seconds - self._began_env

    def offer(self, policy_state: Callable[[], State]) -> None:
        """Write a checkpoint if one is due; a policy calls this between two steps.

        Raises:
            Stopped: the process was asked to stop.
        """
        if self._asked is not None or self.checkpoints.due(self.env.run.pool_number):
            self._write(policy_state())

    @contextmanager
    def watching(self, idle: Callable[[], State | None] = lambda: None, *, one_run: bool = True) -> Iterator[None]:
        """Handle signals within the block; a second SIGINT stops the process at once.

        Args:
            idle: gives the policy's state in the epochs in which the policy is idle.
            one_run: whether checkpoints are also written in those, the warm-up and annealing epochs. A model that
                learns over several runs is in the middle of a rollout there.
        """
        self._idle = idle
        # Python handles signals in its main thread alone.
        main = threading.current_thread() is threading.main_thread()
        heeded = [number for number in SIGNALS if main and signal.getsignal(number) is not signal.SIG_IGN]
        handlers = {number: signal.signal(number, self._ask) for number in heeded}
        try:
            # Last, so that the checkpoint has what the other callbacks did.
            with self.env.listened_to_by([self] if one_run else []):
                yield
        except NonFiniteLossError as error:
            newest = self.checkpoints.paths()[:1]
            where = f"the last good state is in {newest[0]}" if newest else "no checkpoint was due before it"
            raise NonFiniteLossError(f"{error}; {where}") from error
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def on_pool_end(self, run: Run, record: StepRecord | None) -> None:
        if self.env.phase != SELECTION and (self._asked is not None or self.checkpoints.due(run.pool_number)):
            self._write(self._idle())

    def _write(self, policy_state: State | None) -> None:
        with self.env.run.timer.phase("bookkeeping"):
            self._write_state(policy_state)

    def _write_state(self, policy_state: State | None) -> None:
        state = {
            "notes": self.notes,
            "env": self.env.state_dict(copy=False),
            "policy": policy_state,
            "seconds": list(self.seconds),
        }
        written = self.checkpoints.write(self.env.run.pool_number, state)
        if self._asked is not None:
            name = signal.Signals(self._asked).name
            where = f"a checkpoint is in {self.checkpoints.folder}" if written else "no checkpoint could be written"
            raise Stopped(f"stopped by {name}; {where}")

    def _ask(self, number: int, frame: FrameType | None) -> None:
        # SIGTERM often comes twice, to a process and to its group; SIGKILL ends it at once.
        if self._asked is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = number
