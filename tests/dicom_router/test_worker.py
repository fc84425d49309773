"""The loop of every worker: it goes on after any error, wakes by the bell, and stops when told."""

import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from dicom_router.clock import Bell
from dicom_router.worker import Worker, run_forever
from tests.factories import until


class Running:
    """A worker in a thread, for the length of a test."""

    def __init__(self, step: Callable[[], bool], *, poll_seconds: float) -> None:
        self.bell, self.stop = Bell(), threading.Event()
        self.thread = threading.Thread(
            target=run_forever,
            args=(step,),
            kwargs={"bell": self.bell, "poll_seconds": poll_seconds, "stop": self.stop, "name": "reader"},
        )
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.bell.ring()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def start(step: Callable[[], bool], *, poll_seconds: float = 60) -> Running:
        running.append(Running(step, poll_seconds=poll_seconds))
        return running[-1]

    yield start
    for one in running:
        one.end()


def test_a_worker_works_on_until_nothing_is_left(run: Callable[..., Running]) -> None:
    left = list(range(5))
    run(lambda: bool(left) and left.pop() >= 0)
    until(lambda: not left)


class Idle:
    """A step that finds nothing to do, and counts."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self) -> bool:
        self.steps += 1
        return False


def test_a_ring_wakes_an_idle_worker_long_before_its_poll(run: Callable[..., Running]) -> None:
    idle = Idle()
    running = run(idle)
    until(lambda: idle.steps == 1)
    running.bell.ring()
    until(lambda: idle.steps == 2)


def test_a_worker_looks_again_by_itself_when_nobody_rings(run: Callable[..., Running]) -> None:
    idle = Idle()
    run(idle, poll_seconds=0.01)
    until(lambda: idle.steps > 5)


def test_an_error_is_logged_and_the_worker_goes_on(run: Callable[..., Running]) -> None:
    steps: list[int] = []

    def fail_at_first() -> bool:
        steps.append(1)
        if len(steps) == 1:
            raise ZeroDivisionError
        return False

    with capture_logs() as log:
        run(fail_at_first, poll_seconds=0.01)
        until(lambda: len(steps) > 2)
    assert [(line["worker"], line["log_level"], line["event"]) for line in log] == [("reader", "error", "step failed")]


def test_a_worker_told_to_stop_finishes_its_step_and_starts_no_other(run: Callable[..., Running]) -> None:
    steps: list[int] = []
    entered, leave = threading.Event(), threading.Event()

    def step() -> bool:
        steps.append(1)
        entered.set()
        return leave.wait(60)

    running = run(step)
    assert entered.wait(60)
    running.stop.set()
    leave.set()
    running.end()
    assert steps == [1]


def test_a_worker_steps_from_its_start_to_its_stop() -> None:
    steps, stepped = [], threading.Event()

    def step() -> bool:
        steps.append(threading.current_thread().name)
        stepped.set()
        return False

    worker = Worker(step, name="careful", poll_seconds=60)
    assert steps == []
    worker.start()
    assert stepped.wait(60)
    worker.stop()
    assert steps == ["careful"]
