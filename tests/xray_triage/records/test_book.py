"""Drafts and versions of results: what is kept, what is refused, what goes to the PACS."""

import hashlib
import io
import threading
from pathlib import Path

import pydicom
import pytest

from dicom_router.store.database import Database
from tests.xray_triage.desk import STATION, TestDesk, open_desk, unread
from xray_triage.cases.casebook import UnknownCase
from xray_triage.records.book import IS_THERE, IS_UNSAID, NO_CONCLUSION, NO_REASON, NO_RESULT, TOO_LONG
from xray_triage.records.result import MOST_LETTERS, Author, BadWords, CannotWrite, ResultState, Words

MAI = Author(account="mai", name="BS. Trần Thị Mai", licence="000123/HCM-CCHN")
AN = Author(account="an", name="BS. Nguyễn Văn An")
NORMAL = Words(description="Nhu mô: không thấy tổn thương.", conclusion="Không thấy bất thường.")
CHANGED = Words(description="Mờ đáy phổi phải.", conclusion="Theo dõi viêm phổi.", advice="Chụp lại sau 7 ngày.")


@pytest.fixture
def case_id(desk: TestDesk) -> str:
    return desk.add(unread()).case_id


def documents(desk: TestDesk) -> list[pydicom.Dataset]:
    found = []
    for one in desk.outbox.of_study(desk.casebook.cases()[0].study_instance_uid):
        if one.what == "result":
            with desk.spool.open(one.spooled.key) as stream:
                found.append(pydicom.dcmread(io.BytesIO(stream.read())))
    return found


def texts(document: pydicom.Dataset) -> list[str]:
    """All that is written in it."""
    return [str(each.value) for each in document.iterall() if each.VR in ("UT", "PN")]


def digest(desk: TestDesk, case_id: str, version: int | None = None) -> str:
    """Of the paper: pytest would take minutes to tell how two of them differ."""
    pdf = desk.results.paper(case_id, version)
    assert pdf is not None
    assert pdf.startswith(b"%PDF-")
    return hashlib.sha256(pdf).hexdigest()


def test_a_draft_is_kept_as_it_was_typed_and_of_two_doctors_nothing_is_lost(desk: TestDesk, case_id: str) -> None:
    desk.results.save_draft(case_id, MAI, Words(description="Nhu"))
    desk.clock.advance(1)
    desk.results.save_draft(case_id, AN, CHANGED)
    desk.clock.advance(1)
    desk.results.save_draft(case_id, MAI, NORMAL)
    assert [(one.author, one.words) for one in desk.results.drafts(case_id)] == [(MAI, NORMAL), (AN, CHANGED)]
    desk.results.finish(case_id, MAI, NORMAL, before_author="")
    assert [one.author for one in desk.results.drafts(case_id)] == [AN]


def test_a_final_result_is_a_version_and_a_verified_document_on_its_way(desk: TestDesk, case_id: str) -> None:
    made = desk.results.finish(case_id, MAI, NORMAL, before_author="AI: tràn dịch 93%")
    assert (made.version, made.state, made.author, made.words) == (1, ResultState.FINAL, MAI, NORMAL)
    assert made.before_author == "AI: tràn dịch 93%"
    (document,) = documents(desk)
    assert document.SOPInstanceUID == made.document_uid
    assert (document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag) == (
        "COMPLETE",
        "VERIFIED",
        "FINAL",
    )
    (observer,) = document.VerifyingObserverSequence
    assert (observer.VerifyingObserverName, observer.VerifyingOrganization) == (MAI.name, STATION)
    assert {NORMAL.description, NORMAL.conclusion, f"{MAI.name}, số GPHN CCHN {MAI.licence}"} <= {*texts(document)}
    assert desk.results.newest([case_id]) == {case_id: made}


def test_an_amended_result_names_its_predecessors_and_leaves_them_as_they_were(desk: TestDesk, case_id: str) -> None:
    first = desk.results.finish(case_id, MAI, NORMAL, before_author="")
    second = desk.results.amend(case_id, AN, CHANGED, reason="Xem lại phim nghiêng", before_author="")
    third = desk.results.cancel(case_id, AN, reason="Nhầm người bệnh", before_author="")
    assert desk.results.versions(case_id) == [first, second, third]
    assert (third.state, third.words) == (ResultState.CANCELLED, CHANGED)
    by_uid = {each.SOPInstanceUID: each for each in documents(desk)}
    assert by_uid.keys() == {first.document_uid, second.document_uid, third.document_uid}
    assert "PredecessorDocumentsSequence" not in by_uid[first.document_uid]
    (study,) = by_uid[third.document_uid].PredecessorDocumentsSequence
    named = [item.ReferencedSOPInstanceUID for item in study.ReferencedSeriesSequence[0].ReferencedSOPSequence]
    assert named == [first.document_uid, second.document_uid]
    assert "KẾT QUẢ ĐÃ HỦY: Nhầm người bệnh" in texts(by_uid[third.document_uid])


def test_what_cannot_be_written_is_said_and_leaves_nothing_behind(desk: TestDesk, case_id: str) -> None:
    book, before = desk.results, sorted(desk.spool.keys())
    for expected, write in {
        NO_CONCLUSION: lambda: book.finish(case_id, MAI, Words(description="x"), before_author=""),
        NO_RESULT: lambda: book.amend(case_id, MAI, NORMAL, reason="x", before_author=""),
        TOO_LONG: lambda: book.save_draft(case_id, MAI, Words(description="x" * (MOST_LETTERS + 1))),
    }.items():
        with pytest.raises(CannotWrite, match=expected[:20]):
            write()
    with pytest.raises(UnknownCase):
        book.save_draft("nowhere", MAI, NORMAL)
    assert sorted(desk.spool.keys()) == before
    book.finish(case_id, MAI, NORMAL, before_author="")
    with pytest.raises(CannotWrite, match=NO_REASON):
        book.amend(case_id, MAI, CHANGED, reason=" ", before_author="")
    with pytest.raises(CannotWrite, match=IS_THERE[:20]):
        book.finish(case_id, AN, CHANGED, before_author="")
    assert len(book.versions(case_id)) == 1


def test_a_line_that_nobody_finished_is_no_result(desk: TestDesk, case_id: str) -> None:
    for description in ("Thành ngực: …", "Nhu mô: rõ.\nMàng phổi, bên trái: … \nTim: không to."):
        words = Words(description=description, conclusion="Không thấy bất thường.")
        with pytest.raises(BadWords, match=IS_UNSAID[:20]):
            desk.results.finish(case_id, MAI, words, before_author="")
    said = Words(description="Mờ dạng… đáy phổi", conclusion="Theo dõi…")
    assert desk.results.finish(case_id, MAI, said, before_author="").words == said


def test_an_amendment_of_what_its_author_has_not_read_is_refused_and_the_draft_kept(
    desk: TestDesk, case_id: str
) -> None:
    book = desk.results
    book.finish(case_id, MAI, NORMAL, before_author="")
    book.save_draft(case_id, AN, CHANGED)
    book.amend(case_id, MAI, NORMAL, reason="sửa", before_author="", over=1)
    with pytest.raises(CannotWrite, match=IS_THERE[:20]):
        book.amend(case_id, AN, CHANGED, reason="sửa", before_author="", over=1)
    with pytest.raises(CannotWrite, match=IS_THERE[:20]):
        book.cancel(case_id, AN, reason="nhầm", before_author="", over=1)
    assert [one.author for one in book.drafts(case_id)] == [AN]
    assert book.cancel(case_id, AN, reason="nhầm", before_author="", over=2).version == 3
    with pytest.raises(CannotWrite, match=NO_RESULT[:20]):
        book.cancel(case_id, AN, reason="nhầm", before_author="", over=3)
    assert [one.author for one in book.drafts(case_id)] == [AN]  # a cancellation takes no words from anybody


def test_an_emptied_draft_is_none_and_what_no_paper_can_hold_is_left_out(desk: TestDesk, case_id: str) -> None:
    desk.results.save_draft(
        case_id, MAI, Words(description="\x00 a\x0bb\r\nNguye\u0302\u0303n \ud800", conclusion=" \n")
    )
    (draft,) = desk.results.drafts(case_id)
    assert draft.words == Words(description="a\nb\nNguyễn")
    assert desk.results.shapes([case_id])[case_id].state == "draft"
    desk.results.save_draft(case_id, MAI, Words(description=" \n"))
    assert (desk.results.drafts(case_id), desk.results.shapes([case_id])) == ([], {})


def test_who_finishes_has_seen_the_case_and_is_done_with_it_until_it_is_cancelled(desk: TestDesk, case_id: str) -> None:
    """A case without a result that stands waits for one: it is among the unseen again, and finishing ends that."""

    def waiting() -> list[str]:
        return [case.case_id for case in desk.casebook.cases(state="unseen", limit=9)]

    def marks() -> tuple[str | None, str | None]:
        case = desk.casebook.case(case_id)
        assert case is not None
        return case.seen_by, case.done_by

    desk.results.finish(case_id, MAI, NORMAL, before_author="")
    assert (marks(), waiting()) == ((MAI.name, MAI.name), [])
    desk.results.cancel(case_id, AN, reason="nhầm", before_author="")
    assert (marks(), waiting()) == ((None, None), [case_id])
    desk.results.amend(case_id, AN, CHANGED, reason="viết lại", before_author="")
    assert (marks(), waiting()) == ((AN.name, AN.name), [])


def test_the_paper_of_a_version_stays_what_it_was_whatever_is_called_otherwise_later(
    database: Database, tmp_path: Path
) -> None:
    desk = open_desk(database, tmp_path)
    case_id = desk.add(unread()).case_id
    assert desk.results.paper(case_id) is None
    desk.results.finish(case_id, MAI, NORMAL, before_author="")
    first = digest(desk, case_id)
    desk.results.amend(case_id, MAI, CHANGED, reason="sửa", before_author="")
    desk.renderer.close()
    for film in desk.arrivals():
        desk.spool.delete(film.spooled.key)
    later = open_desk(database, tmp_path, station_name="Trạm tên mới")
    assert digest(later, case_id, 1) == first
    assert digest(later, case_id) == digest(later, case_id, 2) != first
    assert later.results.paper(case_id, 3) is None
    assert later.results.paper("nowhere") is None


def test_of_two_doctors_who_finish_at_once_one_is_told(desk: TestDesk, case_id: str) -> None:
    told: list[str] = []

    def finish(author: Author) -> None:
        try:
            desk.results.finish(case_id, author, NORMAL, before_author="")
        except CannotWrite as error:
            told.append(str(error))

    threads = [threading.Thread(target=finish, args=(author,)) for author in (MAI, AN)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [IS_THERE]
    assert len(desk.results.versions(case_id)) == len(documents(desk)) == 1
