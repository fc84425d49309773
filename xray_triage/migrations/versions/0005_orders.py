"""Registered patients: what the X-ray machine is offered as its worklist."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
