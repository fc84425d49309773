"""What an answer is, in the doctor's words: whose, how far it holds, what it marks. Knows no HTML."""

from collections.abc import Mapping

from xray_triage.cases.case import Case
from xray_triage.cases.consultation import Answer, AnswerKind, Standing
from xray_triage.language import N_, Language

STANDINGS: Mapping[Standing, str] = {
    Standing.FINAL: N_("Ý kiến của bác sĩ chuyên khoa"),
    Standing.PRELIMINARY: N_("Ý kiến sơ bộ, chưa phải trả lời chính thức"),
    Standing.SUPERSEDED: N_("Bản cũ, đã có bản thay thế"),
    Standing.MACHINE: N_("Báo cáo của một phần mềm, không phải của bác sĩ"),
}
MARKS: Mapping[str, str] = {
    AnswerKind.KOS: N_("Nơi đọc đã đánh dấu ảnh, chưa phải trả lời"),
    AnswerKind.REJECTION: N_("Nơi đọc báo loại bỏ đối tượng, chưa phải trả lời"),
    AnswerKind.GSPS: N_("Có đối tượng mới trong ca: chú thích trên phim, chưa phải trả lời"),
    AnswerKind.SC: N_("Có đối tượng mới trong ca: ảnh chụp lại (Secondary Capture), hãy xem trên PACS"),
    AnswerKind.CDA: N_("Có đối tượng mới trong ca: tài liệu CDA. Trạm không hiện loại này, hãy xem trên PACS"),
}


def heading(answer: Answer, language: Language) -> str:
    """What it is, in one line."""
    if answer.standing is Standing.MARK:
        return language.translate(MARKS.get(answer.kind, N_("Có đối tượng mới trong ca, hãy xem trên PACS")))
    if answer.standing is Standing.FINAL and answer.is_addendum:
        return language.say(N_("Bổ sung"))
    if answer.standing is Standing.FINAL and answer.predecessors:
        return language.say(N_("Ý kiến của bác sĩ chuyên khoa, bản thay thế"))
    return language.translate(STANDINGS[answer.standing])


def outdone(answer: Answer, language: Language) -> str:
    """What it is, where a later one counts instead."""
    if answer.standing is Standing.PRELIMINARY:
        return language.say(N_("Ý kiến sơ bộ, đã có trả lời sau"))
    return language.say(N_("Bản chưa ký duyệt, đã có bản ký duyệt sau"))


def by(answer: Answer, language: Language) -> str:
    """Who wrote it and who signed it."""
    say = language.say
    author = answer.author or say(N_("không ghi tên"))
    if not answer.verified:
        signed = say(N_("chưa ký duyệt"))
    elif answer.signed_by in ("", answer.author):
        signed = say(N_("đã ký duyệt"))
    else:
        signed = say(N_("ký duyệt: %(who)s"), who=answer.signed_by)
    return " · ".join([author, signed] + ([] if answer.complete else [say(N_("chưa hoàn tất"))]))


def marked(answer: Answer, case: Case, language: Language) -> str:
    """Which films it marks, and how many other objects; empty for what marks nothing."""
    films = {image.sop_instance_uid: number for number, image in enumerate(case.images, 1)}
    named = [language.say(N_("Phim %(n)d"), n=films[uid]) for uid in answer.objects if uid in films]
    others = len(answer.objects) - len(named)
    return ", ".join(named + ([language.say(N_("%(n)d đối tượng khác"), n=others)] if others else []))
