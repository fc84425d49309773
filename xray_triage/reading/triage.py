"""How soon a doctor should look: pure, from the findings and the site's policy. It must never know pixels or queues."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from xray_triage.reading.findings import ABNORMAL, SEVERITY, Findings, Priority, TriageDecision
from xray_triage.reading.naming import name_of, told_positive

GRAVE = ("pneumothorax", "edema", "pleural_effusion", "mass")  # what must not wait, as far as a score tells it


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``urgent``: names of the findings that must be seen at once."""

    urgent: tuple[str, ...] = ("pneumothorax", "edema")


def severity(scores: Mapping[str, float | None]) -> float:
    """0..1 out of the scores of a film: that any of GRAVE is there, were they independent, times that it is abnormal.

    Only its order means something. Of the highest 5 % of PA films of adults (NIH ChestX-ray14 mixed as a station's,
    station-2) three in four have one of GRAVE, consolidation or pneumonia, one in ten of all; plain films or sharpened.
    """
    any_grave = 1 - prod(1 - (scores.get(name) or 0.0) for name in GRAVE)
    abnormal = scores.get(ABNORMAL)
    return any_grave * (1.0 if abnormal is None else abnormal)


def decide(findings: Findings, policy: Policy, *, severe_from: float | None = None) -> TriageDecision:
    """Urgent with any urgent finding, abnormal with any other or a general score over its threshold, else normal.

    Urgent too with a severity above ``severe_from``: the site's gravest films.
    """
    positive = tuple(finding.kind.name for finding in told_positive(findings.findings))
    rings = {name_of(one) for one in findings.findings if one.positive and one.kind.name in policy.urgent}
    urgent = tuple(name for name in positive if name in rings)
    said = {**findings.scores, **{finding.kind.name: finding.probability for finding in findings.findings}}
    if severe_from is not None and severity(said) > severe_from:
        urgent = (*urgent, SEVERITY)
    if urgent:
        return TriageDecision(priority=Priority.URGENT, reasons=urgent)
    if positive:
        return TriageDecision(priority=Priority.ABNORMAL, reasons=positive)
    score = findings.scores.get(ABNORMAL)
    if score is not None and findings.abnormal_threshold is not None and score >= findings.abnormal_threshold:
        return TriageDecision(priority=Priority.ABNORMAL, reasons=(ABNORMAL,))
    return TriageDecision(priority=Priority.NORMAL, reasons=())


def not_read() -> TriageDecision:
    """The decision for a film that nobody read. It is never normal."""
    return TriageDecision(priority=Priority.NOT_READ, reasons=())
