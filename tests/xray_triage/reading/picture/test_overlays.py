"""Overlay planes: drawn for people where they lie on the film, and never seen by the network."""

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from tests.xray_triage.films import admitted, film, stored, written
from xray_triage.reading.picture.decoding import words_of
from xray_triage.reading.picture.overlays import drawn, graphics_in

LETTER = np.zeros((40, 24), np.bool_)
LETTER[:, :6] = LETTER[-6:] = True


def laid_over(
    dataset: Dataset, plane: np.ndarray = LETTER, *, origin: tuple[int, int] = (101, 51), kind: str = "G",
    group: int = 0x6000,
) -> Dataset:  # fmt: skip
    bits = np.packbits(plane.ravel(), bitorder="little").tobytes()
    for element, vr, value in (
        (0x10, "US", plane.shape[0]), (0x11, "US", plane.shape[1]), (0x40, "CS", kind), (0x50, "SS", list(origin)),
        (0x100, "US", 1), (0x102, "US", 0), (0x3000, "OW", bits + b"\0" * (len(bits) % 2)),
    ):  # fmt: skip
        dataset.add_new((group, element), vr, value)
    return dataset


def seen(dataset: Dataset) -> np.ndarray | None:
    read = written(dataset)
    return graphics_in(read, words_of(read))


def test_a_plane_lies_at_its_origin_and_the_network_does_not_see_it() -> None:
    found = seen(laid_over(film()))
    assert found is not None
    assert np.array_equal(found[100:140, 50:74], LETTER)
    assert found.sum() == LETTER.sum()
    assert np.array_equal(admitted(written(laid_over(film()))).image, admitted(film()).image)


@pytest.mark.parametrize("origin", [(-9, -4), (500, 470), (1, 1), (9000, 9000)])
def test_a_plane_that_hangs_over_an_edge_is_cut_there(origin: tuple[int, int]) -> None:
    found = seen(laid_over(film(), origin=origin))
    rows, columns = origin[0] - 1 + np.nonzero(LETTER)[0], origin[1] - 1 + np.nonzero(LETTER)[1]
    inside = (rows >= 0) & (rows < 512) & (columns >= 0) & (columns < 480)
    assert (0 if found is None else found.sum()) == inside.sum()


def test_several_planes_are_drawn_and_regions_of_interest_are_not() -> None:
    dataset = laid_over(laid_over(film()), origin=(301, 51), group=0x6002)
    found = seen(laid_over(dataset, origin=(401, 51), group=0x6004, kind="R"))
    assert found is not None
    assert found.sum() == 2 * LETTER.sum()


def test_a_plane_within_the_words_of_the_film_is_drawn() -> None:
    words = stored(film()).copy()
    words[100:140, 50:74] |= (LETTER * 0x8000).astype(np.uint16)
    dataset = film(PixelData=words.tobytes())
    for element, vr, value in ((0x40, "CS", "G"), (0x100, "US", 16), (0x102, "US", 15)):
        dataset.add_new((0x6000, element), vr, value)
    found = seen(dataset)
    assert found is not None
    assert np.array_equal(found[100:140, 50:74], LETTER)
    dataset[0x6000, 0x102].value = 5  # a bit of the film itself
    assert seen(dataset) is None


def test_a_plane_of_a_big_endian_film_is_not_turned_about() -> None:
    plain = Dataset()
    plain.update(laid_over(film()))
    plain.file_meta = film().file_meta
    plain.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    plain.PixelData = stored(film()).astype(">u2").tobytes()
    data = np.frombuffer(plain[0x6000, 0x3000].value, np.uint8).reshape(-1, 2)[:, ::-1]
    plain[0x6000, 0x3000].value = data.tobytes()
    found = seen(plain)
    assert found is not None
    assert np.array_equal(found[100:140, 50:74], LETTER)


@pytest.mark.parametrize(
    ("element", "vr", "value"),
    [(0x10, "US", 9000), (0x11, "US", 0), (0x50, "SS", [1]), (0x3000, "OW", b""), (0x40, "CS", "")],
)
def test_a_damaged_plane_is_passed_over(element: int, vr: str, value: object) -> None:
    dataset = laid_over(film())
    dataset.add_new((0x6000, element), vr, value)
    assert seen(dataset) is None


def test_thin_lines_stay_where_the_picture_is_smaller_and_fill_where_it_is_larger() -> None:
    graphics = np.zeros((100, 100), np.bool_)
    graphics[:, 33] = True
    small = drawn(np.full((10, 10), 128, np.uint8), graphics)
    assert (small[:, 3] == 255).all()
    assert (small == 255).sum() == 10
    large = drawn(np.full((300, 300), 128, np.uint8), graphics)
    assert (large[:, 99:102] == 255).all()
    assert (large == 255).sum() == 900
    assert (large[1:, 102] == 0).all()
