"""Films of every transfer syntax and header in the viewer, in a real Chromium: none is black, none is broken."""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

from tests.browser.conftest import Window
from tests.browser.test_viewer import COLUMNS, RAMP, ROWS, drawn, keep, look, ramp, show
from tests.factories import film
from tests.xray_triage.desk import TestDesk, reading

EIGHT = (RAMP >> 4).astype("u1")
AS_EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "WindowCenter": 128, "WindowWidth": 256}
RIM = ROWS // 5
EDGES = [f"Shutter{edge}Edge" for edge in ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")]
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}
RAW = {"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.1.1.1"), "PixelIntensityRelationship": "LIN"}
COLOUR = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "WindowCenter": None, "WindowWidth": None}


def native(syntax: UID, order: str) -> Dataset:
    return ramp(RAMP.astype(order), transfer_syntax_uid=syntax)


def compressed(syntax: UID) -> Dataset:
    dataset = ramp()
    dataset.compress(syntax, generate_instance_uid=False)
    return dataset


def encapsulated(syntax: UID, frame: bytes, **attributes: object) -> Dataset:
    dataset = film(rows=ROWS, columns=COLUMNS, transfer_syntax_uid=syntax, **attributes)  # type: ignore[arg-type]
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    return dataset


STORED = {
    ImplicitVRLittleEndian: lambda: native(ImplicitVRLittleEndian, "<u2"),
    ExplicitVRLittleEndian: lambda: native(ExplicitVRLittleEndian, "<u2"),
    ExplicitVRBigEndian: lambda: native(ExplicitVRBigEndian, ">u2"),
    JPEGBaseline8Bit: lambda: encapsulated(JPEGBaseline8Bit, imagecodecs.jpeg8_encode(EIGHT, level=95), **AS_EIGHT),
    JPEGExtended12Bit: lambda: encapsulated(
        JPEGExtended12Bit, imagecodecs.jpeg8_encode(RAMP, level=95, bitspersample=12)
    ),
    JPEGLossless: lambda: encapsulated(JPEGLossless, imagecodecs.ljpeg_encode(RAMP, bitspersample=12)),
    JPEGLosslessSV1: lambda: encapsulated(JPEGLosslessSV1, imagecodecs.ljpeg_encode(RAMP, bitspersample=12)),
    JPEGLSLossless: lambda: compressed(JPEGLSLossless),
    JPEGLSNearLossless: lambda: encapsulated(JPEGLSNearLossless, imagecodecs.jpegls_encode(RAMP, level=2)),
    JPEG2000Lossless: lambda: compressed(JPEG2000Lossless),
    HTJ2KLossless: lambda: encapsulated(HTJ2KLossless, imagecodecs.htj2k_encode(RAMP)),
    HTJ2KLosslessRPCL: lambda: encapsulated(HTJ2KLosslessRPCL, imagecodecs.htj2k_encode(RAMP, tlm=True)),
    HTJ2K: lambda: encapsulated(HTJ2K, imagecodecs.htj2k_encode(RAMP, reversible=False)),
    RLELossless: lambda: compressed(RLELossless),
}


def colour(dataset: Dataset) -> Dataset:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    return dataset


def table(first: int, entries: NDArray[Any], *, bits: int = 16, packed: bool = False) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "OW", (entries // 16).astype("u1").tobytes() if packed else entries.astype("<u2").tobytes())
    return [item]


def rimmed(pixels: NDArray[Any], value: int) -> NDArray[Any]:
    """The same with other pixels at its upper and lower edge."""
    rimmed = pixels.astype("<u2")
    rimmed[:RIM] = rimmed[-RIM:] = value
    return rimmed


def laid_over(dataset: Dataset, plane: NDArray[Any]) -> Dataset:
    """With a plane of the machine's graphics, over 64 KiB."""
    bits = np.packbits(plane.ravel(), bitorder="little").tobytes() + bytes(70_000)
    for element, vr, value in (
        (0x10, "US", plane.shape[0]), (0x11, "US", plane.shape[1]), (0x40, "CS", "G"), (0x50, "SS", [1, 1]),
        (0x100, "US", 1), (0x102, "US", 0), (0x3000, "OW", bits),
    ):  # fmt: skip
        dataset.add_new((0x6000, element), vr, value)
    return dataset


def leaf_through(page: Page, desk: TestDesk, films: Iterable[Dataset]) -> Iterator[Dataset]:
    """The films of one case, each when it is the one that is drawn."""
    study, kept = generate_uid(), []
    for dataset in films:
        dataset.StudyInstanceUID = study
        case_id = keep(desk, dataset)
        kept.append(dataset)
    show(page, case_id)
    for place, dataset in enumerate(kept):
        page.locator(".strip button").nth(place).click()
        expect(page.locator(".pane .title").first).to_have_text(f"Phim {place + 1}")
        expect(page.locator(".pane").first).not_to_have_class(re.compile("empty"))
        yield dataset


def test_a_film_is_drawn_as_its_pixels_are_however_it_is_stored(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    for dataset in leaf_through(page, sqlite_desk, (make() for make in STORED.values())):
        syntax, grays = dataset.file_meta.TransferSyntaxUID, drawn(page)
        assert grays[-1] > 240, syntax.name
        assert np.abs(grays - np.linspace(grays[0], grays[-1], len(grays))).max() < 12, syntax.name


def test_grays_are_as_the_header_says(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    said: tuple[dict[str, Any], ...] = (
        {"photometric": "MONOCHROME1", "pixels": RAMP[:, ::-1]},
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": 60000, "WindowWidth": 2},
        {"WindowCenter": 32768, "WindowWidth": 65536},  # all of the film would be black
        {"pixels": RAMP.astype("<i2") - 2048, "PixelRepresentation": 1, "WindowCenter": 0},
        {"RescaleSlope": 0.5, "RescaleIntercept": -1000, "WindowCenter": 24, "WindowWidth": 2048},
        {"RescaleSlope": -1, "RescaleIntercept": 4095, "pixels": RAMP[:, ::-1]},
        {"RescaleSlope": "0.0001", "WindowCenter": 0.2, "WindowWidth": 0.4, "VOILUTFunction": "LINEAR_EXACT"},
        {"VOILUTFunction": "SIGMOID"},
        {"pixels": EIGHT, **AS_EIGHT},
        {"pixels": RAMP << 2, "BitsStored": 14, "HighBit": 13, "WindowCenter": 8192, "WindowWidth": 16384},
        {"pixels": RAMP | 0xF000},  # an overlay in the unused bits
        {"pixels": RAMP << 4 | 5, "HighBit": 15},
        {"pixels": np.expm1(RAMP / 4095 * 11).astype("<u2"), "HighBit": 15, "BitsStored": 16, **RAW},
        {"ModalityLUTSequence": table(0, np.arange(4096)), "pixels": RAMP},
        {"VOILUTSequence": [Dataset(), *table(0, np.arange(4096), bits=8)], "WindowCenter": None},
        {"VOILUTSequence": table(0, np.arange(4096), packed=True), "WindowCenter": None},
        {"VOILUTSequence": table(0, np.zeros(4096))},
        {"WindowCenter": ["", "2048"], "WindowWidth": ["", "4096"]},
        {"pixels": rimmed(RAMP, 65535), "PixelPaddingValue": 65535, "BitsStored": 16, "HighBit": 15} | NO_WINDOW,
    )
    films = [ramp(**attributes) for attributes in said]
    for attributes, _ in zip(said, leaf_through(page, sqlite_desk, films), strict=True):
        grays = drawn(page)
        assert grays[0] < 40, attributes
        assert grays[-1] > 215, attributes
        assert (np.diff(grays) >= -3).all(), attributes


def test_padding_and_what_a_shutter_hides_are_black_and_the_machines_graphics_are_drawn(
    enter: Window, sqlite_desk: TestDesk
) -> None:
    page = enter()
    bright = np.full((ROWS, COLUMNS), 3000, "<u2")
    bright[:, ::2] = 3400
    plane = np.zeros((ROWS, COLUMNS), np.uint8)
    plane[ROWS // 2 - 6 : ROWS // 2 + 6] = 1
    turned = {"photometric": "MONOCHROME1", "pixels": rimmed(4095 - bright, 60000)}
    wide = {"PixelPaddingValue": 60000, "BitsStored": 16, "HighBit": 15}
    edges = (1, COLUMNS, RIM, ROWS - RIM)
    corners = [RIM, 1, RIM, COLUMNS, ROWS - RIM, COLUMNS, ROWS - RIM, 1]
    said: tuple[dict[str, Any], ...] = (
        {"pixels": rimmed(bright, 60000), **wide},
        {**turned, **wide},
        {"pixels": bright, "ShutterShape": "RECTANGULAR", **dict(zip(EDGES, edges, strict=True))},
        {"pixels": bright, "ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": corners},
    )  # fmt: skip
    films = [laid_over(ramp(**attributes), plane) for attributes in said]
    for attributes, _ in zip(said, leaf_through(page, sqlite_desk, films), strict=True):
        shown = look(page)[60:-60, :, 1]
        height, width = shown.shape
        middle = shown[:, width // 2].astype(int)
        assert middle[: height // 12].max() < 20, attributes
        assert middle[height // 4 : height // 3].min() > 100, attributes
        assert middle[height // 2] > 250, attributes


def test_a_film_that_the_reader_found_to_be_a_negative_is_put_right(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    read = dataclasses.replace(reading(), flags=("inverted",))
    show(page, keep(sqlite_desk, ramp(RAMP[:, ::-1]), read))
    grays = drawn(page)
    assert grays[0] < 40
    assert grays[-1] > 215


def test_eight_bits_of_which_nothing_is_said_are_grays(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    nothing = {"WindowCenter": None, "WindowWidth": None, "RescaleSlope": None, "RescaleIntercept": None}
    show(page, keep(sqlite_desk, ramp(EIGHT // 2, **AS_EIGHT | nothing)))
    assert drawn(page)[-1] == pytest.approx(127, abs=4)


def test_a_voi_table_is_followed(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    show(page, keep(sqlite_desk, ramp(VOILUTSequence=table(0, np.repeat([0, 255], 2048)))))
    line = look(page)[:, :, 1]
    middle = line[len(line) // 2]
    black_and_white = np.mean((middle < 10) | (middle > 245))
    assert black_and_white > 0.98


def test_a_digitised_film_in_colour_keeps_its_colours(enter: Window, sqlite_desk: TestDesk) -> None:
    pixels = np.stack([EIGHT, EIGHT // 2, EIGHT * 0], -1)
    page = enter()
    plain = ramp(pixels, photometric="RGB", **AS_EIGHT | COLOUR)
    frame = imagecodecs.jpeg8_encode(pixels, level=95)
    jpeg = encapsulated(JPEGBaseline8Bit, frame, photometric="YBR_FULL_422", **AS_EIGHT | COLOUR)
    for one in leaf_through(page, sqlite_desk, (colour(plain), colour(jpeg))):
        shown = look(page)
        brightest = shown[len(shown) // 2][np.argmax(shown[len(shown) // 2, :, 0])]
        assert brightest == pytest.approx([255, 127, 0], abs=10), one.PhotometricInterpretation


def test_films_of_odd_sizes_are_drawn(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    films = []
    for rows, columns in ((601, 499), (7, 5), (1, 400), (1, 1)):
        pixels = np.full((rows, columns), 4095, "<u2")
        pixels[:, : columns // 2] = 1000  # one gray only would be no film
        films.append(film(rows=rows, columns=columns, PixelData=pixels.tobytes()))
    for one in leaf_through(page, sqlite_desk, films):
        assert one.Columns == 1 or look(page)[60:-60].max() > 200, (one.Rows, one.Columns)


def test_pixels_that_are_not_square_are_drawn_in_shape(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    white = np.full((ROWS, COLUMNS), 4095, "<u2")
    white[::2] = 3000
    said = ({"PixelSpacing": [0.2, 0.1]}, {"PixelAspectRatio": [2, 1]})
    for _ in leaf_through(page, sqlite_desk, [ramp(white, ImagerPixelSpacing=None, **one) for one in said]):
        lit = np.argwhere(look(page)[40:-40, :, 1] > 100)
        height, width = np.ptp(lit, axis=0)
        box = page.locator(".pane").first.bounding_box()
        assert box
        assert height > box["height"] - 90
        assert width == pytest.approx(box["height"] * COLUMNS / ROWS / 2, rel=0.03)


def palette_film() -> Dataset:
    """A film that the station decodes and the viewer does not draw."""
    nothing = {"WindowCenter": None, "WindowWidth": None}
    dataset = ramp(EIGHT, photometric="PALETTE COLOR", **AS_EIGHT | nothing)
    for name in ("Red", "Green", "Blue"):
        keyword = f"{name}PaletteColorLookupTable"
        setattr(dataset, f"{keyword}Descriptor", [256, 0, 16])
        dataset[f"{keyword}Descriptor"].VR = "US"
        dataset.add_new(f"{keyword}Data", "OW", (np.arange(256) * 257).astype("<u2").tobytes())
    return dataset


def test_what_the_viewer_cannot_draw_is_shown_as_the_stations_own_picture(doctor: Page, sqlite_desk: TestDesk) -> None:
    doctor.goto(f"/cases/{keep(sqlite_desk, palette_film())}")
    trouble = doctor.locator('.pane[data-pane="now"] .trouble')
    expect(trouble.get_by_text("Không mở được phim này")).to_be_visible()
    expect(trouble.locator("img")).to_be_visible()


def test_a_damaged_film_gives_words_instead_of_a_black_pane(
    doctor: Page, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    broken = encapsulated(JPEG2000Lossless, b"\xff\x4f\xff\x51" + bytes(4000))
    doctor.goto(f"/cases/{keep(sqlite_desk, broken, reading())}")
    trouble = doctor.locator('.pane[data-pane="now"] .trouble')
    expect(trouble.get_by_text("Không mở được phim này")).to_be_visible()
    expect(trouble.locator("img")).to_be_hidden()
    noise = ("j2k", "[error]", "422")  # the decoder's, and no picture of it at the station either
    complaints[:] = [said for said in complaints if not any(one in said.lower() for one in noise)]
