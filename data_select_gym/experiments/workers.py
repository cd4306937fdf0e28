"""Runs in processes of their own, so that several are carried out at once and none takes another along when it dies."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

from data_select_gym.experiments.comparison import RunKey
from data_select_gym.experiments.results import Failure, Run

Serve = Callable[[Connection], None]


def in_processes(
    serve: Serve, count: int, keys: Sequence[RunKey], on_pool: Callable[[RunKey, float], None]
) -> Iterator[tuple[RunKey, Run | Failure]]:
    """Carry out runs in ``count`` processes, and give what came of each as soon as it is over.

    Args:
        serve: what a process does, by a name that can be imported: receive one :class:`RunKey` after another, and for
            each send how far it is, as floats, and then the run or the failure, until the connection ends.
        count: how many processes.
        keys: the runs.
        on_pool: called with the run and how far it is.
    """
    waiting = deque(keys)
    workers: list[Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < count:
                workers.append(Worker(serve, waiting.popleft()))
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                key, message = worker.key, worker.receive()
                if isinstance(message, float):
                    on_pool(key, message)
                    continue
                if worker.alive and waiting:
                    worker.begin(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.stop()
                yield key, message
    finally:
        for worker in workers:
            worker.stop()


class Worker:
    """A process that carries out one run after another.

    Attributes:
        connection: to the process; at its end too if this process dies, so that none is left behind.
        key: the run that it was last given.
        alive: whether it can be given another.
    """

    def __init__(self, serve: Serve, key: RunKey) -> None:
        # A process that is forked would inherit the state of torch's threads, but not the threads.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        # Not a daemon: those cannot load data in processes of their own.
        self.process = context.Process(target=serve, args=(theirs,))
        with one_thread():
            self.process.start()
        theirs.close()
        self.alive = True
        self.begin(key)

    def begin(self, key: RunKey) -> None:
        """Begin a run."""
        self.key = key
        with suppress(OSError):  # that the process is dead is noticed when its answer is awaited
            self.connection.send(key)

    def receive(self) -> float | Run | Failure:
        """How far the run is, or what came of it; a failure if the process has died."""
        try:
            message: float | Run | Failure = self.connection.recv()
        except (EOFError, OSError):
            self.alive = False
            self.process.join(timeout=10)
            return Failure(self.key.policy, self.key.keep_ratio, self.key.seed, self._how_it_died(), "")
        return message

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self.process.terminate()
        self.process.join()

    def _how_it_died(self) -> str:
        status = self.process.exitcode
        if status is None or status >= 0:
            return f"the process of this run ended with exit status {status}"
        reason = "; the system does so when memory runs out" if status == -signal.SIGKILL else ""
        return f"the process of this run was ended by {signal.Signals(-status).name}{reason}"


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block, processes that are started have one thread for arithmetic."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
