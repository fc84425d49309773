"""A question that was sent is added to, made urgent or withdrawn: the PACS is told, and answers still find it."""

from collections.abc import Callable
from threading import Barrier, Thread

import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy.exc import DBAPIError

from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.replies import text_answer
from tests.xray_triage.rounds import STUDY, Round, naming
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.consultation import AUTOMATIC, Change, ChangeKind, Consultation, ConsultationState
from xray_triage.consultations.follow_ups import MOST_LETTERS
from xray_triage.consultations.preparing import CannotAsk

QUESTION = "Có cần chuyển viện không?"


def asked(desk: TestDesk, priority: str = "routine") -> str:
    """The case of a question that a doctor has sent."""
    case_id = desk.add(reading(), study_instance_uid=STUDY).case_id
    desk.consultations.request(case_id, question=QUESTION, priority=priority, requested_by="BS. Lan")
    desk.deliver()
    desk.clock.advance(60)
    return case_id


def consultation(desk: TestDesk, case_id: str) -> Consultation:
    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    return case.consultation


def sent(desk: TestDesk, what: str = "request") -> list[Dataset]:
    """What went to the PACS, the oldest first."""
    found = []
    for delivery in desk.outbox.of_study(STUDY):
        if delivery.what == what:
            with desk.spool.open(delivery.spooled.key) as stream:
                found.append(pydicom.dcmread(stream))
    return found


def said(document: Dataset) -> str:
    return next(str(item.TextValue) for item in document.ContentSequence if item.ValueType == "TEXT")


def named(document: Dataset) -> list[str]:
    items = [item for item in document.ContentSequence if "ReferencedSOPSequence" in item]
    return [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items]


def title(document: Dataset) -> str:
    return str(document.ConceptNameCodeSequence[0].CodeMeaning)


def test_an_addition_goes_out_as_a_document_that_says_everything_and_names_the_one_before(desk: TestDesk) -> None:
    case_id = asked(desk)
    desk.follow_ups.change(case_id, by="BS. Mai", text="Vừa khó thở hơn.")
    first, second = sent(desk)
    assert named(second) == [*named(first), first.SOPInstanceUID]
    assert said(second).splitlines() == [
        "ĐÃ BỔ SUNG CÂU HỎI",
        "Yêu cầu hội chẩn – ưu tiên: thường quy",
        "AI: Khẩn cấp vì: tràn khí màng phổi 93%",
        "Người yêu cầu: BS. Lan",
        "",
        QUESTION,
        "",
        "Bổ sung của BS. Mai: Vừa khó thở hơn.",
    ]
    found = consultation(desk, case_id)
    assert found.question == f"{QUESTION}\n\nBổ sung của BS. Mai: Vừa khó thở hơn."
    change = Change(kind=ChangeKind.ADDED, at=desk.clock.now(), by="BS. Mai", request_uid=second.SOPInstanceUID)
    assert found.changes == (change,)


def test_a_change_has_not_come_before_the_pacs_has_its_document(sqlite_desk: TestDesk) -> None:
    case_id = asked(sqlite_desk)

    def state() -> ConsultationState:
        return consultation(sqlite_desk, case_id).with_delivery(sqlite_desk.outbox.of_study(STUDY)).state

    assert state() is ConsultationState.SENT
    sqlite_desk.follow_ups.change(case_id, by="BS. Lan", urgent=True)
    assert state() is ConsultationState.REQUESTED
    sqlite_desk.deliver()
    assert state() is ConsultationState.SENT


def test_the_newest_pages_stand_before_the_older_ones(sqlite_desk: TestDesk) -> None:
    case_id = asked(sqlite_desk)
    sqlite_desk.follow_ups.change(case_id, by="BS. Lan", text="Thêm.")
    sqlite_desk.clock.advance(60)
    sqlite_desk.follow_ups.withdraw(case_id, by="BS. Lan")
    pages = sent(sqlite_desk, "request_sc")
    assert [(page.SeriesNumber, page.SeriesDescription) for page in pages] == [
        (0, "YÊU CẦU HỘI CHẨN"),
        (-1, "YÊU CẦU HỘI CHẨN"),
        (-2, "CÂU HỎI ĐÃ RÚT"),
    ]
    assert len({page.SeriesInstanceUID for page in pages}) == 3


def test_what_becomes_urgent_is_urgent_everywhere_and_once(desk: TestDesk) -> None:
    case_id = asked(desk)
    for _ in range(2):
        desk.follow_ups.change(case_id, by="BS. Mai", urgent=True)
        desk.clock.advance(1)
    _, raised = sent(desk)
    assert said(raised).splitlines()[:2] == ["NAY LÀ KHẨN CẤP", "Yêu cầu hội chẩn – ưu tiên: KHẨN CẤP"]
    found = consultation(desk, case_id)
    assert (found.priority, found.question) == ("urgent", QUESTION)
    assert [change.kind for change in found.changes] == [ChangeKind.RAISED]


def test_the_same_addition_twice_is_one_and_with_haste_it_is_one_document(sqlite_desk: TestDesk) -> None:
    case_id = asked(sqlite_desk)
    sqlite_desk.follow_ups.change(case_id, by="BS. Lan", text="Thêm.", urgent=True)
    sqlite_desk.follow_ups.change(case_id, by="BS. Lan", text="Thêm.")
    assert len(sent(sqlite_desk)) == 2
    kinds = [change.kind for change in consultation(sqlite_desk, case_id).changes]
    assert kinds == [ChangeKind.ADDED, ChangeKind.RAISED]


def test_who_withdraws_tells_the_pacs_and_may_ask_anew(desk: TestDesk) -> None:
    case_id = asked(desk)
    desk.follow_ups.withdraw(case_id, by="BS. Mai", reason="Đã chuyển viện.")
    found = consultation(desk, case_id)
    assert (found.state, found.is_open, found.question) == (ConsultationState.WITHDRAWN, False, QUESTION)
    assert (found.changes[0].by, found.changes[0].reason) == ("BS. Mai", "Đã chuyển viện.")
    first, withdrawn = sent(desk)
    assert (title(first), title(withdrawn)) == ("For Conference", "Of Interest")
    assert named(withdrawn)[-1] == first.SOPInstanceUID
    lines = said(withdrawn).splitlines()
    assert lines[:2] == ["ĐÃ RÚT CÂU HỎI: không cần trả lời nữa", "Yêu cầu hội chẩn đã rút"]
    assert lines[-4:] == ["Người rút: BS. Mai", "Lý do rút: Đã chuyển viện.", "", f"Câu hỏi đã rút: {QUESTION}"]

    desk.clock.advance(60)
    again = desk.consultations.request(case_id, question="Khác?", priority="urgent", requested_by="BS. Lan")
    assert consultation(desk, case_id).request_uid == again.request_uid
    assert first.SOPInstanceUID not in named(sent(desk)[-1])


def test_a_question_of_the_policy_that_gives_way_is_named_by_the_one_in_its_place(sqlite_desk: TestDesk) -> None:
    case_id = asked(sqlite_desk)
    with sqlite_desk.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE consultation SET requested_by = '{AUTOMATIC}'")
    sqlite_desk.consultations.request(case_id, question="Của tôi?", priority="routine", requested_by="BS. Mai")
    automatic, mine = sent(sqlite_desk)
    assert named(mine)[-1] == automatic.SOPInstanceUID
    assert said(mine).startswith("THAY CHO YÊU CẦU TRƯỚC")


def test_a_question_of_the_policy_that_a_doctor_adds_to_is_the_doctors(sqlite_desk: TestDesk) -> None:
    case_id = asked(sqlite_desk)
    with sqlite_desk.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE consultation SET requested_by = '{AUTOMATIC}'")
    sqlite_desk.follow_ups.change(case_id, by="BS. Mai", urgent=True)
    assert consultation(sqlite_desk, case_id).is_automatic
    sqlite_desk.follow_ups.change(case_id, by="BS. Mai", text="Sốt.")
    assert consultation(sqlite_desk, case_id).requested_by == "BS. Mai"
    assert "Người yêu cầu: BS. Mai" in said(sent(sqlite_desk)[-1])


ACTS: dict[str, Callable[[TestDesk, str], None]] = {
    "add": lambda desk, case_id: desk.follow_ups.change(case_id, by="BS. Lan", text="Thêm."),
    "raise": lambda desk, case_id: desk.follow_ups.change(case_id, by="BS. Lan", urgent=True),
    "withdraw": lambda desk, case_id: desk.follow_ups.withdraw(case_id, by="BS. Lan"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_only_a_question_that_waits_can_be_changed(sqlite_desk: TestDesk, act: Callable[[TestDesk, str], None]) -> None:
    with pytest.raises(UnknownCase):
        act(sqlite_desk, "none")
    case_id = sqlite_desk.add(reading(), study_instance_uid=STUDY).case_id
    with pytest.raises(CannotAsk, match="waits for no answer"):
        act(sqlite_desk, case_id)
    sqlite_desk.consultations.request(case_id, question=QUESTION, priority="routine", requested_by="BS. Lan")
    sqlite_desk.follow_ups.withdraw(case_id, by="BS. Lan")
    with pytest.raises(CannotAsk, match="waits for no answer"):
        act(sqlite_desk, case_id)
    assert len(sent(sqlite_desk)) == 2


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_change_that_cannot_be_recorded_changes_nothing_and_leaves_no_file(
    sqlite_desk: TestDesk, act: Callable[[TestDesk, str], None]
) -> None:
    case_id = asked(sqlite_desk)
    before, kept = consultation(sqlite_desk, case_id), sorted(sqlite_desk.spool.keys())
    sqlite_desk.break_inserts("delivery")
    with pytest.raises(DBAPIError):
        act(sqlite_desk, case_id)
    assert (consultation(sqlite_desk, case_id), sorted(sqlite_desk.spool.keys())) == (before, kept)


def test_of_additions_at_the_same_moment_each_is_there_once_or_refused(sqlite_desk: TestDesk) -> None:
    case_id = asked(sqlite_desk)
    before, together = len(list(sqlite_desk.spool.keys())), Barrier(4)
    refused: list[int] = []

    def add(number: int) -> None:
        together.wait()
        try:
            sqlite_desk.follow_ups.change(case_id, by=f"BS. {number}", text="Thêm.")
        except CannotAsk:
            refused.append(number)

    adders = [Thread(target=add, args=(number,)) for number in range(4)]
    for each in adders:
        each.start()
    for each in adders:
        each.join()
    found, taken = consultation(sqlite_desk, case_id), {*range(4)} - {*refused}
    assert {number for number in range(4) if f"Bổ sung của BS. {number}: Thêm." in found.question} == taken
    assert len(found.changes) == len(sent(sqlite_desk)) - 1 == len(taken) > 0
    assert len(list(sqlite_desk.spool.keys())) == before + 2 * len(taken)  # a document and its page


@pytest.mark.slow
def test_a_question_is_not_added_to_without_end(sqlite_desk: TestDesk) -> None:
    case_id = asked(sqlite_desk)
    with sqlite_desk.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE consultation SET question = '{'x' * (MOST_LETTERS - 20)}'")
    with pytest.raises(CannotAsk, match="too long"):
        sqlite_desk.follow_ups.change(case_id, by="BS. Lan", text="Thêm.")
    sqlite_desk.follow_ups.withdraw(case_id, by="BS. Lan")


@pytest.mark.parametrize("document", [0, 1, 2])
def test_an_answer_finds_its_question_by_any_document_even_when_it_was_withdrawn(a_round: Round, document: int) -> None:
    a_round.ask(QUESTION)
    a_round.desk.clock.advance(1)
    a_round.desk.follow_ups.change(a_round.case_id, by="BS. Lan", text="Thêm.")
    a_round.desk.clock.advance(1)
    a_round.desk.follow_ups.withdraw(a_round.case_id, by="BS. Lan")
    a_round.desk.deliver()
    assert a_round.poll().state is ConsultationState.WITHDRAWN
    uid = sent(a_round.desk)[document].SOPInstanceUID
    a_round.write(text_answer("vẫn trả lời", CurrentRequestedProcedureEvidenceSequence=naming(uid)))
    found = a_round.poll()
    assert (found.state, found.is_unread) == (ConsultationState.ANSWERED, True)
    assert a_round.texts == ["vẫn trả lời"]


def test_a_withdrawn_question_is_asked_for_during_a_week_and_no_longer(a_round: Round) -> None:
    a_round.ask(QUESTION)
    a_round.desk.follow_ups.withdraw(a_round.case_id, by="BS. Lan")
    for _ in range(45):
        a_round.poll(6 * 3600)
    a_round.write(text_answer("nhiều tuần sau"))
    assert a_round.poll(6 * 3600).state is ConsultationState.WITHDRAWN
