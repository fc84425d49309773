"""The loop of every worker: step, and when there was nothing to do, wait for the bell. Knows nothing of the work."""

import threading
from collections.abc import Callable

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
    """A thread that calls ``step`` from ``start`` until ``stop``, which waits some seconds for the step under way."""

    def __init__(self, step: Callable[[], bool], *, name: str, poll_seconds: float) -> None:
        self._bell, self._stop = Bell(), threading.Event()
        options = {"bell": self._bell, "poll_seconds": poll_seconds, "stop": self._stop, "name": name}
        self._thread = threading.Thread(target=run_forever, args=(step,), kwargs=options, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._bell.ring()
        self._thread.join(STOP_SECONDS)
