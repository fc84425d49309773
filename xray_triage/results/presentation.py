"""The outlines: a Grayscale Softcopy Presentation State over the original film, for viewers that apply one.

A viewer that applies it ignores the film's own window and MONOCHROME1 or 2 (PS3.4 N.2.4), so both are restated here.
Must never know pixels. PS3.3 A.33.1.
"""

from collections.abc import Sequence
from fractions import Fraction

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage
from pydicom.valuerep import format_number_as_ds

from xray_triage.reading.findings import Cardiothoracic, Finding, Reading
from xray_triage.reading.header import number
from xray_triage.reading.naming import told_positive
from xray_triage.reading.picture.cover import shutters_of
from xray_triage.reading.picture.geometry import SQUARE_WITHIN, aspect_of, spacing_of
from xray_triage.reading.picture.luts import Table, rescale_of, table_of, window_of
from xray_triage.reading.picture.overlays import groups_of
from xray_triage.results.copying import formed
from xray_triage.results.items import add, item, reference
from xray_triage.results.origin import Kind, Origin, begin
from xray_triage.results.report import ends, outline
from xray_triage.results.wording import cardiothoracic, summary, value

PRESENTATION = Kind(
    what="gsps",
    sop_class_uid=GrayscaleSoftcopyPresentationStateStorage,
    modality="PR",
    series_number=9103,
    description="AI: đường viền",
)
LAYER, MACHINE_LAYER = "AI", "OVERLAY"
OVERLAY_ACTIVATION_LAYER = 0x1001
YELLOW_CIELAB = [63613, 27329, 57100]  # PS3.3 C.10.7.1.1: L* 0..100, a* and b* -128..127, each over 0..65535
LABEL_HEIGHT = 0.03  # of the film's height


def make_presentation(origin: Origin, reading: Reading) -> Dataset:
    """Outlines and labels of the located findings, the widths of heart and chest, and the summary in a corner.

    ``is_possible`` must hold.
    """
    source = origin.source
    dataset = begin(origin, PRESENTATION)
    film = reference(str(source.SOPClassUID), str(source.SOPInstanceUID))
    add(
        dataset,
        Laterality="",
        ContentLabel="AI",
        ContentDescription="AI: đường viền",
        ContentCreatorName="xray-triage",
        PresentationCreationDate=dataset.ContentDate,
        PresentationCreationTime=dataset.ContentTime,
        ReferencedSeriesSequence=[
            item(ReferencedImageSequence=[film], SeriesInstanceUID=str(source.SeriesInstanceUID))
        ],
        DisplayedAreaSelectionSequence=[_displayed_area(source)],
        GraphicAnnotationSequence=[_annotation(source, reading, film)],
        GraphicLayerSequence=[
            item(GraphicLayer=LAYER, GraphicLayerOrder="1", GraphicLayerRecommendedDisplayCIELabValue=YELLOW_CIELAB)
        ],
        SoftcopyVOILUTSequence=[_window(source)],
        PresentationLUTShape=_shape(source, inverted="inverted" in reading.flags),
    )
    _add_modality_lut(dataset, source)
    _add_shutters(dataset, source)
    _add_overlays(dataset, source)
    del dataset.ContentDate, dataset.ContentTime
    return dataset


def is_possible(source: Dataset) -> bool:
    """Whether a grayscale presentation state may refer to this film at all."""
    return str(source.get("PhotometricInterpretation", "")).startswith("MONOCHROME") and bool(
        source.get("Rows") and source.get("Columns")
    )


def _displayed_area(source: Dataset) -> Dataset:
    """The whole film, as large as it fits: PS3.3 C.10.4."""
    area = item(
        DisplayedAreaTopLeftHandCorner=[1, 1],
        DisplayedAreaBottomRightHandCorner=[int(source.Columns), int(source.Rows)],
        PresentationSizeMode="SCALE TO FIT",
    )
    spacing, aspect = spacing_of(source), aspect_of(source)
    if spacing is not None and abs(spacing[0] / spacing[1] - aspect) <= SQUARE_WITHIN:
        add(area, PresentationPixelSpacing=[_decimal(one) for one in spacing])
    else:
        ratio = Fraction(aspect).limit_denominator(1000)
        add(area, PresentationPixelAspectRatio=[str(ratio.numerator), str(ratio.denominator)])
    return area


def _annotation(source: Dataset, reading: Reading, film: Dataset) -> Dataset:
    """PS3.3 C.10.5, in pixels of the original."""
    rows, columns = int(source.Rows), int(source.Columns)
    positive = told_positive(reading.findings.findings) if reading.findings else ()
    located = [finding for finding in positive if finding.box is not None]
    widths = reading.findings.cardiothoracic if reading.findings else None
    graphics = [_polyline(outline(one.box)) for one in located if one.box is not None]
    labels = [_label(one, rows, columns) for one in located]
    if widths is not None:
        graphics += [_polyline(ends(line)) for line in (widths.heart, widths.thorax)]
        labels.append(_width_label(widths, rows, columns))
    lines = summary(reading)
    corner = (0.02 * columns, 0.02 * rows, 0.7 * columns, rows * (0.02 + LABEL_HEIGHT * len(lines)))
    annotation = item(
        ReferencedImageSequence=[reference(film.ReferencedSOPClassUID, film.ReferencedSOPInstanceUID)],
        GraphicLayer=LAYER,
        TextObjectSequence=[_text("\r\n".join(lines), *corner), *labels],
    )
    if graphics:
        add(annotation, GraphicObjectSequence=graphics)
    return annotation


def _polyline(points: Sequence[tuple[float, float]]) -> Dataset:
    return item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points),
        GraphicData=[float(value) for point in points for value in point],
        GraphicType="POLYLINE",
        GraphicFilled="N",
    )


def _label(finding: Finding, rows: int, columns: int) -> Dataset:
    """The finding's name above its outline, or inside where there is no room above."""
    box = finding.box
    assert box is not None
    height = LABEL_HEIGHT * rows
    top = box.y - height if box.y >= height else float(box.y)
    right = min(float(columns), box.x + max(box.width, 0.35 * columns))
    return _text(f"{finding.kind.vi} {value(finding)}", float(box.x), top, right, top + height)


def _width_label(widths: Cardiothoracic, rows: int, columns: int) -> Dataset:
    """The ratio under the line of the heart."""
    heart, height = widths.heart, LABEL_HEIGHT * rows
    top = min(heart.row, rows - height)
    right = min(float(columns), max(heart.right, heart.left + 0.35 * columns))
    return _text(cardiothoracic(widths.ratio), heart.left, top, right, top + height)


def _text(text: str, left: float, top: float, right: float, bottom: float) -> Dataset:
    return item(
        BoundingBoxAnnotationUnits="PIXEL",
        UnformattedTextValue=text,
        BoundingBoxTopLeftHandCorner=[left, top],
        BoundingBoxBottomRightHandCorner=[right, bottom],
        BoundingBoxTextHorizontalJustification="LEFT",
    )


def _shape(source: Dataset, *, inverted: bool) -> str:
    """A film flagged as inverted bears the wrong photometric interpretation: show it the right way round."""
    negative = str(source.PhotometricInterpretation) == "MONOCHROME1"
    return "INVERSE" if negative != inverted else "IDENTITY"


def _window(source: Dataset) -> Dataset:
    """The film's own VOI transformation, else the whole range that it can store: PS3.3 C.11.8."""
    table, window = table_of(source, "VOILUTSequence"), window_of(source)
    if table is not None:
        return item(VOILUTSequence=[_lut(source, table, table.bits)])
    if window is None:
        low, high = _range(source)
        return item(WindowCenter=f"{(low + high + 1) / 2:.6g}", WindowWidth=f"{high - low + 1:.6g}")
    told = item(WindowCenter=_decimal(window.center), WindowWidth=_decimal(window.width))
    if window.function != "LINEAR":
        add(told, VOILUTFunction=window.function)
    return told


def _range(source: Dataset) -> tuple[float, float]:
    """The least and greatest value after the modality LUT."""
    table = table_of(source, "ModalityLUTSequence")
    if table is not None:
        return float(table.entries.min()), float(table.entries.max())
    bits = number(source, "BitsStored", 16)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if _signed(source) else (0, 2**bits - 1)
    slope, intercept = rescale_of(source) or (1.0, 0.0)
    ends = sorted((low * slope + intercept, high * slope + intercept))
    return ends[0], ends[1]


def _add_modality_lut(dataset: Dataset, source: Dataset) -> None:
    """PS3.3 C.11.1. Without it a viewer would take stored values for values after rescaling."""
    table, rescale = table_of(source, "ModalityLUTSequence"), rescale_of(source)
    if table is not None:
        lut = _lut(source, table, 8 if table.bits == 8 else 16)
        add(lut, ModalityLUTType=formed(table.item, "ModalityLUTType") or "US")
        add(dataset, ModalityLUTSequence=[lut])
    elif rescale or formed(source, "RescaleSlope"):
        slope, intercept = map(_decimal, rescale or (1.0, 0.0))
        kind = formed(source, "RescaleType") or "US"
        add(dataset, RescaleSlope=slope, RescaleIntercept=intercept, RescaleType=kind)


def _lut(source: Dataset, table: Table, bits: int) -> Dataset:
    """The table as it is meant: the film's own descriptor may say another number of entries, or of bits."""
    copied = Dataset()
    vr, count = "SS" if table.first < 0 or _signed(source) else "US", len(table.entries) % 65536
    copied.add_new("LUTDescriptor", vr, [count - 65536 if vr == "SS" and count > 32767 else count, table.first, bits])
    explanation = formed(table.item, "LUTExplanation")
    if explanation:
        add(copied, LUTExplanation=explanation)
    copied.add_new("LUTData", "OW", table.entries.astype("<u2").tobytes())
    return copied


def _add_shutters(dataset: Dataset, source: Dataset) -> None:
    """Those of the film: a viewer that applies a presentation state passes over the film's own (PS3.4 N.2)."""
    shutters = list(shutters_of(source))
    for shutter in shutters:
        add(dataset, **{keyword: [str(one) for one in values] for keyword, values in shutter.values.items()})
    if shutters:
        add(dataset, ShutterShape=[shutter.shape for shutter in shutters], ShutterPresentationValue=0)


def _add_overlays(dataset: Dataset, source: Dataset) -> None:
    """The film's own graphics are shown in a layer of theirs: without one they are not (PS3.3 C.11.7)."""
    groups = groups_of(source)
    for group in groups:
        dataset.add_new(Tag(group, OVERLAY_ACTIVATION_LAYER), "CS", MACHINE_LAYER)
    if groups:
        dataset.GraphicLayerSequence.append(item(GraphicLayer=MACHINE_LAYER, GraphicLayerOrder="2"))


def _signed(source: Dataset) -> bool:
    return number(source, "PixelRepresentation") == 1


def _decimal(value: float) -> str:
    return format_number_as_ds(value)
