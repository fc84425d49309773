"""Asking a real Orthanc for answers: what is one, in which order, exactly once, and what happens when it cannot be."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy.exc import DBAPIError

from dicom_router.clock import SystemClock
from dicom_router.errors import DamagedFile, NotOffered, PeerUnreachable
from dicom_router.transport.archive import Archive, FoundInstance, Write
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from tests.factories import film, film_bytes
from tests.peers.orthanc import OrthancPeer
from tests.xray_triage.desk import reading
from tests.xray_triage.replies import document, pdf_answer, text_answer
from tests.xray_triage.rounds import POLL_SECONDS, STUDY, Passing, Round, naming
from xray_triage.cases.consultation import AnswerNote, ConsultationState
from xray_triage.consultations.fetching import SPOILT
from xray_triage.consultations.obstacles import Obstacle
from xray_triage.consultations.polling import (
    FOLLOW_CAP_SECONDS,
    FOLLOW_SECONDS,
    LONGEST_TURN_SECONDS,
    POLL_FRACTION,
    follow_up_seconds,
    open_seconds,
)
from xray_triage.consultations.report_parser import KINDS


def test_an_answer_marks_the_request_answered_and_its_object_is_kept(a_round: Round) -> None:
    a_round.ask()
    sent = a_round.write(text_answer("Không", VerificationFlag="VERIFIED"))
    found = a_round.poll()
    assert found.state is ConsultationState.ANSWERED
    assert found.answered_at == a_round.desk.clock.now()
    (answer,) = found.answers
    assert (answer.text, answer.verified, answer.sop_instance_uid) == ("Finding: Không", True, sent.SOPInstanceUID)
    assert not answer.has_file


def test_every_answer_is_taken_whatever_its_clock_says(a_round: Round) -> None:
    a_round.ask()
    now = a_round.desk.clock.now()
    for hours, text in ((-1, "một giờ trước khi hỏi"), (400 * 24, "năm sau"), (-400 * 24, "năm ngoái")):
        at = now + timedelta(hours=hours)
        stated = {"ContentDate": f"{at:%Y%m%d}", "ContentTime": f"{at:%H%M%S}", "TimezoneOffsetFromUTC": "+0000"}
        a_round.write(text_answer(text, **stated))
        a_round.poll()
    assert a_round.texts == ["năm ngoái", "một giờ trước khi hỏi", "năm sau"]


def test_an_answer_that_cannot_be_recorded_leaves_no_file_and_comes_later(a_round: Round) -> None:
    a_round.ask()
    a_round.write(pdf_answer())
    kept = sorted(a_round.desk.spool.keys())
    a_round.desk.break_inserts("answer")
    with pytest.raises(DBAPIError):
        a_round.poll()
    assert sorted(a_round.desk.spool.keys()) == kept
    a_round.desk.mend_inserts()
    assert a_round.poll().state is ConsultationState.ANSWERED


def test_a_report_that_was_there_before_the_request_is_no_answer(a_round: Round) -> None:
    a_round.write(text_answer("cũ", ContentDate="20991231"))
    a_round.ask()
    assert a_round.poll().state is ConsultationState.REQUESTED
    a_round.write(text_answer("mới"))
    a_round.poll()
    assert a_round.texts == ["mới"]


def test_a_request_that_was_sent_before_anybody_looked_tells_old_from_new_by_their_time(a_round: Round) -> None:
    desk = a_round.desk
    a_round.write(text_answer("cũ", ContentDate="20250531", TimezoneOffsetFromUTC="+0000"))
    desk.consultations.request(a_round.case_id, question="?", priority="routine", requested_by="BS")
    desk.deliver()
    a_round.write(text_answer("mới", ContentDate="20250601", ContentTime="081501", TimezoneOffsetFromUTC="+0000"))
    a_round.poll(0)
    assert a_round.texts == ["mới"]


@pytest.mark.parametrize("stated", ["081500", "0815", "08", "", "081500.200000"])
def test_an_answer_in_the_second_of_the_question_is_taken_however_coarse_its_time_is(
    a_round: Round, stated: str
) -> None:
    desk = a_round.desk
    desk.clock.advance(0.734)
    desk.consultations.request(a_round.case_id, question="?", priority="routine", requested_by="BS")
    desk.deliver()
    a_round.write(text_answer("kịp", ContentDate="20250601", ContentTime=stated, TimezoneOffsetFromUTC="+0000"))
    a_round.poll(0)
    assert a_round.texts == ["kịp"]


@pytest.mark.parametrize(("stated", "is_shown"), [("20250601 081459", True), ("20250530 081500", False)])
def test_what_states_a_time_shortly_before_the_question_is_no_answer_and_is_pointed_at(
    a_round: Round, stated: str, is_shown: bool
) -> None:
    desk, (day, time) = a_round.desk, stated.split()
    desk.clock.advance(0.734)
    desk.consultations.request(a_round.case_id, question="?", priority="routine", requested_by="BS")
    desk.deliver()
    a_round.write(text_answer("?", ContentDate=day, ContentTime=time, TimezoneOffsetFromUTC="+0000"))
    found = a_round.poll(0)
    assert (found.state, found.problem) == (ConsultationState.REQUESTED, None)
    assert desk.consultations.obstacles_of(a_round.case_id) == ([Obstacle.EARLIER] if is_shown else [])


def test_an_answer_that_came_while_the_link_was_dead_is_taken_even_by_a_clock_an_hour_behind(a_round: Round) -> None:
    desk = a_round.desk
    desk.consultations.request(a_round.case_id, question="?", priority="routine", requested_by="BS")
    desk.deliver()
    a_round.write(text_answer("đã trả lời", ContentTime="072000", TimezoneOffsetFromUTC="+0000"))
    a_round.poll(86_400)
    assert a_round.texts == ["đã trả lời"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_an_answer_written_before_the_request_reached_a_pacs_that_was_away_is_taken(a_round: Round, hours: int) -> None:
    desk = a_round.desk
    desk.consultations.request(a_round.case_id, question="?", priority="urgent", requested_by="BS")
    desk.clock.advance(3 * 3600)  # the link is dead, and the doctor telephones
    at = desk.clock.now() + timedelta(hours=hours - 2)
    stated = {"ContentDate": f"{at:%Y%m%d}", "ContentTime": f"{at:%H%M%S}", "TimezoneOffsetFromUTC": "+0000"}
    a_round.write(text_answer("cũ", ContentDate="20250528"))
    a_round.write(text_answer("đã xem phim", **stated))
    a_round.poll(0)
    assert a_round.texts == ["đã xem phim"]


def test_a_report_of_old_that_was_read_only_at_the_second_try_is_no_answer(a_round: Round) -> None:
    desk = a_round.desk
    fails = [True, False]

    class Flaky(Passing):
        """An archive that cuts the first file short."""

        def fetch(self, found: FoundInstance, write: Write) -> None:
            if fails.pop(0):
                raise DamagedFile("cut short")
            super().fetch(found, write)

    a_round.write(text_answer("cũ", ContentDate="20200101"))
    desk.consultations.request(a_round.case_id, question="?", priority="routine", requested_by="BS")
    desk.deliver()
    a_round.worker = a_round.another_worker(Flaky(a_round.archive))
    for _ in range(3):
        found = a_round.poll(7200)
    assert fails == []
    assert (found.state, found.problem) == (ConsultationState.REQUESTED, None)


def test_many_answers_are_all_shown_once(a_round: Round) -> None:
    a_round.ask()
    for number in range(40):
        a_round.write(text_answer(f"{number}"))
    a_round.poll()
    a_round.poll()
    assert sorted(a_round.texts, key=int) == [f"{number}" for number in range(40)]


def test_an_answer_that_is_changed_under_its_uid_stays_as_it_was_read(a_round: Round) -> None:
    a_round.ask()
    made = a_round.write(text_answer("một"))
    a_round.poll()
    made.ContentSequence[0].TextValue = "hai"
    a_round.orthanc.clear()
    a_round.write(made)
    for _ in range(3):
        a_round.poll(600)
    assert a_round.texts == ["một"]


def test_an_answer_that_names_its_question_is_shown_under_it(a_round: Round) -> None:
    a_round.ask("một?")
    first = a_round.consultation.request_uid
    a_round.write(text_answer("1"))
    a_round.poll()
    a_round.ask("hai?")
    second = a_round.consultation.request_uid
    a_round.write(text_answer("bổ sung 1", CurrentRequestedProcedureEvidenceSequence=naming(first)))
    assert a_round.poll().state is not ConsultationState.ANSWERED
    a_round.write(text_answer("2", CurrentRequestedProcedureEvidenceSequence=naming(first, second)))
    assert a_round.poll().state is ConsultationState.ANSWERED
    case = a_round.desk.casebook.case(a_round.case_id)
    assert case is not None
    assert [a.text for c in case.earlier_consultations for a in c.answers] == ["Finding: 1", "Finding: bổ sung 1"]
    assert a_round.texts == ["2"]


def test_films_and_our_own_objects_are_never_answers(a_round: Round) -> None:
    a_round.ask()
    a_round.write(film())
    for delivery in a_round.desk.outbox.of_study(STUDY):
        with a_round.desk.spool.open(delivery.spooled.key) as stream:
            a_round.orthanc.upload(stream.read())
    a_round.write(text_answer("một trạm khác", Manufacturer="xray-triage"))
    assert a_round.poll().answers == ()


def test_two_workers_find_one_answer(a_round: Round) -> None:
    a_round.ask()
    a_round.write(text_answer("một lần"))
    kept = set(a_round.desk.spool.keys())

    class Slow(Passing):
        """An archive whose answer comes when another node has fetched it too."""

        def fetch(self, found: FoundInstance, write: Write) -> None:
            super().fetch(found, write)
            a_round.worker.run_once()

    a_round.desk.clock.advance(POLL_SECONDS)
    a_round.another_worker(Slow(a_round.archive)).run_once()
    assert a_round.texts == ["một lần"]
    assert len(set(a_round.desk.spool.keys()) - kept) == 1


def test_it_is_asked_for_when_due_and_not_before(a_round: Round) -> None:
    a_round.ask()
    a_round.poll()
    a_round.write(text_answer("sớm"))
    assert a_round.poll(POLL_SECONDS - 2).answers == ()
    a_round.poll(3)
    assert a_round.texts == ["sớm"]


def test_an_open_question_is_asked_for_ever_more_rarely_whatever_the_clock_said_when_it_was_asked(
    a_round: Round,
) -> None:
    waits = [open_seconds(polls, POLL_SECONDS) for polls in range(5000)]
    assert waits == sorted(waits)
    assert (waits[0], waits[200], waits[-1]) == (POLL_SECONDS, POLL_SECONDS, FOLLOW_CAP_SECONDS)
    spent = 0.0
    for wait in waits:
        assert wait <= max(POLL_SECONDS, 1.01 * spent / POLL_FRACTION)
        spent += wait
    today = a_round.desk.clock.time
    a_round.desk.clock.time -= timedelta(days=20_000)  # 1970 at boot
    a_round.ask()
    a_round.desk.clock.time = today
    a_round.poll()
    a_round.write(text_answer("vẫn đến"))
    a_round.poll(POLL_SECONDS + 1)
    assert a_round.texts == ["vẫn đến"]


def test_addenda_are_asked_for_ever_more_rarely_for_a_week(a_round: Round) -> None:
    waits = []
    while (wait := follow_up_seconds(len(waits), POLL_SECONDS)) is not None:
        waits.append(wait)
    assert waits == sorted(waits)
    assert FOLLOW_SECONDS <= sum(waits) < FOLLOW_SECONDS + 6 * 3600
    a_round.ask()
    a_round.write(text_answer("một"))
    a_round.poll()
    for wait in waits[:12]:
        a_round.poll(wait + 1)
    a_round.write(text_answer("hai"))
    a_round.poll(waits[12] + 1)
    assert a_round.texts == ["một", "hai"]
    for wait in (*waits, waits[-1]):
        a_round.poll(wait + 1)
    a_round.write(text_answer("ba, quá muộn"))
    a_round.poll(86_400)
    assert a_round.texts == ["một", "hai"]


def test_a_pacs_that_is_away_is_said_so_and_asked_again(a_round: Round, tmp_path: Path) -> None:
    with OrthancPeer.start(tmp_path / "own", dicomweb=True) as own:
        archive = DicomwebArchive(own.dicomweb_url, clock=SystemClock())
        a_round.worker = a_round.another_worker(archive)
        own.stop()
        a_round.ask()
        assert a_round.obstacle is Obstacle.UNREACHABLE
        assert "127.0.0.1" in str(a_round.consultation.problem)
        for _ in range(8):
            a_round.poll(60)
        own.restart()
        a_round.orthanc = own
        a_round.write(text_answer("vẫn đến"))
        a_round.poll(60)
        assert a_round.texts == ["vẫn đến"]
        assert a_round.consultation.problem is None


def test_a_clock_that_is_set_back_silences_nobody(a_round: Round) -> None:
    a_round.ask()
    a_round.poll()
    a_round.desk.clock.time -= timedelta(days=400)
    a_round.write(text_answer("vẫn đến"))
    a_round.poll(1)
    assert a_round.texts == ["vẫn đến"]


def test_a_station_that_starts_anew_asks_at_once(a_round: Round) -> None:
    a_round.ask()
    a_round.poll()
    a_round.write(text_answer("x"))
    a_round.worker = a_round.another_worker()
    assert len(a_round.poll(1).answers) == 1


class Empty(Passing):
    """An archive that has nothing; ``hear`` is told which study is asked for."""

    def __init__(self, archive: Archive, hear: Callable[[str], None]) -> None:
        super().__init__(archive)
        self._hear = hear

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        self._hear(study_instance_uid)
        return []


class Spoiling(Passing):
    """An archive that hands out half of each file, until it is mended; ``told`` False: without their classes."""

    def __init__(self, archive: Archive, *, told: bool = True) -> None:
        super().__init__(archive)
        self.is_mended = False
        self.fetches = 0
        self._told = told

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        found = super().instances(study_instance_uid)
        return found if self._told else [replace(one, sop_class_uid="") for one in found]

    def fetch(self, found: FoundInstance, write: Write) -> None:
        whole = io.BytesIO()
        super().fetch(found, whole.write)
        self.fetches += 1
        write(whole.getvalue() if self.is_mended else whole.getvalue()[:300])


def test_an_object_that_cannot_be_read_is_told_and_tried_again(a_round: Round) -> None:
    archive = Spoiling(a_round.archive)
    a_round.worker = a_round.another_worker(archive)
    a_round.ask()
    a_round.write(text_answer("hỏng"))
    for _ in range(30):
        found = a_round.poll()
    assert found.answers == ()
    assert a_round.obstacle is Obstacle.UNREADABLE
    assert 3 < archive.fetches < 10
    archive.is_mended = True
    a_round.poll(6 * 3600)
    assert a_round.texts == ["hỏng"]
    assert a_round.consultation.problem is None


@pytest.mark.parametrize("has_class", [True, False])
def test_what_can_never_be_read_is_shown_at_last_without_its_content_where_it_is_a_report(
    a_round: Round, has_class: bool
) -> None:
    archive = Spoiling(a_round.archive, told=has_class)
    a_round.worker = a_round.another_worker(archive)
    a_round.ask()
    a_round.write(text_answer("hỏng"))
    for _ in range(2 * SPOILT.most):
        a_round.poll(6 * 3600)
    assert archive.fetches == SPOILT.most
    assert a_round.texts == ([""] if has_class else [])
    assert a_round.notes == ([AnswerNote.NOT_FETCHED] if has_class else [])
    assert a_round.consultation.problem is None


def test_a_pacs_that_lists_an_answer_and_offers_no_way_to_get_it_is_said_so(a_round: Round) -> None:
    class MoveOnly(Spoiling):
        """An archive that would only call us back."""

        def fetch(self, found: FoundInstance, write: Write) -> None:
            raise NotOffered("PACS has no C-GET for us")

    a_round.worker = a_round.another_worker(MoveOnly(a_round.archive))
    a_round.ask()
    a_round.write(text_answer("nur dort"))
    for _ in range(4):
        a_round.poll()
        assert a_round.obstacle is Obstacle.NOT_OFFERED
    for _ in range(SPOILT.most):
        a_round.poll(6 * 3600)
    assert (a_round.texts, a_round.notes) == ([""], [AnswerNote.NOT_FETCHED])


def test_a_large_answer_holds_nobody_up_and_is_said_to_be_coming(a_round: Round) -> None:
    desk = a_round.desk
    a_round.ask()
    a_round.write(pdf_answer(b"%PDF-1.7" + bytes(1 << 20)))
    another = desk.add(reading(), study_instance_uid="1.2.7").case_id
    desk.consultations.request(another, question="?", priority="routine", requested_by="BS")
    a_round.worker.run_once()
    a_round.orthanc.upload(film_bytes(text_answer("nhỏ", study="1.2.7")))
    desk.clock.advance(POLL_SECONDS + 1)
    for _ in range(3):
        a_round.worker.run_once()
    case = desk.casebook.case(another)
    assert case is not None
    assert case.consultation is not None
    assert case.consultation.answers
    assert a_round.consultation.answers == ()
    assert a_round.obstacle is Obstacle.COMING
    while a_round.large.run_once():
        pass
    (answer,) = a_round.consultation.answers
    assert answer.has_file
    assert a_round.consultation.problem is None


def test_an_answer_that_takes_more_than_an_hour_is_given_up_like_one_that_cannot_be_read(a_round: Round) -> None:
    class Crawling(Spoiling):
        """A link that brings a piece each half hour."""

        def fetch(self, found: FoundInstance, write: Write) -> None:
            self.fetches += 1
            for _ in range(6):
                write(bytes(1 << 16))
                a_round.desk.clock.advance(1800)

    archive = Crawling(a_round.archive)
    a_round.worker = a_round.another_worker(archive)
    a_round.ask()
    a_round.write(pdf_answer())
    for _ in range(2 * SPOILT.most):
        a_round.poll(6 * 3600)
    assert archive.fetches == SPOILT.most + 1  # once while the others wait, then in a thread of its own
    assert (a_round.texts, a_round.notes) == ([""], [AnswerNote.NOT_FETCHED])


def test_of_the_large_answers_the_urgent_comes_first(a_round: Round) -> None:
    desk = a_round.desk
    for study, priority in (("1.2.8", "routine"), ("1.2.9", "urgent")):
        case_id = desk.add(reading(), study_instance_uid=study).case_id
        desk.consultations.request(case_id, question="?", priority=priority, requested_by="BS")
        a_round.worker.run_once()
        a_round.orthanc.upload(film_bytes(pdf_answer(b"%PDF-1.7" + bytes(1 << 19), study=study)))
    desk.clock.advance(POLL_SECONDS + 1)
    a_round.worker.run_once()
    a_round.large.run_once()
    answered = {
        study: bool(case.consultation.answers)
        for study in ("1.2.8", "1.2.9")
        if (case := desk.casebook.case_of_study(study)) and case.consultation
    }
    assert answered == {"1.2.8": False, "1.2.9": True}


def test_who_becomes_urgent_in_a_long_turn_is_asked_for_next(a_round: Round) -> None:
    desk = a_round.desk
    asked: list[str] = []

    def take_time(study_instance_uid: str) -> None:
        if not asked:
            ask("urgent", "1.2.6.9")
        asked.append(study_instance_uid)
        desk.clock.advance(LONGEST_TURN_SECONDS / 2)

    def ask(priority: str, study: str) -> None:
        case_id = desk.add(reading(), study_instance_uid=study).case_id
        desk.consultations.request(case_id, question="?", priority=priority, requested_by="BS")

    for number in range(3):
        ask("routine", f"1.2.6.{number}")
    worker = a_round.another_worker(Empty(a_round.archive, take_time))
    assert worker.run_once()
    worker.run_once()
    assert asked[:3] == ["1.2.6.0", "1.2.6.1", "1.2.6.9"]


def test_a_pacs_that_needs_a_whole_turn_to_list_a_study_gives_its_answers_and_starves_nobody(a_round: Round) -> None:
    desk = a_round.desk
    asked: list[str] = []

    class Slow(Spoiling):
        """An archive that needs a whole turn to list a study."""

        def instances(self, study_instance_uid: str) -> list[FoundInstance]:
            asked.append(study_instance_uid)
            desk.clock.advance(LONGEST_TURN_SECONDS + 1)
            return super().instances(study_instance_uid)

    a_round.ask(priority="urgent")
    a_round.write(text_answer("một"))
    a_round.write(text_answer("hai"))
    another = desk.add(reading(), study_instance_uid="1.2.7").case_id
    desk.consultations.request(another, question="?", priority="routine", requested_by="BS")
    desk.clock.advance(POLL_SECONDS + 1)
    archive = Slow(a_round.archive)
    archive.is_mended = True
    worker = a_round.another_worker(archive)
    worker.run_once()
    worker.run_once()
    assert asked == [STUDY, "1.2.7"]
    desk.clock.advance(POLL_SECONDS)
    worker.run_once()
    assert sorted(a_round.texts) == ["hai", "một"]


def test_an_object_that_breaks_the_connection_holds_nobody_up(a_round: Round) -> None:
    class Breaking(Passing):
        """An archive whose connection breaks on one object."""

        def fetch(self, found: FoundInstance, write: Write) -> None:
            if found.sop_instance_uid == poison.SOPInstanceUID:
                raise PeerUnreachable("it aborted the association")
            super().fetch(found, write)

    a_round.ask(priority="urgent")
    poison = a_round.write(text_answer("Gift"))
    a_round.write(text_answer("vẫn đến"))
    another = a_round.desk.add(reading(), study_instance_uid="1.2.7").case_id
    a_round.desk.consultations.request(another, question="?", priority="routine", requested_by="BS")
    a_round.worker.run_once()
    a_round.orthanc.upload(film_bytes(text_answer("câu khác", study="1.2.7")))
    a_round.worker = a_round.another_worker(Breaking(a_round.archive))
    a_round.poll()
    other = a_round.desk.casebook.case(another)
    assert other is not None
    assert other.consultation is not None
    assert other.consultation.state is ConsultationState.ANSWERED  # in the very turn
    for _ in range(2):
        found = a_round.poll()
    assert a_round.texts == ["vẫn đến"]
    assert found.state is ConsultationState.ANSWERED


def test_an_answer_that_is_too_large_is_shown_without_its_file(a_round: Round) -> None:
    a_round.worker = a_round.another_worker(largest_bytes=1 << 20)
    a_round.ask()
    a_round.write(pdf_answer(b"%PDF-1.7" + bytes(2 << 20)))
    (answer,) = a_round.poll().answers
    assert (answer.kind, answer.has_file) == ("pdf", False)
    assert (answer.text, answer.note) == ("", AnswerNote.TOO_LARGE)


def test_a_second_question_gets_the_next_answer_and_the_first_keeps_its_own(a_round: Round) -> None:
    a_round.ask("một?")
    a_round.write(text_answer("1"))
    a_round.poll()
    a_round.ask("hai?", sent=False)
    assert a_round.consultation.answers == ()
    a_round.write(text_answer("2"))
    a_round.poll()
    case = a_round.desk.casebook.case(a_round.case_id)
    assert case is not None
    assert [a.text for c in case.earlier_consultations for a in c.answers] == ["Finding: 1"]
    assert a_round.texts == ["2"]


def test_an_answer_is_unread_until_somebody_sees_it_and_again_with_the_next(a_round: Round) -> None:
    a_round.ask()
    a_round.write(text_answer("1"))
    assert a_round.poll().is_unread
    a_round.desk.casebook.see(a_round.case_id, by="BS. Mai")
    assert not a_round.consultation.is_unread
    a_round.write(text_answer("2"))
    assert a_round.poll(200).is_unread


def test_the_urgent_are_asked_for_first(a_round: Round) -> None:
    desk = a_round.desk
    asked: list[str] = []

    for number, priority in enumerate(["routine", "routine", "urgent"]):
        case_id = desk.add(reading(), study_instance_uid=f"1.2.5.{number}").case_id
        desk.consultations.request(case_id, question="?", priority=priority, requested_by="BS")
    a_round.another_worker(Empty(a_round.archive, asked.append)).run_once()
    assert asked == ["1.2.5.2", "1.2.5.0", "1.2.5.1"]


@pytest.mark.parametrize("sop_class_uid", sorted(KINDS))
def test_every_class_that_may_answer_comes_over_the_link(a_round: Round, sop_class_uid: str) -> None:
    a_round.ask()
    made = pdf_answer() if KINDS[sop_class_uid] == "pdf" else document([], sop_class_uid=sop_class_uid)
    made.GraphicAnnotationSequence = [Dataset()]  # or a presentation state is nothing to look at
    a_round.write(made)
    (answer,) = a_round.poll().answers
    assert answer.kind == KINDS[sop_class_uid]
