"""The vocabulary of reading: findings, scores, priorities, reasons, and their codes. Knows no film.

Codes are SNOMED CT (SCT), DICOM (DCM, PS3.16 annex D) or RadLex; where no standard code exists, our private
scheme 99XRT, documented in docs/CONFORMANCE.md. Vietnamese words follow VinDr's viewer and published radiology text;
the catalogue (xray_triage/language.py) has their English.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xray_triage.language import N_, VIETNAMESE, Language


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: value, scheme designator, English meaning (PS3.3 8.1)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One thing the reader can find: our name, its code, and what the doctor calls it in Vietnamese."""

    name: str
    code: Code
    vi: str


def _kind(name: str, value: str, scheme: str, meaning: str, vi: str) -> FindingKind:
    return FindingKind(name, Code(value, scheme, meaning), vi)


KINDS: Mapping[str, FindingKind] = {
    kind.name: kind
    for kind in (
        _kind("pneumothorax", "36118008", "SCT", "Pneumothorax", N_("tràn khí màng phổi")),
        _kind("pleural_effusion", "60046008", "SCT", "Pleural effusion", N_("tràn dịch màng phổi")),
        _kind("cardiomegaly", "8186001", "SCT", "Cardiomegaly", N_("bóng tim to")),
        _kind("consolidation", "9656002", "SCT", "Consolidation", N_("đông đặc")),
        _kind("atelectasis", "46621007", "SCT", "Atelectasis", N_("xẹp phổi")),
        _kind("edema", "19242006", "SCT", "Pulmonary edema", N_("phù phổi")),
        _kind("nodule", "27925004", "SCT", "Nodule", N_("nốt")),
        _kind("mass", "4147007", "SCT", "Mass", N_("khối")),
        _kind("infiltration", "112121", "DCM", "Infiltrate", N_("thâm nhiễm")),
        _kind("fibrosis", "51615001", "SCT", "Fibrosis of lung", N_("xơ phổi")),
        _kind("emphysema", "87433001", "SCT", "Pulmonary emphysema", N_("khí phế thũng")),
        _kind("pleural_thickening", "pleural_thick", "99XRT", "Pleural thickening", N_("dày màng phổi")),
        _kind("pneumonia", "233604007", "SCT", "Pneumonia", N_("viêm phổi")),
        _kind("hernia", "39839004", "SCT", "Diaphragmatic hernia", N_("thoát vị hoành")),
        _kind("tuberculosis", "56717001", "SCT", "Tuberculosis", N_("nghi lao phổi")),
        _kind("covid19", "840539006", "SCT", "COVID-19", N_("nghi COVID-19")),
    )
}
ABNORMAL = "abnormal"
CARDIOTHORACIC_RATIO = "cardiothoracic_ratio"
DETAIL = "detail_"  # and a number: one energy that a film came with, beside its scores
SEVERITY = "severity"  # a reason for urgency that is no finding: triage.py


class Priority(StrEnum):
    """How soon a doctor should look. Declared most urgent first; see ``rank``."""

    URGENT = "urgent"
    ABNORMAL = "abnormal"
    NOT_READ = "not_read"
    NORMAL = "normal"

    @property
    def rank(self) -> int:
        """0 is the most urgent. A film that nobody read stands before a normal one: it may hide anything."""
        return list(Priority).index(self)

    @property
    def vi(self) -> str:
        return _PRIORITIES[self]


_PRIORITIES = {
    Priority.URGENT: N_("khẩn cấp"),
    Priority.ABNORMAL: N_("có bất thường"),
    Priority.NOT_READ: N_("chưa đọc được"),
    Priority.NORMAL: N_("AI không thấy dấu hiệu"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a film was not read: our code, and what it means in Vietnamese.

    ``youngest``: of a child, from how many years of age on the site has films read; None where that is not on record.
    """

    code: str
    vi: str
    youngest: float | None = None

    def said(self, language: Language) -> str:
        """The sentence for the doctor."""
        if self.youngest is None:
            return language.translate(self.vi)
        years = language.number(self.youngest, 0 if self.youngest == int(self.youngest) else 1)
        return language.say(N_("Dưới %(n)s tuổi: AI chỉ đọc từ %(n)s tuổi."), n=years)

    @property
    def text(self) -> str:
        """The sentence in our objects, which is Vietnamese."""
        return self.said(VIETNAMESE)


_REASONS = {
    "not_a_film": N_("Không phải ảnh X-quang; chỉ lưu và chuyển tiếp."),
    "not_a_projection": N_("Không phải phim X-quang thường quy (CR/DX)."),
    "not_an_original": N_("Ảnh chụp lại, ảnh dẫn xuất hoặc trang báo cáo, không phải phim gốc."),
    "not_a_chest": N_("Không phải phim ngực."),
    "not_frontal": N_("Phim nghiêng hoặc chếch; AI chỉ đọc phim ngực thẳng."),
    "rotated": N_("Phim bị xoay; hãy xoay lại và gửi lại."),
    "child": N_("Người bệnh dưới độ tuổi mà AI đọc."),
    "no_pixels": N_("Tệp không có ảnh."),
    "damaged_pixels": N_("Dữ liệu ảnh bị hỏng hoặc không khớp với phần mô tả."),
    "undecodable": N_("Không giải nén được kiểu nén ảnh này."),
    "too_large": N_("Ảnh vượt quá kích thước cho phép."),
    "too_small": N_("Ảnh quá nhỏ để đọc."),
    "no_contrast": N_("Ảnh trống hoặc không đủ tương phản."),
    "more_than_one_frame": N_("Ảnh nhiều khung hình, không phải phim chụp."),
    "no_model": N_("Chưa có mô hình AI dùng được; AI đang tắt."),
    "model_failed": N_("Mô hình AI gặp lỗi khi đọc phim này."),
    "reader_died": N_("Phim này làm chương trình đọc dừng đột ngột hai lần nên được để riêng."),
}
REASONS: Mapping[str, Reason] = {code: Reason(code, vi) for code, vi in _REASONS.items()}


class Box(NamedTuple):
    """A rectangle on the film, in pixels of the original: column, row of its upper left corner, width, height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A horizontal line on the film, in pixels of the original from its upper left corner."""

    left: float
    right: float
    row: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cardiothoracic:
    """The greatest width of the heart, and of the chest between the outer edges of the lungs."""

    heart: Line
    thorax: Line

    @property
    def ratio(self) -> float:
        """In three decimals, from which everybody rounds: else it is 0.65 here and 0.66 there."""
        return round((self.heart.right - self.heart.left) / (self.thorax.right - self.thorax.left), 3)


class Measured(NamedTuple):
    """What decides instead of a probability: a measure of the film, as it is written, and the limit that it is over."""

    value: float
    limit: float


Side = Literal["left", "right"]  # of the patient


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One label's answer: calibrated probability 0..1, the site's threshold, where.

    ``shown``: the doctor is told of it by its name; else ``group`` says under which name of naming.py. ``measured``,
    where it is known, goes before the probability. ``side``: the lung that it keeps to, where the film tells.
    """

    kind: FindingKind
    probability: float
    threshold: float
    box: Box | None = None
    shown: bool = True
    group: str | None = None
    measured: Measured | None = None
    side: Side | None = None

    @property
    def positive(self) -> bool:
        if self.measured is not None:
            return self.measured.value > self.measured.limit
        return self.probability >= self.threshold

    @property
    def strength(self) -> float:
        """How far it is over (1 and more) or under what decides."""
        value, limit = self.measured or (self.probability, self.threshold)
        return value / max(limit, 1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which model spoke: ``sha256`` is that of its model.onnx."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that the model said of one film.

    ``findings`` holds the labels that are told to the doctor, by name or in a group (naming.py), the strongest first;
    ``scores`` the general numbers (``abnormal`` 0..1, ``cardiothoracic_ratio`` or None, and labels the bundle
    withholds).
    ``cardiothoracic`` holds the lines behind that ratio, ``flags`` what the model saw of the film itself.
    ``heat_map`` is float32 (h, w), 0..1, over the whole film: for each place the strongest positive finding.
    A film whose ``abnormal`` score reaches ``abnormal_threshold`` is abnormal even without a finding. ``proven``:
    whether anybody knows how often that score is right. ``detail``: the energies that the film came with, by which a
    machine that processes its films otherwise than before is known (normalisation.Energies, one after the other).
    """

    findings: tuple[Finding, ...]
    scores: Mapping[str, float | None]
    model: ModelIdentity
    heat_map: NDArray[np.float32] | None = field(default=None, compare=False)
    abnormal_threshold: float | None = None
    cardiothoracic: Cardiothoracic | None = None
    flags: tuple[str, ...] = ()
    proven: bool = True
    detail: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageDecision:
    """How soon, and why: names of the findings that decided, as they are told, or SEVERITY, most decisive first."""

    priority: Priority
    reasons: tuple[str, ...]


class MachineState(StrEnum):
    """How well the cut-offs fit a machine: too few films of it yet; enough, but nobody accepted what they say; set."""

    LEARNING = "learning"
    PROPOSED = "proposed"
    SET = "set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquaintance:
    """What was known of the machine when one of its films was read, this film counted among ``films`` of ``needed``.

    ``changed``: its films look otherwise since its cut-offs were set, so that these no longer hold. ``strange``: its
    scores lie far from those of the films on which the model was measured.
    """

    state: MachineState
    films: int
    needed: int
    changed: bool = False
    strange: bool = False

    @property
    def calibrated(self) -> bool:
        """Whether the cut-offs are this machine's own."""
        return self.state is MachineState.SET

    @property
    def clears(self) -> bool:
        """Whether silence means something on a film of this machine."""
        return self.calibrated and not self.strange


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReadable:
    """The film was not read. ``detail`` is for the log, in English, without patient data.

    ``by``: what refused it, the film's header or its pixels; empty where neither did.
    """

    reason: Reason
    detail: str = ""
    by: Literal["header", "pixels", ""] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The outcome for one film: read (``findings`` is set) or not read (``not_readable`` is set).

    ``flags`` are things seen and corrected or worth saying, each with a sentence in results/wording.py: ``inverted``,
    ``cropped``, ``view_not_stated``, ``against_its_tags``, ``refused_by_header``, ``no_sr`` and the like. ``model`` is
    None when AI is off. ``rows`` and ``columns`` are the film's, 0 where its pixels were not looked at. ``machine`` is
    None where nobody keeps count of machines: files read without a station. ``view``: PA, AP, or empty where nothing
    says.
    """

    decision: TriageDecision
    findings: Findings | None = None
    not_readable: NotReadable | None = None
    flags: tuple[str, ...] = ()
    model: ModelIdentity | None = None
    rows: int = 0
    columns: int = 0
    seconds: float = 0.0
    machine: Acquaintance | None = None
    view: str = ""

    @property
    def unproven(self) -> bool:
        """Whether it has no mark, and for its machine's or its model's sake may not be called clear all the same."""
        known_machine = self.machine is None or self.machine.clears
        known_model = self.findings is None or self.findings.proven
        return self.decision.priority is Priority.NORMAL and not (known_machine and known_model)


def with_site(
    cut_offs: Mapping[str, float], site: Mapping[str, float], *, fixed: Container[str] = ()
) -> dict[str, float]:
    """``cut_offs`` with those that were set for a machine in their place, but for the ``fixed`` ones of station.toml.

    A label that the bundle does not show gets none by it.
    """
    return {label: cut if label in fixed else site.get(label, cut) for label, cut in cut_offs.items()}
