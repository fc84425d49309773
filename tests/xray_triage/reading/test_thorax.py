import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from tests.factories import shared_folder
from xray_triage.reading.findings import Cardiothoracic
from xray_triage.reading.pixels import Image, InputSpec, as_image, place, resize
from xray_triage.reading.radiograph import Radiograph
from xray_triage.reading.thorax import are_cut, look, measure, organs_in

SIZE = 192
SPEC = InputSpec(size=384, fit="squash", trim=False)


def ellipse(x: float, y: float, width: float, height: float, *, rows: int = SIZE, columns: int = SIZE) -> Image:
    """A soft-edged ellipse, its middle and size in shares of the picture: the probability is one half at its edge."""
    across = (np.arange(columns) + 0.5) / columns - x
    down = (np.arange(rows) + 0.5) / rows - y
    inside = 1 - np.hypot(across[None] / (width / 2), down[:, None] / (height / 2))
    return as_image(1 / (1 + np.exp(np.clip(-inside * min(width * columns, height * rows), -50, 50))))


def chest(
    *, left: float = 0.1, right: float = 0.92, heart: float = 0.4, top: float = 0.1, bottom: float = 0.85, **size: int
) -> Image:
    """Masks of two lungs whose outer edges lie at ``left`` and ``right``, and of a heart of width ``heart``."""
    middle, height = (top + bottom) / 2, bottom - top
    return np.stack(
        [
            ellipse(left + 0.17, middle, 0.34, height, **size),
            ellipse(right - 0.15, middle, 0.30, height, **size),
            ellipse(0.54, 0.62, heart, 0.3, **size),
        ]
    )


def found(masks: Image) -> Cardiothoracic | None:
    return measure(masks, organs_in(masks))


def film(rows: int = 400, columns: int = 400, *, scale: int = 1, **said: object) -> Radiograph:
    image = np.random.default_rng(0).random((rows, columns), np.float32)
    given = {"view": "PA"} | said
    return Radiograph(image=image, rows=rows * scale, columns=columns * scale, **given)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=25)
@given(
    left=st.floats(0.03, 0.2),
    right=st.floats(0.8, 0.97),
    heart=st.floats(0.25, 0.55),
    size=st.sampled_from([96, 160, 192, 224]),
)
def test_the_widths_are_those_of_the_drawn_organs_finer_than_a_pixel(
    left: float, right: float, heart: float, size: int
) -> None:
    assume(0.54 + heart / 2 < right)  # else the drawn heart sticks out of the drawn chest, which is no chest
    measured = found(chest(left=left, right=right, heart=heart, rows=size, columns=size))
    assert measured is not None
    assert measured.thorax.left == pytest.approx(left * size, abs=0.4)
    assert measured.thorax.right == pytest.approx(right * size, abs=0.4)
    assert measured.heart.right - measured.heart.left == pytest.approx(heart * size, abs=0.5)
    assert measured.ratio == pytest.approx(heart / (right - left), abs=0.01)
    assert measured.heart.row == pytest.approx(0.62 * size, abs=1)


def test_masks_with_hard_edges_are_measured_to_the_pixel() -> None:
    masks = np.zeros((3, 100, 100), np.float32)
    masks[0, 10:80, 5:40], masks[1, 10:80, 60:95], masks[2, 40:70, 35:75] = 1, 1, 1
    measured = found(masks)
    assert measured is not None
    assert (measured.thorax.left, measured.thorax.right) == (5, 95)
    assert (measured.heart.left, measured.heart.right, measured.heart.row) == (35, 75, 55)
    assert measured.ratio == 0.444  # 40 / 90, as it is told


def test_the_two_ends_of_a_width_may_lie_in_different_rows() -> None:
    masks = np.zeros((3, 100, 100), np.float32)
    masks[0, 10:80, 5:40], masks[1, 10:80, 60:95] = 1, 1
    masks[2, 30:50, 35:60], masks[2, 50:70, 45:80] = 1, 1
    measured = found(masks)
    assert measured is not None
    assert (measured.heart.left, measured.heart.right, measured.heart.row) == (35, 80, 50)


def without(organ: int) -> Image:
    masks = chest()
    masks[organ] = 0
    return masks


def scattered() -> Image:
    masks = chest()
    masks[2] = 0
    masks[2, 30:160:8, 60:140:8] = 1
    return masks


@pytest.mark.parametrize(
    "masks",
    [
        *[pytest.param(without(organ), id=f"without {organ}") for organ in range(3)],
        pytest.param(np.zeros((3, SIZE, SIZE), np.float32), id="empty"),
        pytest.param(np.ones((3, SIZE, SIZE), np.float32), id="full"),
        pytest.param(np.random.default_rng(1).random((3, SIZE, SIZE), np.float32), id="noise"),
        pytest.param(scattered(), id="a heart of fragments"),
        pytest.param(chest(heart=0.05), id="a speck of a heart"),
        pytest.param(chest(heart=0.9), id="a heart wider than the chest"),
        pytest.param(chest()[[1, 0, 2]], id="lungs on the wrong sides"),
        pytest.param(np.stack([chest()[0], chest()[0], chest()[2]]), id="both lungs on one side"),
        pytest.param(chest(left=-0.1), id="a lung cut off at the side"),
        pytest.param(np.stack([*chest()[:2], ellipse(0.32, 0.62, 0.42, 0.3)]), id="a heart at the right chest wall"),
        pytest.param(np.stack([*chest()[:2], ellipse(0.76, 0.62, 0.42, 0.3)]), id="a heart beyond the left lung"),
        pytest.param(np.roll(chest(heart=0.2), SIZE // 2, axis=2)[[0, 1, 2]], id="a heart outside the chest"),
    ],
)
def test_masks_that_are_no_whole_chest_give_no_ratio(masks: Image) -> None:
    assert found(masks) is None


def test_a_speck_beside_an_organ_changes_nothing() -> None:
    masks, speckled = chest(), chest()
    speckled[0, 5:9, 2:6] = 1
    speckled[2, 180:186, 180:190] = 1
    assert found(speckled) == found(masks)


def test_a_lung_that_the_heart_parts_in_two_is_one_lung() -> None:
    parted = chest()
    parted[1, 120:130] = 0
    assert found(parted) == found(chest())


@pytest.mark.parametrize("side", [0, 1])
def test_an_arm_taken_for_lung_beside_the_lung_neither_cuts_nor_widens_the_chest(side: int) -> None:
    masks = chest(left=0.3, right=0.72, heart=0.2)
    columns = slice(0, 20) if side == 0 else slice(SIZE - 20, SIZE)
    masks[side, 60:160, columns] = 1
    assert not are_cut(organs_in(masks))
    assert found(masks) == found(chest(left=0.3, right=0.72, heart=0.2))


def test_a_lung_at_the_edge_with_a_speck_beside_it_is_cut_all_the_same() -> None:
    masks = chest(left=-0.05)
    masks[0, 60:100, 66:72] = 1  # too small to be the lung itself
    assert are_cut(organs_in(masks))


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_lung_that_runs_along_the_edge_is_cut(side: str) -> None:
    places = {"left": -0.05, "right": 1.05, "top": -0.05, "bottom": 1.05}
    assert are_cut(organs_in(chest(**{side: places[side]})))  # type: ignore[arg-type]
    assert not are_cut(organs_in(chest()))


def test_a_lung_that_ends_at_the_edge_is_whole() -> None:
    assert not are_cut(organs_in(chest(left=0.002)))


def on_film(masks: Image, spec: InputSpec, radiograph: Radiograph) -> Cardiothoracic:
    measured, flags = look(masks, radiograph, place(radiograph.image, spec), spec)
    assert measured is not None
    assert flags == ()
    return measured


def masks_over_input(radiograph: Radiograph, spec: InputSpec, size: int = 192) -> Image:
    """What a perfect network would draw of a film on which the chest takes the usual shares of width and height."""
    rows, columns = radiograph.image.shape
    whole = chest(rows=rows, columns=columns)
    if spec.fit == "squash":
        fitted = whole
    elif spec.fit == "crop":
        side = min(rows, columns)
        top, left = (rows - side) // 2, (columns - side) // 2
        fitted = whole[:, top : top + side, left : left + side]
    else:
        side = max(rows, columns)
        fitted = np.zeros((3, side, side), np.float32)
        top, left = (side - rows) // 2, (side - columns) // 2
        fitted[:, top : top + rows, left : left + columns] = whole
    return np.stack([resize(mask, size, size) for mask in fitted])


@pytest.mark.parametrize(
    ("fit", "rows", "columns"),
    [("squash", 600, 480), ("squash", 400, 640), ("letterbox", 600, 480), ("letterbox", 400, 500), ("crop", 600, 480)],
)
def test_the_lines_lie_on_the_original_film_however_it_was_fitted(fit: str, rows: int, columns: int) -> None:
    spec, radiograph = replace(SPEC, fit=fit), film(rows, columns, scale=4)  # type: ignore[arg-type]
    measured = on_film(masks_over_input(radiograph, spec), spec, radiograph)
    pixel = 4 * max(rows, columns) / 192
    assert measured.thorax.left == pytest.approx(0.1 * columns * 4, abs=pixel)
    assert measured.thorax.right == pytest.approx(0.92 * columns * 4, abs=pixel)
    assert measured.heart.left == pytest.approx((0.54 - 0.2) * columns * 4, abs=pixel)
    assert measured.heart.row == pytest.approx(0.62 * rows * 4, abs=2 * pixel)
    assert measured.ratio == pytest.approx(0.4 / 0.82, abs=0.01)


def test_borders_that_were_trimmed_count_for_the_place_and_not_for_the_ratio() -> None:
    bordered = np.zeros((500, 560), np.float32)
    bordered[:, 100:500] = film(500, 400).image
    radiograph = Radiograph(image=bordered, rows=500, columns=560, view="PA")
    spec = replace(SPEC, trim=True)
    measured = on_film(chest(), spec, radiograph)
    assert measured.thorax.left == pytest.approx(100 + 0.1 * 400, abs=3)
    assert measured.ratio == pytest.approx(0.4 / 0.82, abs=0.01)


def test_a_lung_at_the_bars_of_a_letterbox_is_cut_by_the_film() -> None:
    spec, radiograph = replace(SPEC, fit="letterbox"), film(600, 300)
    cut = resize(chest(left=-0.1, rows=600, columns=300)[0], 192, 96)
    masks = np.zeros((3, 192, 192), np.float32)
    masks[0, :, 48:144] = cut
    assert look(masks, radiograph, place(radiograph.image, spec), spec) == (None, ("cropped",))


@pytest.mark.parametrize(
    ("said", "given", "flags"),
    [
        ({"view": "PA"}, True, ()),
        ({"view": ""}, True, ("view_not_stated",)),
        ({"view": "AP"}, False, ()),
        ({"age_years": 17.9}, False, ()),
        ({"age_years": 18.0}, True, ()),
        ({"age_years": None}, True, ()),
    ],
)
def test_only_a_film_of_an_adult_that_is_not_ap_is_measured(
    said: dict[str, object], given: bool, flags: tuple[str, ...]
) -> None:
    a_film = film(**said)  # type: ignore[arg-type]
    measured, raised = look(chest(), a_film, place(a_film.image, SPEC), SPEC)
    assert (measured is not None) is given
    assert raised == flags


def drawn_films(size: int) -> list[tuple[Image, float]]:
    """Real films' drawn organs (1 right lung, 2 left lung, 3 heart) and the ratio that stands beside them."""
    folder = shared_folder() / "data" / "cxr"
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["ctr"]]
    films = []
    for row in rows:
        drawn = np.asarray(Picture.open((folder / "masks" / row["image"]).with_suffix(".png")))
        masks = np.stack([resize(as_image(drawn == organ), size, size) for organ in (1, 2, 3)])
        films.append((masks, float(row["ctr"])))
    return films


@pytest.mark.slow
def test_the_ratio_of_drawn_films_is_the_one_that_their_makers_give() -> None:
    films = drawn_films(192)
    organs = [organs_in(masks) for masks, _ in films]
    assert not any(are_cut(one) for one in organs)
    measured = [measure(masks, one) for (masks, _), one in zip(films, organs, strict=True)]
    errors = [abs(one.ratio - ratio) for one, (_, ratio) in zip(measured, films, strict=True) if one]
    assert len(errors) == len(films) == 201
    assert np.mean(errors) < 0.003
    assert max(errors) < 0.01
