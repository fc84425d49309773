"""The first tables: case, image, consultation, verdict."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _make_case()
    _make_image()
    _make_consultation()
    _make_verdict()


def _make_case() -> None:
    op.create_table(
        "case",
        sa.Column("sequence", _number, primary_key=True),
        *_texts("case_id", "study_instance_uid", "accession_number"),
        *_texts("patient_id", "patient_name", "patient_sex", "patient_birth_date"),
        sa.Column("patient_age_years", sa.Float),
        *_texts("search_text"),
        sa.Column("received_at", _time, nullable=False),
        sa.Column("read_at", _time, nullable=False),
        *_texts("priority"),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.UniqueConstraint("case_id", name="case_case_id"),
        sa.UniqueConstraint("study_instance_uid", name="case_study"),
        sqlite_autoincrement=True,
    )
    op.create_index("case_worklist", "case", ["urgency", "sequence"])
    op.create_index("case_since", "case", ["received_at", "urgency", "sequence"])


def _make_image() -> None:
    op.create_table(
        "image",
        sa.Column("image_id", _number, primary_key=True),
        _case_number(),
        *_texts("sop_instance_uid"),
        sa.Column("arrival_id", sa.BigInteger, nullable=False),
        *_texts("priority"),
        sa.Column("urgency", sa.Integer, nullable=False),
        *_texts("reading"),
        sa.Column("picture_key", sa.Text),
        sa.Column("received_at", _time, nullable=False),
        sa.Column("read_at", _time, nullable=False),
        sa.UniqueConstraint("sop_instance_uid", name="image_sop"),
        sqlite_autoincrement=True,
    )
    op.create_index("image_case", "image", ["case_sequence"])


def _make_consultation() -> None:
    op.create_table(
        "consultation",
        sa.Column("consultation_id", _number, primary_key=True),
        _case_number(),
        *_texts("state", "question", "priority", "requested_by"),
        sa.Column("requested_at", _time, nullable=False),
        *_texts("request_uid"),
        sa.Column("answered_at", _time),
        sa.Column("answer_text", sa.Text),
        sa.Column("answer_author", sa.Text),
        sa.Column("answer_verified", sa.Boolean),
        sqlite_autoincrement=True,
    )
    op.create_index("consultation_case", "consultation", ["case_sequence"])
    is_open = sa.text("state = 'requested'")
    op.create_index(
        "consultation_open",
        "consultation",
        ["case_sequence"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _make_verdict() -> None:
    op.create_table(
        "verdict",
        sa.Column("verdict_id", _number, primary_key=True),
        _case_number(),
        sa.Column("agrees", sa.Boolean, nullable=False),
        *_texts("note"),
        sa.Column("given_at", _time, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("verdict_case", "verdict", ["case_sequence"])


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _case_number() -> sa.Column[int]:
    return sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey("case.sequence"), nullable=False)
