import numpy as np
import pytest

from tests.xray_triage.films import admitted, film, stored
from xray_triage.reading.picture.geometry import aspect_of, size_of


@pytest.mark.parametrize(
    ("attributes", "aspect"),
    [
        ({}, 1),
        ({"PixelAspectRatio": ["1", "2"]}, 0.5),
        ({"PixelAspectRatio": ["2", "1"]}, 2),
        ({"ImagerPixelSpacing": ["0.2", "0.4"]}, 0.5),
        ({"PixelSpacing": ["0.4", "0.2"], "ImagerPixelSpacing": ["0.2", "0.2"]}, 2),
        ({"NominalScannedPixelSpacing": ["0.4", "0.2"]}, 2),
        ({"PixelSpacing": ["0.2", "0.2"], "PixelAspectRatio": ["1", "2"]}, 1),  # C.7.6.3.1.7: then it is not asked
        ({"ImagerPixelSpacing": ["0.143", "0.1431"]}, 1),
        ({"PixelAspectRatio": ["1", "0"]}, 1),
        ({"PixelAspectRatio": ["1", "-2"]}, 1),
        ({"PixelAspectRatio": "1"}, 1),
        ({"PixelAspectRatio": ["1", "500"]}, 1),
        ({"ImagerPixelSpacing": ["0", "0.2"], "PixelAspectRatio": ["1", "2"]}, 0.5),
    ],
)
def test_a_pixel_is_as_high_as_the_film_says(attributes: dict[str, object], aspect: float) -> None:
    bare = {"PixelSpacing": None, "ImagerPixelSpacing": None, "PixelAspectRatio": None}
    assert aspect_of(film(**(bare | attributes))) == pytest.approx(aspect)


def test_no_pixel_is_lost_where_the_film_fits() -> None:
    assert size_of((100, 200), 0.5, 4096) == (100, 400)
    assert size_of((100, 200), 2, 4096) == (200, 200)
    assert size_of((3000, 3000), 2, 3000) == (3000, 1500)


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 1)])
def test_the_network_sees_the_film_as_it_is(rows: int, columns: int) -> None:
    pressed = np.ascontiguousarray(stored(film())[::rows, ::columns])
    dataset = film(
        PixelData=pressed.tobytes(), Rows=pressed.shape[0], Columns=pressed.shape[1],
        PixelSpacing=None, ImagerPixelSpacing=[0.2 * rows, 0.2 * columns],
    )  # fmt: skip
    found, plain = admitted(dataset), admitted(film())
    assert (found.rows, found.columns) == pressed.shape
    assert found.image.shape == plain.image.shape
    assert np.abs(found.image - plain.image).mean() < 0.03
