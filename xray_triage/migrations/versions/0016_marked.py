"""What was marked on every film, in a word of its own; figures and the list of the unseen are indexes' walks."""

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

AT_ONCE = 1000
_image = sa.table("image", sa.column("image_id"), sa.column("reading"), sa.column("marked"))


def upgrade() -> None:
    """Make the column, and fill it out of what was read; it goes into the index by which films are counted."""
    op.add_column("image", sa.Column("marked", sa.Text, nullable=False, server_default=""))
    connection, last = op.get_bind(), 0
    films = sa.select(_image.c.image_id, _image.c.reading).order_by(_image.c.image_id).limit(AT_ONCE)
    change = _image.update().where(_image.c.image_id == sa.bindparam("of")).values(marked=sa.bindparam("names"))
    while found := connection.execute(films.where(_image.c.image_id > last)).all():
        last = found[-1].image_id
        marked = [{"of": row.image_id, "names": " ".join(_marked(row.reading))} for row in found]
        if marked := [one for one in marked if one["names"]]:
            connection.execute(change, marked)
    op.drop_index("image_times", "image")
    columns = ["received_at", "urgency", "exposed_at", "read_at", "case_sequence", "marked"]
    op.create_index("image_times", "image", columns)
    op.create_index("consultation_requested", "consultation", ["requested_at"])
    op.create_index("verdict_given", "verdict", ["given_at"])
    op.drop_index("case_unseen", "case")
    columns, never = ["urgency", "sequence", "is_unproven", "seen_at"], sa.text("seen_at IS NULL")
    op.create_index("case_unseen", "case", columns, sqlite_where=never, postgresql_where=never)


def _marked(reading: str) -> Iterator[str]:
    """The name of each finding that is told as positive, its group's where it has one; once."""
    told = set()
    for finding in json.loads(reading)["findings"]:
        value, limit = finding.get("measured") or (finding["probability"], finding["threshold"])
        if value > limit or (value == limit and not finding.get("measured")):
            told.add(finding.get("group") or finding["name"])
    yield from sorted(told)
