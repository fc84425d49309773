"""Synthetic records: of whoever, ordered or not, read or not, with a doctor's result or without one."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tests.xray_triage.desk import MODEL
from xray_triage.cases.consultation import ConsultationState
from xray_triage.reading.findings import KINDS, REASONS, Finding, Measured
from xray_triage.reading.naming import GROUPS
from xray_triage.reading.patient import Patient
from xray_triage.records.record import Asked, Facility, FilmRead, Ordered, Record
from xray_triage.records.result import Author, Result, ResultState, Words

AT = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
LAN = Patient(id="BN-0007", name="NGUYỄN THỊ LAN", sex="F", birth_date="1970-01-31", age_years=56)
NAMES = ("NGUYỄN THỊ LAN", "Lò Văn Ển", "H'Ền Niê Kđăm", "Trần Đức Ưởng | Phùng^&~\\", "Y", "ĐẶNG THỊ ÁNH TUYẾT")
FACILITY = Facility(name="Trạm y tế Thạnh An", code="79-001", national_id="79001")


def a_result(state: ResultState = ResultState.FINAL, version: int = 1, **words: str) -> Result:
    return Result(
        version=version,
        state=state,
        author=Author(account="mai", name="BS. Trần Thị Mai", licence="000123/HCM-CCHN"),
        words=Words(**(words or {"description": "Nhu mô: mờ đáy phải.\nTim: không to.", "conclusion": "Viêm phổi?"})),
        before_author="",
        reason="Xem lại" if state is not ResultState.FINAL else "",
        made_at=AT,
        document_uid="1.2.3.4",
    )


def a_record(**changes: Any) -> Record:
    found = (
        Finding(kind=KINDS["pleural_effusion"], probability=0.93, threshold=0.5),
        Finding(kind=KINDS["cardiomegaly"], probability=0.2, threshold=0.5, measured=Measured(0.57, 0.55)),
        Finding(kind=GROUPS["opacity"], probability=0.1, threshold=0.5),
    )
    values: dict[str, Any] = {
        "facility": FACILITY,
        "case_id": "a1b2c3d4e5f6",
        "study_instance_uid": "1.2.840.1.5",
        "accession_number": "TA2611220001",
        "patient": LAN,
        "exposed_at": AT,
        "received_at": AT,
        "films": [FilmRead(sop_instance_uid="1.2.840.1.5.1", reason=None, findings=found, model=MODEL)],
        "result": a_result(),
        "ordered": Ordered(citizen_number="079170001234", insurance_number="GD4797912345678", reason="Ho, sốt"),
        "service": "18.0119.0028",
        "indicator": "XQ",
        "pdf": b"%PDF-1.7",
    }
    return Record(**(values | changes))


_texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
_names = st.sampled_from(NAMES)


@st.composite
def patients(draw: st.DrawFn) -> Patient:
    return Patient(
        id=draw(st.sampled_from(["", "BN-1", "0079170001234"])),
        name=draw(st.one_of(st.just(""), _names)),
        sex=draw(st.sampled_from(["", "M", "F", "O"])),
        birth_date=draw(st.sampled_from(["", "1970", "1970-01", "1970-01-31", "2024-02-29"])),
        age_years=None,
    )


@st.composite
def films(draw: st.DrawFn, number: int) -> FilmRead:
    reason = draw(st.one_of(st.none(), st.sampled_from(list(REASONS.values()))))
    kinds = draw(st.lists(st.sampled_from(list(KINDS.values())), unique=True, max_size=4)) if reason is None else []
    found = [
        Finding(kind=kind, probability=draw(st.floats(0, 1)), threshold=0.5, measured=draw(_measures)) for kind in kinds
    ]
    return FilmRead(
        sop_instance_uid=f"1.2.840.1.5.{number}", reason=reason, findings=found, model=None if reason else MODEL
    )


_measures = st.one_of(st.none(), st.builds(Measured, st.floats(0, 1), st.just(0.55)))


@st.composite
def results(draw: st.DrawFn) -> Result:
    made = a_result(
        draw(st.sampled_from(list(ResultState))),
        version=draw(st.integers(1, 3)),
        description=draw(_texts),
        conclusion=draw(_texts.filter(str.strip)),
        advice=draw(_texts),
    )
    author = Author(account="an", name=draw(_names), licence=draw(st.sampled_from(["", "000123/HCM-CCHN"])))
    return Result(**{name: getattr(made, name) for name in made.__dataclass_fields__} | {"author": author})


@st.composite
def consultations(draw: st.DrawFn) -> Asked:
    state = draw(st.sampled_from(list(ConsultationState)))
    answered = state is ConsultationState.ANSWERED
    return Asked(
        uid="1.2.3.9",
        state=state,
        question=draw(_texts.filter(str.strip)),
        priority=draw(st.sampled_from(["urgent", "routine"])),
        requested_at=AT,
        requested_by=draw(_names),
        answer="Đồng ý, viêm phổi." if answered else "",
        answered_by=draw(_names) if answered else "",
        answered_at=AT if answered else None,
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    count = draw(st.integers(1, 3))
    result = draw(st.one_of(st.none(), results()))
    numbers = {"citizen_number": "079170001234", "insurance_number": "GD4797912345678", "placer_number": "HIS-1"}
    kept = {name: draw(st.sampled_from(["", number])) for name, number in numbers.items()}
    return a_record(
        facility=draw(st.sampled_from([FACILITY, Facility(name="Trạm y tế Thạnh An")])),
        case_id=draw(st.from_regex(r"[0-9a-f]{12}", fullmatch=True)),
        study_instance_uid=f"2.25.{draw(st.integers(1, 2**120))}",
        accession_number=draw(st.sampled_from(["", "TA2611220001"])),
        patient=draw(patients()),
        exposed_at=draw(st.sampled_from([None, AT])),
        films=[draw(films(number)) for number in range(count)],
        result=result,
        ordered=Ordered(**kept, referring_physician=draw(st.sampled_from(["", "BS. Lý"])), reason=draw(_texts)),
        asked=draw(st.one_of(st.none(), consultations())),
        service=draw(st.sampled_from(["", "18.0119.0028"])),
        indicator=draw(st.sampled_from(["", "XQ"])),
        is_chest=draw(st.booleans()),
        dicomweb_url=draw(st.sampled_from(["", "https://pacs/dicom-web"])),
        pdf=b"%PDF-1.7" if result else b"",
    )
