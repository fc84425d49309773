"""Verbs about model bundles: model list, verify, activate."""

from typing import Annotated

import typer

from xray_triage.cli.options import AsJson, ConfigPath, out, print_json, settings_or_defaults

app = typer.Typer(help="The model bundles that read films.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A bundle's name, or its folder.", show_default=False)]


@app.command("list")
def list_bundles(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List the bundles on the shelf; the one in use is marked."""
    from xray_triage.reading.bundle import BundleError, load_bundle
    from xray_triage.shelf import bundle_folders, chosen_folder

    settings = settings_or_defaults(config)
    chosen = chosen_folder(settings)
    for folder in bundle_folders(settings):
        row: dict[str, object] = {"folder": str(folder), "in_use": folder == chosen}
        try:
            identity = load_bundle(folder).identity
            row |= {"name": identity.name, "version": identity.version, "sha256": identity.sha256}
        except BundleError as error:
            row["problem"] = str(error)
        if as_json:
            print_json(row)
        else:
            what = row.get("problem") or f"{row['name']} {row['version']}"
            out.print(f"{'*' if folder == chosen else ' '} {folder.name:20} {what}", soft_wrap=True)


@app.command()
def verify(name: Annotated[str, typer.Argument(metavar="[NAME]")] = "", config: ConfigPath = None) -> None:
    """Check a bundle (default: the one in use): hashes, then its golden film through the network."""
    from xray_triage.ai import prove_bundle
    from xray_triage.shelf import chosen_folder, find_folder

    settings = settings_or_defaults(config)
    folder = find_folder(settings, name) if name else chosen_folder(settings)
    identity = prove_bundle(settings, folder).identity
    out.print(f"{identity.name} {identity.version}: hashes and golden film are right", soft_wrap=True)


@app.command()
def activate(name: Name, config: ConfigPath = None) -> None:
    """Verify a bundle, then make it the one that reads, from the next start of the station on."""
    from xray_triage.ai import prove_bundle
    from xray_triage.config import load_config
    from xray_triage.shelf import choose, find_folder
    from xray_triage.station import StationError

    settings = load_config(config)
    if settings.model.bundle:
        raise StationError("[model] bundle in station.toml names one already; empty it to choose by `model activate`")
    folder = find_folder(settings, name)
    identity = prove_bundle(settings, folder).identity
    choose(settings, folder)
    out.print(f"{identity.name} {identity.version} reads from the next start on: restart the station")
