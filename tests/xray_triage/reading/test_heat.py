import numpy as np
import pytest

from xray_triage.reading.heat import box_of, over_film
from xray_triage.reading.pixels import InputSpec, place, prepare, resize


def framed_film() -> np.ndarray:
    """500 x 460 with black borders; on it one bright square of 80 x 80 at row 300, column 240, and a fainter one."""
    film = np.zeros((500, 460), np.float32)
    film[40:440, 100:400] = 0.3 * np.random.default_rng(0).random((400, 300), np.float32)
    film[300:380, 240:320] = 0.9
    film[80:100, 120:140] = 0.8
    return film


@pytest.mark.parametrize("fit", ["letterbox", "squash", "crop"])
@pytest.mark.parametrize("trim", [True, False])
def test_heat_and_box_lie_where_the_network_saw_it(fit: str, trim: bool) -> None:
    spec = InputSpec(size=224, mean=0, std=1, fit=fit, trim=trim)  # type: ignore[arg-type]
    film = framed_film()
    heat = over_film(resize(prepare(film, spec)[0, 0], 28, 28), film.shape, place(film, spec), spec.size)
    assert heat is not None
    assert heat.shape == (128, 118)
    assert heat.max() == pytest.approx(1)
    box = box_of(heat, rows=5000, columns=4600)
    assert (box.x, box.y) == (pytest.approx(2400, abs=160), pytest.approx(3000, abs=160))
    assert (box.x + box.width, box.y + box.height) == (pytest.approx(3200, abs=160), pytest.approx(3800, abs=160))


def test_what_the_network_did_not_see_has_no_heat() -> None:
    film = framed_film()
    heat = over_film(np.ones((7, 7), np.float32), film.shape, place(film, InputSpec(size=224)), 224)
    assert heat is not None
    assert not heat[:9].any()
    assert heat[60, 60] == 1


def test_a_map_without_activity_gives_no_heat() -> None:
    film = framed_film()
    assert over_film(-np.ones((7, 7), np.float32), film.shape, place(film, InputSpec(size=224)), 224) is None


def test_a_box_holds_only_what_hangs_together_with_the_peak() -> None:
    heat = np.zeros((10, 10), np.float32)
    heat[1:3, 1:3] = 0.9
    heat[6, 7] = 1
    box = box_of(heat, rows=100, columns=200)
    assert (box.x, box.y, box.width, box.height) == (140, 60, 20, 10)
