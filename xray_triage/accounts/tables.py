"""The tables of accounts, sessions, tokens, sign-in attempts and the audit trail; migrations/ makes them."""

import sqlalchemy as sa

from dicom_router.store.database import OutsideText, UtcDateTime

metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _account_number() -> sa.Column[int]:
    return sa.Column("account_id", sa.BigInteger, sa.ForeignKey("account.account_id"), nullable=False)


account = sa.Table(
    "account",
    metadata,
    sa.Column("account_id", _Number, primary_key=True),
    sa.Column("name", OutsideText, nullable=False),
    sa.Column("folded_name", OutsideText, nullable=False),
    sa.Column("full_name", OutsideText, nullable=False),
    sa.Column("licence", OutsideText, nullable=False, server_default=""),  # số GPHN/CCHN, of who signs results
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),  # "" = the station's
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("must_change", sa.Boolean, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("signed_in_at", UtcDateTime),
    sa.UniqueConstraint("folded_name", name="account_name"),
    sqlite_autoincrement=True,
)

# Of a session's id and of a token only the sha256 is kept: who reads the database cannot sign in with it.
session = sa.Table(
    "session",
    metadata,
    sa.Column("session_hash", sa.Text, primary_key=True),
    _account_number(),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Index("session_account", "account_id"),
)

token = sa.Table(
    "token",
    metadata,
    sa.Column("token_id", _Number, primary_key=True),
    _account_number(),
    sa.Column("token_hash", sa.Text, nullable=False),
    sa.Column("label", OutsideText, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.UniqueConstraint("token_hash", name="token_hash_once"),
    sa.Index("token_account", "account_id"),
    sqlite_autoincrement=True,
)

sign_in_attempt = sa.Table(
    "sign_in_attempt",
    metadata,
    sa.Column("source", OutsideText, primary_key=True),  # user:<folded name>, address:<host> or browser:<number>
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("entry_id", _Number, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", OutsideText, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", OutsideText, nullable=False),
    sa.Column("detail", OutsideText, nullable=False),
    sa.Column("address", OutsideText, nullable=False),
    sa.Index("audit_actor", "actor", "entry_id"),
    sa.Index("audit_subject", "subject", "entry_id"),
    sqlite_autoincrement=True,
)

# How far the collector has what the station tells: the last entry_id of audit, the last image_id of the films.
audit_cursor = sa.Table(
    "audit_cursor",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("last_id", sa.BigInteger, nullable=False),
)
