"""Words ready to be sent to a specialist, so that a question takes one click. Knows no page."""

from xray_triage.cases.case import Case
from xray_triage.language import N_
from xray_triage.web.words.cases import Words, positives

PHRASES = (
    N_("Có cần chuyển viện không?"),
    N_("Xin hướng xử trí tại trạm."),
    N_("Có cần chụp thêm hoặc siêu âm không?"),
    N_("Người bệnh khó thở nhiều."),
    N_("Ho, sốt kéo dài trên hai tuần; xin cho ý kiến về lao."),
    N_("Xin so sánh với phim cũ."),
)


def question(case: Case, reason: str, words: Words) -> str:
    """What a doctor would ask of this case, to be bettered by them. ``reason``: why it was ordered, or ""."""
    say = words.language.say
    person = words.person(case)
    lines = [say(N_("Phim ngực, %(person)s."), person=person) if person else say(N_("Phim ngực."))]
    if reason:
        lines.append(say(N_("Lý do chụp: %(reason)s"), reason=reason))
    found = [f"{words.sighting(each)} {words.value(each)}" for each in positives(case)]
    if found:
        lines.append(say(N_("AI thấy: %(findings)s."), findings=", ".join(found)))
        lines.append(say(N_("Xin cho ý kiến chẩn đoán và hướng xử trí.")))
    else:
        lines.append(words.silence(case))
        lines.append(say(N_("Xin bác sĩ đọc giúp phim này.")))
    return "\n".join(lines)
