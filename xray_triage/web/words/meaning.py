"""What a threshold means, as it was measured, or why nobody can say. Knows no page."""

from collections.abc import Sequence
from math import isclose

from xray_triage.cases.case import Image
from xray_triage.language import N_, Language
from xray_triage.model.drift import ModelInUse
from xray_triage.reading.findings import Finding


def meanings(image: Image, model: ModelInUse | None, language: Language) -> Sequence[tuple[Finding, str]]:
    """A sentence for each finding of ``image``; none when it was read by another model than the one in use."""
    if model is None or image.model is None or image.model.sha256 != model.identity.sha256:
        return []
    return [(finding, _meaning(finding, model, language)) for finding in image.findings]


def _meaning(finding: Finding, model: ModelInUse, language: Language) -> str:
    measured = model.points.get(finding.kind.name)
    if measured is None:
        return language.say(N_("Chưa được đo."))
    if not isclose(finding.threshold, measured.threshold, abs_tol=0.005):
        return language.say(
            N_("Ngưỡng riêng của trạm, chưa được đo; mô hình được đo ở ngưỡng %(t)s."),
            t=language.percent(measured.threshold),
        )
    return language.say(
        N_("Ở ngưỡng này: phát hiện %(sensitivity)s ca có bệnh, báo nhầm %(false)s ca không có bệnh."),
        sensitivity=language.percent(measured.sensitivity),
        false=language.percent(1 - measured.specificity),
    )
