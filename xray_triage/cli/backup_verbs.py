"""Verbs about the station's safety copies: backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from xray_triage.cli.account_verbs import command_line_user
from xray_triage.cli.options import AsJson, ConfigPath
from xray_triage.console import out, print_json


def add_to(app: typer.Typer) -> None:
    """Hang the verbs of this module on ``app``."""
    for verb in (backup, restore):
        app.command()(verb)


def backup(
    to: Annotated[Path, typer.Option("--to", help="A folder on another disk; the backup is a folder in it.")],
    with_films: Annotated[bool, typer.Option("--with-films", help="With the films and results, too.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Back up the station while it runs: database, station.toml, chosen model, the files that station.toml names.

    It is verified before it gets its name. With [backup] folder in station.toml
    the running station does this every day by itself.
    """
    from dicom_router.clock import SystemClock
    from xray_triage.accounts.audit import Action
    from xray_triage.config.loading import find_config, load_config
    from xray_triage.station.backups.writing import BackupWriter
    from xray_triage.stores import configured_stores

    path = find_config(config)
    stores = configured_stores(path)
    stores.audit.note(Action.EXPORTED, actor=command_line_user(), subject="backup", detail=str(to))
    stores.database.close()
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = BackupWriter(load_config(path), path, clock=SystemClock()).write(to, with_films=with_films)
    size_bytes = sum(mark.size_bytes for mark in made.manifest.files.values())
    if as_json:
        print_json({"folder": str(made.folder), "bytes": size_bytes, **made.manifest.model_dump(include={"rows"})})
    else:
        out.print(f"{made.folder} written and verified: {made.manifest.rows['case']} cases, {size_bytes / 1e6:.1f} MB")


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup, or a folder of them: then the newest.", show_default=False)],
    config: ConfigPath = None,
) -> None:
    """Bring the station, which must be stopped, back to a backup.

    What is there is moved aside, nothing is overwritten. Films stay; those
    newer than the backup are found again at the next start. On a new PC name
    with --config where station.toml shall lie.
    """
    from dicom_router.clock import SystemClock
    from xray_triage.config.loading import ConfigError, find_config
    from xray_triage.station.backups.backup import CONFIG_FILE
    from xray_triage.station.backups.restoring import restore as bring_back

    try:
        path = find_config(config)
    except ConfigError:
        if config is None:
            raise
        path = config
    done = bring_back(folder, path, clock=SystemClock(), by=command_line_user())
    out.print(f"Back at {done.backup.folder.name}, made {done.backup.made_at.astimezone():%Y-%m-%d %H:%M}")
    if done.aside:
        out.print(f"What was here before is kept in {done.aside}", soft_wrap=True)
    if done.other_config:
        out.print(f"{path} stays as it is; the backup's, which differs, is {done.backup.folder / CONFIG_FILE}")
    for brought in done.brought:
        out.print(f"{brought} was missing and is back", soft_wrap=True)
    if done.newer:
        out.print(f"{done.newer} files in the spool are newer than the backup: the next start takes them in")
    if done.lost:
        out.print(
            f"{done.lost} films of the database have no file here: restore a backup made --with-films, or see PACS"
        )
