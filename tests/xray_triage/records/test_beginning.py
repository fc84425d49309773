"""What a result begins with: places, never names; the order of a Vietnamese report; an answer taken over."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.cases.case import Case, Image
from xray_triage.cases.consultation import Answer, Consultation, ConsultationState, Standing
from xray_triage.reading.findings import KINDS, REASONS, Box, Finding, ModelIdentity, Priority
from xray_triage.reading.naming import TOLD
from xray_triage.reading.patient import Patient
from xray_triage.records.beginning import REGIONS, adopted, before, begin
from xray_triage.records.result import BadWords

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
MODEL = ModelIdentity(name="phổi", version="1.2", sha256="ab" * 32)


def a_case(*findings: Finding, reason: str = "", consultation: Consultation | None = None) -> Case:
    """A case of one film of 900 pixels a side."""
    image = Image(
        sop_instance_uid="1.2",
        arrival_id=1,
        priority=Priority.URGENT,
        reasons=(),
        reason=REASONS[reason] if reason else None,
        findings=findings,
        scores={},
        flags=(),
        model=None if reason else MODEL,
        picture_key=None,
        received_at=NOON,
        read_at=NOON,
        rows=900,
        columns=900,
    )
    return Case(
        case_id="c",
        study_instance_uid="1.2.3",
        accession_number="",
        patient=Patient(id="", name="", sex="", birth_date="", age_years=None),
        received_at=NOON,
        read_at=NOON,
        priority=Priority.URGENT,
        images=(image,),
        consultation=consultation,
        verdict=None,
    )


def marked(name: str, box: Box | None = None, **values: object) -> Finding:
    return Finding(kind=KINDS[name], probability=0.9, threshold=0.5, box=box, **values)  # type: ignore[arg-type]


def an_answer(uid: str, standing: Standing) -> Answer:
    return Answer(
        answer_id=1,
        kind="text",
        title="",
        text="Tràn dịch.",
        note=None,
        author="BS. Lê Thu",
        verified=True,
        complete=True,
        written_at=NOON,
        received_at=NOON,
        sop_instance_uid=uid,
        has_file=False,
        standing=standing,
    )


def asked(*answers: Answer) -> Consultation:
    return Consultation(
        state=ConsultationState.ANSWERED,
        question="?",
        priority="routine",
        requested_by="BS. An",
        requested_at=NOON,
        request_uid="1.9",
        answers=answers,
    )


def test_it_says_where_to_look_in_the_order_of_a_vietnamese_report() -> None:
    low_left, high_right = Box(600, 700, 100, 100), Box(100, 50, 100, 100)
    begun = begin(
        a_case(
            marked("pleural_effusion", low_left, side="left"),
            marked("nodule", high_right, side="right"),
            marked("mass", low_left),
            marked("cardiomegaly", Box(400, 500, 200, 200)),
            Finding(kind=KINDS["hernia"], probability=0.1, threshold=0.5),
        )
    )
    assert begun.description.splitlines() == [
        "Thành ngực: …",
        "Màng phổi, bên trái: …",
        "Nhu mô, bên phải, vùng trên; vùng dưới: …",
        "Tim: …",
    ]
    assert begun.marked == ("Màng phổi", "Nhu mô", "Tim")


def test_a_film_that_was_not_read_begins_with_the_four_lines_alone() -> None:
    begun = begin(a_case(reason="no_model"))
    assert begun.description == "\n".join(f"{region.heading}: …" for region in REGIONS)
    assert begun.marked == ()


@given(
    names=st.lists(st.sampled_from(sorted(KINDS)), max_size=6),
    box=st.none() | st.builds(Box, *[st.integers(-50, 5000)] * 4),
    side=st.sampled_from([None, "left", "right"]),
    group=st.sampled_from([None, "opacity", "other"]),
)
def test_it_never_names_what_the_ai_thinks_it_is(
    names: list[str], box: Box | None, side: str | None, group: str | None
) -> None:
    found = [marked(name, box, side=side, group=group, shown=group is None) for name in names]
    description = begin(a_case(*found)).description.casefold()
    assert not [kind.vi for kind in TOLD.values() if kind.vi in description]
    assert [line.split(",")[0].split(":")[0] for line in description.splitlines()] == [
        region.heading.casefold() for region in REGIONS
    ]
    assert all(line.endswith(": …") for line in description.splitlines())


def test_what_lay_before_the_author_names_the_model_and_every_mark() -> None:
    assert before(a_case(marked("nodule"), marked("pleural_effusion"))) == (
        "AI (phổi 1.2, abababab): nốt 90% (ngưỡng 50%), tràn dịch màng phổi 90% (ngưỡng 50%)"
    )
    assert before(a_case()) == "AI (phổi 1.2, abababab): Không có dấu hiệu nào vượt ngưỡng."
    assert before(a_case(reason="child")).startswith("AI không đọc phim này")


def test_only_a_persons_answer_of_this_case_is_taken_over() -> None:
    draft, final, machine = (
        an_answer("1.1", Standing.PRELIMINARY),
        an_answer("1.2", Standing.FINAL),
        an_answer("1.3", Standing.MACHINE),
    )
    case = a_case(consultation=asked(draft, final, machine))
    assert [adopted(case, said) for said in (False, "", True, "1.1")] == ["", "", "1.2", "1.1"]
    for of, said in ((case, "1.3"), (case, "1.4"), (a_case(), True), (a_case(), "1.1")):
        with pytest.raises(BadWords):
            adopted(of, said)
