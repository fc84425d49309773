"""Verbs about what the doctor sees: cases, reread, queue, consult."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from xray_triage.cli.account_verbs import command_line_user
from xray_triage.cli.options import AsJson, ConfigPath
from xray_triage.console import err, out, print_json

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def add_to(app: typer.Typer) -> None:
    """Hang the verbs of this module on ``app``."""
    app.command()(cases)
    app.command()(consult)
    app.command()(reread)
    app.add_typer(queue_app, name="queue")


def cases(
    priority: Annotated[str | None, typer.Option(help="urgent, abnormal, not_read or normal.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """List the cases, most urgent first."""
    from xray_triage.accounts.audit import Action
    from xray_triage.cases.shapes import CaseJson
    from xray_triage.reading.findings import Priority
    from xray_triage.stores import configured_stores

    if priority is not None and priority not in list(Priority):
        raise typer.BadParameter(f"one of {', '.join(Priority)}", param_hint="--priority")
    stores = configured_stores(config)
    stores.accounts.audit.note(Action.LISTED, actor=command_line_user(), subject="cases")
    found = stores.casebook.cases(priority=priority, limit=limit)
    if as_json:
        deliveries = stores.outbox.of_studies([case.study_instance_uid for case in found])
        results = stores.results.shapes(case.case_id for case in found)
        for case in found:
            shape = CaseJson.of(case, deliveries[case.study_instance_uid], results.get(case.case_id))
            print_json(shape.model_dump(mode="json"))
        return
    table = Table(Column("case", no_wrap=True), "priority", "patient", "findings", "received", "consultation")
    for case in found:
        findings = {
            f"{one.kind.vi} {one.measured.value if one.measured else format(one.probability, '.0%')}"
            for one in (one for image in case.images for one in image.told if one.positive)
        }
        reasons = {image.reason.text for image in case.images if image.reason}
        table.add_row(
            case.case_id,
            case.priority.vi,
            "\n".join(case.conflict.values) if case.conflict else f"{case.patient.name} ({case.patient.id})",
            "; ".join(sorted(findings | reasons)),
            f"{case.received_at.astimezone():%Y-%m-%d %H:%M:%S}",
            case.consultation.state.value if case.consultation else "",
        )
    out.print(table)


def consult(
    case: Annotated[str, typer.Argument(help="Case number, as `cases` prints it.", show_default=False)],
    question: Annotated[str, typer.Option("--question", help="What the specialist is asked.", show_default=False)],
    urgent: Annotated[bool, typer.Option("--urgent", help="Ask for an answer at once.")] = False,
    requested_by: Annotated[str, typer.Option("--by", help="Who asks.")] = "",
    config: ConfigPath = None,
) -> None:
    """Ask the specialist: sends a request into the same study at the PACS."""
    from dicom_router.clock import SystemClock
    from xray_triage.accounts.audit import Action
    from xray_triage.config.loading import load_config
    from xray_triage.stores import open_stores

    if not question.strip():
        raise typer.BadParameter("ask something", param_hint="--question")
    settings = load_config(config)
    stores = open_stores(settings, role="cli", clock=SystemClock())
    consultation = stores.consultations.request(
        case,
        question=question,
        priority="urgent" if urgent else "routine",
        requested_by=requested_by or settings.station.name,
    )
    stores.accounts.audit.note(Action.CONSULTATION_ASKED, actor=command_line_user(), subject=case, detail=question)
    if consultation.question != question:
        err.print("a consultation is open already; its question stands:", consultation.question, soft_wrap=True)
    if not settings.destinations_for("requests"):
        err.print("kept, but no [[destination]] takes requests: add one to station.toml")
    out.print(f"{consultation.state.value} {consultation.requested_at.astimezone():%Y-%m-%d %H:%M:%S}")


def reread(
    cases: Annotated[list[str] | None, typer.Argument(metavar="[CASE]...", help="As `cases` prints them.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="All cases from this day on.", show_default=False)
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only what was not read for this reason, e.g. reader_died.", show_default=False)
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Read films again that were not read; the new result goes out beside the old one."""
    from xray_triage.accounts.audit import Action
    from xray_triage.cases.rereading import CannotReread, unread_films
    from xray_triage.reading.findings import REASONS
    from xray_triage.stores import configured_stores

    if bool(cases) == bool(since):
        raise typer.BadParameter("name cases, or a day with --since", param_hint="CASE")
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"one of {', '.join(REASONS)}", param_hint="--reason")
    stores = configured_stores(config)
    if since is not None:
        later = stores.casebook.between(since.astimezone(), END_OF_TIME)
        cases = [case.case_id for case in later if unread_films(case, reason)]
    films, refused = 0, False
    for case_id in cases or []:
        try:
            films += stores.rereading.reread(case_id, reason=reason)
        except CannotReread as error:
            refused = True
            err.print(f"{case_id}: {error}", soft_wrap=True)
        else:
            stores.audit.note(Action.REREAD, actor=command_line_user(), subject=case_id, detail=reason or "")
    out.print(f"{films} films will be read again")
    raise typer.Exit(int(refused))


queue_app = typer.Typer(
    help="What waits to be read and sent; `queue retry ID` (or `all`) sends what was refused or left out again."
)


@queue_app.callback(invoke_without_command=True)
def queue(context: typer.Context, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show what waits to be read and sent, and what a PACS refused."""
    if context.invoked_subcommand is not None:
        return
    from xray_triage.cases.shapes import QueueJson
    from xray_triage.stores import configured_stores

    stores = configured_stores(config)
    summary, records = stores.outbox.summary(), stores.records.summary()
    if as_json:
        shape = QueueJson.of(summary, records=records, unread=stores.inbox.unread(), now=stores.clock.now())
        print_json(shape.model_dump(mode="json"))
        return
    out.print(f"unread {stores.inbox.unread()}, waiting {summary.waiting}, sending {summary.sending}")
    for delivery in summary.refused:
        out.print(
            f"refused  {delivery.delivery_id}  {delivery.what} to {delivery.destination}: {delivery.last_error}",
            soft_wrap=True,
        )

    for kind in summary.left_out:
        since = f"{kind.since.astimezone():%Y-%m-%d}"
        out.print(f"left out  {kind.what} to {kind.destination} since {since}: {kind.error}", soft_wrap=True)
    for peer in records:
        out.print(f"results to {peer.name}: waiting {peer.waiting + peer.sending}, refused {peer.refused}")


@queue_app.command()
def retry(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="Number as `queue` prints it, or all.")],
    config: ConfigPath = None,
) -> None:
    """Send a refused object again."""
    from xray_triage.stores import configured_stores

    outbox = configured_stores(config).outbox
    if delivery == "all":
        out.print(f"{outbox.retry_all_refused()} objects will be sent again")
        return
    if not delivery.isdecimal() or not outbox.retry(int(delivery)):
        err.print(f"{delivery}: no refused object has this number; see: xray-triage queue")
        raise typer.Exit(1)
    out.print(f"{delivery} will be sent again")
