"""A doctor reads names that hold; a program reads every number; both come from one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.reading.findings import KINDS, Box, Finding, Findings, Measured, ModelIdentity, Priority
from xray_triage.reading.naming import GROUPS, OPACITIES, group_of, is_shown, listed, told, told_positive
from xray_triage.reading.triage import Policy, decide

PLACE, ELSEWHERE = Box(1, 2, 3, 4), Box(5, 6, 7, 8)


def a(name: str, probability: float, *, threshold: float = 0.5, box: Box | None = None) -> Finding:
    group = group_of(name, shown=is_shown(name, None))
    return Finding(
        kind=KINDS[name], probability=probability, threshold=threshold, box=box, shown=group is None, group=group
    )


FINDINGS = st.lists(
    st.builds(a, st.sampled_from(sorted(KINDS)), st.floats(0, 1), threshold=st.floats(0.05, 0.95)),
    unique_by=lambda one: one.kind.name,
)


def test_a_group_speaks_with_the_number_and_the_place_of_the_label_furthest_above_its_cut_off() -> None:
    weak, strong = a("pneumonia", 0.6, box=PLACE), a("atelectasis", 0.3, threshold=0.1, box=ELSEWHERE)
    (said,) = told([weak, strong, a("consolidation", 0.1)])
    assert (said.kind.name, said.probability, said.threshold, said.box) == ("opacity", 0.3, 0.1, ELSEWHERE)
    assert said.positive
    assert said.shown


@pytest.mark.parametrize("name", sorted({*KINDS} - {"pleural_effusion", "cardiomegaly", "edema"}))
def test_of_a_bundle_of_the_old_kind_only_three_findings_are_told_by_name(name: str) -> None:
    (said,) = told([a(name, 0.9)])
    assert said.kind is GROUPS["opacity" if name in OPACITIES else "other"]


@given(FINDINGS)
def test_what_is_told_is_marked_if_any_of_its_labels_is_and_no_label_is_lost(findings: list[Finding]) -> None:
    said = told(findings)
    assert {one.kind.name for one in said if one.positive} == {
        one.group or one.kind.name for one in findings if one.positive
    }
    assert len({one.kind.name for one in said}) == len(said)
    assert [one.positive for one in said] == sorted((one.positive for one in said), reverse=True)
    assert listed(findings)[: len(findings)] == tuple(findings)
    assert {one.kind.name for one in listed(findings) if one.shown} == {one.kind.name for one in said}


@given(FINDINGS)
def test_told_again_it_is_the_same(findings: list[Finding]) -> None:
    assert told(told(findings)) == told(findings)


def test_the_reasons_of_a_priority_are_what_the_doctor_sees() -> None:
    model = ModelIdentity(name="m", version="1", sha256="0" * 64)
    seen = Findings(
        findings=(a("pneumonia", 0.9), a("consolidation", 0.8), a("mass", 0.7), a("edema", 0.1)), scores={}, model=model
    )
    assert decide(seen, Policy()).reasons == ("opacity", "other")
    decision = decide(seen, Policy(urgent=("consolidation",)))
    assert (decision.priority, decision.reasons) == (Priority.URGENT, ("opacity",))  # what made it urgent alone


@pytest.mark.parametrize(("ratio", "is_marked"), [(0.55, False), (0.56, True)])
def test_a_measure_goes_before_the_score(ratio: float, *, is_marked: bool) -> None:
    heart = Finding(
        kind=KINDS["cardiomegaly"], probability=0.9 - ratio, threshold=0.345, measured=Measured(ratio, 0.55)
    )
    assert bool(told_positive([heart])) is is_marked
