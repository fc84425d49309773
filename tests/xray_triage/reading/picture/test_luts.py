"""Tables and windows as machines write them: what is meant is used, what is unsound is as if it were not there."""

from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.xray_triage.films import admitted, film, written
from xray_triage.reading.picture.luts import rescale_of, table_of, window_of

CURVE = (np.linspace(0, 1, 4096) ** 0.6 * 4095).astype(np.uint16)


def an_item(descriptor: Any = (4096, 0, 12), data: Any = None, *, vr: str = "OW") -> Dataset:
    item = Dataset()
    if descriptor is not None:
        item.add(pydicom.DataElement("LUTDescriptor", "US", list(descriptor)))
    if data is not None:
        item.add(pydicom.DataElement("LUTData", vr, data))
    return item


def with_table(*items: Dataset, keyword: str = "VOILUTSequence", **attributes: object) -> Dataset:
    dataset = film(**attributes)
    dataset.add_new(keyword, "SQ", Sequence(list(items)))
    return written(dataset)


SOUND = {
    "plain": (an_item(data=CURVE.tobytes()), CURVE),
    "16 bits declared": (an_item((4096, 0, 16), CURVE.tobytes()), CURVE),
    "8 bits declared": (an_item((4096, 0, 8), CURVE.tobytes()), CURVE),
    "no bits declared": (an_item((4096, 0, 0), CURVE.tobytes()), CURVE),
    "words": (an_item(data=CURVE.tolist(), vr="US"), CURVE),
    "signed words": (an_item((4096, 0, 16), (CURVE * 16).view(np.int16).tolist(), vr="SS"), CURVE * 16),
    "packed bytes": (an_item((4096, 0, 8), (CURVE >> 4).astype(np.uint8).tobytes()), CURVE >> 4),
    "packed bytes called 16": (an_item((4096, 0, 16), (CURVE >> 4).astype(np.uint8).tobytes()), CURVE >> 4),
    "an odd number of bytes": (an_item((255, 0, 8), bytes(range(256))), np.arange(255, dtype=np.uint16)),
    "one entry short": (an_item(data=CURVE[:-1].tobytes()), np.append(CURVE[:-1], CURVE[-2])),
    "too many entries": (an_item((4000, 0, 12), CURVE.tobytes()), CURVE[:4000]),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_the_entries_are_unsigned_and_the_real_maximum_decides(name: str, keyword: str) -> None:
    item, entries = SOUND[name]
    dataset = with_table(item, keyword=keyword)
    table = table_of(dataset, keyword)
    assert table is not None
    assert (table.first, table.bits) == (0, max(8, int(entries.max()).bit_length()))
    assert np.array_equal(table.entries, entries)


UNSOUND = {
    "an empty item": Dataset(),
    "no descriptor": an_item(None, CURVE.tobytes()),
    "an empty descriptor": an_item([], CURVE.tobytes()),
    "two numbers": an_item([4096, 0], CURVE.tobytes()),
    "no data": an_item(),
    "empty data": an_item(data=b""),
    "one entry": an_item((1, 0, 12), [5], vr="US"),
    "far too few": an_item(data=CURVE[:3000].tobytes()),
    "one value all over": an_item(data=bytes(8192)),
}


@pytest.mark.parametrize("name", UNSOUND)
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_an_unsound_table_is_as_if_there_were_none_and_the_next_is_used(name: str, keyword: str) -> None:
    dataset = with_table(UNSOUND[name], keyword=keyword)
    assert table_of(dataset, keyword) is None
    assert np.array_equal(admitted(dataset).image, admitted(film()).image)
    second = table_of(with_table(UNSOUND[name], SOUND["plain"][0], keyword=keyword), keyword)
    assert second is not None
    assert np.array_equal(second.entries, CURVE)


def test_a_table_that_begins_elsewhere_than_the_film_is_passed_over() -> None:
    dataset = with_table(an_item((4096, 50000, 12), CURVE.tobytes()))
    assert np.array_equal(admitted(dataset).image, admitted(film()).image)


@pytest.mark.parametrize(
    ("center", "width", "function", "found"),
    [
        ("2048", "4096", None, (2048, 4096, "LINEAR")),
        (["", "2048"], ["", "4096"], None, (2048, 4096, "LINEAR")),
        (["2048", "1000"], "4096", None, (2048, 4096, "LINEAR")),
        (["x", "100", "2048"], ["5", "0", "4096"], None, (2048, 4096, "LINEAR")),
        ("NaN", "NaN", None, None),
        ("2048", "0", None, None),
        ("2048", "-5", None, None),
        ("2048", "0.5", "LINEAR_EXACT", (2048, 0.5, "LINEAR_EXACT")),
        ("2048", "0.5", "SIGMOID", (2048, 0.5, "SIGMOID")),
        ("1e300", "4096", None, None),
        ("2048", None, None, None),
    ],
)
def test_the_first_pair_that_could_be_meant_is_the_window(
    center: object, width: object, function: str | None, found: object
) -> None:
    dataset = film(WindowCenter=None, WindowWidth=None, VOILUTFunction=function)
    for keyword, value in (("WindowCenter", center), ("WindowWidth", width)):
        if value is not None:
            dataset.add(pydicom.DataElement(keyword, "LO", value))
    assert window_of(dataset) == found


def test_a_rescale_that_changes_nothing_or_makes_no_sense_is_none() -> None:
    assert rescale_of(film(RescaleSlope="1", RescaleIntercept="0")) is None
    assert rescale_of(film(RescaleSlope="0", RescaleIntercept="")) is None
    assert rescale_of(film(RescaleSlope="2", RescaleIntercept="")) == (2, 0)
