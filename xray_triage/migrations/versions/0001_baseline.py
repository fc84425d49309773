"""The tables of cases, consultations, accounts and orders as they were first made."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _make_case()
    _make_image()
    _make_consultation()
    _make_answer()
    _make_verdict()
    _make_account()
    _make_audit()
    _make_order()


def _make_case() -> None:
    op.create_table(
        "case",
        sa.Column("sequence", _number, primary_key=True),
        *_texts("case_id", "study_instance_uid", "accession_number"),
        *_texts("patient_id", "patient_name", "patient_sex", "patient_birth_date"),
        sa.Column("patient_age_years", sa.Float),
        *_texts("search_text"),
        *_times("received_at", "read_at"),
        *_texts("priority"),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("exposed_at", _time),
        sa.UniqueConstraint("case_id", name="case_case_id"),
        sa.UniqueConstraint("study_instance_uid", name="case_study"),
        sqlite_autoincrement=True,
    )
    op.create_index("case_worklist", "case", ["urgency", "sequence"])
    op.create_index("case_search", "case", ["urgency", "sequence", "search_text"])
    op.create_index("case_since", "case", ["received_at", "urgency", "sequence"])
    op.create_index("case_patient", "case", ["patient_id"], postgresql_using="hash")
    op.create_index("case_accession", "case", ["accession_number"], postgresql_using="hash")


def _make_image() -> None:
    op.create_table(
        "image",
        sa.Column("image_id", _number, primary_key=True),
        _case_number(),
        *_texts("sop_instance_uid"),
        sa.Column("arrival_id", sa.BigInteger, nullable=False),
        *_texts("priority"),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        *_texts("reading"),
        sa.Column("picture_key", sa.Text),
        *_times("received_at", "read_at"),
        sa.Column("exposed_at", _time),
        sa.UniqueConstraint("sop_instance_uid", name="image_sop"),
        sqlite_autoincrement=True,
    )
    op.create_index("image_case", "image", ["case_sequence"])
    _index("image_not_read", "image", "reason", where="reason IS NOT NULL")
    op.create_index("image_times", "image", ["received_at", "urgency", "exposed_at", "read_at"])
    op.create_table(
        "heat",
        sa.Column("sop_instance_uid", sa.Text, primary_key=True),
        sa.Column("png", sa.LargeBinary, nullable=False),
    )


def _make_consultation() -> None:
    op.create_table(
        "consultation",
        sa.Column("consultation_id", _number, primary_key=True),
        _case_number(),
        *_texts("state", "question", "priority", "requested_by"),
        *_times("requested_at"),
        *_texts("request_uid"),
        *(sa.Column(name, _time) for name in ("answered_at", "overdue_at")),
        sa.Column("announced", sa.Integer, nullable=False, server_default="0"),
        *(sa.Column(name, _time) for name in ("announced_at", "next_poll_at")),
        sa.Column("polls", sa.Integer, nullable=False, server_default="0"),
        sa.Column("watched", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("obstacle", sa.Text),
        sa.Column("obstacle_detail", sa.Text, nullable=False, server_default=""),
        sa.Column("seen_at", _time),
        sqlite_autoincrement=True,
    )
    op.create_index("consultation_case", "consultation", ["case_sequence"])
    op.create_index("consultation_due", "consultation", ["next_poll_at"])
    _index("consultation_open", "consultation", "case_sequence", where="state = 'requested'", unique=True)
    _index("consultation_unread", "consultation", "case_sequence", where="state = 'answered' AND seen_at IS NULL")


def _make_answer() -> None:
    op.create_table(
        "answer",
        sa.Column("answer_id", _number, primary_key=True),
        _case_number(),
        sa.Column("consultation_id", sa.BigInteger, sa.ForeignKey("consultation.consultation_id"), nullable=False),
        *_texts("sop_instance_uid", "kind", "title", "text"),
        sa.Column("note", sa.Text),
        *_texts("author"),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("written_at", _time),
        *_times("received_at"),
        sa.Column("spool_key", sa.Text),
        sa.UniqueConstraint("sop_instance_uid", name="answer_sop"),
        sqlite_autoincrement=True,
    )
    op.create_index("answer_case", "answer", ["case_sequence"])
    op.create_table(
        "passed_over",
        sa.Column("passed_over_id", _number, primary_key=True),
        _case_number(),
        *_texts("sop_instance_uid", "why"),
        sa.Column("obstacle", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("retry_at", _time),
        sa.UniqueConstraint("sop_instance_uid", name="passed_over_sop"),
        sqlite_autoincrement=True,
    )
    op.create_index("passed_over_case", "passed_over", ["case_sequence"])


def _make_verdict() -> None:
    op.create_table(
        "verdict",
        sa.Column("verdict_id", _number, primary_key=True),
        _case_number(),
        sa.Column("agrees", sa.Boolean, nullable=False),
        *_texts("note"),
        *_times("given_at"),
        sa.Column("given_by", sa.Text, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    op.create_index("verdict_case", "verdict", ["case_sequence"])


def _make_account() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", _number, primary_key=True),
        *_texts("name", "folded_name", "full_name", "role", "language", "password_hash"),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        *_times("created_at"),
        sa.Column("signed_in_at", _time),
        sa.UniqueConstraint("folded_name", name="account_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "session",
        sa.Column("session_hash", sa.Text, primary_key=True),
        _account_number(),
        *_times("opened_at", "seen_at"),
    )
    op.create_index("session_account", "session", ["account_id"])
    op.create_table(
        "token",
        sa.Column("token_id", _number, primary_key=True),
        _account_number(),
        *_texts("token_hash", "label"),
        *_times("made_at"),
        *(sa.Column(name, _time) for name in ("used_at", "revoked_at")),
        sa.UniqueConstraint("token_hash", name="token_hash_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("token_account", "token", ["account_id"])


def _make_audit() -> None:
    op.create_table(
        "sign_in_attempt",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        *_times("last_at"),
    )
    op.create_table(
        "audit",
        sa.Column("entry_id", _number, primary_key=True),
        *_times("at"),
        *_texts("actor", "action", "subject", "detail", "address"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_actor", "audit", ["actor", "entry_id"])
    op.create_index("audit_subject", "audit", ["subject", "entry_id"])


def _make_order() -> None:
    op.create_table(
        "film_order",
        sa.Column("order_id", _number, primary_key=True),
        *_texts("form_key", "accession_number", "study_instance_uid", "patient_id", "patient_name"),
        sa.Column("patient_birth_date", sa.Date),
        *_texts("patient_sex", "address", "citizen_number", "insurance_number", "referring_physician"),
        *_texts("procedure", "reason", "search_text"),
        *_times("scheduled_at", "registered_at"),
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
        *_texts("sop_instance_uid", "state", "calling_ae_title"),
        *_times("begun_at", "changed_at"),
        sa.UniqueConstraint("sop_instance_uid", name="performed_step_sop"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "scheduled_step",
        sa.Column("scheduled_step_id", _number, primary_key=True),
        sa.Column("step_id", sa.BigInteger, sa.ForeignKey("performed_step.step_id"), nullable=False),
        *_texts("accession_number", "study_instance_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("scheduled_step_performed", "scheduled_step", ["step_id"])
    for column in ("accession_number", "study_instance_uid"):
        op.create_index(f"scheduled_step_{column}", "scheduled_step", [column], postgresql_using="hash")
    op.create_table(
        "drawn_prefix",
        sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("prefix", sa.Text, nullable=False),
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _times(*names: str) -> list[sa.Column[datetime]]:
    return [sa.Column(name, _time, nullable=False) for name in names]


def _case_number() -> sa.Column[int]:
    return sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey("case.sequence"), nullable=False)


def _account_number() -> sa.Column[int]:
    return sa.Column("account_id", sa.BigInteger, sa.ForeignKey("account.account_id"), nullable=False)


def _index(name: str, table: str, *columns: str, where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
