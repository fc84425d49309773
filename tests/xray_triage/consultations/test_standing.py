"""What closes a question and what does not, whose an answer is, and what is told of what nobody here can read."""

import io
import zlib
from collections.abc import Callable

import pydicom
import pytest
import sqlalchemy as sa
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_router.errors import PeerUnreachable
from dicom_router.transport.archive import FoundInstance, FoundStudy, Write
from tests.factories import film, film_bytes
from tests.xray_triage.desk import reading
from tests.xray_triage.replies import KEY_OBJECTS, code, device, document, item, pdf_answer, text_answer
from tests.xray_triage.rounds import STUDY, Passing, Round, naming
from xray_triage.cases import tables
from xray_triage.cases.consultation import AUTOMATIC, AnswerKind, AnswerNote, ConsultationState, Standing
from xray_triage.consultations.answers import Question
from xray_triage.consultations.fetching import LARGEST_REPORT_BYTES
from xray_triage.consultations.other_studies import is_same_patient
from xray_triage.consultations.report_parser import KINDS

SC = str(uid.SecondaryCaptureImageStorage)
OPEN = (ConsultationState.REQUESTED, ConsultationState.SENT)


def standings(a_round: Round) -> list[tuple[str, Standing]]:
    return [(text, one.standing) for text, one in zip(a_round.texts, a_round.consultation.answers, strict=True)]


def number_of(a_round: Round) -> int:
    """Of the newest question."""
    with a_round.desk.database.read() as connection:
        return int(connection.scalar(sa.select(sa.func.max(tables.consultation.c.consultation_id))) or 0)


def after(*made: Dataset) -> list[Dataset]:
    return naming(*(str(one.SOPInstanceUID) for one in made))


def test_a_draft_leaves_the_question_open_and_the_final_report_replaces_it(a_round: Round) -> None:
    a_round.ask()
    draft = a_round.write(text_answer("sơ bộ", PreliminaryFlag="PRELIMINARY"))
    found = a_round.poll()
    assert found.state in OPEN
    assert not found.is_unread
    assert a_round.desk.casebook.news().is_preliminary
    assert found.answer is not None
    assert found.answer.standing is Standing.PRELIMINARY
    a_round.write(text_answer("chính thức", PredecessorDocumentsSequence=after(draft), ContentTime="0100"))
    found = a_round.poll()
    assert found.state is ConsultationState.ANSWERED
    assert standings(a_round) == [("sơ bộ", Standing.SUPERSEDED), ("chính thức", Standing.FINAL)]
    assert found.answer is not None
    assert found.answer.text.endswith("chính thức")


def test_a_chain_that_comes_in_one_look_ends_in_its_last_word(a_round: Round) -> None:
    a_round.ask()
    made: list[Dataset] = []
    for text, flag in (("một phần", "PARTIAL"), ("đủ", "COMPLETE"), ("sửa", "COMPLETE")):
        made.append(text_answer(text, CompletionFlag=flag, PredecessorDocumentsSequence=after(*made[-1:])))
    for each in reversed(made):
        a_round.write(each)
    assert a_round.poll().state is ConsultationState.ANSWERED
    old = Standing.SUPERSEDED
    assert standings(a_round) == [("một phần", old), ("đủ", old), ("sửa", Standing.FINAL)]


def test_a_predecessor_that_comes_later_takes_its_place_and_nothing_back(a_round: Round) -> None:
    a_round.ask()
    draft = text_answer("sơ bộ", PreliminaryFlag="PRELIMINARY")
    a_round.write(text_answer("chính thức", PredecessorDocumentsSequence=after(draft)))
    answered_at = a_round.poll().answered_at
    a_round.write(draft)
    found = a_round.poll(200)
    assert not a_round.desk.casebook.news().is_preliminary
    assert (found.state, found.answered_at) == (ConsultationState.ANSWERED, answered_at)
    assert standings(a_round) == [("sơ bộ", Standing.SUPERSEDED), ("chính thức", Standing.FINAL)]


def told_of(concept: str, value_type: str, **value: str) -> Dataset:
    """An item of the observation context."""
    context = item(value_type, ConceptNameCodeSequence=code(concept, "?"), **value)
    context.RelationshipType = "HAS OBS CONTEXT"
    return context


def test_a_person_without_a_name_at_a_device_is_a_person(a_round: Round) -> None:
    person = told_of("121005", "CODE")
    person.ConceptCodeSequence = code("121006", "Person")
    a_round.ask()
    a_round.write(document([person, told_of("121013", "TEXT", TextValue="WS 3"), item("TEXT", value="Có tràn khí")]))
    assert a_round.poll().state is ConsultationState.ANSWERED


def key_objects(title: str) -> Dataset:
    return document([], sop_class_uid=KEY_OBJECTS, ConceptNameCodeSequence=code(title, "?"))


@pytest.mark.parametrize(
    ("make", "standing"),
    [
        (lambda: key_objects("113000"), Standing.MARK),
        (lambda: key_objects("113037"), Standing.MARK),
        (lambda: document([*device(), item("TEXT", value="0.91")]), Standing.MACHINE),
        (lambda: document([told_of("121012", "UIDREF", UID="1.2.9"), item("TEXT", value="0.91")]), Standing.MACHINE),
        (lambda: document([told_of("121013", "TEXT", TextValue="AI"), item("TEXT", value="0.91")]), Standing.MACHINE),
        (lambda: text_answer("x", CompletionFlag="PARTIAL"), Standing.PRELIMINARY),
    ],
)
def test_what_is_no_persons_final_word_is_shown_and_the_question_waits(
    a_round: Round, make: Callable[[], Dataset], standing: Standing
) -> None:
    a_round.ask()
    a_round.write(make())
    found = a_round.poll()
    assert [one.standing for one in found.answers] == [standing]
    assert (found.state in OPEN, found.answered_at, found.problem) == (True, None, None)
    a_round.write(text_answer("trả lời"))
    found = a_round.poll()
    assert found.state is ConsultationState.ANSWERED
    assert found.answer is not None
    assert found.answer.text.endswith("trả lời")
    a_round.desk.casebook.see(a_round.case_id, by="BS. Mai")
    a_round.write(make())
    assert a_round.poll(200).is_unread is (standing is Standing.PRELIMINARY)


@pytest.mark.parametrize("by", ["reminder", "request", "addendum"])
def test_what_belongs_to_an_older_question_does_not_close_the_newer(a_round: Round, by: str) -> None:
    a_round.ask("một?")
    first = a_round.consultation.request_uid
    a_round.desk.clock.advance(1)
    a_round.desk.follow_ups.remind(number_of(a_round))
    a_round.desk.deliver()
    sent = a_round.desk.outbox.of_study(STUDY)
    (reminder,) = {each.instance.sop_instance_uid for each in sent if each.what == "request"} - {first}
    answer = a_round.write(text_answer("1", CurrentRequestedProcedureEvidenceSequence=naming(reminder)))
    assert a_round.poll().state is ConsultationState.ANSWERED
    a_round.ask("hai?")
    late = {
        "reminder": {"PertinentOtherEvidenceSequence": naming(reminder)},
        "request": {"PertinentOtherEvidenceSequence": naming(first)},
        "addendum": {"DocumentTitle": "Bổ sung", "PredecessorDocumentsSequence": after(answer)},
    }
    a_round.write(text_answer("thêm", **late[by]))
    assert a_round.poll().state in OPEN
    case = a_round.desk.casebook.case(a_round.case_id)
    assert case is not None
    assert [each.text for each in case.earlier_consultations[0].answers] == ["Finding: 1", "Finding: thêm"]


def test_what_names_a_request_that_a_persons_replaced_answers_that(a_round: Round) -> None:
    desk = a_round.desk
    with desk.database.write() as connection:
        prepared = desk.preparer.prepare(
            film(study_instance_uid=STUDY),
            [each.instance for each in desk.inbox.of_study(STUDY)],
            question="?",
            priority="routine",
            requested_by=AUTOMATIC,
            identity=desk.casebook.foresee(STUDY, []),
        )
        automatic = desk.consultations.request_within(connection, a_round.case_id, prepared).request_uid
    a_round.ask("một?")
    a_round.write(text_answer("1"))
    a_round.poll()
    a_round.ask("hai?")
    a_round.write(text_answer("thêm", PertinentOtherEvidenceSequence=naming(automatic)))
    assert a_round.poll().state in OPEN


def test_new_objects_are_told_without_being_fetched_and_old_ones_are_not(a_round: Round) -> None:
    class Listing(Passing):
        """An archive from which nothing may be fetched."""

        def fetch(self, found: FoundInstance, write: Write) -> None:
            raise AssertionError(found.sop_class_uid)

    a_round.write(film(sop_class_uid=SC))
    a_round.worker = a_round.another_worker(Listing(a_round.archive))
    a_round.ask()
    assert a_round.poll().answers == ()
    made = [a_round.write(film(sop_class_uid=SC, rows=4, columns=4)) for _ in range(3)]
    a_round.write(pdf_answer(b"<ClinicalDocument/>", SOPClassUID=uid.EncapsulatedCDAStorage))
    a_round.poll()
    found = a_round.poll()
    assert {one.sop_instance_uid for one in found.answers} > {str(one.SOPInstanceUID) for one in made}
    assert [one.kind for one in found.answers].count(AnswerKind.CDA) == 1
    assert {one.standing for one in found.answers} == {Standing.MARK}
    assert found.state in OPEN
    assert found.problem is None


def elsewhere(text: str, **more: object) -> Dataset:
    return text_answer(text, study="1.2.99", **more)


def test_an_answer_in_another_study_of_the_same_number_and_patient_is_found(a_round: Round) -> None:
    a_round.ask()
    a_round.orthanc.upload(film_bytes(elsewhere("ở ca khác")))
    assert a_round.poll().state is ConsultationState.ANSWERED
    assert a_round.texts == ["ở ca khác"]


@pytest.mark.parametrize(
    "more", [{"PatientID": "P0002"}, {"AccessionNumber": "A00010"}, {"PatientBirthDate": "19600101"}]
)
def test_an_answer_in_a_study_of_another_patient_is_not_ours(a_round: Round, more: dict[str, str]) -> None:
    a_round.ask()
    a_round.orthanc.upload(film_bytes(elsewhere("của người khác", **more)))
    assert a_round.poll().answers == ()


def test_an_answer_in_a_study_with_its_own_question_is_its_own(a_round: Round) -> None:
    other = a_round.desk.add(reading(), study_instance_uid="1.2.99").case_id
    a_round.desk.consultations.request(other, question="?", priority="routine", requested_by="BS")
    a_round.ask()
    a_round.orthanc.upload(film_bytes(elsewhere("của ca kia")))
    assert a_round.poll().answers == ()


def test_a_pacs_that_cannot_search_for_an_accession_number_is_asked_for_it_once_an_hour(a_round: Round) -> None:
    asked: list[str] = []

    class Unable(Passing):
        """An archive without a search for studies."""

        def studies(self, accession_number: str) -> list[FoundStudy]:
            asked.append(accession_number)
            raise PeerUnreachable("HTTP 405", slowly=True)

    a_round.worker = a_round.another_worker(Unable(a_round.archive))
    a_round.ask()
    a_round.write(text_answer("vẫn đến"))
    assert a_round.poll().state is ConsultationState.ANSWERED
    a_round.poll()
    assert asked == ["A0001"]
    a_round.poll(3600)
    assert len(asked) == 2


def patient(**more: str) -> tuple[FoundStudy, Question]:
    known = {"patient_id": "P1", "patient_name": "Nguyễn Văn An", "patient_birth_date": "1970-01-31"}
    told = {"patient_id": "P1", "patient_name": "AN^NGUYEN^VAN", "patient_birth_date": "19700131"} | more
    question = dict.fromkeys(Question.__dataclass_fields__) | known
    return FoundStudy(study_instance_uid="1.2", **told), Question(**question)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "is_same"),
    [
        ({}, True),
        ({"patient_name": "", "patient_birth_date": ""}, True),
        ({"patient_name": "Trần^Bình"}, True),  # corrected there, under the same number and birth date
        ({"patient_name": "Trần^Bình", "patient_birth_date": ""}, False),
        ({"patient_birth_date": "19800101"}, False),
        ({"patient_id": "P2"}, False),
        ({"patient_id": ""}, True),
        ({"patient_id": "", "patient_birth_date": ""}, False),
        ({"patient_id": "", "patient_name": ""}, False),
    ],
)
def test_whose_a_study_is(more: dict[str, str], is_same: bool) -> None:
    assert is_same_patient(*patient(**more)) is is_same


def deflated(made: Dataset) -> bytes:
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return film_bytes(made)


class Giving(Passing):
    """An archive that has one object more, and gives these bytes for it."""

    def __init__(self, a_round: Round, made: Dataset, file: bytes) -> None:
        super().__init__(a_round.archive)
        self._file = file
        self._found = FoundInstance(
            study_instance_uid=STUDY,
            series_instance_uid=str(made.SeriesInstanceUID),
            sop_instance_uid=str(made.SOPInstanceUID),
            sop_class_uid=str(made.SOPClassUID),
        )

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        return [*super().instances(study_instance_uid), self._found]

    def fetch(self, found: FoundInstance, write: Write) -> None:
        write(self._file)


@pytest.mark.parametrize("make", [lambda: text_answer("Không"), pdf_answer])
def test_a_deflated_answer_is_read_and_kept_as_it_was_before(a_round: Round, make: Callable[[], Dataset]) -> None:
    a_round.ask()
    made = make()
    a_round.worker = a_round.another_worker(Giving(a_round, made, deflated(made)))
    (answer,) = a_round.poll().answers
    assert answer.kind == KINDS[str(made.SOPClassUID)]
    assert (answer.text, answer.has_file) == (("", True) if answer.kind == "pdf" else ("Finding: Không", False))
    newest = max(a_round.desk.spool.keys(), key=a_round.desk.spool.kept_at)
    with a_round.desk.spool.open(newest) as stream:
        assert pydicom.dcmread(io.BytesIO(stream.read())).SOPInstanceUID == made.SOPInstanceUID


def test_a_deflated_bomb_is_too_large(a_round: Round) -> None:
    a_round.ask()
    made = text_answer("Không")
    file = deflated(made)
    deflater = zlib.compressobj(wbits=-15)
    head = file[: 144 + int.from_bytes(file[140:144], "little")]
    bomb = head + deflater.compress(bytes(2 * LARGEST_REPORT_BYTES)) + deflater.flush()
    a_round.worker = a_round.another_worker(Giving(a_round, made, bomb))
    (answer,) = a_round.poll().answers
    assert answer.note == AnswerNote.TOO_LARGE
