"""The verb that signs a result: sign. The PIN is typed, never an argument, which others could see in ps."""

import getpass
import sys
from typing import Annotated

import typer

from xray_triage.cli.account_verbs import command_line_user
from xray_triage.cli.options import ConfigPath
from xray_triage.console import err, out


def add_to(app: typer.Typer) -> None:
    """Hang the verb of this module on ``app``."""
    app.command()(sign)


def sign(
    case: Annotated[str | None, typer.Argument(help="Case number, as `cases` prints it.", show_default=False)] = None,
    forgive: Annotated[bool, typer.Option("--forgive", help="Let PINs be tried again after three wrong ones.")] = False,
    config: ConfigPath = None,
) -> None:
    """Sign the newest version of a case's result; asks for the PIN."""
    from xray_triage.accounts.audit import Action
    from xray_triage.config.loading import load_config
    from xray_triage.language import Language
    from xray_triage.records.signing.faults import CannotSign
    from xray_triage.stores import configured_stores

    if bool(case) == forgive:
        raise typer.BadParameter("name a case, or give --forgive", param_hint="CASE")
    stores, actor = configured_stores(config), command_line_user()
    if case is None:
        stores.signing.forgive()
        stores.audit.note(Action.PINS_FORGIVEN, actor=actor)
        out.print("PINs may be tried again")
        return
    before = stores.signing.signatures(case)
    try:
        signature = stores.signing.sign(case, pin=_pin(), by=actor, as_author=False)
    except CannotSign as error:
        stores.audit.note(Action.NOT_SIGNED, actor=actor, subject=case, detail=error.fault.value)
        language = Language(load_config(config).station.language)
        err.print(language.translate(error.words), soft_wrap=True)
        raise typer.Exit(1) from None
    if signature.version not in before:
        detail = f"{signature.version} {signature.signer} {signature.serial}"
        stores.audit.note(Action.RESULT_SIGNED, actor=actor, subject=case, detail=detail)
    out.print(f"version {signature.version} of case {case} signed by {signature.signer}", soft_wrap=True)


def _pin() -> str:
    """As it is typed, unseen; from a pipe its first line."""
    return getpass.getpass("PIN: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
