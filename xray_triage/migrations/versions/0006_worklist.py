"""What the worklist and the figures are asked for at a hundred thousand cases."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
