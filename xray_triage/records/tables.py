"""The tables of results and of their records on the way; migrations/ makes them. Knows no other table but the case."""

import sqlalchemy as sa

from dicom_router.store.database import OutsideText, UtcDateTime
from xray_triage.cases import tables as cases

metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
WORDS = ("description", "conclusion", "advice", "adopts")
AUTHOR = ("author", "author_name", "licence")


def _texts(names: tuple[str, ...]) -> list[sa.Column[str]]:
    return [sa.Column(name, OutsideText, nullable=False) for name in names]


def _case_number() -> sa.Column[int]:
    return sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey(cases.case.c.sequence), nullable=False)


# What a doctor is writing; one a doctor and case, so that two who write at once lose nothing.
result_draft = sa.Table(
    "result_draft",
    metadata,
    sa.Column("draft_id", _Number, primary_key=True),
    _case_number(),
    *_texts(AUTHOR),
    *_texts(WORDS),
    sa.Column("saved_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("case_sequence", "author", name="result_draft_of"),
    sqlite_autoincrement=True,
)

# Versions, never changed. Of two that are written at the same moment one is refused by the constraint.
result = sa.Table(
    "result",
    metadata,
    sa.Column("result_id", _Number, primary_key=True),
    _case_number(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    *_texts(AUTHOR),
    *_texts(WORDS),
    sa.Column("before_author", OutsideText, nullable=False),
    sa.Column("reason", OutsideText, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("document_uid", sa.Text, nullable=False),
    sa.UniqueConstraint("case_sequence", "version", name="result_version"),
    sqlite_autoincrement=True,
)

# The paper of a version, kept as it was made: no name, film or program that changes later changes it.
result_paper = sa.Table(
    "result_paper",
    metadata,
    sa.Column("result_id", sa.BigInteger, sa.ForeignKey("result.result_id"), primary_key=True),
    sa.Column("pdf", sa.LargeBinary, nullable=False),
)
# A version of a case's result for one peer of [[record]]; version 0: the AI's word alone. Its work in the ledger is
# (record/<name>, record_id). Rows of one peer and case go out in the order of their numbers.
record_delivery = sa.Table(
    "record_delivery",
    metadata,
    sa.Column("record_id", _Number, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    _case_number(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("queued_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime),  # or found overtaken by a newer version
    sa.Column("refused_at", UtcDateTime),
    sa.Column("status", OutsideText),  # the peer's last word
    sa.Index("record_delivery_case", "case_sequence", "name"),
    sa.Index("record_delivery_sent", "name", "sent_at"),
    sqlite_autoincrement=True,
)
_open = record_delivery.c.sent_at.is_(None)
sa.Index("record_delivery_open", record_delivery.c.record_id, sqlite_where=_open, postgresql_where=_open)
# The signed PDF of a version, whole; never changed.
signature = sa.Table(
    "signature",
    metadata,
    sa.Column("signature_id", _Number, primary_key=True),
    _case_number(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("pdf", sa.LargeBinary, nullable=False),
    sa.Column("signer", OutsideText, nullable=False),
    sa.Column("serial", sa.Text, nullable=False),
    sa.Column("signed_by", OutsideText, nullable=False),
    sa.Column("signed_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("case_sequence", "version", name="signature_of"),
    sqlite_autoincrement=True,
)

# How often a wrong PIN was given to a key since the last right one.
signing_key = sa.Table(
    "signing_key",
    metadata,
    sa.Column("signing_key_id", _Number, primary_key=True),
    sa.Column("name", OutsideText, nullable=False, unique=True),
    sa.Column("wrong_pins", sa.Integer, nullable=False),
    sqlite_autoincrement=True,
)
