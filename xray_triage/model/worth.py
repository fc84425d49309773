"""What a model is worth at a health station, in ten lines that a doctor can read, and what its bundle does not say.

Everything out of the manifest, for the card, the page and the command line alike. It must never know a page.
"""

from collections.abc import Iterable

from xray_triage.language import ENGLISH, N_, Language
from xray_triage.reading.bundle import Label, Manifest, Worth
from xray_triage.reading.findings import ABNORMAL, KINDS
from xray_triage.reading.naming import OPACITY, OTHER, group_of, is_shown

YOUNGEST = 15  # years; [policy] minimum_age_years may say another
FEW = 20  # films, of fewer than which no percentage is told


def lines(manifest: Manifest, language: Language = ENGLISH) -> list[str]:
    """Ten lines; fewer where the bundle has not been measured so far."""
    worth, labels = manifest.worth, manifest.labels
    told = [*_names(labels, language), *_heart(manifest, language), *_blind(labels, language)]
    return [*_day(worth, language), *told, *_limits(worth, language)] if worth else told


def _day(worth: Worth, language: Language) -> list[str]:
    numbers = {"ill": worth.films * worth.share, "flagged": worth.flagged, "falsely": worth.falsely}
    said = {name: language.number(number, 1) for name, number in numbers.items()}
    said |= {"missed": language.number(worth.missed, 1), "urgent": language.number(worth.urgent, 1)}
    told = [
        N_(
            "Mỗi ngày %(films)d phim PA của người lớn, %(ill)s phim có bất thường: AI đánh dấu %(flagged)s phim và bỏ "
            "sót %(missed)s phim có bất thường."
        ),
        N_("%(falsely)s trong %(flagged)s phim bị đánh dấu không có bất thường: dấu nghĩa là hãy xem trước."),
    ]
    rings = N_("Báo khẩn %(urgent)s phim mỗi ngày; khi đo, %(wrong)d trong %(rang)d phim báo khẩn không có bất thường.")
    counts = {"films": worth.films, "rang": worth.rang, "wrong": worth.rang_healthy}
    return [language.say(line, **counts, **said) for line in (*told, rings)]


def _names(labels: Iterable[Label], language: Language) -> list[str]:
    """What is told by name and how well, and what in groups."""
    judged = [label for label in labels if label.name in KINDS and label.withheld is None]
    groups: dict[str | None, list[str]] = {None: [], OPACITY: [], OTHER: []}
    for label in judged:
        shown = is_shown(label.name, label.shown)
        groups[group_of(label.name, shown=shown)].append(_named(label, language) if shown else label.name)
    said = [language.say(N_("Gọi tên: %(kinds)s."), kinds="; ".join(groups[None]))] if groups[None] else []
    if groups[OPACITY] or groups[OTHER]:
        told = N_(
            "Không gọi tên đủ tốt nên chỉ gọi chung. “Mờ phổi”: %(opacities)s. “Hình bất thường khác”: %(others)s."
        )
        opacities, others = (_kinds(groups[group], language) or "–" for group in (OPACITY, OTHER))
        said.append(language.say(told, opacities=opacities, others=others))
    return said


def _named(label: Label, language: Language) -> str:
    """Its name, and how well it holds; of one that was never marked how many films with it went by."""
    name, here = language.translate(KINDS[label.name].vi), label.at_station
    if here is None or here.sensitivity is None:
        return name
    if here.positives < FEW:
        told = N_("%(name)s (thấy %(seen)d trong %(films)d phim có)")
        return language.say(told, name=name, seen=round(here.sensitivity * here.positives), films=here.positives)
    told = N_("%(name)s (thấy %(seen)s của %(films)d phim có)")
    said = {"name": name, "seen": language.percent(here.sensitivity), "films": here.positives}
    if here.precision is not None:
        told = N_("%(name)s (thấy %(seen)s của %(films)d phim có, đúng %(right)s số lần đánh dấu)")
        said["right"] = language.percent(here.precision)
    return language.say(told, **said)


def _heart(manifest: Manifest, language: Language) -> list[str]:
    ratio = manifest.cardiothoracic
    if ratio is None:
        return []
    told = N_("Chỉ số tim – lồng ngực lệch trung bình %(error)s so với người đo trên %(films)d phim.")
    if ratio.marked_above is not None:
        told = N_(
            "Chỉ số tim – lồng ngực lệch trung bình %(error)s so với người đo trên %(films)d phim; "
            "bóng tim to được đánh dấu khi trên %(limit)s."
        )
    limit = language.number(ratio.marked_above or 0, 2)
    error = language.number(ratio.mean_absolute_error, 3)
    return [language.say(told, error=error, films=ratio.films, limit=limit)]


def _blind(labels: Iterable[Label], language: Language) -> list[str]:
    judged = {label.name for label in labels if label.withheld is None}
    told = N_("Không đánh giá: %(kinds)s. AI im lặng không nói gì về các bệnh này.")
    unseen = [name for name in KINDS if name not in judged]
    return [language.say(told, kinds=_kinds(unseen, language))] if unseen else []


def _limits(worth: Worth, language: Language) -> list[str]:
    said, steady = [], worth.steadiness
    if steady is not None:
        told = N_(
            "Ảnh xử lý như máy khác: %(passed)d trong %(looks)d kiểu đã thử đổi mức ưu tiên của không quá %(limit)s "
            "phim, kiểu xấu nhất %(worst)s. Vì thế mỗi máy X-quang cần ngưỡng riêng."
        )
        shares = {"limit": language.percent(steady.limit), "worst": language.percent(steady.worst)}
        said.append(language.say(told, passed=steady.passed, looks=steady.looks, **shares))
    told = N_(
        "Không đọc trẻ em dưới %(age)d tuổi và phim nghiêng (%(read)d trong %(laterals)d phim nghiêng lọt qua); "
        "từ chối nhầm %(refused)s phim người lớn."
    )
    refused = f"{language.number(100 * worth.refused, 1)}%"
    said.append(language.say(told, age=YOUNGEST, read=worth.laterals_read, laterals=worth.laterals, refused=refused))
    told = N_(
        "Đo trên %(healthy)d phim không có và %(abnormal)d phim có bất thường của một bệnh viện Mỹ, chưa có phim Việt "
        "Nam. Phim không có dấu không phải là phim bình thường."
    )
    return [*said, language.say(told, healthy=worth.healthy, abnormal=worth.abnormal)]


def _kinds(names: Iterable[str], language: Language) -> str:
    return ", ".join(language.translate(KINDS[name].vi) for name in names if name != ABNORMAL)
