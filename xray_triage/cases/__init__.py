"""Cases as the doctor sees them, verdicts, figures; and the tables of consultations. Knows no page."""
