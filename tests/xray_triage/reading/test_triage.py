import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.reading.findings import ABNORMAL, KINDS, SEVERITY, Finding, Findings, ModelIdentity, Priority
from xray_triage.reading.triage import GRAVE, Policy, decide, not_read, severity


def seen(*positive: str, abnormal: float | None = None, threshold: float | None = 0.5) -> Findings:
    return Findings(
        findings=tuple(
            Finding(kind=kind, probability=0.9 if name in positive else 0.1, threshold=0.5)
            for name, kind in KINDS.items()
        ),
        scores={"abnormal": abnormal},
        model=ModelIdentity(name="m", version="1", sha256="0" * 64),
        abnormal_threshold=threshold,
    )


@pytest.mark.parametrize(
    ("findings", "priority", "reasons"),
    [
        (seen(), Priority.NORMAL, ()),
        (seen("nodule"), Priority.ABNORMAL, ("nodule",)),
        (seen("nodule", "pneumothorax"), Priority.URGENT, ("pneumothorax",)),
        (seen("edema"), Priority.URGENT, ("edema",)),
        (seen(abnormal=0.5), Priority.ABNORMAL, ("abnormal",)),
        (seen(abnormal=0.49), Priority.NORMAL, ()),
        (seen(abnormal=0.9, threshold=None), Priority.NORMAL, ()),
    ],
)
def test_the_priority_follows_from_the_findings(
    findings: Findings, priority: Priority, reasons: tuple[str, ...]
) -> None:
    decision = decide(findings, Policy())
    assert (decision.priority, decision.reasons) == (priority, reasons)


def test_the_site_says_what_is_urgent() -> None:
    policy = Policy(urgent=("tuberculosis",))
    assert decide(seen("tuberculosis"), policy).priority is Priority.URGENT
    assert decide(seen("pneumothorax"), policy).priority is Priority.ABNORMAL


def test_a_film_that_nobody_read_is_never_normal() -> None:
    assert not_read().priority is Priority.NOT_READ


def test_the_sites_gravest_films_are_urgent_and_say_why() -> None:
    grave = seen("mass", "pleural_effusion", abnormal=0.9)
    decision = decide(grave, Policy(), severe_from=0.8)
    assert (decision.priority, decision.reasons) == (Priority.URGENT, (SEVERITY,))
    assert decide(grave, Policy()).priority is Priority.ABNORMAL
    assert decide(seen("nodule", abnormal=0.9), Policy(), severe_from=0.8).priority is Priority.ABNORMAL


def test_a_model_that_says_the_same_of_every_film_rings_for_none() -> None:
    same = seen(abnormal=0.9)
    said = {**same.scores, **{one.kind.name: one.probability for one in same.findings}}
    assert decide(same, Policy(), severe_from=severity(said)).priority is Priority.ABNORMAL


@given(st.dictionaries(st.sampled_from([*GRAVE, ABNORMAL, "nodule"]), st.floats(0, 1)), st.sampled_from(GRAVE))
def test_severity_never_falls_when_something_grave_is_likelier(scores: dict[str, float], name: str) -> None:
    assert 0 <= severity(scores) <= 1
    assert severity({**scores, name: 1.0}) >= severity(scores)
