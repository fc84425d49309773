"""The shelf of model bundles: which there are, which one the station uses, and changing that in one atomic step.

The station uses, in this order: the bundle named in station.toml, the one activated by ``model activate``, the one that
ships with the program. Knows nothing of how a bundle is run.
"""

import os
from pathlib import Path

import xray_triage
from xray_triage.config import Config
from xray_triage.reading.bundle import MANIFEST_FILE, BundleError

SHIPPED_FOLDER = Path(xray_triage.__file__).parent / "bundles"
SHIPPED_DEFAULT = "station-1"
CHOICE_FILE = "active_bundle"
OWN_FOLDER = "bundles"


def bundle_folders(config: Config) -> list[Path]:
    """Every bundle on the shelf: those shipped, those under the station's data folder, and the one in use."""
    folders = [
        manifest.parent
        for shelf in (SHIPPED_FOLDER, config.station.data_dir / OWN_FOLDER)
        for manifest in sorted(shelf.glob(f"*/{MANIFEST_FILE}"))
    ]
    chosen = chosen_folder(config)
    return folders if chosen in folders else [*folders, chosen]


def chosen_folder(config: Config) -> Path:
    """The folder of the bundle that the station uses; whether it is any good is not looked at."""
    if config.model.bundle:
        return Path(config.model.bundle)
    choice = config.station.data_dir / CHOICE_FILE
    chosen = Path(choice.read_text(encoding="utf-8").strip() if choice.is_file() else SHIPPED_DEFAULT)
    if chosen.is_absolute():
        return chosen
    own = config.station.data_dir / OWN_FOLDER / chosen
    return own if own.is_dir() else SHIPPED_FOLDER / chosen


def find_folder(config: Config, name: str) -> Path:
    """The folder of a bundle given by name or by path. Raises BundleError."""
    if (Path(name) / MANIFEST_FILE).is_file():
        return Path(name).absolute()
    for folder in bundle_folders(config):
        if folder.name == name:
            return folder
    known = ", ".join(folder.name for folder in bundle_folders(config))
    raise BundleError(f"no bundle is called {name!r} and no folder of that path has a {MANIFEST_FILE}; known: {known}")


def choose(config: Config, folder: Path) -> None:
    """Make ``folder`` the bundle in use from the next start on; the old choice stands until the new one is on disk.

    A bundle on the shelf is remembered by its name, so that the choice outlives a move or a new installation.
    """
    config.station.data_dir.mkdir(parents=True, exist_ok=True)
    choice = config.station.data_dir / CHOICE_FILE
    beside = choice.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as stream:
        shelves = (SHIPPED_FOLDER, config.station.data_dir / OWN_FOLDER)
        stream.write(f"{folder.name if folder.parent in shelves else folder}\n")
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(choice)
    parent = os.open(choice.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
