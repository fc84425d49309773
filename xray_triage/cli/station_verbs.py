"""Verbs about the station itself: init, serve, check, demo, version."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

import xray_triage
from xray_triage.cli.options import AsJson, ConfigPath, err, out, print_json

MARK = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "bad": ("✗", "red")}


def add_to(app: typer.Typer) -> None:
    """Hang the verbs of this module on ``app``."""
    for verb in (init, serve, check, demo, version):
        app.command()(verb)


def init(
    config: ConfigPath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
) -> None:
    """Write a station.toml to start from; asks for the few things that nobody can guess."""
    from xray_triage.setup import Answers, write_config

    path = config or Path("station.toml")
    answers = Answers()
    if not yes:
        answers = Answers(
            name=typer.prompt("Name of the health station", answers.name),
            ae_title=typer.prompt("AE title of this station", answers.ae_title),
            pacs_host=typer.prompt("Host of the central PACS (empty: none yet)", "", show_default=False),
        )
        if answers.pacs_host:
            answers = answers.with_pacs(
                port=typer.prompt("DICOM port of the PACS", 104, type=int),
                ae_title=typer.prompt("AE title of the PACS", "PACS"),
            )
    write_config(path, answers)
    out.print(f"{path} written. Next: xray-triage check --config {path}; xray-triage serve --config {path}")


def serve(config: ConfigPath = None) -> None:
    """Run the station: receive films, read them, show them, send them on, until it is stopped."""
    from dicom_router.clock import SystemClock
    from xray_triage.config import find_config, load_config
    from xray_triage.log import log_to_stderr
    from xray_triage.supervisor import Supervisor

    path = find_config(config)
    settings = load_config(path)
    log_to_stderr()
    clock = SystemClock()
    with Supervisor(path, clock=clock) as supervisor:  # the reader loads its model while the front is loaded here
        from xray_triage.station import Station

        Station(settings, supervisor, clock=clock).run()


def check(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Look the station over, in plain words. Exit 1 when something needs a person."""
    from xray_triage.checks import check_station
    from xray_triage.config import load_config
    from xray_triage.health import CheckState

    settings = load_config(config)
    checks = check_station(settings)
    for found in checks:
        text = found.vi if settings.station.language == "vi" else found.en
        if as_json:
            print_json({"name": found.name, "state": found.state.value, "text": text, "detail": found.detail})
        else:
            out.print(Text.assemble(" ", MARK[found.state.value], f" {found.name}: {text}"), soft_wrap=True)
            if found.detail:
                out.print(f"   {found.detail}", soft_wrap=True)
    if any(found.state is CheckState.BAD for found in checks):
        raise typer.Exit(1)


def demo(
    films: Annotated[
        list[Path] | None, typer.Argument(help="Films to send (.dcm, .png, .jpg or a folder); else synthetic ones.")
    ] = None,
    exit_after: Annotated[bool, typer.Option("--exit", help="Stop after the table.")] = False,
) -> None:
    """Start a station and a stand-in PACS on this computer, send films, and show what comes of them."""
    from xray_triage.demo import run_demo

    if not run_demo(films or [], stay=not exit_after):
        err.print("demo: not every step worked; see the table above")
        raise typer.Exit(1)


def version() -> None:
    """Print the version of the program."""
    typer.echo(f"xray-triage {xray_triage.__version__}")
