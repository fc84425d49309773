"""The model bundles at hand: which there are, which one the station uses, and changing that in one atomic step.

The station uses, in this order: the bundle named in station.toml, the one activated by ``model activate``, the one that
ships with the program. Knows nothing of how a bundle is run.
"""

from pathlib import Path

from dicom_router.files import sync_folder, write_whole
from xray_triage.config.station import Config
from xray_triage.reading.bundle import MANIFEST_FILE, BundleError

SHIPPED_FOLDER = Path(__file__).parent / "bundles"
SHIPPED_DEFAULT = "station-5"
CHOICE_FILE = "active_bundle"  # the name of the bundle in use, and under it that of the one before
OWN_FOLDER = "bundles"


def bundle_folders(config: Config) -> list[Path]:
    """Every bundle at hand: those shipped, those under the station's data folder, and the one in use."""
    folders = [
        manifest.parent
        for parent in (SHIPPED_FOLDER, own_folder(config))
        for manifest in sorted(parent.glob(f"*/{MANIFEST_FILE}"))
        if not manifest.parent.name.startswith(".")  # one that is just being imported
    ]
    chosen = chosen_folder(config)
    return folders if chosen in folders else [*folders, chosen]


def own_folder(config: Config) -> Path:
    """Where the site's own bundles stand."""
    return config.station.data_dir / OWN_FOLDER


def chosen_folder(config: Config) -> Path:
    """The folder of the bundle that the station uses; whether it is any good is not looked at."""
    if config.model.bundle:
        return Path(config.model.bundle)
    return _folder_called(config, next(iter(_choices(config)), SHIPPED_DEFAULT))


def folder_before(config: Config) -> Path | None:
    """The folder of the bundle that was in use before the one chosen now, or None when none was."""
    before = _choices(config)[1:]
    return _folder_called(config, before[0]) if before else None


def way_back(config: Config) -> str:
    """What to do when the bundle in use is broken, in words: the command that brings back one that was not."""
    if config.model.bundle:
        return "name another folder as [model] bundle in station.toml, or empty it"
    if folder_before(config) is not None:
        return "go back to the bundle before with: xray-triage model activate --previous"
    if chosen_folder(config) == SHIPPED_FOLDER / SHIPPED_DEFAULT:
        return "install the program again"
    return f"go to the one that ships with: xray-triage model activate {SHIPPED_DEFAULT}"


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
    """Make ``folder`` the bundle in use from the next start on, and remember the one before, in one atomic step.

    The old choice stands until the new one is on disk. A bundle at hand is remembered by its name, so that the
    choice outlives a move or a new installation.
    """
    config.station.data_dir.mkdir(parents=True, exist_ok=True)
    now, *before = _choices(config) or [SHIPPED_DEFAULT]
    shelves = (SHIPPED_FOLDER, own_folder(config))
    chosen = folder.name if folder.parent in shelves else str(folder)
    lines = [chosen, *(before[:1] if chosen == now else [now])]
    choice = config.station.data_dir / CHOICE_FILE
    write_whole(choice, "".join(f"{line}\n" for line in lines).encode())
    sync_folder(choice.parent)


def _choices(config: Config) -> list[str]:
    """Names or paths of the bundle in use and of the one before, as far as any was chosen."""
    choice = config.station.data_dir / CHOICE_FILE
    return choice.read_text(encoding="utf-8").splitlines() if choice.is_file() else []


def _folder_called(config: Config, name: str) -> Path:
    if Path(name).is_absolute():
        return Path(name)
    own = own_folder(config) / name
    return own if own.is_dir() else SHIPPED_FOLDER / name
