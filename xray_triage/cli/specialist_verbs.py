"""The verb that acts the specialist, to try the whole round trip without one: consult-reply."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xray_triage.cli.options import ConfigPath
from xray_triage.console import err, out

if TYPE_CHECKING:
    from xray_triage.cases.case import Case
    from xray_triage.cases.casebook import Casebook


def add_to(app: typer.Typer) -> None:
    """Hang the verb of this module on ``app``."""
    app.command("consult-reply")(consult_reply)


def consult_reply(
    case: Annotated[str, typer.Argument(metavar="CASE_OR_ACCESSION", show_default=False)],
    text: Annotated[str, typer.Option("--text", help="What the specialist says.")] = "",
    author: Annotated[str, typer.Option("--author", help="Who says it.")] = "BS tuyến trên",
    verified: Annotated[bool, typer.Option("--verified", help="As a report that was signed.")] = False,
    pdf: Annotated[
        Path | None, typer.Option("--pdf", help="A PDF as the answer, too.", exists=True, dir_okay=False)
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="The destination that gets it; else the first.")] = "",
    config: ConfigPath = None,
) -> None:
    """Answer a consultation in the specialist's place: stores a report into the same study at the PACS."""
    from dicom_router.clock import SystemClock
    from xray_triage.config.loading import load_config
    from xray_triage.simulation.specialist import make_pdf_answer, make_text_answer, store
    from xray_triage.station.peers import make_transport
    from xray_triage.stores import open_stores

    if not text.strip() and pdf is None:
        raise typer.BadParameter("say something, or give a --pdf", param_hint="--text")
    settings, clock = load_config(config), SystemClock()
    name = to or next(iter(settings.destinations_for("requests")), "")
    destination = next((one for one in settings.destination if one.name == name), None)
    if destination is None:
        err.print(f"no [[destination]] {name!r} in station.toml" if name else "no [[destination]] takes requests")
        raise typer.Exit(1)
    stores = open_stores(settings, role="cli", clock=clock)
    source = stores.preparer.header(_find(case, stores.casebook).study_instance_uid)
    answers = []
    if text.strip():
        answers.append(make_text_answer(source, text, author=author, verified=verified, at=clock.now()))
    if pdf is not None:
        document = pdf.read_bytes()
        answers.append(make_pdf_answer(source, document, title=pdf.stem, verified=verified, at=clock.now()))
    transport = make_transport(destination, settings, clock=clock)
    try:
        for acknowledgement in store(answers, transport):
            out.print(f"{acknowledgement.status} {acknowledgement.peer}")
    finally:
        transport.close()


def _find(case_or_accession: str, casebook: "Casebook") -> "Case":
    """The case, or the only one with this accession number. Raises UnknownCase."""
    from xray_triage.cases.casebook import UnknownCase

    found = casebook.case(case_or_accession)
    cases = [found] if found else casebook.with_accession(case_or_accession)
    if len(cases) != 1:
        raise UnknownCase(case_or_accession)
    return cases[0]
