"""Verbs about people: user add|list|passwd|role|disable|enable|token, and audit."""

import getpass
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from xray_triage.cli.options import AsJson, ConfigPath
from xray_triage.console import err, out, print_json

if TYPE_CHECKING:
    from xray_triage.accounts.accounts import Accounts
    from xray_triage.accounts.audit import Action
    from xray_triage.accounts.roles import Role

app = typer.Typer(help="Who may use the page and the API.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="User name.", show_default=False)]


def add_to(main: typer.Typer) -> None:
    """Hang the verbs of this module on ``main``."""
    main.add_typer(app, name="user")
    main.command()(audit)


@app.command()
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="doctor, technician or admin.")] = "doctor",
    full_name: Annotated[str, typer.Option("--full-name", help="As others read it; else the user name.")] = "",
    licence: Annotated[str, typer.Option(help="Licence number (số GPHN/CCHN), printed on results.")] = "",
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Add a user; prints the one-time password, which is changed at the first sign-in."""
    from xray_triage.accounts.audit import Action

    accounts, wanted = _accounts(config), _role(role)
    password = accounts.users.add(name, role=wanted, full_name=full_name, licence=licence)
    _note(accounts, Action.USER_ADDED, name, detail=wanted.value)
    _tell_password(name, password, as_json=as_json)


@app.command(name="list")
def list_users(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List the users."""
    table = Table("name", "full name", "role", "state", "last sign-in")
    for user in _accounts(config).users.list():
        state = "disabled" if not user.is_active else "one-time password" if user.must_change else "active"
        if as_json:
            row = {"name": user.name, "full_name": user.full_name, "role": user.role.value, "state": state}
            print_json({**row, "signed_in_at": user.signed_in_at.isoformat() if user.signed_in_at else None})
        at = f"{user.signed_in_at.astimezone():%Y-%m-%d %H:%M}" if user.signed_in_at else "never"
        table.add_row(user.name, user.full_name, user.role.value, state, at)
    if not as_json:
        out.print(table)


@app.command()
def passwd(name: Name, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Give a user a new one-time password; signs the user out everywhere."""
    from xray_triage.accounts.audit import Action

    accounts = _accounts(config)
    password = accounts.users.reset_password(name)
    accounts.throttle.forgive(name)
    _note(accounts, Action.PASSWORD_RESET, name)
    _tell_password(name, password, as_json=as_json)


@app.command()
def role(
    name: Name,
    to: Annotated[str, typer.Argument(metavar="ROLE", help="doctor, technician or admin.", show_default=False)],
    config: ConfigPath = None,
) -> None:
    """Change a user's role."""
    from xray_triage.accounts.audit import Action

    accounts, wanted = _accounts(config), _role(to)
    accounts.users.change_role(name, wanted)
    _note(accounts, Action.USER_CHANGED, name, detail=wanted.value)
    out.print(f"{name} is {wanted.value}")


@app.command()
def licence(
    name: Name,
    number: Annotated[str, typer.Argument(help='Số GPHN/CCHN; "" for none.', show_default=False)],
    config: ConfigPath = None,
) -> None:
    """Set the licence number under which a user signs results."""
    from xray_triage.accounts.audit import Action

    accounts = _accounts(config)
    accounts.users.change_licence(name, number)
    _note(accounts, Action.USER_CHANGED, name, detail=f"licence {number}")
    out.print(f"{name} signs as {number}" if number else f"{name} has no licence number")


@app.command()
def disable(name: Name, config: ConfigPath = None) -> None:
    """Keep a user out from now on, with all sessions and tokens."""
    from xray_triage.accounts.audit import Action

    accounts = _accounts(config)
    accounts.users.disable(name)
    _note(accounts, Action.USER_DISABLED, name)
    out.print(f"{name} is disabled")


@app.command()
def enable(name: Name, config: ConfigPath = None) -> None:
    """Let a disabled user in again."""
    from xray_triage.accounts.audit import Action

    accounts = _accounts(config)
    accounts.users.enable(name)
    _note(accounts, Action.USER_ENABLED, name)
    out.print(f"{name} is enabled")


@app.command()
def token(
    name: Name,
    label: Annotated[str, typer.Option(help="Which program it is for.")] = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke all tokens of the user instead.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Make a bearer token with the user's rights, for a program; it is printed this once."""
    from xray_triage.accounts.audit import Action

    accounts = _accounts(config)
    user = accounts.users.find(name)
    if revoke:
        revoked = accounts.tokens.revoke(user)
        _note(accounts, Action.TOKEN_REVOKED, user.name, detail=str(revoked))
        out.print(f"{revoked} tokens of {user.name} are revoked")
        return
    made = accounts.tokens.make(user, label=label)
    _note(accounts, Action.TOKEN_MADE, user.name, detail=label)
    if as_json:
        print_json({"name": user.name, "token": made})
    else:
        typer.echo(made)
        err.print("shown only now; send it as: Authorization: Bearer …")


def audit(
    user: Annotated[str, typer.Option(help="Only what this user did.")] = "",
    case: Annotated[str, typer.Option(help="Only what was done to this case, or user.")] = "",
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only this day.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000)] = 100,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Who saw and did what, the newest first."""
    from xray_triage.accounts.audit import Action

    since = day.astimezone() if day else None
    until = (day + timedelta(days=1)).astimezone() if day else None
    accounts = _accounts(config)
    found = accounts.audit.entries(actor=user, subject=case, since=since, until=until, limit=limit)
    accounts.audit.note(Action.TRAIL_READ, actor=command_line_user())
    table = Table("at", "who", "what", "to", "detail", "from")
    for entry in found:
        line = (entry.actor, str(entry.action), entry.subject, entry.detail, entry.address)
        if as_json:
            keys = ("actor", "action", "subject", "detail", "address")
            print_json({"at": entry.at.isoformat(), **dict(zip(keys, line, strict=True))})
        table.add_row(f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}", *line)
    if not as_json:
        out.print(table)


def _accounts(config: ConfigPath) -> "Accounts":
    from xray_triage.stores import configured_stores

    return configured_stores(config).accounts


def _role(name: str) -> "Role":
    from xray_triage.accounts.roles import Role

    if name not in list(Role):
        raise typer.BadParameter(f"one of {', '.join(Role)}", param_hint="role")
    return Role(name)


def _note(accounts: "Accounts", action: "Action", subject: str, *, detail: str = "") -> None:
    accounts.audit.note(action, actor=command_line_user(), subject=subject, detail=detail)


def _tell_password(name: str, password: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "one_time_password": password})
    else:
        out.print(f"{name}: one-time password {password}")


def command_line_user() -> str:
    """Who runs a verb, as the trail names them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, ImportError, OSError):  # a container's user without a name
        return f"cli:{os.getuid()}"
