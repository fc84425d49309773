"""The doctor's words for how well the AI knows an X-ray machine. Knows no HTML."""

from collections.abc import Iterable

from xray_triage.reading.findings import ABNORMAL, KINDS, Acquaintance, MachineState
from xray_triage.web.words.language import N_, Language

STRANGE = N_("Phim của máy này khác phim mô hình biết; đừng dựa vào kết quả âm tính.")
PROPOSED = N_("Ngưỡng AI cho máy X-quang này chưa được người quản trị chấp nhận.")
LEARNING = N_("AI đang làm quen với máy X-quang này (%(n)d/%(all)d).")
CHANGED = N_("Phim của máy vừa thay đổi. AI đang làm quen lại với máy X-quang này (%(n)d/%(all)d).")


def told(machine: Acquaintance | None, language: Language) -> list[str]:
    """Why a film without a mark may not be called clear; nothing where it may, or where nobody knows of machines."""
    if machine is None or machine.clears:
        return []
    lines = [language.say(STRANGE)] if machine.strange else []
    if machine.state is MachineState.PROPOSED:
        lines.append(language.say(PROPOSED))
    elif machine.state is MachineState.LEARNING:
        lines.append(language.say(CHANGED if machine.changed else LEARNING, n=machine.films, all=machine.needed))
    return lines


def findings_named(labels: Iterable[str], language: Language) -> str:
    """Labels of a bundle in words."""
    kinds = {name: kind.vi if language.code == "vi" else kind.en for name, kind in KINDS.items()}
    abnormal = language.say(N_("có bất thường"))
    return ", ".join(abnormal if label == ABNORMAL else kinds.get(label, label) for label in labels)
