"""Accounts, sessions, tokens and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _make_account()
    _make_session()
    _make_token()
    op.create_table(
        "sign_in_attempt",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", _time, nullable=False),
    )
    _make_audit()


def _make_account() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", _number, primary_key=True),
        *_texts("name", "folded_name", "full_name", "role", "language", "password_hash"),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("signed_in_at", _time),
        sa.UniqueConstraint("folded_name", name="account_name"),
        sqlite_autoincrement=True,
    )


def _make_session() -> None:
    op.create_table(
        "session",
        sa.Column("session_hash", sa.Text, primary_key=True),
        _account_number(),
        sa.Column("opened_at", _time, nullable=False),
        sa.Column("seen_at", _time, nullable=False),
    )
    op.create_index("session_account", "session", ["account_id"])


def _make_token() -> None:
    op.create_table(
        "token",
        sa.Column("token_id", _number, primary_key=True),
        _account_number(),
        *_texts("token_hash", "label"),
        sa.Column("made_at", _time, nullable=False),
        sa.Column("used_at", _time),
        sa.Column("revoked_at", _time),
        sa.UniqueConstraint("token_hash", name="token_hash_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("token_account", "token", ["account_id"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("entry_id", _number, primary_key=True),
        sa.Column("at", _time, nullable=False),
        *_texts("actor", "action", "subject", "detail", "address"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_actor", "audit", ["actor", "entry_id"])
    op.create_index("audit_subject", "audit", ["subject", "entry_id"])


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _account_number() -> sa.Column[int]:
    return sa.Column("account_id", sa.BigInteger, sa.ForeignKey("account.account_id"), nullable=False)
