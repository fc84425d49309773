from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.xray_triage.films import admitted, film, stored


def table(values: np.ndarray, first: int = 0, *, as_bytes: bool = False) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(values) % 65536, first, 16]
    item["LUTDescriptor"].VR = "US"
    data: Any = values.astype("<u2").tobytes() if as_bytes else [int(value) for value in values]
    item.add(pydicom.DataElement("LUTData", "OW" if as_bytes else "US", data))
    return Sequence([item])


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_table_turns_the_film_as_it_says(keyword: str, as_bytes: bool) -> None:
    turned = 4095 - stored(film())
    dataset = film(PixelData=turned.tobytes(), WindowCenter=None, WindowWidth=None, RescaleSlope=None)
    dataset.add_new(keyword, "SQ", table(4095 - np.arange(4096), as_bytes=as_bytes))
    plain = admitted(film(WindowCenter="2048", WindowWidth="4096")).image
    image = admitted(dataset)
    assert image.flags == ()
    assert np.abs(image.image - plain).mean() < 0.05


def test_a_table_that_contradicts_itself_is_passed_over() -> None:
    dataset = film()
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.add(pydicom.DataElement("LUTData", "US", [1, 2, 3]))
    dataset.VOILUTSequence = Sequence([item])
    assert np.array_equal(admitted(dataset).image, admitted(film()).image)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_every_window_function_gives_a_readable_picture(function: str) -> None:
    image = admitted(film(VOILUTFunction=function, WindowCenter="2048", WindowWidth="3000")).image
    assert np.corrcoef(image.ravel(), admitted(film()).image.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    "window",
    [(None, None), ("100000", "2"), ("32768", "65536000"), ("2048", "0"), ("x", "y"), (["2048"] * 2, ["4096"] * 2)],
)
def test_a_missing_or_useless_window_is_replaced(window: tuple[object, object]) -> None:
    dataset = film(WindowCenter=None, WindowWidth=None)
    for keyword, value in zip(("WindowCenter", "WindowWidth"), window, strict=True):
        if value is not None:
            dataset.add(pydicom.DataElement(tag_for_keyword(keyword), "LO", value))  # type: ignore[arg-type]
    image = admitted(dataset).image
    assert image.std() > 0.1
    assert 0.1 < image.mean() < 0.9


def test_an_unprocessed_film_is_brought_to_the_scale_of_density() -> None:
    density = stored(film()).astype(np.float64) / 4095
    intensity = (4095 * np.exp(-4 * density)).astype("<u2")
    raw = film(
        SOPClassUID=uid.DigitalXRayImageStorageForProcessing,
        PixelIntensityRelationship="LIN",
        PhotometricInterpretation="MONOCHROME1",
        PixelData=intensity.tobytes(),
        WindowCenter=None,
        WindowWidth=None,
    )
    assert np.corrcoef(admitted(raw).image.ravel(), density.ravel())[0, 1] > 0.97
