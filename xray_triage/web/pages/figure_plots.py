"""What the page of figures shows, in its order and its words. Draws nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from xray_triage.cases.figures.figure_book import Figures, Outage
from xray_triage.cases.figures.tally import AGES, Counts, Group, Spread
from xray_triage.cases.period import Period, Step
from xray_triage.cases.rows import kind_named
from xray_triage.language import N_, Language
from xray_triage.reading.findings import Priority
from xray_triage.web.pages.plots import Plot, Series, Tell, ranges, stacked
from xray_triage.web.words.cases import Words

MINUTE, HOUR, DAY = 60, 3600, 86_400
FEWEST = 20  # of which a percentage is told
RANGES = {
    "exposure_to_page": N_("Từ lúc chụp đến khi hiện trên trang"),
    "arrival_to_page": N_("Từ lúc nhận phim đến khi hiện trên trang"),
    "exposure_to_pacs": N_("Từ lúc chụp đến khi báo cáo AI ở PACS"),
    "arrival_to_pacs": N_("Từ lúc nhận phim đến khi báo cáo AI ở PACS"),
    "asked_to_answer": N_("Từ lúc hỏi đến khi có trả lời hội chẩn"),
}
DRAWN = 5  # findings with a colour of their own
SPAN_HINT = N_("Cột càng thấp càng nhanh. Phần đậm: trung vị; cả cột: 95%% số lần.")


def plots(figures: Figures, language: Language) -> Sequence[Plot]:
    """All of them, in the page's order."""
    say, lines = language.say, figures.lines
    labels = [label(line.start, figures.period.step) for line in lines]
    words = (say(N_("trung vị")), say(N_("95%% không quá")), say(N_("số lần đo")))

    def count(value: float) -> str:
        return language.number(value)

    def time(seconds: float) -> str:
        return duration(seconds, language)

    def bars(name: str, title: str, hint: str, *series: tuple[str, str, Sequence[float]], tell: Tell = count) -> Plot:
        return stacked(name, say(title), say(hint), labels, [Series(*one) for one in series], tell)

    def spans(name: str) -> Plot:
        spreads = [getattr(line, name) for line in lines]
        return ranges(name, say(RANGES[name]), say(SPAN_HINT), labels, spreads, time, words)

    by_priority = [
        (each.value, Words(language).counted(each), [line.cases[each] for line in lines]) for each in Priority
    ]
    by_finding = [
        (f"finding{place}", Words(language).finding(kind_named(name)), [_marks(line, name) for line in lines])
        for place, name in enumerate(_commonest(figures.total)[:DRAWN])
    ]
    return (
        bars("cases", N_("Số ca theo mức ưu tiên"), N_("Mỗi ca được AI xếp vào một mức."), *by_priority),
        bars(
            "findings",
            N_("Dấu hiệu AI đánh dấu"),
            N_("Các dấu hiệu hay gặp nhất; một phim có thể có nhiều dấu hiệu."),
            *by_finding,
        ),
        *(spans(name) for name in RANGES if name != "asked_to_answer"),
        bars(
            "consultations",
            N_("Yêu cầu hội chẩn"),
            N_("Đếm theo lúc hỏi, kể cả yêu cầu tự động."),
            ("good", say(N_("đã có trả lời")), [line.answered for line in lines]),
            ("open", say(N_("chưa có trả lời")), [line.asked - line.answered for line in lines]),
        ),
        spans("asked_to_answer"),
        bars(
            "verdicts",
            N_("Ý kiến của bác sĩ về kết quả AI"),
            N_("Bác sĩ tại trạm bấm đồng ý hay không đồng ý trên từng ca."),
            ("good", say(N_("đồng ý")), [line.agreement.agree for line in lines]),
            ("against", say(N_("không đồng ý")), [line.agreement.disagree for line in lines]),
        ),
        bars(
            "queue",
            N_("Tệp chờ gửi đi"),
            N_("Lúc nhiều nhất có bao nhiêu tệp cùng chờ trên 1 phút; nhiều khi mạng chậm hoặc mất."),
            ("queue", say(N_("tệp")), [line.waiting for line in lines]),
        ),
        bars(
            "link",
            N_("Thời gian không liên lạc được PACS tuyến trên"),
            N_("Trong lúc đó phim và kết quả được giữ tại trạm, có mạng thì tự gửi."),
            ("against", say(N_("giờ")), [line.unreachable_seconds / HOUR for line in lines]),
            tell=lambda hours: time(hours * HOUR),
        ),
    )


def tiles(figures: Figures, language: Language) -> list[tuple[str, str, str]]:
    """(name, figure, what stands beside it) of the whole period."""
    say, total = language.say, figures.total
    cases, urgent, agreed = sum(total.cases.values()), total.cases[Priority.URGENT], total.agreement
    return [
        (say(N_("Phim")), language.number(total.films), say(N_("trong %(n)s ca"), n=language.number(cases))),
        (say(N_("Khẩn cấp")), language.number(urgent), share(urgent, cases, language)),
        (say(N_("Từ lúc chụp đến khi hiện trên trang")), *_median(total.exposure_to_page, language)),
        (say(N_("Từ lúc nhận phim đến khi báo cáo AI ở PACS")), *_median(total.arrival_to_pacs, language)),
        (
            say(N_("Hội chẩn")),
            language.number(total.asked),
            say(N_("%(n)s đã có trả lời"), n=language.number(total.answered)),
        ),
        (
            say(N_("Đồng ý với AI")),
            share(agreed.agree, agreed.agree + agreed.disagree, language) or "–",
            say(N_("trên %(n)s ý kiến"), n=language.number(agreed.agree + agreed.disagree)),
        ),
    ]


@dataclass(frozen=True, slots=True)
class Crowd:
    """A column of the table of findings: ``has`` says of which groups."""

    name: str
    groups: Sequence[Group]

    def count(self, counted: Mapping[Group, int]) -> int:
        return sum(counted.get(group, 0) for group in self.groups)


def findings_table(total: Counts, language: Language) -> tuple[list[str], list[tuple[str, list[tuple[int, str]]]]]:
    """Names of the columns, and lines: films that were read, then those with each finding, the commonest first.

    A cell is a number and its share of the films of its column. Who is of unknown sex or age is in the first column.
    """
    crowds, words = _crowds(total, language), Words(language)
    read = [crowd.count(total.read) for crowd in crowds]
    lines = [(language.say(N_("Phim AI đã đọc")), [(count, "") for count in read])]
    for name in _commonest(total):
        by_group = {group: count for (marked, group), count in total.marked.items() if marked == name}
        counts = [crowd.count(by_group) for crowd in crowds]
        cells = [(count, share(count, of, language)) for count, of in zip(counts, read, strict=True)]
        lines.append((words.finding(kind_named(name)), cells))
    return [crowd.name for crowd in crowds], lines


def _crowds(total: Counts, language: Language) -> list[Crowd]:
    say, groups = language.say, list(total.read)
    sexes = (("M", N_("nam")), ("F", N_("nữ")))
    return [
        Crowd(say(N_("tất cả")), groups),
        *(Crowd(say(name), [one for one in groups if one.sex == sex]) for sex, name in sexes),
        *(Crowd(age_label(age, language), [one for one in groups if one.age == age]) for age in AGES),
    ]


def age_label(first: int, language: Language) -> str:
    """An age group in words."""
    place = AGES.index(first)
    if place == len(AGES) - 1:
        return language.say(N_("từ %(n)d tuổi"), n=first)
    if not first:
        return language.say(N_("dưới %(n)d tuổi"), n=AGES[1])
    return language.say(N_("%(first)d–%(last)d tuổi"), first=first, last=AGES[place + 1] - 1)


def _commonest(total: Counts) -> list[str]:
    counted: Counter[str] = Counter()
    for (name, _), count in total.marked.items():
        counted[name] += count
    return sorted(counted, key=lambda name: (-counted[name], name))


def _marks(line: Counts, name: str) -> int:
    return sum(count for (marked, _), count in line.marked.items() if marked == name)


def share(part: int, whole: int, language: Language) -> str:
    """In percent; empty of so few that one more or less would change it much."""
    return language.percent(part / whole) if whole >= FEWEST else ""


def _median(spread: Spread | None, language: Language) -> tuple[str, str]:
    if spread is None:
        return "–", ""
    p95 = duration(spread.p95, language)
    return duration(spread.median, language), language.say(N_("trung vị; 95%% không quá %(t)s"), t=p95)


def outages(figures: Figures, now: datetime, language: Language) -> list[tuple[Outage, str]]:
    """The newest first, each with how long it lasted, until ``now`` where it still does."""
    return [
        (one, duration(max(0.0, ((one.until or now) - one.since).total_seconds()), language))
        for one in reversed(figures.outages)
    ]


def shown(period: Period, language: Language) -> str:
    """The period in words: its first day or month, and its last."""
    first, last = period.starts[0], period.starts[-1]
    if period.step is Step.MONTH:
        return f"{label(first, Step.MONTH)} – {label(last, Step.MONTH)}"
    if period.step is Step.WEEK:
        last = period.step.after(last) - timedelta(days=1)
    return f"{language.day(first)} – {language.day(last)}"


def label(start: date, step: Step) -> str:
    """A line's beginning in few characters, the same in both languages."""
    return f"{start:%m/%Y}" if step is Step.MONTH else f"{start:%d/%m}"


def duration(seconds: float, language: Language) -> str:
    """In the two largest units that say something."""
    say = language.say
    if seconds < MINUTE:
        told = language.number(seconds, 1 if seconds < 10 and seconds != round(seconds) else 0)
        return say(N_("%(n)s giây"), n=told)
    if seconds < HOUR:
        minutes, rest = divmod(round(seconds), MINUTE)
        whole, part = say(N_("%(n)s phút"), n=minutes), say(N_("%(n)s giây"), n=rest)
        return f"{whole} {part}" if rest else whole
    if seconds < DAY:
        hours, rest = divmod(round(seconds / MINUTE), MINUTE)
        whole, part = say(N_("%(n)s giờ"), n=hours), say(N_("%(n)s phút"), n=rest)
        return f"{whole} {part}" if rest else whole
    days = round(seconds / DAY, 1)
    return say(N_("%(n)s ngày"), n=language.number(days, 0 if days == round(days) else 1))
