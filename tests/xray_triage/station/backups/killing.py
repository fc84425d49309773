"""Runs a piece of work in a child that is killed with SIGKILL before a chosen step that changes something."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

CHANGES = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.chmod",
    "sqlite3.connect",
    "subprocess.Popen",
}


def survives(work: Callable[[], object], *, steps: int) -> bool:
    """Whether the work ended before its step number ``steps``; else it died there. It must not fail."""
    pid = os.fork()
    if pid == 0:
        _work_and_die(work, steps)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def _changes(event: str, given: tuple[object, ...]) -> bool:
    """By Python's audit events: a file opened to write, a name made, moved or removed, a program or a database."""
    if event == "open":
        return isinstance(given[2], int) and bool(given[2] & (os.O_WRONLY | os.O_RDWR))
    return event in CHANGES


def _work_and_die(work: Callable[[], object], steps: int) -> None:
    left = steps

    def count(event: str, given: tuple[object, ...]) -> None:
        nonlocal left
        if _changes(event, given):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    warnings.simplefilter("ignore")
    sys.addaudithook(count)
    is_done = False
    try:
        work()
        is_done = True
    finally:  # the child must never come back into pytest
        if not is_done:
            traceback.print_exc()
        os._exit(not is_done)
