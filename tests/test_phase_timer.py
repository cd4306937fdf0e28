import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from data_select_gym import phase_timer
from data_select_gym.phase_timer import PHASES, PhaseTimer, phase, timed

Times = list[float]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Times:
    """The time, in its only place."""
    at = [0.0]
    monkeypatch.setattr(phase_timer.time, "perf_counter", lambda: at[0])
    return at


class Stream:
    """In the place of a GPU: what is queued is done when somebody waits for it or ``done`` says so."""

    def __init__(self) -> None:
        self.at = 0.0
        self.done = 0.0
        self.made = 0

    def event(self, *, enable_timing: bool) -> "Event":
        assert enable_timing
        self.made += 1
        return Event(self)


class Event:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.at = float("nan")

    def record(self, stream: Stream) -> None:
        assert stream is self.stream
        self.at = stream.at

    def query(self) -> bool:
        return self.at <= self.stream.done

    def synchronize(self) -> None:
        self.stream.done = max(self.stream.done, self.at)

    def elapsed_time(self, end: "Event") -> float:
        assert self.query() and end.query(), "not known yet"
        return 1000 * (end.at - self.at)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    gpu = Stream()
    monkeypatch.setattr(torch.cuda, "Event", gpu.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: gpu)
    return gpu


def known(timer: PhaseTimer) -> dict[str, float]:
    """The parts that took any time."""
    return {name: value for name, value in timer.read().items() if value}


def host() -> PhaseTimer:
    return PhaseTimer(torch.device("cpu"))


def test_what_an_inner_part_takes_is_its_own(now: Times) -> None:
    timer = host()
    now[0] += 1
    with timer.phase("bookkeeping"):
        now[0] += 2
        with timer.phase("train"):
            now[0] += 4
            with phase("signals"):
                now[0] += 8
            now[0] += 16
        now[0] += 32
    now[0] += 64
    assert timer.read().keys() == PHASES.keys()
    assert known(timer) == {"policy": 65.0, "bookkeeping": 34.0, "train": 20.0, "signals": 8.0}


def test_a_part_that_is_not_over_counts_so_far(now: Times) -> None:
    timer = host()
    with timer.phase("train"):
        now[0] += 1
        assert known(timer) == {"train": 1.0}
        now[0] += 1
    assert known(timer) == {"train": 2.0}


def test_a_part_ends_with_an_error_too(now: Times) -> None:
    timer = host()
    with pytest.raises(KeyError), timer.phase("train"):
        now[0] += 1
        raise KeyError
    now[0] += 2
    assert known(timer) == {"train": 1.0, "policy": 2.0}
    with phase("signals"):
        now[0] += 4
    assert known(timer) == {"train": 1.0, "policy": 6.0}


def test_where_no_run_is_at_work_nothing_is_counted() -> None:
    @timed("signals")
    def double(value: int, *, more: int = 0) -> int:
        """Twice."""
        return 2 * value + more

    assert (double(3, more=1), double.__doc__) == (7, "Twice.")
    with phase("signals"):
        pass


def test_a_function_is_counted_for_the_run_that_is_at_work(now: Times) -> None:
    @timed("signals")
    def wait() -> None:
        now[0] += 1

    one, other = host(), host()
    with one.phase("train"):
        wait()
        with other.phase("train"):
            wait()
            wait()
        wait()
    assert (known(one)["signals"], known(other)["signals"]) == (2.0, 2.0)
    assert known(one)["train"] == 2.0, "what the other took"


def test_getting_an_item_is_counted_and_what_is_done_with_it_is_not(now: Times) -> None:
    def items() -> Iterator[int]:
        for number in range(3):
            now[0] += 1
            yield number
        now[0] += 10

    timer, got = host(), []
    for item in timer.each("load", items()):
        now[0] += 100
        got.append(item)
    assert got == [0, 1, 2]
    assert known(timer) == {"load": 13.0, "policy": 300.0}


def test_an_error_in_getting_an_item_comes_through(now: Times) -> None:
    def items() -> Iterator[int]:
        now[0] += 1
        raise OSError("no more")
        yield 0

    timer = host()
    with pytest.raises(OSError, match="no more"):
        next(timer.each("load", items()))
    assert known(timer) == {"load": 1.0}


def test_after_the_end_of_a_run_only_its_own_parts_count(now: Times) -> None:
    timer = host()
    now[0] += 1
    with timer.phase("bookkeeping"):
        timer.stop()
        now[0] += 2
    now[0] += 4
    with timer.phase("bookkeeping"):
        now[0] += 8
    assert known(timer) == {"policy": 1.0, "bookkeeping": 10.0}
    assert known(timer) == {"policy": 1.0, "bookkeeping": 10.0}


def test_it_goes_on_from_other_seconds(now: Times) -> None:
    first, second = host(), host()
    with first.phase("train"):
        now[0] += 3
    now[0] += 1
    second.load_state_dict(first.read())
    with second.phase("train"):
        now[0] += 1
    assert known(second) == {"train": 4.0, "policy": 1.0}


@pytest.mark.parametrize("wrong", [{}, {"train": 1.0}, dict.fromkeys(PHASES, "1"), dict.fromkeys(PHASES, float("nan"))])
def test_it_does_not_go_on_from_what_are_no_seconds(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"are not numbers for load, train, "):
        host().load_state_dict(wrong)


def test_seconds_are_those_of_the_wall() -> None:
    began = time.perf_counter()
    timer = host()
    with timer.phase("train"):
        time.sleep(0.02)
    time.sleep(0.01)
    told, wall = timer.read(), time.perf_counter() - began
    assert told["train"] >= 0.02
    assert told["policy"] >= 0.01
    assert 0.03 <= sum(told.values()) <= wall


def test_on_a_gpu_parts_are_what_lies_between_marks_in_its_stream(stream: Stream) -> None:
    timer = PhaseTimer(torch.device("cuda"))
    stream.at += 1
    with timer.phase("bookkeeping"):
        stream.at += 2
        with timer.phase("train"):
            stream.at += 4
        stream.at += 8
    assert stream.done == 0, "nobody waited"
    assert known(timer) == {"policy": 1.0, "bookkeeping": 10.0, "train": 4.0}
    assert stream.done == 15


def test_on_a_gpu_marks_that_have_passed_are_used_again(stream: Stream) -> None:
    timer = PhaseTimer(torch.device("cuda"))
    for _ in range(5 * phase_timer.FEW):
        with timer.phase("train"):
            stream.at += 0.5
        stream.done = stream.at - 1  # the host is ahead
    assert stream.made < phase_timer.FEW + 10
    assert known(timer) == {"train": 2.5 * phase_timer.FEW}


def test_on_a_gpu_it_goes_on_from_other_seconds(stream: Stream) -> None:
    timer = PhaseTimer(torch.device("cuda"))
    stream.at += 7
    timer.load_state_dict(dict.fromkeys(PHASES, 0.0) | {"train": 1.0})
    timer.stop()
    stream.at += 1
    with timer.phase("train"):
        stream.at += 2
    assert known(timer) == {"train": 3.0}
