"""The tables of registration; migrations/ makes them. Knows no other table."""

import sqlalchemy as sa

from dicom_router.store.database import OutsideText, UtcDateTime

metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

film_order = sa.Table(
    "film_order",
    metadata,
    sa.Column("order_id", _Number, primary_key=True),
    sa.Column("form_key", sa.Text, nullable=False),  # of the form that was sent: sent again, it makes no second order
    sa.Column("accession_number", OutsideText, nullable=False),
    sa.Column("study_instance_uid", OutsideText, nullable=False),
    sa.Column("patient_id", OutsideText, nullable=False),
    sa.Column("patient_name", OutsideText, nullable=False),
    sa.Column("patient_birth_date", sa.Date),
    sa.Column("patient_sex", sa.Text, nullable=False),
    sa.Column("address", OutsideText, nullable=False),
    sa.Column("citizen_number", OutsideText, nullable=False),
    sa.Column("insurance_number", OutsideText, nullable=False),
    sa.Column("referring_physician", OutsideText, nullable=False),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("reason", OutsideText, nullable=False),
    sa.Column("search_text", OutsideText, nullable=False),
    sa.Column("scheduled_at", UtcDateTime, nullable=False),
    sa.Column("registered_at", UtcDateTime, nullable=False),
    sa.Column("registered_by", OutsideText, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    # Of an order of the HIS, else empty: who placed it, under which number, as what; when the HIS took it back.
    sa.Column("placer", OutsideText, nullable=False, server_default=""),
    sa.Column("placer_number", OutsideText, nullable=False, server_default=""),
    sa.Column("service_code", OutsideText, nullable=False, server_default=""),
    sa.Column("service_name", OutsideText, nullable=False, server_default=""),
    sa.Column("treatment_code", OutsideText, nullable=False, server_default=""),
    sa.Column("diagnosis_code", OutsideText, nullable=False, server_default=""),
    sa.Column("name_parts", OutsideText, nullable=False, server_default=""),
    sa.Column("withdrawn_at", UtcDateTime),
    sa.UniqueConstraint("form_key", name="film_order_form"),
    sa.UniqueConstraint("accession_number", name="film_order_accession"),
    sa.UniqueConstraint("study_instance_uid", name="film_order_study"),
    sa.Index("film_order_scheduled", "scheduled_at"),
    sa.Index("film_order_placer_number", "placer_number"),  # at most 64 characters
    sqlite_autoincrement=True,
)

# Which messages of the HIS were taken: one that comes again changes nothing.
his_message = sa.Table(
    "his_message",
    metadata,
    sa.Column("message_id", _Number, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("key", name="his_message_key"),
    sa.Index("his_message_received", "received_at"),
    sqlite_autoincrement=True,
)

# What machines said of their work, also of patients who were registered nowhere but there.
performed_step = sa.Table(
    "performed_step",
    metadata,
    sa.Column("step_id", _Number, primary_key=True),
    sa.Column("sop_instance_uid", OutsideText, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("calling_ae_title", OutsideText, nullable=False),
    sa.Column("begun_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("sop_instance_uid", name="performed_step_sop"),
    sqlite_autoincrement=True,
)

# What a performed step says it was done for; empty what it does not say, or says of somebody else.
scheduled_step = sa.Table(
    "scheduled_step",
    metadata,
    sa.Column("scheduled_step_id", _Number, primary_key=True),
    sa.Column("step_id", sa.BigInteger, sa.ForeignKey("performed_step.step_id"), nullable=False),
    sa.Column("accession_number", OutsideText, nullable=False),
    sa.Column("study_instance_uid", OutsideText, nullable=False),
    sa.Index("scheduled_step_performed", "step_id"),
    # Both come from outside, of any length: PostgreSQL's btree would refuse a long one.
    sa.Index("scheduled_step_accession_number", "accession_number", postgresql_using="hash"),
    sa.Index("scheduled_step_study_instance_uid", "study_instance_uid", postgresql_using="hash"),
    sqlite_autoincrement=True,
)

# One row: the prefix drawn for a site that gave none.
drawn_prefix = sa.Table(
    "drawn_prefix",
    metadata,
    sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("prefix", sa.Text, nullable=False),
)
