"""Verbs about the station itself: init, serve, check, demo, version."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

import xray_triage
from xray_triage.cli.account_verbs import command_line_user
from xray_triage.cli.options import AsJson, ConfigPath
from xray_triage.console import err, out, print_json

if TYPE_CHECKING:
    from xray_triage.station.setup import Choices

MARK = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "bad": ("✗", "red")}


def add_to(app: typer.Typer) -> None:
    """Hang the verbs of this module on ``app``."""
    for verb in (init, serve, check, demo, version):
        app.command()(verb)


def init(
    config: ConfigPath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
    user: Annotated[str, typer.Option(help="Name of the first user, who administers the others.")] = "admin",
    data_dir: Annotated[str, typer.Option(help="Where films and the database are kept.")] = "data",
) -> None:
    """Write a station.toml and add the first user; asks for the few things that nobody can guess.

    Where there is a station.toml and no user yet, only the user is added.
    """
    from xray_triage.station.setup import add_first_user, write_config

    path = config or Path("station.toml")
    if not path.exists():
        write_config(path, _ask_for_answers(yes=yes, data_dir=data_dir))
        out.print(f"{path} written. Next: xray-triage check --config {path}; xray-triage serve --config {path}")
    password = add_first_user(path, user, by=command_line_user())
    out.print(f"The page, once it serves: {_page_of(path)}", soft_wrap=True)
    out.print(f"First user: {user}, one-time password {password}")
    out.print(
        "It is not shown again, and is changed at the first sign-in. Lost? "
        f"xray-triage user passwd {user} --config {path} gives another.",
        soft_wrap=True,
    )


def _page_of(path: Path) -> str:
    from xray_triage.config.loading import load_config

    web = load_config(path).web
    return f"{'https' if web.tls else 'http'}://{web.host}:{web.port}"


def _ask_for_answers(*, yes: bool, data_dir: str) -> "Choices":
    from xray_triage.station.setup import Choices

    answers = Choices(data_dir=data_dir)
    if yes:
        return answers
    answers = replace(
        answers,
        name=typer.prompt("Name of the health station", answers.name),
        ae_title=typer.prompt("AE title of this station", answers.ae_title),
        pacs_host=typer.prompt("Host of the central PACS (empty: none yet)", "", show_default=False),
    )
    if not answers.pacs_host:
        return answers
    return replace(
        answers,
        pacs_port=typer.prompt("DICOM port of the PACS", answers.pacs_port, type=int),
        pacs_ae_title=typer.prompt("AE title of the PACS", answers.pacs_ae_title),
    )


def serve(config: ConfigPath = None) -> None:
    """Run the station: receive films, read them, show them, send them on, until it is stopped."""
    import structlog

    from dicom_router.clock import SystemClock
    from xray_triage.config.loading import find_config, load_config
    from xray_triage.log import log_to_stderr, print_surely
    from xray_triage.station.supervisor import Supervisor

    path = find_config(config)
    settings = load_config(path)
    print_surely()
    log_to_stderr()
    log = structlog.get_logger()
    log.info("station starting", name=settings.station.name, config=str(path))  # what takes seconds is loaded below
    clock, is_damaged = SystemClock(), False
    while True:
        with Supervisor(path, clock=clock) as supervisor:  # the reader loads its model while the front is loaded here
            from xray_triage.station.front import Station

            is_damaged = Station(settings, supervisor, clock=clock, suspect=is_damaged).run()
        if not is_damaged:
            return


def check(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Look the station over, in plain words. Exit 1 when something needs a person."""
    from xray_triage.config.loading import load_config
    from xray_triage.health.checks import CheckState
    from xray_triage.station.self_check import check_station

    settings = load_config(config)
    checks = check_station(settings)
    for found in checks:
        text = found.said[settings.station.language]
        if as_json:
            line = {"name": found.name, "state": found.state.value, "text": text, "detail": found.detail}
            print_json({**line, **found.said})
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
    from xray_triage.simulation.demo import run_demo

    if not run_demo(films or [], stay=not exit_after):
        err.print("demo: not every step worked; see the table above")
        raise typer.Exit(1)


def version() -> None:
    """Print the version of the program."""
    typer.echo(f"xray-triage {xray_triage.__version__}")
