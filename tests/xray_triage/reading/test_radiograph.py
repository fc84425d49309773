import csv
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage

from tests.factories import shared_folder
from tests.xray_triage.films import DRAWN, POLICY, admitted, film, refused, stored
from xray_triage.reading.findings import NotReadable
from xray_triage.reading.radiograph import MAKE, MODEL, Admission, Radiograph, admit, open_picture
from xray_triage.simulation import phantom


def test_a_chest_film_is_admitted_with_all_that_the_header_says_of_it() -> None:
    radiograph = admitted(film(PatientAge="058Y", PatientBirthDate=""))
    assert radiograph.image.dtype == np.float32
    assert radiograph.image.min() >= 0
    assert radiograph.image.max() <= 1
    assert (radiograph.rows, radiograph.columns) == (512, 480)
    assert radiograph.pixel_spacing_mm is not None
    assert radiograph.age_years == 58
    assert radiograph.flags == ()


def test_a_large_film_is_shrunk_to_1024_pixels() -> None:
    large = np.kron(stored(film()), np.ones((3, 3), np.uint16))
    radiograph = admitted(film(Rows=1536, Columns=1440, PixelData=large.tobytes()))
    assert radiograph.image.shape == (768, 720)
    assert (radiograph.rows, radiograph.columns) == (1536, 1440)


def test_without_spacing_there_are_no_millimetres() -> None:
    assert admitted(film(ImagerPixelSpacing=None, PixelSpacing=None)).pixel_spacing_mm is None


def test_monochrome1_and_monochrome2_of_one_film_look_the_same() -> None:
    one = admitted(phantom.dataset(DRAWN, photometric="MONOCHROME1"))
    two = admitted(phantom.dataset(DRAWN, photometric="MONOCHROME2"))
    assert one.flags == two.flags == ()
    assert np.abs(one.image - two.image).max() <= 1e-3


def test_a_wrong_monochrome1_tag_is_noticed_and_put_right() -> None:
    radiograph = admitted(film(PhotometricInterpretation="MONOCHROME1"))
    assert radiograph.flags == ("inverted",)
    assert np.abs(radiograph.image - admitted(film()).image).max() <= 1e-3


def test_blank_films_and_noise_have_too_little_contrast() -> None:
    blank = np.full((512, 480), 700, "<u2")
    noise = np.random.default_rng(0).integers(0, 4096, (512, 480)).astype("<u2")
    faint = np.tile(np.linspace(700, 705, 480), (512, 1)).astype("<u2")
    for pixels in (blank, noise, faint):
        assert refused(film(PixelData=pixels.tobytes(), WindowCenter=None, WindowWidth=None)) == "no_contrast"


def test_a_film_in_three_equal_colours_is_read_and_a_colour_page_is_not() -> None:
    gray = (stored(film()) >> 4).astype(np.uint8)
    rgb = {
        "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
        "PlanarConfiguration": 0, "PixelRepresentation": 0, "WindowCenter": None, "WindowWidth": None,
    }  # fmt: skip
    assert admitted(film(**rgb, PixelData=np.repeat(gray[..., None], 3, axis=2).tobytes())).flags == ()
    page = np.stack([gray, gray // 2, 255 - gray], axis=2)
    assert refused(film(**rgb, PixelData=page.tobytes())) == "not_an_original"


def picture(path: Path, values: np.ndarray, **options: Any) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


def test_a_picture_of_a_film_is_read_like_the_film(tmp_path: Path) -> None:
    eight = (stored(film()) >> 4).astype(np.uint8)
    files = [
        picture(tmp_path / "film.png", eight),
        picture(tmp_path / "film.jpg", eight, quality=95),
        picture(tmp_path / "rgb.png", np.repeat(eight[..., None], 3, axis=2)),
        picture(tmp_path / "deep.png", (stored(film()) << 4).astype(np.uint16)),
        picture(tmp_path / "negative.png", 255 - eight),
    ]
    for path in files:
        radiograph = open_picture(path)
        assert isinstance(radiograph, Radiograph)
        assert np.abs(radiograph.image - eight / np.float32(255)).mean() < 0.03, path.name
        assert radiograph.flags == (("inverted",) if path.name == "negative.png" else ())


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((300, 300), np.uint8), "no_contrast"),
        (np.zeros((30, 300), np.uint8), "too_small"),
        (np.random.default_rng(1).integers(0, 256, (200, 200, 3)).astype(np.uint8), "not_an_original"),
    ],
)
def test_a_picture_that_is_no_film_is_refused(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    answer = open_picture(picture(tmp_path / "picture.png", values))
    assert isinstance(answer, NotReadable)
    assert answer.reason.code == reason


def test_what_a_camera_took_is_no_film_as_a_file_and_within_dicom(tmp_path: Path) -> None:
    eight = (stored(film()) >> 4).astype(np.uint8)
    phone = Image.Exif()
    phone[MAKE], phone[MODEL] = "Apple", "iPhone 12"
    scanner = Image.Exif()
    scanner[0x0112] = 1  # the orientation alone, as many programs write it
    for exif, is_film in ((phone, False), (scanner, True)):
        path = picture(tmp_path / "film.jpg", eight, quality=95, exif=exif)
        wrapped = film(
            SOPClassUID=SecondaryCaptureImageStorage, BitsAllocated=8, BitsStored=8, HighBit=7, WindowCenter=None,
            WindowWidth=None, PixelData=encapsulate([path.read_bytes()]),
        )  # fmt: skip
        wrapped.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        wrapped["PixelData"].VR, wrapped["PixelData"].is_undefined_length = "OB", True
        for answer in (open_picture(path), admit(wrapped, Admission())):
            assert isinstance(answer, Radiograph) is is_film
            if isinstance(answer, NotReadable):
                assert (answer.reason.code, answer.detail) == ("not_an_original", "a photograph by Apple iPhone 12")


def test_a_broken_or_huge_picture_is_refused_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    path = picture(tmp_path / "film.png", (stored(film()) >> 4).astype(np.uint8))
    answer = open_picture(path, Admission(max_pixels=1000))
    assert isinstance(answer, NotReadable)
    assert answer.reason.code == "too_large"
    path.write_bytes(path.read_bytes()[:500])
    answer = open_picture(path)
    assert isinstance(answer, NotReadable)
    assert answer.reason.code == "damaged_pixels"
    with pytest.raises(FileNotFoundError):
        open_picture(tmp_path / "nothing.png")


@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
def test_real_files_of_chests_are_admitted_and_others_mostly_refused(capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_folder() / "data" / "dicom"
    with (folder / "index.csv").open(encoding="utf-8") as stream:
        truth = {row["file"]: row["truth_visual"] for row in csv.DictReader(stream)}
    for name, shown in truth.items():
        answer = admit(pydicom.dcmread(folder / name), POLICY)
        said = f"read {answer.flags}" if isinstance(answer, Radiograph) else f"{answer.reason.code}: {answer.detail}"
        with capsys.disabled():
            print(f"\n{name[:45]:45} {shown[:40]:40} {said}", end="")
        certain = isinstance(answer, Radiograph) and answer.doubt is None
        assert certain == ("chest" in shown and "NOT" not in shown), name
        if isinstance(answer, Radiograph) and answer.doubt is None:
            assert answer.flags == (("inverted",) if "FAKE" in shown else ())
