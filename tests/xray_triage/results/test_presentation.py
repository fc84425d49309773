import re
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.peers.dcmtk import dciodvfy, dcmdump, run
from tests.xray_triage.results.making import a_finding, a_full_reading, a_reading, an_origin, header, results, written
from xray_triage.reading.findings import Box, Priority, Reading
from xray_triage.results.presentation import make_presentation


def presentation(reading: Reading | None = None, **attributes: object) -> Dataset:
    return make_presentation(an_origin(header(**attributes)), reading or a_full_reading())


@pytest.mark.parametrize(
    "reading", [a_full_reading(), a_reading(priority=Priority.NORMAL)], ids=["located", "nothing found"]
)
def test_the_outlines_are_valid(tmp_path: Path, reading: Reading) -> None:
    path = written(tmp_path / "gsps.dcm", presentation(reading))
    assert dciodvfy(path) == []
    assert "tràn dịch màng phổi" in dcmdump(path, "+U8") or reading.decision.priority is Priority.NORMAL


def test_dcmtk_finds_no_fault_but_the_letters_it_does_not_know(tmp_path: Path) -> None:
    done = run("dcmpschk", written(tmp_path / "gsps.dcm", presentation()))
    said = done.stdout + done.stderr
    faulty = re.findall(r"Affected attribute: .*?\nE:\s+Attribute value\s+: \[(.*?)\]\n", said, re.DOTALL)
    assert all(not value.isascii() for value in faulty), said
    errors = [line for line in said.splitlines() if "Error:" in line]
    assert {line.split("Error: ")[1] for line in errors} <= {
        "Attribute value does not conform to data type definition."
    }


def test_outlines_and_labels_are_in_pixels_of_the_original() -> None:
    (annotation,) = presentation().GraphicAnnotationSequence
    graphic = annotation.GraphicObjectSequence[0]
    assert (graphic.GraphicAnnotationUnits, graphic.GraphicType) == ("PIXEL", "POLYLINE")
    assert list(graphic.GraphicData) == [10, 200, 90, 200, 90, 260, 10, 260, 10, 200]
    label = annotation.TextObjectSequence[1]
    assert label.UnformattedTextValue == "tràn dịch màng phổi 93%"
    assert label.BoundingBoxBottomRightHandCorner[1] == 200
    assert annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"


def test_the_widths_of_heart_and_chest_are_two_lines_with_the_ratio_beside_them() -> None:
    (annotation,) = presentation().GraphicAnnotationSequence
    heart, thorax = annotation.GraphicObjectSequence[1:]
    assert list(heart.GraphicData) == [62, 190.5, 150, 190.5]
    assert list(thorax.GraphicData) == [20, 230.25, 180, 230.25]
    assert {(one.GraphicType, one.NumberOfGraphicPoints) for one in (heart, thorax)} == {("POLYLINE", 2)}
    label = annotation.TextObjectSequence[-1]
    assert label.UnformattedTextValue == "Chỉ số tim – lồng ngực 0,55"
    assert list(label.BoundingBoxTopLeftHandCorner) == [62, 190.5]


def test_a_label_without_room_above_its_outline_lies_inside() -> None:
    finding = a_finding(box=Box(x=0, y=0, width=50, height=50))
    label = presentation(a_reading(finding)).GraphicAnnotationSequence[0].TextObjectSequence[1]
    assert label.BoundingBoxTopLeftHandCorner == [0, 0]


def test_the_whole_film_is_shown() -> None:
    (area,) = presentation().DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaTopLeftHandCorner) == [1, 1]
    assert list(area.DisplayedAreaBottomRightHandCorner) == [200, 300]
    assert list(area.PresentationPixelSpacing) == [0.143, 0.143]
    (without,) = presentation(ImagerPixelSpacing=None).DisplayedAreaSelectionSequence
    assert list(without.PresentationPixelAspectRatio) == [1, 1]


@pytest.mark.parametrize(
    ("photometric", "flags", "shape"),
    [
        ("MONOCHROME2", (), "IDENTITY"),
        ("MONOCHROME1", (), "INVERSE"),
        ("MONOCHROME1", ("inverted",), "IDENTITY"),
        ("MONOCHROME2", ("inverted",), "INVERSE"),
    ],
)
def test_the_film_is_shown_the_right_way_round(photometric: str, flags: tuple[str, ...], shape: str) -> None:
    assert presentation(a_reading(flags=flags), photometric=photometric).PresentationLUTShape == shape


def window(**attributes: object) -> tuple[float, float]:
    (voi,) = presentation(**attributes).SoftcopyVOILUTSequence
    return float(voi.WindowCenter), float(voi.WindowWidth)


def test_the_window_is_that_of_the_film() -> None:
    assert window(WindowCenter=[2000, 1000], WindowWidth=[3000, 500]) == (2000, 3000)
    assert presentation(VOILUTFunction="SIGMOID").SoftcopyVOILUTSequence[0].VOILUTFunction == "SIGMOID"


def test_a_film_without_a_window_is_shown_over_its_whole_range() -> None:
    none = {"WindowCenter": None, "WindowWidth": None}
    assert window(**none) == (2048, 4096)
    assert window(**none, PixelRepresentation=1) == (0, 4096)
    assert window(**none, RescaleSlope=2, RescaleIntercept=-100) == (3995.5, 8191)
    assert window(WindowCenter=5, WindowWidth=0) == (2048, 4096)


def lut(bits: int) -> Dataset:
    one = Dataset()
    one.add_new("LUTDescriptor", "US", [4, 0, bits])
    one.add_new("LUTData", "US", [0, 1, 2, 2**bits - 1])
    return one


def test_lookup_tables_of_the_film_are_kept(tmp_path: Path) -> None:
    modality = lut(16)
    modality.ModalityLUTType = "US"
    dataset = presentation(
        ModalityLUTSequence=Sequence([modality]),
        VOILUTSequence=Sequence([lut(16)]),
        WindowCenter=None,
        WindowWidth=None,
        RescaleSlope=None,
        RescaleIntercept=None,
        RescaleType=None,
    )
    assert np.frombuffer(dataset.ModalityLUTSequence[0].LUTData, "<u2").tolist() == [0, 1, 2, 65535]
    assert dataset.SoftcopyVOILUTSequence[0].VOILUTSequence[0].LUTDescriptor == [4, 0, 16]
    assert dciodvfy(written(tmp_path / "gsps.dcm", dataset)) == []


def test_a_colour_film_gets_no_grayscale_presentation_state() -> None:
    source = header(PhotometricInterpretation="RGB", SamplesPerPixel=3)
    assert [one.what for one in results(source, a_full_reading())] == ["sr"]


@pytest.mark.parametrize(
    ("attributes", "ratio"),
    [
        ({"PixelAspectRatio": ["1", "2"]}, ["1", "2"]),
        ({"PixelAspectRatio": ["4", "3"]}, ["4", "3"]),
        ({"PixelAspectRatio": ["1", "0"]}, ["1", "1"]),
    ],
)
def test_pixels_that_are_not_square_are_stated(attributes: dict[str, object], ratio: list[str]) -> None:
    (area,) = presentation(ImagerPixelSpacing=None, **attributes).DisplayedAreaSelectionSequence
    assert [str(one) for one in area.PresentationPixelAspectRatio] == ratio
    (area,) = presentation(ImagerPixelSpacing=[0.2, 0.4]).DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelSpacing) == [0.2, 0.4]


@pytest.mark.parametrize("vr", ["US", "OW"])
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("descriptor", [None, [], [4, 0], [0, 0, 0]])
def test_an_unsound_table_is_as_if_the_film_had_none(keyword: str, vr: str, descriptor: list[int] | None) -> None:
    one = Dataset()
    if descriptor is not None:
        one.add_new("LUTDescriptor", "US", descriptor)
    one.add_new("LUTData", vr, b"" if vr == "OW" else [1, 2])
    dataset = presentation(**{keyword: Sequence([one])})
    assert "ModalityLUTSequence" not in dataset
    assert "VOILUTSequence" not in dataset.SoftcopyVOILUTSequence[0]


def test_a_table_is_stated_as_it_is_meant() -> None:
    one = Dataset()
    one.add_new("LUTDescriptor", "US", [256, 0, 16])
    one.add_new("LUTData", "OW", bytes(range(256)))
    (voi,) = presentation(VOILUTSequence=Sequence([one])).SoftcopyVOILUTSequence[0].VOILUTSequence
    assert list(voi.LUTDescriptor) == [256, 0, 8]
    assert np.array_equal(np.frombuffer(voi.LUTData, "<u2"), np.arange(256))


def test_shutters_and_graphics_of_the_film_are_kept(tmp_path: Path) -> None:
    shutter = {
        "ShutterShape": "CIRCULAR", "CenterOfCircularShutter": ["150", "100"], "RadiusOfCircularShutter": "90",
    }  # fmt: skip
    source = header(**shutter)
    for element, vr, value in ((0x10, "US", 8), (0x11, "US", 8), (0x40, "CS", "G"), (0x3000, "OW", bytes(8))):
        source.add_new((0x6002, element), vr, value)
    dataset = make_presentation(an_origin(source), a_full_reading())
    assert (dataset.ShutterShape, list(dataset.CenterOfCircularShutter)) == ("CIRCULAR", [150, 100])
    assert dataset[0x6002, 0x1001].value == dataset.GraphicLayerSequence[1].GraphicLayer == "OVERLAY"
    assert dciodvfy(written(tmp_path / "gsps.dcm", dataset)) == []
    nonsense = presentation(**(shutter | {"RadiusOfCircularShutter": "0"}))
    assert "ShutterShape" not in nonsense
