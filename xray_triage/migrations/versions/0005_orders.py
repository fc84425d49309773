"""Registered patients: what the X-ray machine is offered as its worklist."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "film_order",
        sa.Column("order_id", _number, primary_key=True),
        *_texts("form_key", "accession_number", "study_instance_uid", "patient_id", "patient_name"),
        sa.Column("patient_birth_date", sa.Date),
        *_texts("patient_sex", "address", "citizen_number", "insurance_number", "referring_physician"),
        *_texts("procedure", "reason", "search_text"),
        sa.Column("scheduled_at", _time, nullable=False),
        sa.Column("registered_at", _time, nullable=False),
        *_texts("registered_by", "state"),
        sa.UniqueConstraint("form_key", name="film_order_form"),
        sa.UniqueConstraint("accession_number", name="film_order_accession"),
        sa.UniqueConstraint("study_instance_uid", name="film_order_study"),
        sqlite_autoincrement=True,
    )
    op.create_index("film_order_scheduled", "film_order", ["scheduled_at"])
    op.create_table(
        "performed_step",
        sa.Column("step_id", _number, primary_key=True),
        *_texts("sop_instance_uid", "state", "accession_numbers", "study_instance_uids", "calling_ae_title"),
        sa.Column("begun_at", _time, nullable=False),
        sa.Column("changed_at", _time, nullable=False),
        sa.UniqueConstraint("sop_instance_uid", name="performed_step_sop"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "drawn_prefix",
        sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("prefix", sa.Text, nullable=False),
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]
