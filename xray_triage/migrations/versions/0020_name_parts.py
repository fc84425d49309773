"""How the HIS parts the name of a patient: results give it back so."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Empty, of an order of before: its name is then parted by our rule."""
    op.add_column("film_order", sa.Column("name_parts", sa.Text, nullable=False, server_default=""))
