"""Questions that nobody answers: marked in time, asked again, and never because a clock jumped."""

from datetime import timedelta

import pydicom
import pytest
from sqlalchemy.exc import DBAPIError

from tests.xray_triage.desk import TestDesk, reading
from xray_triage.cases.consultation import Consultation, ConsultationState
from xray_triage.consultations.overdue import MOST_REMINDERS, Overdue

URGENT, ROUTINE = 1800.0, 86_400.0
QUESTION = "Có cần chuyển viện không?"


class Waiting:
    """A question at a desk that has been sent, and the worker that looks whether it waits too long."""

    def __init__(self, desk: TestDesk, *, priority: str = "urgent", sent: bool = True) -> None:
        self.desk = desk
        self.case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id
        desk.consultations.request(self.case_id, question=QUESTION, priority=priority, requested_by="BS. Lan")
        if sent:
            desk.deliver()
        self.start()

    def start(self) -> None:
        """As after a new start of the program."""
        self.worker = Overdue(
            self.desk.database,
            clock=self.desk.clock,
            follow_ups=self.desk.follow_ups,
            outbox=self.desk.outbox,
            urgent_seconds=URGENT,
            routine_seconds=ROUTINE,
        )
        self.worker.run_once()

    def after(self, seconds: float) -> Consultation:
        self.desk.clock.advance(seconds)
        self.worker.run_once()
        return self.consultation

    @property
    def consultation(self) -> Consultation:
        case = self.desk.casebook.case(self.case_id)
        assert case is not None
        assert case.consultation is not None
        return case.consultation

    @property
    def requests(self) -> list[pydicom.Dataset]:
        """The request and its reminders, as they go to the PACS."""
        found = []
        for delivery in self.desk.outbox.of_study("1.2.3"):
            if delivery.what == "request":
                with self.desk.spool.open(delivery.spooled.key) as stream:
                    found.append(pydicom.dcmread(stream))
        return found


def said(request: pydicom.Dataset) -> str:
    return next(item.TextValue for item in request.ContentSequence if item.ValueType == "TEXT")


def referred(request: pydicom.Dataset) -> set[str]:
    items = [item for item in request.ContentSequence if "ReferencedSOPSequence" in item]
    return {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items}


@pytest.mark.parametrize(("priority", "limit"), [("urgent", URGENT), ("routine", ROUTINE)])
def test_a_question_is_overdue_when_its_time_is_over(desk: TestDesk, priority: str, limit: float) -> None:
    waiting = Waiting(desk, priority=priority)
    assert waiting.after(limit - 2).overdue_at is None
    found = waiting.after(2)
    assert (found.state, found.overdue_at) == (ConsultationState.OVERDUE, desk.clock.now())
    assert found.is_open


def test_it_is_asked_again_once_an_interval_and_three_times_at_most(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk)
    counts = [waiting.after(URGENT / 2).announced for _ in range(12)]
    assert counts == [0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3]
    first, *reminders = waiting.requests
    assert len(reminders) == MOST_REMINDERS
    assert len({request.SOPInstanceUID for request in waiting.requests}) == 1 + MOST_REMINDERS
    for number, reminder in enumerate(reminders, 1):
        assert said(reminder).startswith(f"NHẮC LẠI LẦN {number}")
        assert QUESTION in said(reminder)
        assert referred(reminder) == referred(first)
        assert reminder.StudyInstanceUID == first.StudyInstanceUID


def test_what_the_pacs_does_not_have_yet_is_overdue_and_not_sent_twice(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk, sent=False)
    found = waiting.after(URGENT)
    assert (found.state, found.announced) == (ConsultationState.OVERDUE, 0)
    assert len(waiting.requests) == 1
    sqlite_desk.deliver()
    assert waiting.after(1).announced == 1


@pytest.mark.parametrize("jump", [timedelta(days=3650), timedelta(days=-400), timedelta(hours=1)])
def test_a_clock_that_jumps_raises_no_alarm_and_silences_none(sqlite_desk: TestDesk, jump: timedelta) -> None:
    waiting = Waiting(sqlite_desk)
    waiting.after(URGENT / 2)
    sqlite_desk.clock.time += jump
    assert waiting.after(URGENT / 4).overdue_at is None
    assert waiting.after(URGENT / 4).overdue_at is not None
    assert waiting.after(URGENT - 2).announced == 1
    sqlite_desk.clock.time -= jump
    assert waiting.after(3).announced == 2


def test_a_new_start_counts_the_night_and_reminds_once(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk)
    waiting.after(60)
    sqlite_desk.clock.time += timedelta(hours=12)
    sqlite_desk.clock.elapsed_seconds = 5.0
    waiting.start()
    assert waiting.consultation.announced == 1
    assert waiting.after(10).announced == 1
    assert waiting.after(URGENT).announced == 2


def test_a_reminder_that_cannot_be_recorded_leaves_no_file(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk)
    kept = sorted(sqlite_desk.spool.keys())
    sqlite_desk.break_inserts("delivery")
    with pytest.raises(DBAPIError):
        waiting.after(URGENT + 1)
    assert sorted(sqlite_desk.spool.keys()) == kept
    sqlite_desk.mend_inserts()
    assert waiting.after(2).announced == 1


def test_a_question_made_urgent_waits_as_an_urgent_one_from_then_on(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk, priority="routine")
    assert waiting.after(10 * URGENT).overdue_at is None
    sqlite_desk.follow_ups.change(waiting.case_id, by="BS. Lan", urgent=True)
    assert waiting.after(URGENT - 2).overdue_at is None
    found = waiting.after(2)
    assert (found.state, found.announced) == (ConsultationState.OVERDUE, 1)


def test_what_was_reminded_of_in_vain_is_reminded_of_again_once_it_is_urgent(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk, priority="routine")
    for _ in range(MOST_REMINDERS):
        waiting.after(ROUTINE)
    sqlite_desk.follow_ups.change(waiting.case_id, by="BS. Lan", urgent=True)
    found = waiting.after(URGENT)
    assert (found.announced, found.priority) == (1, "urgent")
    assert QUESTION in said(waiting.requests[-1])


def test_a_withdrawn_question_is_neither_overdue_nor_reminded_of(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk)
    sqlite_desk.follow_ups.withdraw(waiting.case_id, by="BS. Lan")
    found = waiting.after(10 * URGENT)
    assert (found.state, found.overdue_at, found.announced) == (ConsultationState.WITHDRAWN, None, 0)


def test_a_film_that_is_gone_from_disk_is_no_reason_to_stop(sqlite_desk: TestDesk) -> None:
    waiting = Waiting(sqlite_desk)
    for arrival in sqlite_desk.inbox.of_study("1.2.3"):
        sqlite_desk.spool.delete(arrival.spooled.key)
    found = waiting.after(URGENT)
    assert (found.state, found.announced) == (ConsultationState.OVERDUE, 0)
    assert waiting.after(5).announced == 0
