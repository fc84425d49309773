"""What the doctor sees and does: cases, consultations, answers."""
