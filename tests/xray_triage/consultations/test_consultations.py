"""Asking a specialist: one request, one object, one delivery, in one commit."""

from pathlib import Path
from threading import Barrier, Thread

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import generate_uid

from dicom_router.dicom.instance import Arrival, read_header
from dicom_router.store.database import Database
from tests.factories import film
from tests.xray_triage.desk import PACS, TestDesk, open_desk, reading, unread
from xray_triage.cases import tables
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.consultation import AUTOMATIC, ConsultationState
from xray_triage.consultations.preparing import CannotAsk, PreparedRequest
from xray_triage.reading.findings import Priority
from xray_triage.reading.patient import repair_text

QUESTION = "Bóng mờ đáy phổi phải, có cần chuyển viện không?"


def ask(desk: TestDesk, case_id: str, *, question: str = QUESTION, priority: str = "routine") -> str:
    """The UID of the request object."""
    asked = desk.consultations.request(case_id, question=question, priority=priority, requested_by="BS. Lan")
    return asked.request_uid


def requests(desk: TestDesk, study: str) -> list[str]:
    return [d.instance.sop_instance_uid for d in desk.outbox.of_study(study) if d.what == "request"]


def test_asking_commits_the_question_and_sends_one_request_object(desk: TestDesk) -> None:
    dataset = film(patient_name="Trần^Thị^Ớt")
    case_id = desk.record(desk.receive(dataset), dataset, reading()).case_id
    uid = ask(desk, case_id)

    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    assert case.consultation.state is ConsultationState.REQUESTED
    assert (case.consultation.question, case.consultation.requested_by) == (QUESTION, "BS. Lan")
    (delivery,) = (d for d in desk.outbox.of_study(dataset.StudyInstanceUID) if d.what == "request")
    assert (delivery.destination, delivery.instance.sop_instance_uid) == (PACS, uid)
    with desk.spool.open(delivery.spooled.key) as stream:
        request = pydicom.dcmread(stream)
    assert request.StudyInstanceUID == dataset.StudyInstanceUID
    assert str(request.PatientName) == "Trần^Thị^Ớt"
    assert any(QUESTION in item.get("TextValue", "") for item in request.ContentSequence)


def test_the_request_refers_to_every_film_and_to_what_the_ai_said_of_them(desk: TestDesk) -> None:
    study = generate_uid()
    films = [film(study_instance_uid=study) for _ in range(2)]
    for dataset in films:
        case_id = desk.record(desk.receive(dataset), dataset, reading()).case_id
    desk.receive(film(study_instance_uid=study, sop_instance_uid=films[0].SOPInstanceUID, seed=9))  # a conflict
    uid = ask(desk, case_id)

    (delivery,) = (d for d in desk.outbox.of_study(study) if d.instance.sop_instance_uid == uid)
    with desk.spool.open(delivery.spooled.key) as stream:
        request = pydicom.dcmread(stream)
    named = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in request.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    results = {d.instance.sop_instance_uid for d in desk.outbox.of_study(study) if d.what in ("sr", "sc")}
    assert len(results) == 4
    assert named == results | {dataset.SOPInstanceUID for dataset in films}


def pages(desk: TestDesk, study: str) -> list[str]:
    return [d.instance.sop_instance_uid for d in desk.outbox.of_study(study) if d.what == "request_sc"]


def key_object_text(desk: TestDesk, study: str) -> str:
    newest = [d for d in desk.outbox.of_study(study) if d.what == "request"][-1]
    with desk.spool.open(newest.spooled.key) as stream:
        return "\n".join(str(one.value) for one in pydicom.dcmread(stream).iterall() if one.keyword == "TextValue")


def test_a_request_goes_out_with_its_page_and_each_question_has_its_own(desk: TestDesk) -> None:
    case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id
    ask(desk, case_id)
    (first,) = pages(desk, "1.2.3")
    assert [d.what for d in desk.deliver() if d.what.startswith("request")] == ["request", "request_sc"]
    with desk.database.write() as connection:
        connection.execute(tables.consultation.update().values(state=ConsultationState.CANCELLED.value))
    desk.clock.advance(60)
    ask(desk, case_id)
    assert pages(desk, "1.2.3")[0] == first
    assert len(set(pages(desk, "1.2.3"))) == 2


def test_a_reminder_sends_no_second_page(desk: TestDesk) -> None:
    case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id
    ask(desk, case_id)
    with desk.database.read() as connection:
        number = connection.scalar(sa.select(tables.consultation.c.consultation_id))
    assert number is not None
    desk.clock.advance(60)
    desk.follow_ups.remind(number)
    assert (len(requests(desk, "1.2.3")), len(pages(desk, "1.2.3"))) == (2, 1)


def test_a_request_says_why_the_ai_calls_the_film_urgent_or_did_not_read_it(desk: TestDesk) -> None:
    ask(desk, desk.add(reading(pneumothorax=0.93), study_instance_uid="1.2.1").case_id)
    ask(desk, desk.add(reading(Priority.NORMAL, pneumothorax=0.1), study_instance_uid="1.2.2").case_id)
    ask(desk, desk.add(unread("child"), study_instance_uid="1.2.3").case_id)
    assert "AI: Khẩn cấp vì: tràn khí màng phổi 93%" in key_object_text(desk, "1.2.1")
    assert "AI" not in key_object_text(desk, "1.2.2")
    assert "AI không đọc phim này: " in key_object_text(desk, "1.2.3")


def test_a_double_click_is_one_request(desk: TestDesk) -> None:
    case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id
    first = ask(desk, case_id)
    desk.clock.advance(1)
    second = ask(desk, case_id, question="lần nữa")

    assert first == second
    assert requests(desk, "1.2.3") == [first]


def test_clicks_at_the_same_moment_are_one_request_and_leave_no_file_behind(desk: TestDesk) -> None:
    case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id
    files = len(list(desk.spool.keys()))
    together = Barrier(5)

    def click(number: int) -> None:
        together.wait()
        ask(desk, case_id, question=f"câu {number}")

    clicks = [Thread(target=click, args=(number,)) for number in range(5)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert len(requests(desk, "1.2.3")) == 1
    assert len(list(desk.spool.keys())) == files + 2  # the request and its page


def test_a_request_is_sent_once_the_pacs_has_acknowledged_it(desk: TestDesk) -> None:
    case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id
    ask(desk, case_id)

    def state() -> ConsultationState:
        case = desk.casebook.case(case_id)
        assert case is not None
        assert case.consultation is not None
        return case.consultation.with_delivery(desk.outbox.of_study("1.2.3")).state

    assert state() is ConsultationState.REQUESTED
    desk.deliver()
    assert state() is ConsultationState.SENT


def test_an_urgent_question_takes_the_whole_study_to_the_front(desk: TestDesk) -> None:
    desk.add(reading(Priority.NORMAL, pneumothorax=0.1), study_instance_uid="1.2.1")
    case_id = desk.add(reading(Priority.NORMAL, pneumothorax=0.1), study_instance_uid="1.2.2").case_id
    ask(desk, case_id, priority="urgent")

    order = [delivery.instance.study_instance_uid for delivery in desk.deliver()]
    lights, bulks = order[:-2], order[-2:]
    assert lights == sorted(lights, reverse=True)
    assert bulks == ["1.2.2", "1.2.1"]


def test_a_film_that_was_not_read_can_be_asked_about(desk: TestDesk) -> None:
    case_id = desk.add(unread(), study_instance_uid="1.2.3").case_id
    assert requests(desk, "1.2.3") == []
    ask(desk, case_id)
    assert len(requests(desk, "1.2.3")) == 1


def test_asking_about_no_case_is_an_error(desk: TestDesk) -> None:
    with pytest.raises(UnknownCase):
        ask(desk, "0" * 12)


def test_a_case_whose_film_is_gone_from_disk_says_so(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    case_id = desk.record(arrival, dataset, reading()).case_id
    desk.spool.delete(arrival.spooled.key)

    with pytest.raises(CannotAsk, match="can be read from disk any more"):
        ask(desk, case_id)
    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is None


def test_without_a_destination_the_question_is_kept(database: Database, tmp_path: Path) -> None:
    desk = open_desk(database, tmp_path, takes_requests=False)
    case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id
    ask(desk, case_id)

    assert requests(desk, "1.2.3") == []
    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None


def prepared(desk: TestDesk, arrival: Arrival, priority: str = "urgent") -> PreparedRequest:
    """What the reader does when the site's policy asks by itself."""
    with desk.spool.open(arrival.spooled.key) as stream:
        header = read_header(stream)
    repair_text(header)
    return desk.preparer.prepare(
        header,
        [arrival.instance],
        question="tự động",
        priority=priority,
        requested_by=AUTOMATIC,
        identity=desk.casebook.foresee(arrival.instance.study_instance_uid, []),
    )


def test_the_readers_own_request_lives_and_dies_with_its_transaction(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    case_id = desk.record(arrival, dataset, reading()).case_id
    request = prepared(desk, arrival)
    with desk.database.write() as connection:
        desk.consultations.request_within(connection, case_id, request)
        connection.rollback()
    assert requests(desk, dataset.StudyInstanceUID) == []

    with desk.database.write() as connection:
        desk.consultations.request_within(connection, case_id, request)
    assert requests(desk, dataset.StudyInstanceUID) == [request.consultation.request_uid]


def test_nobody_asks_in_the_policys_name(desk: TestDesk) -> None:
    """Else a second person's question would cancel the first one's."""
    dataset = film()
    case_id = desk.record(desk.receive(dataset), dataset, reading()).case_id
    with pytest.raises(CannotAsk, match="the name of who asks"):
        desk.consultations.request(case_id, question="?", priority="routine", requested_by=AUTOMATIC)
    assert requests(desk, dataset.StudyInstanceUID) == []


def test_a_persons_question_takes_the_place_of_an_automatic_one(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    case_id = desk.record(arrival, dataset, reading()).case_id
    with desk.database.write() as connection:
        automatic = desk.consultations.request_within(connection, case_id, prepared(desk, arrival))
    asked = ask(desk, case_id, question="Có tràn khí không?")

    assert requests(desk, dataset.StudyInstanceUID) == [automatic.request_uid, asked]
    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    assert case.consultation.question == "Có tràn khí không?"
    assert ask(desk, case_id, question="lần nữa") == asked


def test_a_case_that_becomes_urgent_is_asked_about_anew_and_once(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    case_id = desk.record(arrival, dataset, reading()).case_id
    with desk.database.write() as connection:
        first, second, *others = (
            desk.consultations.request_within(connection, case_id, prepared(desk, arrival, priority)).request_uid
            for priority in ("routine", "urgent", "urgent", "routine")
        )
    assert others == [second, second]
    assert requests(desk, dataset.StudyInstanceUID) == [first, second]
    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    assert case.consultation.priority == "urgent"


def test_the_readers_request_gives_way_to_one_that_is_open(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    case_id = desk.record(arrival, dataset, reading()).case_id
    first = ask(desk, case_id)
    request = prepared(desk, arrival)
    with desk.database.write() as connection:
        stands = desk.consultations.request_within(connection, case_id, request)

    assert stands.request_uid == first
    assert requests(desk, dataset.StudyInstanceUID) == [first]
    assert {spooled.key for _, _, spooled in request.kept}.isdisjoint(desk.spool.keys())
