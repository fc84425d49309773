"""The loop of every worker: step, and when there was nothing to do, wait for the bell. Knows nothing of the work."""

import threading
from collections.abc import Callable, Sequence

import structlog

from dicom_router.clock import Bell

STOP_SECONDS = 5.0


def run_forever(step: Callable[[], bool], *, bell: Bell, poll_seconds: float, stop: threading.Event, name: str) -> None:
    """Call ``step`` until ``stop``; it says whether it did anything. To stop at once, set ``stop``, then ring the bell.

    An error of a step is logged and the loop goes on after a wait: the work it held comes back when its lease ends.
    """
    log = structlog.get_logger().bind(worker=name)
    while not stop.is_set():
        try:
            did_something = step()
        except Exception:  # the top of the loop: one bad piece of work must not stop the others
            log.exception("step failed")
            did_something = False
        if not did_something:
            bell.wait(poll_seconds)


class Worker:
    """A thread that calls ``step`` from ``start`` until ``stop``; ``ring`` it when there may be something to do."""

    def __init__(self, step: Callable[[], bool], *, name: str, poll_seconds: float) -> None:
        self._bell, self._stop = Bell(), threading.Event()
        self.ring = self._bell.ring
        options = {"bell": self._bell, "poll_seconds": poll_seconds, "stop": self._stop, "name": name}
        self._thread = threading.Thread(target=run_forever, args=(step,), kwargs=options, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()
        self._bell.ring()

    def wait(self) -> bool:
        """Let the step under way finish for some seconds. False: it goes on, and its work comes back after a start."""
        self._thread.join(STOP_SECONDS)
        return not self._thread.is_alive()

    def stop(self) -> None:
        self.ask_to_stop()
        self.wait()


def stop_all(workers: Sequence[Worker]) -> None:
    """All are asked before any is waited for."""
    for worker in workers:
        worker.ask_to_stop()
    for worker in workers:
        worker.wait()
