"""Child processes of ours: started one way, capped in memory and time, and ended with all that they started.

What meets bytes from outside runs in one, so that a bomb costs one film and not the station. Knows nothing of the work.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

# Each BLAS thread would claim address space under a cap, and who is capped needs none of them.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def start(module: str, *words: str, environment: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """``python -m module words`` in a process group of its own: the terminal's Ctrl-C is for us, not for it.

    ``options`` are those of Popen. Raises OSError when there is no room for a process.
    """
    command = [sys.executable, "-m", module, *words]
    return subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        command, env=os.environ | environment, start_new_session=True, **options
    )


def run(
    module: str,
    *words: str,
    environment: Mapping[str, str],
    source: bytes = b"",
    target: IO[bytes] | None = None,
    seconds: float | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """A whole child: ``source`` is its standard input, ``target`` its standard output. Raises OSError."""
    pipes = {"stdin": subprocess.PIPE, "stdout": target or subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(module, *words, environment=environment, cwd=folder, **pipes) as process:
        try:
            said, complaint = process.communicate(source, seconds)
        except subprocess.TimeoutExpired:
            said, complaint = b"", f"it took over {seconds:g} s".encode()
        finally:
            end(process)
    return subprocess.CompletedProcess(process.args, process.returncode, said, complaint)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and all that it started, and wait until it is gone; harmless to repeat."""
    if process.poll() is None:  # only then is the number surely its own
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def meaning(status: int) -> str:
    """What an exit status says; nothing when all went well."""
    if status == -signal.SIGKILL:
        return "killed: out of memory, or by us"
    if status < 0:
        return f"died: {signal.strsignal(-status)}"
    return f"exit status {status}" if status else ""


def restrain(memory_bytes: int, *, limit: int = resource.RLIMIT_AS, niceness: int = 0) -> None:
    """To be called first in the child: no more memory than this, and behind those who have the cores before it."""
    resource.setrlimit(limit, (memory_bytes, memory_bytes))
    os.nice(niceness)
