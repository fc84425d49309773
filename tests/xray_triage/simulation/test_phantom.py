"""The synthetic films: same seed same film, lesions where they are said to be, DICOM objects that dciodvfy accepts."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from xray_triage.reading.findings import KINDS
from xray_triage.simulation.phantom import LESIONS, NON_CHESTS, Phantom, dataset, non_chest, render, write

pytestmark = pytest.mark.slow

PX = 300


@pytest.fixture(scope="module")
def a_healthy_film() -> Phantom:
    return render(seed=7, rows=PX, columns=PX)


def test_the_same_seed_gives_the_same_film(a_healthy_film: Phantom) -> None:
    again = render(seed=7, rows=PX, columns=PX)
    assert np.array_equal(a_healthy_film.image, again.image)
    assert dataset(again).SOPInstanceUID == dataset(a_healthy_film).SOPInstanceUID


def test_another_seed_gives_another_person(a_healthy_film: Phantom) -> None:
    other = render(seed=8, rows=PX, columns=PX)
    assert other.body != a_healthy_film.body
    assert np.abs(other.image - a_healthy_film.image).mean() > 0.01


def test_lungs_are_darker_than_heart_and_belly_and_air_is_darkest(a_healthy_film: Phantom) -> None:
    image = a_healthy_film.image
    at = {"lung": (0.45, 0.28), "heart": (0.60, 0.58), "belly": (0.92, 0.35), "beam": (0.04, 0.12)}
    shade = {
        name: float(image[int(y * PX) - 5 : int(y * PX) + 5, int(x * PX) - 5 : int(x * PX) + 5].mean())
        for name, (y, x) in at.items()
    }
    assert shade["beam"] < shade["lung"] < shade["heart"] < shade["belly"]


def test_every_kind_of_finding_has_a_lesion() -> None:
    assert set(LESIONS) == set(KINDS)


@pytest.mark.parametrize("name", sorted(LESIONS))
def test_a_lesion_changes_the_film_most_inside_its_box(name: str, a_healthy_film: Phantom) -> None:
    healthy, ill = a_healthy_film, render(seed=7, findings=[name], rows=PX, columns=PX)
    (lesion,) = ill.lesions
    assert lesion.name == name
    box = lesion.box
    assert box.width > 3
    assert box.height > 3
    assert 0 <= box.x < box.x + box.width <= PX
    assert 0 <= box.y < box.y + box.height <= PX
    change = np.abs(ill.image - healthy.image)
    inside = np.zeros(change.shape, dtype=bool)
    inside[box.y : box.y + box.height, box.x : box.x + box.width] = True
    assert change[inside].mean() > 2 * change[~inside].mean()


def test_boxes_grow_with_the_film() -> None:
    small, large = (render(seed=5, findings=["mass"], rows=px, columns=px).lesions[0].box for px in (900, 1800))
    assert large.x == pytest.approx(2 * small.x, abs=4)
    assert large.width == pytest.approx(2 * small.width, abs=4)


def test_another_seed_for_the_same_picture_gives_another_patient_and_study(a_healthy_film: Phantom) -> None:
    one, other = dataset(a_healthy_film, seed=1), dataset(a_healthy_film, seed=2)
    assert one.PatientID != other.PatientID
    assert one.StudyInstanceUID != other.StudyInstanceUID


def test_several_findings_lie_in_one_film() -> None:
    film = render(seed=2, findings=["nodule", "pleural_effusion", "nodule"], rows=PX, columns=PX)
    assert [lesion.name for lesion in film.lesions] == ["nodule", "pleural_effusion"]


def test_a_film_may_be_taller_than_wide() -> None:
    assert render(rows=500, columns=400).image.shape == (500, 400)


def test_an_unknown_finding_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"no phantom lesion is called goitre; there are .*pneumothorax"):
        render(findings=["goitre"])


@pytest.mark.parametrize("kind", NON_CHESTS)
def test_what_is_no_chest_has_no_lesions_and_no_body(kind: str) -> None:
    film = non_chest(kind, rows=200, columns=250)
    assert film.image.shape == (200, 250)
    assert (film.lesions, film.body) == ((), None)
    assert 0 <= film.image.min() <= film.image.max() <= 1


def test_an_unknown_kind_of_no_chest_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no phantom is called foot; there are blank"):
        non_chest("foot")


def test_monochrome1_is_the_complement_of_monochrome2(a_healthy_film: Phantom) -> None:
    bright, dark = dataset(a_healthy_film).pixel_array, dataset(a_healthy_film, photometric="MONOCHROME1").pixel_array
    assert np.array_equal(bright, 4095 - dark)


def test_an_unknown_photometric_interpretation_is_refused(a_healthy_film: Phantom) -> None:
    with pytest.raises(ValueError, match="MONOCHROME1 or MONOCHROME2"):
        dataset(a_healthy_film, photometric="RGB")


def test_vietnamese_names_survive_the_file(tmp_path: Path, a_healthy_film: Phantom) -> None:
    write(tmp_path / "film.dcm", a_healthy_film)
    film = pydicom.dcmread(tmp_path / "film.dcm")
    assert film.SpecificCharacterSet == "ISO_IR 192"
    assert "^" in str(film.PatientName)
    assert film.StudyDescription == "X-quang ngực thẳng"
    assert np.allclose(film.pixel_array / 4095, a_healthy_film.image, atol=1 / 4095)


@pytest.mark.parametrize(
    "options",
    [{}, {"modality": "CR"}, {"photometric": "MONOCHROME1", "bits": 16}, {"bits": 10}],
    ids=["dx", "cr", "dx-monochrome1-16-bit", "dx-10-bit"],
)
def test_dciodvfy_finds_no_error(tmp_path: Path, a_healthy_film: Phantom, options: dict[str, object]) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("dicom3tools is not installed")
    write(tmp_path / "film.dcm", a_healthy_film, **options)
    verdict = subprocess.run(
        ["dciodvfy", tmp_path / "film.dcm"], capture_output=True, text=True, check=False, timeout=30
    )
    assert "Error" not in verdict.stderr, verdict.stderr
