"""The machines that made the films, and the cut-offs that were set for them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them. Films read before belong to no machine: they count for none."""
    names = ("manufacturer", "model", "station")
    op.create_table(
        "machine",
        sa.Column("machine_id", _number, primary_key=True),
        sa.Column("model_sha256", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in names),
        sa.UniqueConstraint("model_sha256", *names, name="machine_of_model"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "cut_off_setting",
        sa.Column("setting_id", _number, primary_key=True),
        sa.Column("machine_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("after_image", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("cut_offs", "basis", "note")),
        sqlite_autoincrement=True,
    )
    op.create_index("cut_off_setting_machine", "cut_off_setting", ["machine_id", "setting_id"])
    op.add_column("image", sa.Column("machine_id", sa.BigInteger))
    op.create_index("image_machine", "image", ["machine_id", "image_id"])
