"""The verb about what a doctor writes of a case: result."""

from typing import Annotated

import typer

from xray_triage.cli.account_verbs import command_line_user
from xray_triage.cli.options import AsJson, ConfigPath
from xray_triage.console import out, print_json


def add_to(app: typer.Typer) -> None:
    """Hang the verbs of this module on ``app``."""
    app.command()(result)


def result(
    case: Annotated[str, typer.Argument(help="Case number, as `cases` prints it.", show_default=False)],
    conclusion: Annotated[str, typer.Option(help="What the doctor concludes (kết luận).", show_default=False)],
    description: Annotated[str, typer.Option(help="What the films show (mô tả).")] = "",
    advice: Annotated[str, typer.Option(help="What to do next (đề nghị).")] = "",
    author: Annotated[
        str,
        typer.Option(help="The doctor: a user's name, or a name as it stands on paper; else the only user there is."),
    ] = "",
    amend: Annotated[str, typer.Option(metavar="REASON", help="Replace the result that stands, and say why.")] = "",
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Write a doctor's result of a case: final at once, sent to the PACS and to the HIS."""
    from xray_triage.accounts.audit import Action
    from xray_triage.accounts.roles import Right
    from xray_triage.cases.casebook import UnknownCase
    from xray_triage.records.beginning import before
    from xray_triage.records.result import Author, Words
    from xray_triage.stores import configured_stores

    stores = configured_stores(config)
    shown = stores.casebook.case(case)
    if shown is None:
        raise UnknownCase(case)
    doctors = [user for user in stores.accounts.users.list() if user.is_active and Right.JUDGE in user.role.rights]
    known = [user for user in doctors if author in ("", user.name, user.full_name)]
    if not author and len(known) != 1:
        raise typer.BadParameter("name the doctor who stands for this result", param_hint="--author")
    writer = Author(account=command_line_user(), name=author)
    if known:
        writer = Author(account=known[0].name, name=known[0].full_name, licence=known[0].licence)
    words = Words(description=description, conclusion=conclusion, advice=advice)
    if amend:
        stores.results.amend(case, writer, words, reason=amend, before_author=before(shown))
    else:
        stores.results.finish(case, writer, words, before_author=before(shown))
    action = Action.RESULT_AMENDED if amend else Action.RESULT_FINISHED
    stores.audit.note(action, actor=command_line_user(), subject=case, detail=amend)
    made = stores.results.shapes([case])[case]
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        out.print(f"{made.state} {made.version} {made.author} {made.at.astimezone():%Y-%m-%d %H:%M:%S}")
