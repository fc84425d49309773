"""How soon a doctor should look: pure, from the findings and the site's policy. It must never know pixels or queues."""

from dataclasses import dataclass

from xray_triage.reading.findings import ABNORMAL, Findings, Priority, TriageDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``urgent``: names of the findings that must be seen at once."""

    urgent: tuple[str, ...] = ("pneumothorax", "edema")


def decide(findings: Findings, policy: Policy) -> TriageDecision:
    """Urgent with any urgent finding, abnormal with any other or a general score over its threshold, else normal."""
    positive = tuple(finding.kind.name for finding in findings.positive)
    urgent = tuple(name for name in positive if name in policy.urgent)
    if urgent:
        others = tuple(name for name in positive if name not in urgent)
        return TriageDecision(priority=Priority.URGENT, reasons=urgent + others)
    if positive:
        return TriageDecision(priority=Priority.ABNORMAL, reasons=positive)
    score = findings.scores.get(ABNORMAL)
    if score is not None and findings.abnormal_threshold is not None and score >= findings.abnormal_threshold:
        return TriageDecision(priority=Priority.ABNORMAL, reasons=(ABNORMAL,))
    return TriageDecision(priority=Priority.NORMAL, reasons=())


def not_read() -> TriageDecision:
    """The decision for a film that nobody read. It is never normal."""
    return TriageDecision(priority=Priority.NOT_READ, reasons=())
