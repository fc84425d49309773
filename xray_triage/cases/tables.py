"""The tables of cases, films and consultations; migrations/ makes them. Knows none of the router's."""

import sqlalchemy as sa

from dicom_router.store.database import OutsideText, UtcDateTime

metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _case_number() -> sa.Column[int]:
    return sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey("case.sequence"), nullable=False)


# ``sequence`` orders cases: clocks at a station jump, a counter does not. ``urgency`` is minus the priority's rank, so
# that the worklist is one plain index read backwards.
case = sa.Table(
    "case",
    metadata,
    sa.Column("sequence", _Number, primary_key=True),
    sa.Column("case_id", OutsideText, nullable=False),
    sa.Column("study_instance_uid", OutsideText, nullable=False),
    sa.Column("accession_number", OutsideText, nullable=False),
    sa.Column("patient_id", OutsideText, nullable=False),
    sa.Column("patient_name", OutsideText, nullable=False),
    sa.Column("patient_sex", OutsideText, nullable=False),
    sa.Column("patient_birth_date", OutsideText, nullable=False),
    sa.Column("patient_age_years", sa.Float),
    sa.Column("search_text", OutsideText, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("read_at", UtcDateTime, nullable=False),
    sa.Column("priority", sa.Text, nullable=False),
    sa.Column("urgency", sa.Integer, nullable=False),
    sa.Column("exposed_at", UtcDateTime),
    # No mark, and for the sake of a film's machine no clearance all the same: Case.unproven.
    sa.Column("is_unproven", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("conflict", OutsideText),  # JSON: whom its films name, where that is more than one; written by rows.py
    # Which doctor opened it first since it last said something new, and who was done with it; NULL: nobody.
    sa.Column("seen_at", UtcDateTime),
    sa.Column("seen_by", OutsideText, nullable=False, server_default=""),
    sa.Column("done_at", UtcDateTime),
    sa.Column("done_by", OutsideText, nullable=False, server_default=""),
    sa.UniqueConstraint("case_id", name="case_case_id"),
    sa.UniqueConstraint("study_instance_uid", name="case_study"),
    sa.Index("case_worklist", "urgency", "sequence"),
    sa.Index("case_search", "urgency", "sequence", "search_text", "seen_at", "is_unproven"),  # decision 0016
    sa.Index("case_since", "received_at", "urgency", "sequence"),
    # Both come from outside, of any length: PostgreSQL's btree would refuse a long one.
    sa.Index("case_patient", "patient_id", postgresql_using="hash"),
    sa.Index("case_accession", "accession_number", postgresql_using="hash"),
    sqlite_autoincrement=True,
)

IS_UNPROVEN = case.c.is_unproven.is_(True)
IS_UNSEEN = case.c.seen_at.is_(None)
sa.Index(
    "case_unseen",
    case.c.urgency,
    case.c.sequence,
    case.c.is_unproven,
    case.c.seen_at,  # always NULL; without it SQLite looks into every row all the same
    sqlite_where=IS_UNSEEN,
    postgresql_where=IS_UNSEEN,
)
sa.Index("case_unproven", case.c.sequence, sqlite_where=IS_UNPROVEN, postgresql_where=IS_UNPROVEN)

# What the objects of a case say of its patient, every different statement once: statements.py.
statement = sa.Table(
    "patient_statement",
    metadata,
    sa.Column("statement_id", _Number, primary_key=True),
    sa.Column("case_sequence", sa.BigInteger, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("accession_number", OutsideText, nullable=False),
    sa.Column("patient_id", OutsideText, nullable=False),
    sa.Column("patient_name", OutsideText, nullable=False),
    sa.Column("patient_sex", OutsideText, nullable=False),
    sa.Column("patient_birth_date", OutsideText, nullable=False),
    sa.Column("patient_age_years", sa.Float),
    sa.Column("issuer", OutsideText, nullable=False),
    sa.Column("other_ids", OutsideText, nullable=False),
    sa.Index("patient_statement_case", "case_sequence"),
    sa.Index("patient_statement_id", "patient_id", postgresql_using="hash"),
    sqlite_autoincrement=True,
)

image = sa.Table(
    "image",
    metadata,
    sa.Column("image_id", _Number, primary_key=True),
    _case_number(),
    sa.Column("sop_instance_uid", OutsideText, nullable=False),
    sa.Column("arrival_id", sa.BigInteger, nullable=False),
    sa.Column("priority", sa.Text, nullable=False),
    sa.Column("urgency", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text),  # the code why it was not read
    sa.Column("reading", sa.Text, nullable=False),  # JSON, written and parsed by rows.py
    sa.Column("marked", sa.Text, nullable=False, server_default=""),  # the findings that are told, between blanks
    sa.Column("picture_key", sa.Text),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("read_at", UtcDateTime, nullable=False),
    sa.Column("exposed_at", UtcDateTime),
    sa.Column("machine_id", sa.BigInteger),  # machines.py; NULL: the film was not read
    sa.Column("purged_at", UtcDateTime),  # since when the film lies at the PACS alone; NULL: it is here
    sa.UniqueConstraint("sop_instance_uid", name="image_sop"),
    sa.Index("image_case", "case_sequence"),
    sa.Index("image_machine", "machine_id", "image_id"),
    sa.Index("image_times", "received_at", "urgency", "exposed_at", "read_at", "case_sequence", "marked"),
    sqlite_autoincrement=True,
)
_not_read = image.c.reason.is_not(None)
sa.Index("image_not_read", image.c.reason, sqlite_where=_not_read, postgresql_where=_not_read)

consultation = sa.Table(
    "consultation",
    metadata,
    sa.Column("consultation_id", _Number, primary_key=True),
    _case_number(),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("question", OutsideText, nullable=False),
    sa.Column("priority", sa.Text, nullable=False),
    sa.Column("requested_by", OutsideText, nullable=False),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("request_uid", sa.Text, nullable=False),
    sa.Column("answered_at", UtcDateTime),
    sa.Column("overdue_at", UtcDateTime),
    sa.Column("announced", sa.Integer, nullable=False, server_default="0"),
    sa.Column("announced_at", UtcDateTime),
    # When the PACS is asked next; NULL: not any more. ``polls`` since it was asked, or since it was answered.
    sa.Column("next_poll_at", UtcDateTime),
    sa.Column("polls", sa.Integer, nullable=False, server_default="0"),
    # Whether the study was looked at, so that what is found from now on came after the request.
    sa.Column("watched", sa.Boolean, nullable=False, server_default=sa.false()),
    # Why the PACS could not be asked the last time: a code, and the engineer's words.
    sa.Column("obstacle", sa.Text),
    sa.Column("obstacle_detail", OutsideText, nullable=False, server_default=""),
    sa.Column("seen_at", UtcDateTime),  # when somebody saw the newest answer; NULL again with the next answer
    sa.Column("changes", OutsideText, nullable=False, server_default="[]"),  # JSON: rows.py
    sa.Index("consultation_case", "case_sequence"),
    sa.Index("consultation_due", "next_poll_at"),
    sa.Index("consultation_requested", "requested_at"),
    sqlite_autoincrement=True,
)
# At most one open request per case, whoever clicks how often and from how many processes.
IS_OPEN = consultation.c.state == sa.literal_column("'requested'", sa.Text)  # literal, so that the index is used
sa.Index("consultation_open", consultation.c.case_sequence, unique=True, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN)
IS_OVERDUE = sa.and_(IS_OPEN, consultation.c.overdue_at.is_not(None))
IS_UNREAD = sa.and_(consultation.c.state == sa.literal_column("'answered'", sa.Text), consultation.c.seen_at.is_(None))
sa.Index("consultation_unread", consultation.c.case_sequence, sqlite_where=IS_UNREAD, postgresql_where=IS_UNREAD)

# What specialists wrote, in the order in which it was found. An object is one answer, however often it is fetched.
answer = sa.Table(
    "answer",
    metadata,
    sa.Column("answer_id", _Number, primary_key=True),
    _case_number(),
    sa.Column("consultation_id", sa.BigInteger, sa.ForeignKey("consultation.consultation_id"), nullable=False),
    sa.Column("sop_instance_uid", OutsideText, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("title", OutsideText, nullable=False),
    sa.Column("text", OutsideText, nullable=False),  # the specialist's own words, and nothing else
    sa.Column("note", sa.Text),  # the code of what is missing in them
    sa.Column("author", OutsideText, nullable=False),
    sa.Column("verified", sa.Boolean, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("written_at", UtcDateTime),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("spool_key", sa.Text),  # NULL: too large to be fetched, or never fetched
    sa.Column("standing", sa.Text, nullable=False, server_default="final"),  # by itself: cases/answers.py
    sa.Column("signed_by", OutsideText, nullable=False, server_default=""),
    sa.Column("is_addendum", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("predecessors", OutsideText, nullable=False, server_default="[]"),  # JSON, as objects: rows.py
    sa.Column("objects", OutsideText, nullable=False, server_default="[]"),
    sa.UniqueConstraint("sop_instance_uid", name="answer_sop"),
    sa.Index("answer_case", "case_sequence"),
    sqlite_autoincrement=True,
)

# The request objects of reminders and changes: an answer may name one instead of the first.
reminder = sa.Table(
    "reminder",
    metadata,
    sa.Column("sop_instance_uid", sa.Text, primary_key=True),
    sa.Column("consultation_id", sa.BigInteger, sa.ForeignKey("consultation.consultation_id"), nullable=False),
    sa.Index("reminder_consultation", "consultation_id"),
)

# Objects in the study that are no answer, and those that cannot be read yet (``retry_at``).
passed_over = sa.Table(
    "passed_over",
    metadata,
    sa.Column("passed_over_id", _Number, primary_key=True),
    _case_number(),
    sa.Column("sop_instance_uid", OutsideText, nullable=False),
    sa.Column("why", OutsideText, nullable=False),  # for the engineer
    sa.Column("obstacle", sa.Text),  # of what cannot be read yet
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retry_at", UtcDateTime),
    sa.UniqueConstraint("sop_instance_uid", name="passed_over_sop"),
    sa.Index("passed_over_case", "case_sequence"),
    sqlite_autoincrement=True,
)

verdict = sa.Table(
    "verdict",
    metadata,
    sa.Column("verdict_id", _Number, primary_key=True),
    _case_number(),
    sa.Column("agrees", sa.Boolean, nullable=False),
    sa.Column("judges", sa.Boolean, nullable=False, server_default=sa.true()),  # else ``agrees`` means nothing
    sa.Column("note", OutsideText, nullable=False),
    sa.Column("given_at", UtcDateTime, nullable=False),
    sa.Column("given_by", OutsideText, nullable=False, server_default=""),
    sa.Index("verdict_case", "case_sequence"),
    sa.Index("verdict_given", "given_at"),
    sqlite_autoincrement=True,
)
