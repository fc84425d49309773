"""The verb about results on their way to the HIS and other peers: records."""

from typing import Annotated

import typer

from xray_triage.cli.options import AsJson, ConfigPath
from xray_triage.console import err, out, print_json

app = typer.Typer(
    help="What waits for the HIS and other peers, and what was refused; `records retry ID` (or `all`) sends that again."
)


def add_to(parent: typer.Typer) -> None:
    """Hang the verb of this module on ``parent``."""
    parent.add_typer(app, name="records")


@app.callback(invoke_without_command=True)
def records(context: typer.Context, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show by peer what waits and what was refused."""
    if context.invoked_subcommand is not None:
        return
    from xray_triage.cases.shapes import RecordJson, RecordPeerJson
    from xray_triage.stores import configured_stores

    outbox = configured_stores(config).records
    for peer in outbox.summary():
        if as_json:
            print_json(RecordPeerJson.model_validate(peer).model_dump(mode="json"))
            continue
        last = f"{peer.last_sent_at.astimezone():%Y-%m-%d %H:%M:%S}" if peer.last_sent_at else "never"
        waiting = peer.waiting + peer.sending
        out.print(f"{peer.name}: waiting {waiting}, refused {peer.refused}, last sent {last}", soft_wrap=True)
        if peer.last_error:
            out.print(f"   {peer.last_error}", soft_wrap=True)
    for one in outbox.refused():
        if as_json:
            shape = RecordJson.model_validate(one).model_dump(mode="json")
            print_json({"id": one.record_id, "case_id": one.case_id, "version": one.version, **shape})
        else:
            what = f"refused  {one.record_id}  version {one.version} of case {one.case_id} to {one.name}"
            out.print(f"{what}: {one.last_error}", soft_wrap=True)


@app.command()
def retry(
    record: Annotated[str, typer.Argument(metavar="ID", help="Number as `records` prints it, or all.")],
    config: ConfigPath = None,
) -> None:
    """Send a refused result again."""
    from xray_triage.stores import configured_stores

    outbox = configured_stores(config).records
    if record == "all":
        out.print(f"{outbox.retry_all_refused()} results will be sent again")
        return
    if not record.isdecimal() or not outbox.retry(int(record)):
        err.print(f"{record}: no refused result has this number; see: xray-triage records")
        raise typer.Exit(1)
    out.print(f"{record} will be sent again")
