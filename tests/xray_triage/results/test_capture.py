import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEGBaseline8Bit

from tests.peers.dcmtk import dciodvfy
from tests.xray_triage.results.making import (
    AT,
    STATION,
    WIDTHS,
    a_finding,
    a_full_reading,
    a_radiograph,
    a_reading,
    an_origin,
    header,
    not_read,
    written,
)
from xray_triage.reading.findings import REASONS, Acquaintance, Box, MachineState, Priority, Reading
from xray_triage.reading.naming import TOLD
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.capture import LARGEST_BYTES, compress, make_capture
from xray_triage.results.colours import FINDING_COLOURS
from xray_triage.results.drawing import LINE, MEASURE, TEXT, fitted, font, wrapped
from xray_triage.results.overlay import draw
from xray_triage.results.panel import BADGES, MARGIN, PANEL_WIDTH, panel_height
from xray_triage.results.unread import draw_unread
from xray_triage.results.wording import DISCLAIMER, FLAGS, NOTHING_FOUND, score_lines


def capture(reading: Reading, radiograph: Radiograph) -> Dataset:
    return make_capture(an_origin(header()), reading, radiograph)


def picture(reading: Reading, radiograph: Radiograph) -> np.ndarray:
    return np.asarray(draw(reading, radiograph, station_name=STATION, at=AT)).astype(int)


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels - np.array(colour)).max(axis=-1) < 12


def test_the_picture_is_a_valid_jpeg_secondary_capture(tmp_path: Path) -> None:
    path = written(tmp_path / "sc.dcm", capture(a_full_reading(), a_radiograph()))
    assert dciodvfy(path) == []
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert dataset.BurnedInAnnotation == "YES"
    assert dataset.ImageType == ["DERIVED", "SECONDARY"]
    assert dataset.ImageComments == DISCLAIMER
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"
    assert dataset.pixel_array.shape == (dataset.Rows, dataset.Columns, 3)


@pytest.mark.parametrize("seed", [None, 1])
def test_the_picture_stays_under_200_kilobytes_even_for_noise(seed: int | None) -> None:
    dataset = capture(a_full_reading(), a_radiograph(3000, 3000, seed=seed))
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert len(frame) <= LARGEST_BYTES
    assert Image.open(io.BytesIO(frame)).size == (dataset.Columns, dataset.Rows)


def test_the_film_in_the_picture_is_at_most_1024_pixels_long_and_never_tiny() -> None:
    for rows, columns in ((3000, 2000), (100, 80), (169, 211), (1, 4000)):
        shape = picture(a_reading(), a_radiograph(rows, columns)).shape
        assert 1 <= shape[1] - PANEL_WIDTH <= 1024
        assert max(shape[0], shape[1] - PANEL_WIDTH) >= 768


def test_an_outline_lies_where_the_finding_is() -> None:
    finding = a_finding(box=Box(x=500, y=1000, width=400, height=600))
    shown = picture(a_reading(finding, heat=False), a_radiograph(2048, 2048))
    film = shown[(shown.shape[0] - 1024) // 2 :, :1024]
    rows, columns = np.nonzero(near(film, FINDING_COLOURS[0]))
    assert abs(columns.min() - 250) <= 2
    assert abs(rows.max() - 800) <= 2
    assert near(film[600, 250:450], FINDING_COLOURS[0]).sum() <= 6  # nothing drawn inside


def test_the_heat_map_colours_the_film_where_it_is_hot_and_nowhere_else() -> None:
    shown = picture(a_reading(a_finding()), a_radiograph(1000, 1000))
    film = shown[(shown.shape[0] - 1000) // 2 :][:1000, :1000]
    redness = film[..., 0] - film[..., 2]
    assert redness[700:850, 150:350].mean() > 30
    assert np.abs(redness[100:400, 600:900]).max() <= 2


@pytest.mark.parametrize("rows", [513, 997, 1021])
@pytest.mark.parametrize("cell", [(0, 0), (6, 9), (12, 12)])
def test_heat_at_the_edge_is_drawn_as_all_of_it_would_be(rows: int, cell: tuple[int, int]) -> None:
    heat_map = np.zeros((13, 13), np.float32)
    heat_map[cell] = 1.0
    reading = a_reading(a_finding(), heat=False)
    assert reading.findings is not None
    hot = replace(reading, findings=replace(reading.findings, heat_map=heat_map))
    film = a_radiograph(rows, 1000)
    drawn, cold = (picture(each, film)[:, :1000] for each in (hot, reading))
    shares = Image.fromarray((heat_map * 255).astype(np.uint8)).resize((1000, rows), Image.Resampling.BICUBIC)
    top = (drawn.shape[0] - rows) // 2
    changed = np.abs(drawn - cold).max(axis=-1)[top:][:rows] > 2
    warm = np.asarray(shares) > 255 * 0.4
    assert changed[warm].mean() > 0.95  # a line of the widths may lie on it
    assert not changed[np.asarray(shares) < 255 * 0.3].any()


def test_a_normal_film_has_no_colours_on_it_and_says_that_nothing_was_found() -> None:
    shown = picture(a_reading(priority=Priority.NORMAL, heat=False), a_radiograph(1024, 1024))
    film = shown[(shown.shape[0] - 1024) // 2 :][:1024, :1024]
    assert (film.max(axis=-1) - film.min(axis=-1)).max() <= 7  # the dark edge of the measuring lines is a bluish black


def test_the_widths_of_heart_and_chest_are_two_lines_that_hide_nothing() -> None:
    shown = picture(a_reading(priority=Priority.NORMAL, heat=False), a_radiograph(300, 200))
    scale = 768 / 300
    film = shown[(shown.shape[0] - 768) // 2 :][:768, : round(200 * scale)]
    white = near(film, MEASURE)
    for line in (WIDTHS.heart, WIDTHS.thorax):
        (columns,) = np.nonzero(white[round(line.row * scale) - 1 : round(line.row * scale) + 2].any(axis=0))
        assert abs(columns.min() - line.left * scale) <= 2
        assert abs(columns.max() - line.right * scale) <= 2
    assert white[: round(250 * scale)].mean() < 0.01  # the film itself is white in its lower corner


def test_no_name_of_a_patient_is_drawn() -> None:
    one, other = header(), header(patient_name="Khác^Hẳn", patient_id="999")
    reading, radiograph = a_full_reading(), a_radiograph()
    drawn = [make_capture(an_origin(source), reading, radiograph).PixelData for source in (one, other)]
    assert drawn[0] == drawn[1]


def test_nothing_on_the_picture_of_a_film_that_was_not_read_stands_on_its_foot() -> None:
    longest = max(REASONS.values(), key=lambda each: len(each.vi))
    reading = replace(not_read(longest.code), flags=tuple(FLAGS)[:5])
    short, tall = (
        np.asarray(draw_unread(each, a_radiograph(), station_name=STATION, at=AT)).astype(int)
        for each in (not_read(), reading)
    )
    assert tall.shape[0] > short.shape[0]
    (lines,) = np.nonzero(near(tall[:, -PANEL_WIDTH:], TEXT).any(axis=1))
    (foot,) = np.nonzero(near(tall[:, -PANEL_WIDTH + MARGIN : -MARGIN], LINE).all(axis=1))
    assert lines.max() < foot.min()


def test_labels_of_outlines_at_one_place_do_not_lie_on_each_other() -> None:
    box = Box(x=10, y=10, width=200, height=200)
    findings = [a_finding(name, 0.9, box) for name in ("pneumothorax", "nodule", "mass", "edema")]
    shown = picture(a_reading(*findings, heat=False), a_radiograph(1000, 1000))
    for colour in FINDING_COLOURS[:4]:
        assert near(shown[:, :1000], colour).sum() > 500


def test_the_font_in_the_package_has_every_letter_that_we_write() -> None:
    words = [kind.vi for kind in TOLD.values()] + [reason.vi for reason in REASONS.values()]
    words += [*FLAGS.values(), *score_lines({"abnormal": 0.5, "cardiothoracic_ratio": 0.5}, [])]
    letters = set(
        "".join([*words, DISCLAIMER, NOTHING_FOUND, STATION, "àÀảẢãÃáÁạẠăằẳẵắặâầẩẫấậđĐêềểễếệôồổỗốộơờởỡớợưừửữứựỳỷỹýỵ…"])
    )
    letters |= {letter.upper() for letter in letters}
    for bold in (False, True):
        missing = bytes(font(40, bold=bold).getmask("\uffff"))
        assert [letter for letter in sorted(letters) if bytes(font(40, bold=bold).getmask(letter)) == missing] == []


def test_long_text_is_wrapped_or_cut_to_its_width() -> None:
    letters = font(15)
    for line in [*wrapped("một hai ba " * 20 + "x" * 300, letters, 200), fitted("y" * 300, letters, 200)]:
        assert letters.getlength(line) <= 200


def test_noise_is_compressed_harder_and_a_clear_film_hardly() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1024, 1454, 3), np.uint8))
    assert len(compress(noise)) <= LARGEST_BYTES
    plain = Image.new("RGB", (1454, 1024), (90, 90, 90))
    assert len(compress(plain)) <= LARGEST_BYTES


def test_no_badge_is_green() -> None:
    assert not [each for each in BADGES.values() if each[1] > max(each[0], each[2]) + 10]


@pytest.mark.parametrize("strange", [False, True])
def test_the_picture_of_a_machine_that_is_not_known_says_so(strange: bool) -> None:
    calm = a_reading(priority=Priority.NORMAL)
    new = Acquaintance(state=MachineState.LEARNING, films=57, needed=200, strange=strange)
    known = replace(new, state=MachineState.SET, strange=False)
    assert panel_height(replace(calm, machine=new)) > panel_height(replace(calm, machine=known))
