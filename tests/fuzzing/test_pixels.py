"""Tags of windows, tables, padding and pixels by chance against what prepares a film: it is read, or says why not."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_router.errors import DAMAGE
from tests.factories import film, film_bytes
from tests.fuzzing import fuzz
from xray_triage.reading.eligibility import Admission
from xray_triage.reading.radiograph import Radiograph, admit

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

ROWS, COLUMNS = 256, 200  # no smaller film is read
SLOPE = np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) * 8
words = st.one_of(st.integers(-70_000, 70_000), st.sampled_from([0, 1, -1, 255, 4095, 65_535]))
numbers = st.one_of(
    st.floats(-1e9, 1e9).map(lambda number: f"{number:.6g}"),
    st.sampled_from(["", "0", "1", "-1", "1e308", "-0", "NaN", "x", "inf"]),
)
many = st.one_of(numbers, st.lists(numbers, max_size=3))
descriptors = st.one_of(st.none(), st.lists(st.integers(0, 65_535), max_size=4))
tables = st.fixed_dictionaries(
    {}, optional={"descriptor": descriptors, "data": st.binary(max_size=64), "vr": st.sampled_from(["US", "OW", "SS"])}
)


def item(table: dict) -> Dataset:
    made = Dataset()
    if (said := table.get("descriptor")) is not None:
        made.add_new(0x00283002, "US", said)
    if "data" in table:
        data, vr = table["data"], table.get("vr", "OW")
        whole = data[: len(data) // 2 * 2]
        made.add_new(
            0x00283006,
            vr,
            whole if vr == "OW" else np.frombuffer(whole, f"<{vr[0].lower().replace('s', 'i')}2").tolist(),
        )
    return made


grays = st.fixed_dictionaries(
    {},
    optional={
        "WindowCenter": many,
        "WindowWidth": many,
        "VOILUTFunction": st.sampled_from(["LINEAR", "SIGMOID", "LINEAR_EXACT", "", "x"]),
        "RescaleSlope": numbers,
        "RescaleIntercept": numbers,
        "PresentationLUTShape": st.sampled_from(["IDENTITY", "INVERSE", "", "x"]),
        "PixelPaddingValue": words,
        "PixelPaddingRangeLimit": words,
        "SmallestImagePixelValue": words,
        "LargestImagePixelValue": words,
        "BitsStored": st.integers(0, 17),
        "HighBit": st.integers(0, 17),
        "PixelRepresentation": st.integers(0, 2),
        "PhotometricInterpretation": st.sampled_from(["MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR", ""]),
        "PixelSpacing": many,
        "PixelAspectRatio": st.lists(st.sampled_from(["0", "1", "2", "-1", "x"]), max_size=3),
        "PatientAge": st.text("0123456789YMDW ", max_size=6),
        "ViewPosition": st.text("PALRX \\\\^", max_size=16),
    },
)
lists_of_tables = st.lists(tables, max_size=2)


def element(keyword: str, value: Any) -> DataElement:
    """Numbers in text as they are said, for no writer would write them."""
    vr = dictionary_VR(keyword)
    if vr in ("DS", "IS"):
        return DataElement(keyword, "LO", "\\".join(value) if isinstance(value, list) else value)
    return DataElement(keyword, "US", value % 65_536) if vr == "US or SS" else DataElement(keyword, vr, value)


def raw_film(tags: dict, voi: list[dict] | None, modality: list[dict] | None) -> bytes:
    """A film of 256 by 200 with these tags, as no library would check them."""
    made = film(rows=ROWS, columns=COLUMNS, PixelData=SLOPE.astype("<u2").tobytes())
    with disable_value_validation():
        for keyword, value in tags.items():
            made[keyword] = element(keyword, value)
        for keyword, said in (("VOILUTSequence", voi), ("ModalityLUTSequence", modality)):
            if said is not None:
                made[keyword] = DataElement(keyword, "SQ", [item(each) for each in said])
        return film_bytes(made)


@fuzz(60)
@example(tags={}, voi=[{"descriptor": [1, 0, 16], "data": b"\x01\x02", "vr": "US"}], modality=None)
@given(tags=grays, voi=st.one_of(st.none(), lists_of_tables), modality=st.one_of(st.none(), lists_of_tables))
def test_any_film_is_prepared_or_says_why_not(tags: dict, voi: list[dict] | None, modality: list[dict] | None) -> None:
    try:
        part10 = raw_film(tags, voi, modality)
    except DAMAGE:  # not even written
        return
    found = admit(pydicom.dcmread(io.BytesIO(part10)), Admission())
    if isinstance(found, Radiograph):
        assert np.isfinite(found.image).all()
        assert found.image.min() >= 0
        assert found.image.max() <= 1
    else:
        assert found.reason.code
