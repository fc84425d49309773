"""Log lines: one event a line on standard error, key=value, in English, without patient data.

A line that cannot be written (a full disk, a reader of the pipe that is gone) is lost and counted; it stops nobody.
"""

import io
import logging
import os
import sys
import threading
import warnings
from typing import TextIO, cast

import structlog

LONGEST_WAIT_SECONDS = 1.0


class SureStream(io.TextIOBase):
    """A text stream over an open file descriptor that never raises. ``lost`` counts the writes that failed in a row.

    The first line that can be written again is preceded by one that tells how many were lost.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.RLock()  # a finaliser may print in the middle of a line of its own thread
        self.lost = 0

    def write(self, text: str, /) -> int:
        if not self._lock.acquire(timeout=LONGEST_WAIT_SECONDS):
            return len(text)  # a thread that was stopped by the end of the program holds it for ever
        try:
            told = f'level=warning event="log lines lost" count={self.lost}\n' if self.lost else ""
            waiting = memoryview((told + text).encode("utf-8", "backslashreplace"))
            while waiting:
                waiting = waiting[os.write(self._descriptor, waiting) :]
            self.lost = 0
        except OSError:
            self.lost += 1
        finally:
            self._lock.release()
        return len(text)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send every log line of this process to standard error; those of libraries only from WARNING up."""
    stream = SureStream(sys.__stderr__.fileno() if sys.__stderr__ else 2)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=stream, format="level=%(levelname)s logger=%(name)s %(message)s")


def print_surely() -> None:
    """From now on nothing that this process prints raises: for those that serve, whose output may be a full disk."""
    sys.stdout, sys.stderr = SureStream(1), SureStream(2)


def ignore_pydicom_warnings() -> None:
    """Real films break the rules of value representations in every other header; we read them all the same.

    pydicom logs what it warns of, too, and quotes the value: it may be a patient's.
    """
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    logging.getLogger("pydicom").setLevel(logging.ERROR)
