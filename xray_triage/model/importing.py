"""The way into the workshop, which a station lacks: a process of its own, for torch must never be in this one."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import xray_triage
from xray_triage.reading.bundle import BundleError

CHECKOUT = Path(xray_triage.__file__).resolve().parent.parent


def import_checkpoint(checkpoint: Path, bundle: Path, options: Mapping[str, str]) -> str:
    """Make the folder ``bundle`` out of a checkpoint; gives what the workshop has to say. Raises BundleError."""
    if not (CHECKOUT / "models" / "torchxrayvision.py").is_file():
        raise BundleError(
            "importing needs the workshop: run this in a checkout of the source, and copy the bundle's folder here"
        )
    words = [str(checkpoint.absolute()), str(bundle.absolute()), *(word for pair in options.items() for word in pair)]
    done = subprocess.run(  # noqa: S603 (our own module, no shell)
        [sys.executable, "-W", "ignore", "-m", "models.torchxrayvision", *words],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"the workshop ended with status {done.returncode}"]
        if said[-1].startswith("ModuleNotFoundError"):
            install = f"{sys.executable} -m pip install -r requirements/train.txt"
            raise BundleError(f"{said[-1]}; in {CHECKOUT} run: {install}")
        raise BundleError(said[-1])
    return done.stdout.strip()
