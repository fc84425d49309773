"""Verbs about film files: read, send, import, export, phantom."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from xray_triage.cli.account_verbs import command_line_user
from xray_triage.cli.options import AsJson, ConfigPath, settings_or_defaults
from xray_triage.console import err, out, print_json, progress

Files = Annotated[list[Path], typer.Argument(help="Film files or folders.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Hang the verbs of this module on ``app``."""
    app.command()(read)
    app.command()(send)
    app.command("import")(import_folder)
    app.command()(export)
    app.command()(phantom)


def read(
    files: Files,
    as_json: AsJson = False,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write the report (SR), picture (SC) and outlines (GSPS) here.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Read films (DICOM, PNG, JPEG) without a station, and print what the model sees."""
    from xray_triage.reader.offline import OfflineReader

    paths, strangers = _films_among(expand(files))
    for path, what in strangers:
        err.print(f"{path}: this is {what}, not a film; give .dcm, .png or .jpg", soft_wrap=True)
    if not paths:
        raise typer.Exit(1)
    reader = OfflineReader.from_config(settings_or_defaults(config))
    if reader.problem:
        err.print(f"AI is off: {reader.problem}", soft_wrap=True)
    for path in progress(paths, "reading", quiet=as_json):
        film = reader.read(path)
        if as_json:
            print_json(film.as_json())
        else:
            out.print(film.as_text(), soft_wrap=True)
        if out_folder is not None:
            for written in reader.write_results(film, out_folder):
                err.print(f"  wrote {written}", soft_wrap=True)
    if reader.problem or strangers:
        raise typer.Exit(1)


def send(
    files: Files,
    to: Annotated[str, typer.Option("--to", help="AET@HOST:PORT", show_default=False)],
    calling: Annotated[str, typer.Option("--calling", help="Our AE title.")] = "XRAY_TRIAGE",
) -> None:
    """Send films as an X-ray machine would, and print each answer."""
    from dicom_router.transport.sending import parse_address, send_files

    try:
        address = parse_address(to)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from error
    paths = expand(files)
    if not paths:
        err.print(f"{files[0]}: nothing in it to send; name DICOM files, or a folder that has some", soft_wrap=True)
        raise typer.Exit(1)
    failed = 0
    for sent in progress(send_files(paths, address, calling_ae_title=calling), "sending", total=len(paths)):
        failed += not sent.ok
        out.print(f"{sent.status:>8}  {sent.path}  {sent.comment}".rstrip(), soft_wrap=True)
    if failed:
        err.print(f"{failed} of {len(paths)} not taken; see the status before each")
        raise typer.Exit(1)


def import_folder(
    folder: Annotated[Path, typer.Argument(help="A folder of DICOM files, e.g. a USB stick.", show_default=False)],
    config: ConfigPath = None,
) -> None:
    """Take films from a folder into the station, as if the machine had sent them."""
    from xray_triage.accounts.audit import Action
    from xray_triage.station.media import Importer
    from xray_triage.stores import configured_stores

    stores = configured_stores(config, role="import")
    stores.audit.note(Action.IMPORTED, actor=command_line_user(), detail=str(folder))
    importer = Importer(stores)
    paths = expand([folder])
    for path in progress(paths, "importing"):
        problem = importer.take(path)
        if problem:
            err.print(f"{path}: {problem}", soft_wrap=True)
    out.print(importer.summary())
    if importer.counts[None] == len(paths):
        err.print(f"{folder}: nothing here that could be imported")
        raise typer.Exit(1)


def export(
    case: Annotated[str, typer.Argument(help="Case number, as `cases` prints it.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="Folder, e.g. a USB stick; else this one.")] = Path(),
    package: Annotated[
        bool, typer.Option("--package", help="Into a folder of its own, with the result (PDF) and checksums.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Copy a case, films and results, to a folder: for when the link is dead."""
    from xray_triage.accounts.audit import Action
    from xray_triage.station.media import Exporter
    from xray_triage.station.package import seal
    from xray_triage.stores import configured_stores

    stores = configured_stores(config)
    exporter = Exporter(stores)
    parcels, elsewhere = exporter.parcels(case)
    stores.accounts.audit.note(Action.EXPORTED, actor=command_line_user(), subject=case, detail=str(to))
    if package:
        to = exporter.make_folder(to, f"case-{case}")
    for parcel in progress(parcels, "exporting"):
        exporter.put(parcel, to)
    if package:
        seal(stores, case, to)
    out.print(f"{len(parcels)} objects of case {case} written to {to}")
    if elsewhere:
        err.print(f"{elsewhere} more lie at the PACS alone: open the case on the page, then export again")
        raise typer.Exit(1)


def phantom(
    path: Annotated[Path, typer.Argument(metavar="OUT.dcm", show_default=False)],
    finding: Annotated[list[str] | None, typer.Option("--finding", help="A lesion to put in; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Another number, another patient.")] = 0,
    size: Annotated[
        int, typer.Option(help="Rows in pixels; upright, as a film of 43 x 35 cm.", min=256, max=6000)
    ] = 2000,
    monochrome1: Annotated[bool, typer.Option("--monochrome1", help="Store it as MONOCHROME1.")] = False,
) -> None:
    """Write a synthetic chest film with lesions of known place; no real person is on it."""
    from dicom_router.clock import SystemClock
    from xray_triage.simulation import phantom as phantoms

    if not path.parent.is_dir():
        raise NotADirectoryError(f"{path.parent}: no such folder; make it first, or name another")
    try:
        made = phantoms.render(seed=seed, findings=tuple(finding or ()), rows=size, columns=phantoms.columns_of(size))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--finding") from error
    photometric = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    phantoms.write(path, made, photometric=photometric, at=SystemClock().now())
    for lesion in made.lesions:
        out.print(f"{lesion.name}: {lesion.box}")
    out.print(f"{path} written")


def _films_among(paths: Iterable[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Those that may be films, and those that surely are something else, with what."""
    from xray_triage.simulation.films import stranger

    known = [(path, stranger(path)) for path in paths]
    return [path for path, what in known if not what], [(path, what) for path, what in known if what]


def expand(paths: Iterable[Path]) -> list[Path]:
    """Files as given, folders by all the files in them. Raises FileNotFoundError for what is neither."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(inside for inside in path.rglob("*") if inside.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")
    return found
