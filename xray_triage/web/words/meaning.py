"""What a threshold means, as it was measured, or why nobody can say. Knows no page."""

from collections.abc import Sequence
from math import isclose

from xray_triage.cases.case import Image
from xray_triage.language import N_, Language
from xray_triage.model.drift import ModelInUse
from xray_triage.reading.findings import Finding
from xray_triage.reading.naming import GROUPS


def meanings(image: Image, model: ModelInUse | None, language: Language) -> Sequence[tuple[Finding, str]]:
    """A sentence for each finding of ``image``; none when it was read by another model than the one in use."""
    if model is None or image.model is None or image.model.sha256 != model.identity.sha256:
        return []
    return [
        (one, _members(one, image, language) if one.kind.name in GROUPS else _meaning(one, model, language))
        for one in image.told
    ]


def _members(group: Finding, image: Image, language: Language) -> str:
    """What stands together under one name."""
    members = [language.translate(one.kind.vi) for one in image.findings if one.group == group.kind.name]
    told = N_("Gồm: %(kinds)s. AI không phân biệt được chúng đủ tốt để gọi tên; số là của dấu hiệu mạnh nhất.")
    return language.say(told, kinds=", ".join(members))


def _meaning(finding: Finding, model: ModelInUse, language: Language) -> str:
    if finding.measured is not None:
        return language.say(N_("Đánh dấu theo chỉ số tim – lồng ngực đo trên phim, không theo điểm của AI."))
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
