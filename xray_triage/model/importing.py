"""Runs the training code in models/ in a process of its own, to import a checkpoint: torch is never loaded here."""

import sys
from collections.abc import Mapping
from pathlib import Path

import xray_triage
from dicom_router import child
from xray_triage.reading.bundle import BundleError

CHECKOUT = Path(xray_triage.__file__).resolve().parent.parent


def import_checkpoint(checkpoint: Path, bundle: Path, options: Mapping[str, str]) -> str:
    """Make the folder ``bundle`` out of a checkpoint; gives what the workshop has to say. Raises BundleError."""
    if not (CHECKOUT / "models" / "torchxrayvision.py").is_file():
        raise BundleError(
            "importing needs the workshop: run this in a checkout of the source, and copy the bundle's folder here"
        )
    words = [str(checkpoint.absolute()), str(bundle.absolute()), *(word for pair in options.items() for word in pair)]
    quiet = {"PYTHONWARNINGS": "ignore"}
    done = child.run("models.torchxrayvision", *words, environment=quiet, folder=CHECKOUT)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [child.meaning(done.returncode)]
        if said[-1].startswith("ModuleNotFoundError"):
            install = f"{sys.executable} -m pip install -r requirements/train.txt"
            raise BundleError(f"{said[-1]}; in {CHECKOUT} run: {install}")
        raise BundleError(said[-1])
    return done.stdout.decode().strip()
