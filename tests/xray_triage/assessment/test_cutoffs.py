"""What a threshold would change is told by verdicts and reads, and never more than they carry."""

from datetime import UTC, datetime

import pytest

from tests.xray_triage.desk import MODEL, TestDesk, reading
from xray_triage.assessment.cutoffs import (
    Judged,
    candidates,
    consequences,
    judged_by_reads,
    judged_by_verdicts,
    warnings,
)
from xray_triage.assessment.labels import LabelledFilm
from xray_triage.assessment.predictions import probabilities_in
from xray_triage.cases.case import Case, Image, Verdict
from xray_triage.reading.findings import KINDS, REASONS, Finding, Findings, ModelIdentity, Priority
from xray_triage.reading.patient import Patient

AT = datetime(2025, 6, 1, tzinfo=UTC)
NOBODY = Patient(id="", name="", sex="", birth_date="", age_years=None)
OTHER = ModelIdentity(name="old", version="0", sha256="cd" * 32)


def image(*, model: ModelIdentity = MODEL, abnormal: float = 0.9, read: bool = True, **findings: float) -> Image:
    return Image(
        sop_instance_uid="1.2", arrival_id=1, priority=Priority.ABNORMAL, reasons=(),
        reason=None if read else REASONS["no_contrast"],
        findings=tuple(Finding(kind=KINDS[n], probability=p, threshold=0.5) for n, p in findings.items()),
        scores={"abnormal": abnormal}, flags=(), model=model, picture_key=None, received_at=AT, read_at=AT,
    )  # fmt: skip


def case(*images: Image, agrees: bool | None, priority: Priority = Priority.ABNORMAL) -> Case:
    verdict = None if agrees is None else Verdict(agrees=agrees, note="", given_at=AT)
    return Case(
        case_id="c", study_instance_uid="1.2.3", accession_number="A1", patient=NOBODY, received_at=AT, read_at=AT,
        priority=priority, images=images, consultation=None, verdict=verdict,
    )  # fmt: skip


NORMAL = Priority.NORMAL


def test_a_verdict_confirms_abnormal_or_turns_it_round() -> None:
    judged = judged_by_verdicts(
        "abnormal",
        [
            case(image(abnormal=0.9), agrees=True),
            case(image(abnormal=0.8), agrees=False, priority=Priority.URGENT),
            case(image(abnormal=0.2), agrees=True, priority=NORMAL),
            case(image(abnormal=0.1), agrees=False, priority=NORMAL),
        ],
        MODEL.sha256,
    )
    assert list(zip(judged.scores, judged.truth, strict=True)) == [(0.9, True), (0.8, False), (0.2, False), (0.1, True)]
    assert judged.misses_seen


def test_a_verdict_speaks_of_a_finding_only_where_it_stood_alone_or_nothing_did() -> None:
    cases = [
        case(image(mass=0.7, nodule=0.1), agrees=True),
        case(image(mass=0.6), agrees=False),
        case(image(mass=0.2), agrees=True, priority=NORMAL),
        case(image(mass=0.8, nodule=0.9), agrees=True),  # which of the two was right?
        case(image(mass=0.1, nodule=0.9), agrees=True),  # a mass may be there beside
        case(image(mass=0.1), agrees=False, priority=NORMAL),  # something was missed; what?
    ]
    judged = judged_by_verdicts("mass", cases, MODEL.sha256)
    assert list(zip(judged.scores, judged.truth, strict=True)) == [(0.7, True), (0.6, False), (0.2, False)]
    assert judged.left_out == {"the verdict does not speak of this finding": 3}
    assert not judged.misses_seen


def test_films_that_another_model_read_or_nobody_judged_are_left_out() -> None:
    cases = [
        case(image(model=OTHER), agrees=True),
        case(image(), image(model=OTHER), agrees=True),
        case(image(read=False), agrees=True),
        case(image(), agrees=None),
        case(image(read=False), agrees=True, priority=Priority.NOT_READ),
    ]
    judged = judged_by_verdicts("abnormal", cases, MODEL.sha256)
    assert judged.scores == ()
    assert judged.left_out == {
        "read by another model, or without this score": 3,
        "without a verdict on a reading": 2,
    }


def test_a_case_counts_by_the_highest_score_of_its_films() -> None:
    judged = judged_by_verdicts("mass", [case(image(mass=0.3), image(mass=0.8), agrees=True)], MODEL.sha256)
    assert judged.scores == (0.8,)


def test_reference_reads_meet_cases_by_their_number() -> None:
    cases = {"A1": case(image(mass=0.7), agrees=None), "A2": case(image(mass=0.2), agrees=None)}
    reads = [
        LabelledFilm(line=2, key="A1", labels={"mass": False}),
        LabelledFilm(line=3, key="A2", labels={"mass": True}),
        LabelledFilm(line=4, key="A3", labels={"mass": True}),
        LabelledFilm(line=5, key="A1", labels={"nodule": True}),
    ]
    judged = judged_by_reads("mass", reads, cases, MODEL.sha256)
    assert list(zip(judged.scores, judged.truth, strict=True)) == [(0.7, False), (0.2, True)]
    assert judged.left_out == {"no such case here": 1, "this label is unknown": 1}


SCORES = tuple(n / 100 for n in range(1, 101))
TRUTH = tuple(n > 80 or n % 10 == 0 for n in range(1, 101))  # 28 with it, 20 of them on top
JUDGED = Judged(scores=SCORES, truth=TRUTH, left_out={})


def test_each_cut_off_tells_who_is_referred_found_missed_and_alarmed_in_vain() -> None:
    (line,) = consequences(JUDGED, [], marks={0.81: "in use"})
    assert (line.referred, line.found, line.missed, line.false_alarms) == (20, 20, 8, 0)
    assert (line.sensitivity, line.specificity) == (20 / 28, 1.0)
    assert line.sensitivity_interval == (pytest.approx(0.529, abs=1e-3), pytest.approx(0.848, abs=1e-3))  # Wilson
    assert line.per_1000 == pytest.approx({"referred": 200, "found": 200, "missed": 80, "false_alarms": 0})
    assert (line.right_when_referred, line.mark) == (1, "in use")


def test_the_sites_prevalence_weighs_a_thousand_films() -> None:
    (line,) = consequences(JUDGED, [0.51], marks={}, prevalence=0.05)
    sensitivity, specificity = 23 / 28, 45 / 72
    assert line.per_1000 is not None
    assert line.per_1000["missed"] == pytest.approx(50 * (1 - sensitivity))
    assert line.per_1000["false_alarms"] == pytest.approx(950 * (1 - specificity))
    assert line.right_when_referred == pytest.approx(50 * sensitivity / line.per_1000["referred"])


def test_raising_a_threshold_never_refers_more() -> None:
    lines = consequences(JUDGED, candidates(SCORES), marks={})
    assert len(lines) == 9
    assert [line.threshold for line in lines] == sorted(line.threshold for line in lines)
    assert [line.referred for line in lines] == sorted((line.referred for line in lines), reverse=True)
    assert all(line.found + line.missed == sum(TRUTH) for line in lines)


def test_without_the_missed_no_sensitivity_is_claimed() -> None:
    blind = Judged(scores=(0.9, 0.8, 0.1), truth=(True, False, False), left_out={}, misses_seen=False)
    (line,) = consequences(blind, [0.5], marks={})
    assert (line.sensitivity, line.per_1000, line.right_when_referred) == (None, None, None)
    assert (line.found, line.false_alarms, line.specificity) == (1, 1, 0.5)


def test_few_films_are_warned_of() -> None:
    assert warnings(JUDGED) == ["Only 28 films with it: too few to choose a threshold by (at least 50)."]
    assert warnings(Judged(scores=SCORES * 2, truth=TRUTH * 2, left_out={})) == []


def test_the_casebook_gives_the_judged_cases_and_those_of_a_number(sqlite_desk: TestDesk) -> None:
    judged = sqlite_desk.add(reading(), AccessionNumber="A7").case_id
    sqlite_desk.add(reading(), AccessionNumber="A8")
    assert list(sqlite_desk.casebook.judged()) == []
    sqlite_desk.casebook.give_verdict(judged, agrees=True, note="")
    sqlite_desk.casebook.give_verdict(judged, agrees=False, note="nhìn lại")
    (found,) = sqlite_desk.casebook.judged()
    assert (found.case_id, found.verdict and found.verdict.agrees) == (judged, False)
    assert [each.accession_number for each in sqlite_desk.casebook.with_accession("A8")] == ["A8"]
    assert sqlite_desk.casebook.with_accession("A") == []


def test_the_ratio_of_heart_and_chest_is_no_probability() -> None:
    scores = {"abnormal": 0.7, "cardiothoracic_ratio": 0.52, "tuberculosis": 0.1, "hernia": None}
    findings = Findings(findings=(), scores=scores, model=MODEL)
    assert probabilities_in(findings) == {"abnormal": 0.7, "tuberculosis": 0.1}
