import numpy as np
import pytest

from xray_triage.reading.pixels import InputSpec, place, prepare, resize, shrink, to_display


def a_film(rows: int = 400, columns: int = 300) -> np.ndarray:
    """A gradient with a bright square, so that place and order can be told."""
    film = np.linspace(0.1, 0.6, rows * columns, dtype=np.float32).reshape(rows, columns)
    film[rows // 4 : rows // 2, columns // 4 : columns // 2] = 0.9
    return film


def test_shrink_averages_whole_blocks_and_stays_under_the_limit() -> None:
    stored = np.arange(3000 * 2500, dtype=np.uint32).reshape(3000, 2500).astype(np.uint16)
    small = shrink(stored, 1024)
    assert small.shape == (1000, 833)
    assert small[0, 0] == pytest.approx(stored[:3, :3].mean())
    assert small[-1, -1] == pytest.approx(stored[2997:3000, 2496:2499].mean(), rel=1e-5)


def test_shrink_leaves_a_small_image_alone() -> None:
    image = np.ones((100, 1024), np.uint8)
    assert shrink(image, 1024) is image


def test_the_two_photometric_interpretations_of_one_film_look_the_same() -> None:
    stored = (a_film() * 4000).astype(np.uint16)
    for window in (None, (2000.0, 3000.0)):
        other = None if window is None else (4095 - window[0], window[1])
        one = to_display(stored, monochrome1=False, window=window)
        two = to_display(4095 - stored, monochrome1=True, window=other)
        assert np.abs(one - two).max() <= 1e-3


def test_a_window_that_hides_the_film_is_replaced_by_the_films_own_range() -> None:
    stored = (a_film() * 4000).astype(np.uint16)
    shown = to_display(stored, monochrome1=False, window=(60000.0, 10.0))
    assert shown.min() == 0
    assert shown.max() == 1


def test_a_blank_film_becomes_black_and_no_error() -> None:
    assert not to_display(np.full((50, 50), 7, np.uint16), monochrome1=False).any()


@pytest.mark.parametrize("fit", ["letterbox", "squash", "crop"])
def test_prepare_gives_the_shape_that_the_network_eats(fit: str) -> None:
    spec = InputSpec(size=64, channels=3, fit=fit)  # type: ignore[arg-type]
    tensor = prepare(a_film(), spec)
    assert tensor.shape == (1, 3, 64, 64)
    assert tensor.dtype == np.float32
    assert np.isfinite(tensor).all()


def test_a_small_and_a_large_copy_of_one_film_give_the_same_input() -> None:
    large = a_film(1000, 1000)
    spec = InputSpec(size=160)
    difference = np.abs(prepare(large, spec) - prepare(resize(large, 250, 250), spec)) * spec.std
    assert difference.mean() < 0.01


def test_brightness_and_contrast_of_the_film_do_not_reach_the_network() -> None:
    spec = InputSpec(size=96)
    film = a_film()
    assert np.abs(prepare(film, spec) - prepare(film * 0.5 + 0.2, spec)).max() < 1e-4


def test_flat_borders_are_cut() -> None:
    framed = np.zeros((500, 460), np.float32)
    framed[40:440, 100:400] = a_film()
    assert place(framed, InputSpec(size=96)).film == (100, 40, 300, 400)
    assert place(np.zeros((80, 60), np.float32), InputSpec(size=96)).film == (0, 0, 60, 80)
