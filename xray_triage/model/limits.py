"""What a bundle lacks, said before anybody relies on it: on the page, by ``model show``, on the card of an import.

Pure, from the manifest. It must never know how a model is run.
"""

from collections.abc import Collection, Mapping, Sequence

from xray_triage.language import ENGLISH, N_, Language
from xray_triage.reading.bundle import Manifest
from xray_triage.reading.findings import ABNORMAL, KINDS, FindingKind
from xray_triage.reading.naming import ALWAYS_NAMED

UNKNOWN = "unknown"  # licence of weights that nobody told
LACKS: Mapping[str, str] = {
    "proven": N_(
        "Chưa được chứng minh trên phim có nhãn: phim không có dấu hiệu không bao giờ được coi là bình thường."
    ),
    "abnormal": N_("Không có điểm “có bất thường”: danh sách chỉ xếp theo từng dấu hiệu."),
    "gate": N_(
        "Không có bộ lọc đầu vào: ảnh không phải phim ngực thẳng của người lớn chỉ bị loại theo phần mô tả của tệp."
    ),
    "masks": N_("Không vẽ phổi và tim: không có chỉ số tim – lồng ngực, không biết phim có cắt mất phổi không."),
    "energies": N_("Phim được đọc như máy gửi, không đưa về một kiểu ảnh: máy xử lý ảnh kiểu khác dễ làm đổi kết quả."),
    "worth": N_("Gói mô hình này chưa được đo xem có ích đến đâu ở một trạm y tế."),
    "shown": N_("Gói mô hình này không nói dấu hiệu nào đủ tốt để gọi tên; chỉ gọi tên: %(kinds)s."),
    "ratio": N_("Không có ngưỡng đo được cho chỉ số tim – lồng ngực: bóng tim to được đánh dấu theo điểm."),
    "licence": N_("Không rõ giấy phép của mô hình."),
}


def lacking(manifest: Manifest) -> list[str]:
    """The keys of LACKS that are true of this bundle, the gravest first."""
    outlines, companion = manifest.outlines, manifest.companion
    has = {
        "proven": manifest.proven,
        "abnormal": any(label.name == ABNORMAL and label.withheld is None for label in manifest.labels),
        "gate": manifest.gate or companion,
        "masks": manifest.outputs.masks or companion,
        "energies": outlines or (companion and companion.energies),
        "worth": manifest.worth is not None,
        "shown": all(label.shown is not None for label in manifest.labels if label.name in KINDS),
        "ratio": manifest.cardiothoracic is not None and manifest.cardiothoracic.marked_above is not None,
        "licence": manifest.licence != UNKNOWN,
    }
    return [name for name in LACKS if not has[name]]


def unjudged(manifest: Manifest) -> Sequence[FindingKind]:
    """What it does not tell, by name or in a group: there whoever reads is alone."""
    judged = {label.name for label in manifest.labels if label.withheld is None}
    return [kind for name, kind in KINDS.items() if name not in judged]


def never_rings(manifest: Manifest, urgent: Collection[str]) -> Sequence[FindingKind]:
    """Which of the findings that the site calls ``urgent`` no film will ever be urgent for."""
    return [kind for kind in unjudged(manifest) if kind.name in urgent]


def told(manifest: Manifest, language: Language = ENGLISH) -> dict[str, str]:
    """What it lacks in words, by key."""
    named = ", ".join(language.translate(KINDS[name].vi) for name in ALWAYS_NAMED)
    return {name: language.say(LACKS[name], kinds=named) for name in lacking(manifest)}
