"""What every object of a study says of its patient, and who else a case's films name."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make them, empty: a case of before says what it was called once its next object comes."""
    op.add_column("case", sa.Column("conflict", sa.Text))
    texts = ("source", "accession_number", "patient_id", "patient_name", "patient_sex", "patient_birth_date")
    op.create_table(
        "patient_statement",
        sa.Column("statement_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("case_sequence", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*texts, "issuer", "other_ids")),
        sa.Column("patient_age_years", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index("patient_statement_case", "patient_statement", ["case_sequence"])
    op.create_index("patient_statement_id", "patient_statement", ["patient_id"], postgresql_using="hash")
