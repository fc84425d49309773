"""Which findings a doctor is told by name, and under which name the others are. Knows no bundle, page or report.

A network that tells pneumonia from atelectasis no better than a coin should not print either word. What it cannot name
well enough keeps its number in report and API, and is told as one of two groups: decision 0027.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xray_triage.language import N_
from xray_triage.reading.findings import KINDS, Code, Finding, FindingKind

ALWAYS_NAMED = ("pleural_effusion", "cardiomegaly", "edema")
OPACITIES = ("consolidation", "infiltration", "atelectasis", "pneumonia")
OPACITY, OTHER = "opacity", "other"
GROUPS: Mapping[str, FindingKind] = {
    OPACITY: FindingKind(OPACITY, Code("112001", "DCM", "Opacity"), N_("mờ phổi")),
    OTHER: FindingKind(OTHER, Code("other", "99XRT", "Other abnormality"), N_("hình bất thường khác")),
}
TOLD: Mapping[str, FindingKind] = {**KINDS, **GROUPS}


def is_shown(label: str, decided: bool | None) -> bool:
    """Whether a label is told by its name. A bundle of the old kind decided nothing: then only what always is."""
    return label in ALWAYS_NAMED if decided is None else decided


def group_of(label: str, *, shown: bool) -> str | None:
    """Under which name of GROUPS it is told; None: under its own."""
    if shown:
        return None
    return OPACITY if label in OPACITIES else OTHER


def name_of(finding: Finding) -> str:
    """Under which name it is told."""
    return finding.group or finding.kind.name


def speakers(findings: Iterable[Finding]) -> list[Finding]:
    """The findings whose numbers and places are told: each one shown, and of each group the strongest."""
    strongest: dict[str, Finding] = {}
    for finding in findings:
        known = strongest.get(name_of(finding))
        if known is None or finding.strength > known.strength:
            strongest[name_of(finding)] = finding
    return sorted(strongest.values(), key=lambda one: (one.positive, one.strength), reverse=True)


def told(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What the doctor sees, the strongest first: a group stands there as one finding, with its speaker's numbers."""
    return tuple(
        replace(one, kind=GROUPS[one.group], shown=True, group=None) if one.group else one for one in speakers(findings)
    )


def told_positive(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those of them that are marked on the film."""
    return tuple(one for one in told(findings) if one.positive)


def listed(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """For programs: every label with its own number, and after them the groups."""
    every = tuple(findings)
    return (*every, *(one for one in told(every) if one.kind.name in GROUPS))
