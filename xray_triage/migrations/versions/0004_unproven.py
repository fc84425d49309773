"""Cases without a mark that may not be called clear: the worklist counts and shows them apart."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_case = sa.table("case", sa.column("sequence"), sa.column("priority"), sa.column("is_unproven"))
_image = sa.table("image", sa.column("case_sequence"), sa.column("reading"), sa.column("machine_id"))


def upgrade() -> None:
    """Make the column, and fill it out of what was read of films whose machine is known."""
    op.add_column("case", sa.Column("is_unproven", sa.Boolean, nullable=False, server_default=sa.false()))
    connection = op.get_bind()
    films = sa.select(_image.c.case_sequence, _image.c.reading).where(_image.c.machine_id.is_not(None))
    unproven = {row.case_sequence for row in connection.execute(films) if not _clears(row.reading)}
    for sequence in sorted(unproven):
        change = _case.update().where(_case.c.sequence == sequence, _case.c.priority == "normal")
        connection.execute(change.values(is_unproven=True))
    on_sqlite, on_postgresql = sa.text("is_unproven IS 1"), sa.text("is_unproven IS true")
    op.create_index("case_unproven", "case", ["sequence"], sqlite_where=on_sqlite, postgresql_where=on_postgresql)


def _clears(reading: str) -> bool:
    machine = json.loads(reading).get("machine")
    return machine is None or (machine["state"] == "set" and not machine["strange"])
