import pytest

from xray_triage.reading.findings import KINDS, Finding, Findings, ModelIdentity, Priority
from xray_triage.reading.triage import Policy, decide, not_read


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
        (seen("nodule", "pneumothorax"), Priority.URGENT, ("pneumothorax", "nodule")),
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
