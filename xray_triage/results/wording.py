"""The sentences that report, picture, outlines and page share, so that they say the same; in our objects in Vietnamese.

Must never know DICOM.
"""

from collections.abc import Iterable, Mapping

from xray_triage.language import N_, VIETNAMESE, Language, rounded
from xray_triage.reading.findings import (
    ABNORMAL,
    CARDIOTHORACIC_RATIO,
    KINDS,
    SEVERITY,
    Acquaintance,
    Finding,
    Findings,
    MachineState,
    Priority,
    Reading,
    Reason,
    Side,
)
from xray_triage.reading.naming import told, told_positive
from xray_triage.reading.patient import AGE_CONTRADICTS

DISCLAIMER = N_("AI, hỗ trợ sàng lọc, không thay thế chẩn đoán")
NOTHING_FOUND = N_("Không có dấu hiệu nào vượt ngưỡng.")
AGE_UNKNOWN = "age_unknown"
FLAGS: Mapping[str, str] = {
    AGE_UNKNOWN: N_("Phim không cho biết tuổi người bệnh; AI đọc như phim người lớn."),
    AGE_CONTRADICTS: N_("Tuổi và ngày sinh ghi trên phim mâu thuẫn; trạm tính theo tuổi nhỏ hơn."),
    "inverted": N_("Phim bị đảo sắc độ; đã chỉnh lại trước khi đọc."),
    "cropped": N_("Phim cắt mất một phần phổi."),
    "view_not_stated": N_(
        "Phim không ghi tư thế chụp; chỉ số tim – lồng ngực chỉ có giá trị trên phim sau – trước (PA)."
    ),
    "no_sr": N_("Không lập được báo cáo AI cho phim này; hãy báo người quản trị."),
    "no_sc": N_("Không vẽ được hình ảnh AI cho phim này; hãy báo người quản trị."),
    "no_gsps": N_("Không lập được đường viền AI cho phim này; hãy báo người quản trị."),
    "no_heat": N_("Không vẽ được bản đồ nhiệt cho phim này; hãy báo người quản trị."),
    "no_request": N_("Không tự gửi được yêu cầu hội chẩn cho phim này; hãy tự gửi."),
    "refused_by_header": N_("Phần mô tả của phim nói như vậy; AI chưa xem hình ảnh."),
    "refused_by_pixels": N_("Chương trình nhận ra điều này ở chính hình ảnh."),
    "against_its_tags": N_("Phần mô tả của phim nói không phải phim ngực gốc; AI đọc vì hình ảnh là phim ngực."),
}
UNREAD = "AI chưa đọc"  # in the place of a priority, on the picture
UNPROVEN = N_("AI chưa kết luận")  # in the place of a priority; a doctor may have concluded
UNPROVEN_MODEL = N_(
    "Mô hình này chưa được chứng minh trên phim có nhãn: không có dấu hiệu không có nghĩa là bình thường."
)
SEVERE = N_("điểm nặng thuộc nhóm cao nhất của trạm")
SIDES: Mapping[Side, tuple[str, str]] = {  # of what is named by the lung, and of everything else
    "left": (N_("%(finding)s trái"), N_("%(finding)s bên trái")),
    "right": (N_("%(finding)s phải"), N_("%(finding)s bên phải")),
}
LARGEST_NORMAL_RATIO = 0.5  # by convention, on a PA film of an adult


def percent(probability: float) -> str:
    """A probability for people: never a certainty that no model has."""
    if probability < 0.01:
        return "<1%"
    return ">99%" if probability > 0.99 else VIETNAMESE.percent(probability)


def value(finding: Finding, language: Language = VIETNAMESE) -> str:
    """What was found, as it is written: ``93%``, or the measure that goes before it: ``0,57``."""
    return percent(finding.probability) if finding.measured is None else language.number(finding.measured.value, 2)


def limit(finding: Finding, language: Language = VIETNAMESE) -> str:
    """What it is held against, written likewise."""
    return percent(finding.threshold) if finding.measured is None else language.number(finding.measured.limit, 2)


def sighting(finding: Finding, language: Language = VIETNAMESE) -> str:
    """A finding and the lung that it keeps to, where the film tells."""
    name = language.translate(finding.kind.vi)
    if finding.side is None:
        return name
    of_the_lung, other = SIDES[finding.side]
    return language.say(of_the_lung if finding.kind.vi.endswith("phổi") else other, finding=name)


def score(finding: Finding) -> str:
    """``tràn khí màng phổi 93% (ngưỡng 50%)``."""
    return f"{finding.kind.vi} {value(finding)} (ngưỡng {limit(finding)})"


def cardiothoracic(ratio: float) -> str:
    """``Chỉ số tim – lồng ngực 0,54``."""
    return f"Chỉ số tim – lồng ngực {VIETNAMESE.number(ratio, 2)}"


def cardiothoracic_line(ratio: float, language: Language = VIETNAMESE, *, marked_above: float | None = None) -> str:
    """The ratio and what it means, judged as it is written; over the limit and not marked: why not."""
    written = float(rounded(ratio, 2))
    told, marked = N_("Chỉ số tim – lồng ngực %(r)s (không quá %(limit)s)"), marked_above or LARGEST_NORMAL_RATIO
    if written > LARGEST_NORMAL_RATIO:
        told = N_("Chỉ số tim – lồng ngực %(r)s (trên %(limit)s: bóng tim to)")
    if LARGEST_NORMAL_RATIO < written <= marked:
        told = N_("Chỉ số tim – lồng ngực %(r)s (trên %(limit)s; AI chỉ đánh dấu khi trên %(marked)s)")
    numbers = {"r": written, "limit": LARGEST_NORMAL_RATIO, "marked": marked}
    return language.say(told, **{name: language.number(number, 2) for name, number in numbers.items()})


def marked_above(findings: Iterable[Finding]) -> float | None:
    """The ratio from which these findings mark a heart; None: its score does."""
    return next((one.measured.limit for one in findings if one.measured is not None), None)


def score_lines(
    scores: Mapping[str, float | None],
    findings: Iterable[Finding],
    language: Language = VIETNAMESE,
    *,
    is_abnormal: bool = False,
) -> list[str]:
    """The general scores. The labels that the bundle withholds are not for the doctor."""
    abnormal, ratio = scores.get(ABNORMAL), scores.get(CARDIOTHORACIC_RATIO)
    told = N_("Xác suất có bất thường: %(p)s")
    told = N_("Xác suất có bất thường: %(p)s, vượt ngưỡng") if is_abnormal else told
    lines = [] if abnormal is None else [language.say(told, p=percent(abnormal))]
    if ratio is not None:
        lines.append(cardiothoracic_line(ratio, language, marked_above=marked_above(findings)))
    return lines


def untold_lines(findings: Findings) -> list[str]:
    """The kinds that the model does not tell: there whoever reads is alone, and silence is no finding."""
    judged = {finding.kind for finding in findings.findings}
    untold = ", ".join(kind.vi for kind in KINDS.values() if kind not in judged)
    return [f"AI không đánh giá: {untold}."] if untold else []


def conflict_line(people: Iterable[str], language: Language = VIETNAMESE) -> str:
    """That the films of one study name different people."""
    told = N_("Phim trong ca này mang tên nhiều người bệnh: %(people)s. Hãy kiểm tra phim nào của ai.")
    return language.say(told, people="; ".join(people))


def priority(reading: Reading) -> str:
    """How soon; a film of a machine that is not known yet is not called normal."""
    return UNPROVEN if reading.unproven else reading.decision.priority.vi


def machine_lines(machine: Acquaintance | None, language: Language = VIETNAMESE) -> list[str]:
    """Why a film without a mark may not be called clear; nothing where it may, or where nobody knows of machines."""
    if machine is None or machine.clears:
        return []
    lines = []
    if machine.strange:
        lines.append(language.say(N_("Phim của máy này khác phim mô hình biết; đừng dựa vào kết quả âm tính.")))
    if machine.state is MachineState.PROPOSED:
        lines.append(language.say(N_("Ngưỡng AI cho máy X-quang này chưa được người quản trị chấp nhận.")))
    elif machine.state is MachineState.LEARNING and machine.films > machine.needed:  # only a model without figures
        lines.append(language.say(UNPROVEN_MODEL))
    elif machine.state is MachineState.LEARNING:
        told = N_("AI đang làm quen với máy X-quang này (%(n)d/%(all)d).")
        if machine.changed:
            told = N_("Phim của máy vừa thay đổi. AI đang làm quen lại với máy X-quang này (%(n)d/%(all)d).")
        lines.append(language.say(told, n=machine.films, all=machine.needed))
    return lines


def urgent_because(
    reasons: Iterable[str], findings: Iterable[Finding], language: Language = VIETNAMESE, *, most: int | None = None
) -> str:
    """``Khẩn cấp vì: phù phổi trái 42%`` for the ``reasons`` of urgent films, out of all their ``findings``.

    Empty where none of them is known; of more than ``most`` reasons the last are counted.
    """
    names = set(reasons)
    seen = [f"{sighting(one, language)} {value(one, language)}" for one in told(findings) if one.kind.name in names]
    why = [*seen, *([language.translate(SEVERE)] if SEVERITY in names else [])]
    rest = 0 if most is None else max(0, len(why) - most)
    said = ", ".join(why[: len(why) - rest]) + (f" +{rest}" if rest else "")
    return language.say(N_("Khẩn cấp vì: %(why)s"), why=said) if said else ""


def urgent_lines(reading: Reading) -> list[str]:
    """Why an urgent film is urgent; nothing for any other."""
    if reading.findings is None or reading.decision.priority is not Priority.URGENT:
        return []
    return [line] if (line := urgent_because(reading.decision.reasons, reading.findings.findings)) else []


def unread_line(reason: Reason) -> str:
    """That nobody but the doctor has read it, and why."""
    return f"AI không đọc phim này: {reason.text}"


def standing_lines(reading: Reading) -> list[str]:
    """Why it may not be called clear."""
    lines = machine_lines(reading.machine)
    measured = reading.findings is None or reading.findings.proven or UNPROVEN_MODEL in lines
    return lines if measured else [*lines, UNPROVEN_MODEL]


def flag_lines(reading: Reading) -> list[str]:
    """One sentence per flag; a flag without a sentence of ours as it is."""
    return [FLAGS.get(flag, flag) for flag in reading.flags]


def summary(reading: Reading) -> list[str]:
    """What a doctor must know, a line each: how soon, what or why not, the heart's size, what was not judged, flags,
    what this is.
    """
    lines = [f"Ưu tiên: {priority(reading).upper()}", *urgent_lines(reading), *standing_lines(reading)]
    if reading.findings is not None:
        every = reading.findings.findings
        lines += [score(finding) for finding in told_positive(every)] or [NOTHING_FOUND]
        ratio = reading.findings.scores.get(CARDIOTHORACIC_RATIO)
        lines += [] if ratio is None else [cardiothoracic_line(ratio, marked_above=marked_above(every))]
        lines += untold_lines(reading.findings)
    elif reading.not_readable is not None:
        lines += [unread_line(reading.not_readable.reason)]
    return [*lines, *flag_lines(reading), DISCLAIMER]


def urgency(asked: str) -> str:
    """The priority of a consultation request, ``urgent`` or ``routine``."""
    return Priority.URGENT.vi.upper() if asked == "urgent" else "thường quy"
