"""Runs the training code in models/ in a process of its own, to import a checkpoint: torch is never loaded here."""

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

import xray_triage
from dicom_router import child
from xray_triage.reading.bundle import BundleError

CHECKOUT = Path(xray_triage.__file__).resolve().parent.parent
STEP = re.compile(r"@ (\d+)/(\d+) (.+)")  # how the child says how far it is
Watch = Callable[[int, int, str], None]  # so many done, of so many, of what


def import_checkpoint(checkpoint: Path, bundle: Path, options: Sequence[str], watch: Watch) -> str:
    """Make the folder ``bundle`` out of a checkpoint; gives what the workshop has to say. Raises BundleError.

    ``options`` are words of ``python -m models.torchxrayvision``, their paths absolute.
    """
    if not (CHECKOUT / "models" / "torchxrayvision.py").is_file():
        raise BundleError(
            "importing needs the workshop: run this in a checkout of the source, and copy the bundle's folder here"
        )
    words = [str(checkpoint.absolute()), str(bundle.absolute()), *options]
    quiet = {"PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryFile() as complaints:
        pipes: dict[str, Any] = {"stdout": PIPE, "stderr": complaints}
        with child.start("models.torchxrayvision", *words, environment=quiet, cwd=CHECKOUT, **pipes) as process:
            try:
                said = _followed(process.stdout or (), watch)
                status = process.wait()
            finally:
                child.end(process)
                for unfinished in bundle.parent.glob(f".importing-{process.pid}-*"):  # of a child that was killed
                    shutil.rmtree(unfinished, ignore_errors=True)
        complaints.seek(0)
        complained = complaints.read().decode(errors="replace").strip().splitlines()
    if status:
        raise BundleError(_meaning(complained or [child.meaning(status)]))
    return "\n".join(said)


def _followed(stream: Iterable[bytes], watch: Watch) -> list[str]:
    """What the child says, but for its steps."""
    said = []
    for line in stream:
        text = line.decode(errors="replace").rstrip("\n")
        step = STEP.fullmatch(text)
        if step:
            watch(int(step[1]), int(step[2]), step[3])
        else:
            said.append(text)
    return said


def _meaning(complained: Sequence[str]) -> str:
    if complained[-1].startswith("ModuleNotFoundError"):
        return f"{complained[-1]}; in {CHECKOUT} run: {sys.executable} -m pip install -r requirements/train.txt"
    return complained[-1]
