"""Padding and shutters: what a film declares to be no film says nothing, and is background."""

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from tests.xray_triage.films import admitted, film, stored, written
from xray_triage.reading.picture.cover import covered_in, shutters_of
from xray_triage.reading.picture.decoding import stored_in, words_of
from xray_triage.reading.radiograph import Radiograph

RIM = 60
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}


def padded(
    value: int, *, signed: bool = False, syntax: uid.UID = uid.ExplicitVRLittleEndian, **over: object
) -> Dataset:
    """The phantom, 16 bits, its values between 2000 and 6095, in a rim of ``value``."""
    plain = stored(film()).astype(np.int32) + 2000
    whole = np.full((plain.shape[0] + 2 * RIM, plain.shape[1] + 2 * RIM), value, np.int32)
    whole[RIM:-RIM, RIM:-RIM] = plain - (8000 if signed else 0)
    attributes = {
        "Rows": whole.shape[0], "Columns": whole.shape[1], "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": int(signed), "PixelData": whole.astype("<i2" if signed else "<u2").tobytes(),
    }  # fmt: skip
    dataset = film(**(NO_WINDOW | attributes | over))
    if "PixelPaddingValue" in dataset:
        dataset["PixelPaddingValue"].VR = "SS" if signed else "US"
    if "PixelPaddingRangeLimit" in dataset:
        dataset["PixelPaddingRangeLimit"].VR = "SS" if signed else "US"
    dataset.file_meta.TransferSyntaxUID = syntax
    plain_dataset = Dataset()  # a new one has no encoding of its own yet
    plain_dataset.update(dataset)
    plain_dataset.file_meta = dataset.file_meta
    return written(plain_dataset)


def looks_plain(found: Radiograph, **window: object) -> None:
    """The film within the rim is as it is without one; the rim is dark."""
    rim = found.image[RIM - 10]
    assert np.ptp(rim) == 0
    inner = found.image[RIM:-RIM, RIM:-RIM]
    assert rim[0] <= np.percentile(inner, 2)
    assert np.abs(inner - admitted(film(**(NO_WINDOW | window))).image).mean() < 0.02


@pytest.mark.parametrize(
    ("value", "signed"), [(65535, False), (0, False), (8000, False), (-32768, True), (32767, True), (-1, True)]
)
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_declared_padding_is_left_out_and_dark(value: int, signed: bool, syntax: uid.UID) -> None:
    looks_plain(admitted(padded(value, signed=signed, syntax=syntax, PixelPaddingValue=value)))


@pytest.mark.parametrize(("value", "limit"), [(65500, 65535), (65535, 65500), (0, 100)])
def test_a_range_is_padding_whichever_end_comes_first(value: int, limit: int) -> None:
    looks_plain(admitted(padded((value + limit) // 2, PixelPaddingValue=value, PixelPaddingRangeLimit=limit)))


def test_padding_in_a_window_too_and_in_a_negative() -> None:
    windowed = padded(65535, PixelPaddingValue=65535, WindowCenter="4048", WindowWidth="4096")
    looks_plain(admitted(windowed), WindowCenter="2048", WindowWidth="4096")
    negative = padded(65535, PixelPaddingValue=65535, PhotometricInterpretation="MONOCHROME1")
    turned = negative.pixel_array.astype(np.int32)
    turned[turned < 65535] = 8095 - turned[turned < 65535]
    negative.PixelData = turned.astype("<u2").tobytes()
    looks_plain(admitted(negative))


def test_padding_that_was_written_in_the_other_vr_is_meant_all_the_same() -> None:
    dataset = padded(-32768, signed=True, PixelPaddingValue=-32768)
    dataset["PixelPaddingValue"].VR = "US"
    dataset["PixelPaddingValue"]._value = 32768
    looks_plain(admitted(dataset))


def test_padding_outside_the_stored_bits_is_looked_for_in_the_whole_words() -> None:
    words = np.full((632, 600), 0x8000, np.uint16)
    words[RIM:-RIM, RIM:-RIM] = stored(film())
    dataset = film(PixelData=words.tobytes(), Rows=632, Columns=600, PixelPaddingValue=0x8000, **NO_WINDOW)
    looks_plain(admitted(dataset))


@pytest.mark.parametrize("extra", [{}, {"PixelPaddingRangeLimit": 65535}])
def test_only_what_is_declared_is_padding(extra: dict[str, object]) -> None:
    dataset = padded(0, **extra)
    assert covered_in(words_of(dataset), stored_in(words_of(dataset), dataset), dataset) is None


def test_padding_that_would_be_the_whole_film_is_a_wrong_header() -> None:
    dataset = padded(0, PixelPaddingValue=0, PixelPaddingRangeLimit=65535)
    plain = padded(0)
    assert np.array_equal(admitted(dataset).image, admitted(plain).image)


SHUTTERS: dict[str, dict[str, object]] = {
    "RECTANGULAR": {
        "ShutterLeftVerticalEdge": "61", "ShutterRightVerticalEdge": "540",
        "ShutterUpperHorizontalEdge": "61", "ShutterLowerHorizontalEdge": "572",
    },
    "CIRCULAR": {"CenterOfCircularShutter": ["316", "300"], "RadiusOfCircularShutter": "200"},
    "POLYGONAL": {"VerticesOfThePolygonalShutter": ["61", "61", "61", "540", "572", "540", "572", "61"]},
}  # fmt: skip


@pytest.mark.parametrize("shape", ["RECTANGULAR", "POLYGONAL"])
def test_what_a_shutter_hides_is_left_out_and_dark(shape: str) -> None:
    looks_plain(admitted(padded(60000, ShutterShape=shape, **SHUTTERS[shape])))


def test_a_round_shutter_is_round_where_pixels_are_square_or_not() -> None:
    (seen,) = (one.seen for one in shutters_of(padded(0, ShutterShape="CIRCULAR", **SHUTTERS["CIRCULAR"])))
    assert seen.mean() == pytest.approx(np.pi * 200**2 / seen.size, rel=0.02)
    assert seen[315, 299]
    flat = {"PixelSpacing": None, "ImagerPixelSpacing": ["0.4", "0.2"]}
    (seen,) = (one.seen for one in shutters_of(padded(0, ShutterShape="CIRCULAR", **SHUTTERS["CIRCULAR"], **flat)))
    assert (seen.any(axis=1).sum(), seen.any(axis=0).sum()) == (201, 401)


def test_two_shutters_leave_what_both_leave() -> None:
    shapes = ["CIRCULAR", "RECTANGULAR"]
    dataset = padded(0, ShutterShape=shapes, **SHUTTERS["CIRCULAR"], **SHUTTERS["RECTANGULAR"])
    hidden = covered_in(words_of(dataset), stored_in(words_of(dataset), dataset), dataset)
    assert hidden is not None
    assert np.array_equal(~hidden, np.logical_and.reduce([one.seen for one in shutters_of(dataset)]))


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ("RECTANGULAR", {"ShutterLeftVerticalEdge": "500", "ShutterRightVerticalEdge": "60"}),
        ("RECTANGULAR", {}),
        ("CIRCULAR", {"CenterOfCircularShutter": ["316", "300"], "RadiusOfCircularShutter": "0"}),
        ("CIRCULAR", {"CenterOfCircularShutter": ["99999999", "300"], "RadiusOfCircularShutter": "20"}),
        ("POLYGONAL", {"VerticesOfThePolygonalShutter": ["61", "61", "61"]}),
        ("POLYGONAL", {"VerticesOfThePolygonalShutter": ["1", "1", "1", "5", "5", "5"]}),
        ("BITMAP", {}),
        ("HEART", {}),
    ],
)
def test_a_shutter_that_says_nothing_of_use_is_none(shape: str, attributes: dict[str, object]) -> None:
    assert list(shutters_of(padded(0, ShutterShape=shape, **attributes))) == []
