"""Who has seen a case and who is done with it; the search's index says of each case whether it was seen."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_case = sa.table("case", *map(sa.column, ("sequence", "case_id", "seen_at", "seen_by", "done_at", "done_by")))
_verdict = sa.table("verdict", *map(sa.column, ("verdict_id", "case_sequence", "given_at", "given_by")))
_audit = sa.table("audit", *map(sa.column, ("entry_id", "at", "actor", "action", "subject")))
_account = sa.table("account", *map(sa.column, ("name", "full_name", "role")))


def upgrade() -> None:
    """A case was seen by the doctor who opened it first, as the trail says, and is done by its last verdict."""
    for mark in ("seen", "done"):
        op.add_column("case", sa.Column(f"{mark}_at", sa.DateTime(timezone=True)))
        op.add_column("case", sa.Column(f"{mark}_by", sa.Text, nullable=False, server_default=""))
    connection = op.get_bind()
    _mark(connection, _case.c.case_id, "seen", _first_looks())
    _mark(connection, _case.c.sequence, "done", _last_verdicts())
    unseen = _case.update().where(_case.c.done_at.is_not(None), _case.c.seen_at.is_(None))
    connection.execute(unseen.values(seen_at=_case.c.done_at, seen_by=_case.c.done_by))
    op.drop_index("case_search", "case")
    op.create_index("case_search", "case", ["urgency", "sequence", "search_text", "seen_at", "is_unproven"])
    never = sa.text("seen_at IS NULL")
    op.create_index(
        "case_unseen", "case", ["urgency", "sequence", "is_unproven"], sqlite_where=never, postgresql_where=never
    )


def _first_looks() -> sa.Select[Any]:
    looked = sa.and_(_audit.c.action == "case_seen", _account.c.role.in_(["doctor", "admin"]))
    joined = sa.select(sa.func.min(_audit.c.entry_id)).join_from(_audit, _account, _account.c.name == _audit.c.actor)
    entries = joined.where(looked).group_by(_audit.c.subject)
    named = sa.select(_audit.c.subject, _audit.c.at, _account.c.full_name)
    return named.join_from(_audit, _account, _account.c.name == _audit.c.actor).where(_audit.c.entry_id.in_(entries))


def _last_verdicts() -> sa.Select[Any]:
    last = sa.select(sa.func.max(_verdict.c.verdict_id)).group_by(_verdict.c.case_sequence)
    given = sa.select(_verdict.c.case_sequence, _verdict.c.given_at, _verdict.c.given_by)
    return given.where(_verdict.c.verdict_id.in_(last))


def _mark(connection: sa.Connection, key: sa.ColumnElement[Any], mark: str, found: sa.Select[Any]) -> None:
    for which, at, by in connection.execute(found).all():
        connection.execute(_case.update().where(key == which).values({f"{mark}_at": at, f"{mark}_by": by}))
