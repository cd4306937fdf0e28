"""Worker processes: several runs at once, and a process that dies fails one run only.

``concurrent.futures`` gives up its whole pool when a process dies, and cannot ask a run for a checkpoint.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from types import FrameType

from data_select_gym.experiments.results import Failure, RunRecord
from data_select_gym.experiments.run_key import RunKey, failed

WorkerMain = Callable[[Connection], None]


def in_processes(
    worker_main: WorkerMain, count: int, keys: Sequence[RunKey], on_pool: Callable[[RunKey, float], None]
) -> Iterator[tuple[RunKey, RunRecord | Failure]]:
    """Do runs in ``count`` processes, and give the result of each as soon as it has finished.

    While processes run, SIGTERM raises ``KeyboardInterrupt`` here, as SIGINT does. However it ends, the processes are
    stopped, and each writes a checkpoint if it was within a run.

    Args:
        worker_main: what a process does, by a name that can be imported: receive one :class:`RunKey` after another, and
            for each send how far it is, as floats, and then the run or the failure, until None is received or the
            connection ends. SIGTERM means that it is to stop.
        count: how many processes.
        keys: the runs.
        on_pool: called with the run and how far it is.
    """
    waiting = deque(keys)
    workers: list[Worker] = []
    with heeding_sigterm():
        try:
            while waiting or workers:
                while waiting and len(workers) < count:
                    workers.append(Worker(worker_main, waiting.popleft()))
                ready = wait([worker.connection for worker in workers])
                for worker in [worker for worker in workers if worker.connection in ready]:
                    key, message = worker.key, worker.receive()
                    if isinstance(message, float):
                        on_pool(key, message)
                        continue
                    goes_on = worker.alive and len(waiting) > 0
                    if goes_on:
                        worker.begin(waiting.popleft())
                    yield key, message
                    if not goes_on:
                        workers.remove(worker)
                        stop([worker])
        finally:
            stop(workers)


def stop(workers: Sequence[Worker]) -> None:
    """Ask all of the processes to stop at once, and wait until they have; an interruption meanwhile kills them."""
    for worker in workers:
        worker.ask_to_stop()
    try:
        for worker in workers:
            worker.join()
    except BaseException:
        for worker in workers:
            worker.process.kill()
        raise


@contextmanager
def heeding_sigterm() -> Iterator[None]:
    """Within the block, the first SIGTERM raises ``KeyboardInterrupt``; those after it change nothing."""
    asked = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    # Python handles signals in its main thread alone.
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Worker:
    """A process that does one run after another.

    Attributes:
        connection: to the process; at its end too if this process dies, so that none is left behind.
        key: the run that it was last given.
        alive: whether it can be given another.
    """

    def __init__(self, worker_main: WorkerMain, key: RunKey) -> None:
        # A process that is forked would inherit the state of torch's threads, but not the threads.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        # Not a daemon: those cannot load data in processes of their own.
        self.process = context.Process(target=worker_main, args=(theirs,))
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

    def receive(self) -> float | RunRecord | Failure:
        """The progress of the run, or its result; a failure if the process has died."""
        try:
            message: float | RunRecord | Failure = self.connection.recv()
        except (EOFError, OSError):
            self.alive = False
            self.process.join(timeout=10)
            return failed(self.key, self._how_it_died(), "")
        return message

    def ask_to_stop(self) -> None:
        """Ask the process to stop, whatever it is doing."""
        with suppress(OSError):  # it is dead
            self.connection.send(None)
        self.process.terminate()

    def join(self) -> None:
        """Wait until the process has ended; what it still sends is taken from it, so that it is not held up."""
        with suppress(EOFError, OSError):
            while True:
                self.connection.recv()
        self.connection.close()
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
