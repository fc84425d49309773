"""Verbs of the command line, each in a process of its own, with its own files, folder and environment.

It is forked from one that has the libraries and no module of ours, which is a second quicker than a new interpreter.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 120
LIBRARIES = ("alembic.command", "argon2", "jinja2", "numpy", "PIL.Image", "pydantic_settings", "pydicom.pixels")
MORE = ("pynetdicom", "rich.progress", "rich.table", "sqlalchemy.dialects.sqlite", "structlog", "typer.rich_utils")
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([*LIBRARIES, *MORE])


def run(*arguments: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``xray-triage`` with these arguments, in ``folder``."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("XRAY_TRIAGE_")}
    words = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as said:
        verb = _forks.Process(target=_run, args=(words, str(folder), clean | environment, said))
        verb.start()
        verb.join(SECONDS)
        if verb.exitcode is None:
            verb.kill()
            verb.join()
            raise subprocess.TimeoutExpired(words, SECONDS)
        out, error = (Path(said, name).read_text(encoding="utf-8") for name in ("1", "2"))
        return subprocess.CompletedProcess(words, verb.exitcode, out, error)


def _run(arguments: list[str], folder: str, environment: dict[str, str], said: str) -> None:
    for descriptor in (1, 2):
        os.dup2(os.open(Path(said, str(descriptor)), os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ |= environment
    time.tzset()
    sys.argv = ["xray-triage", *arguments]
    from xray_triage.cli import main  # noqa: PLC0415 -- only now, as a new process does

    main()
