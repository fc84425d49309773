"""The renderer: pictures are what the reader sees, and a frame that kills it costs nobody else anything."""

import io
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicom_router.errors import DamagedFile
from dicom_router.store.spool import Spool
from tests.factories import film, film_bytes, until
from tests.xray_triage import films
from tests.xray_triage.web.dicomweb.films import SYNTAXES, film_in, pages
from xray_triage.rendering.renderer import MOST_WAITING, NoPicture, Renderer, Rendering

pytestmark = pytest.mark.slow  # a child process for each

PNG = Rendering(media_type="image/png")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def renderer(spool: Spool) -> Iterator[Renderer]:
    opened = Renderer(spool)
    yield opened
    opened.close()


def kept(spool: Spool, dataset: Dataset) -> str:
    return spool.keep(io.BytesIO(film_bytes(dataset))).key


def shown(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as opened:
        return np.asarray(opened)


def refusal(renderer: Renderer, key: str, exposure: Rendering = PNG) -> tuple[int, str]:
    with pytest.raises(NoPicture) as refused:
        renderer.render(key, exposure)
    return refused.value.status, str(refused.value)


def start(renderer: Renderer, spool: Spool) -> psutil.Process:
    """The process, after its first picture."""
    renderer.render(kept(spool, film()), PNG)
    assert renderer.pid is not None
    return psutil.Process(renderer.pid)


def test_a_film_looks_as_it_does_to_the_reader(renderer: Renderer, spool: Spool) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 8], np.linspace(0, 255, 4096).astype("<u2").tobytes()
    voi = {"VOILUTSequence": [table], "WindowCenter": None, "WindowWidth": None}
    for attributes in ({}, {"WindowCenter": 1500, "WindowWidth": 1200}, {"RescaleSlope": 2}, voi):
        dataset = films.film(**attributes)
        picture = shown(renderer.render(kept(spool, dataset), PNG))
        assert np.abs(picture / 255 - films.admitted(dataset).image).max() < 0.003, attributes


def test_every_encoding_gives_the_same_picture(renderer: Renderer, spool: Spool) -> None:
    pictures = [renderer.render(kept(spool, film_in(syntax)), PNG) for syntax in SYNTAXES]
    assert all(np.array_equal(shown(picture), shown(pictures[0])) for picture in pictures)
    assert shown(pictures[0]).shape == (64, 48)


def test_padding_graphics_and_true_proportions_are_shown(renderer: Renderer, spool: Spool) -> None:
    words = np.full((300, 400), 60000, np.uint16)
    words[20:280, 20:380] = np.linspace(1000, 5000, 360)
    dataset = film(rows=300, columns=400, BitsStored=16, HighBit=15, PixelData=words.tobytes())
    dataset.ImagerPixelSpacing, dataset.PixelPaddingValue = [0.4, 0.2], 60000
    dataset.WindowCenter, dataset.WindowWidth = 3000, 4001
    plane = np.zeros((300, 400), np.uint8)
    plane[100, 200:300] = 1
    bits = np.packbits(plane, bitorder="little").tobytes() + bytes(80_000)  # over 64 KiB, which no header holds
    for element, vr, value in (
        (0x10, "US", 300), (0x11, "US", 400), (0x40, "CS", "G"), (0x50, "SS", [1, 1]), (0x100, "US", 1),
        (0x102, "US", 0), (0x3000, "OW", bits),
    ):  # fmt: skip
        dataset.add_new((0x6000, element), vr, value)
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        dataset.PhotometricInterpretation = photometric
        key = kept(spool, dataset)
        for inverted in (False, True):
            picture = shown(renderer.render(key, replace(PNG, inverted=inverted)))
            assert picture.shape == (600, 400)
            assert picture[:38].max() == 0
            assert (picture[200:202, 200:300] == 255).all()
            assert np.ptp(picture[300, 30:370].astype(int)) > 230
    corner = shown(renderer.render(key, replace(PNG, region=(0, 0, 200, 150), viewport=(200, 300))))
    assert corner.shape == (300, 200)
    assert corner[:38].max() == 0


def test_each_frame_of_many_has_its_picture(renderer: Renderer, spool: Spool) -> None:
    window = (128.0, 256.0, "linear")
    for offsets in ("native", "basic", "none"):
        dataset, frames = pages(3, offsets=offsets)
        key = kept(spool, dataset)
        seen = [shown(renderer.render(key, replace(PNG, frame=number, window=window))) for number in (1, 2, 3)]
        assert not np.array_equal(seen[0], seen[1])
        if offsets == "native":
            stored = np.frombuffer(frames[2], np.uint8).reshape(40, 40)
            assert np.abs(seen[2].astype(int) - stored).max() <= 1
        assert refusal(renderer, key, replace(PNG, frame=4))[0] == 404


def test_a_colour_page_keeps_its_colours(renderer: Renderer, spool: Spool) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    dataset = film(rows=32, columns=32, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelData = 8, 8, 7, red.tobytes()
    assert np.array_equal(shown(renderer.render(kept(spool, dataset), PNG)), red)


def test_viewport_region_window_and_quality_are_obeyed(renderer: Renderer, spool: Spool) -> None:
    gradient = np.tile(np.arange(400, dtype="<u2") * 10, (200, 1))
    key = kept(spool, film(rows=200, columns=400, PixelData=gradient.tobytes()))
    assert shown(renderer.render(key, replace(PNG, viewport=(100, 100)))).shape == (50, 100)
    assert shown(renderer.render(key, replace(PNG, viewport=(800, 800)))).shape == (400, 800)
    right = replace(PNG, region=(300, 0, 100, 200), viewport=(100, 200), window=(3500.0, 1000.0, "linear"))
    picture = shown(renderer.render(key, right))
    assert picture.shape == (200, 100)
    assert (picture[0, 0], picture[0, -1]) == (0, 253)
    exact = shown(renderer.render(key, replace(PNG, window=(100.0, 10.0, "linear-exact"))))
    assert (exact == 255).mean() > 0.9  # a window that hides most of the film is shown as it was asked for
    fine, coarse = (renderer.render(key, Rendering(quality=quality)) for quality in (95, 5))
    assert len(coarse) < len(fine)
    assert refusal(renderer, key, replace(PNG, region=(900, 0, 10, 10)))[0] == 422


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_shown_says_why_and_the_next_is_shown(renderer: Renderer, spool: Spool) -> None:
    process = start(renderer, spool)
    bomb = film(Rows=65535, Columns=65535)
    compressed_bomb = film_in("1.2.840.10008.1.2.4.80")
    compressed_bomb.Rows = compressed_bomb.Columns = 9000
    short = film(Rows=500)
    report = film()
    del report.PixelData
    for dataset, status, word in (
        (bomb, 422, "at most 100000000"),
        (compressed_bomb, 422, "the header says (9000, 9000)"),
        (short, 422, "needed"),
        (film(BitsAllocated=12), 422, ""),
        (film(Rows=0), 422, "pixels"),
        (report, 404, "no pixel data"),
    ):
        found = refusal(renderer, kept(spool, dataset))
        assert (found[0], word in found[1]) == (status, True), found
    with pytest.raises(DamagedFile):
        renderer.render("0" * 32, PNG)
    assert renderer.render(kept(spool, film(seed=5)), PNG)
    assert renderer.pid == process.pid


def test_its_memory_is_capped(renderer: Renderer, spool: Spool) -> None:
    soft, hard = start(renderer, spool).rlimit(psutil.RLIMIT_AS)
    assert soft == hard <= 2 << 30


def test_a_picture_it_dies_over_costs_only_that_picture(renderer: Renderer, spool: Spool) -> None:
    process, key = start(renderer, spool), kept(spool, film(rows=6000, columns=6000))
    idle = process.cpu_times().user
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(refusal, renderer, key)
        until(lambda: process.cpu_times().user > idle + 0.1)
        process.kill()
        assert asked.result() == (500, "the renderer died over this picture")
    assert renderer.render(kept(spool, film(seed=1)), PNG)


def test_one_that_was_killed_while_idle_is_not_missed(renderer: Renderer, spool: Spool) -> None:
    process = start(renderer, spool)
    process.kill()
    assert renderer.render(kept(spool, film(seed=1)), PNG)
    assert renderer.pid != process.pid


def test_one_that_takes_too_long_is_ended(spool: Spool) -> None:
    hasty = Renderer(spool, picture_seconds=0.02)  # it does not even start so quickly
    assert refusal(hasty, kept(spool, film())) == (500, "the picture took too long")
    assert hasty.pid is None


def test_who_would_wait_behind_too_many_is_told_to_come_again(renderer: Renderer, spool: Spool) -> None:
    process = start(renderer, spool)
    keys = [kept(spool, film(seed=seed)) for seed in range(1, MOST_WAITING + 3)]
    process.suspend()
    with ThreadPoolExecutor(max_workers=MOST_WAITING + 1) as threads:
        asked = [threads.submit(renderer.render, key, PNG) for key in keys[:-1]]
        until(lambda: renderer._waiting == MOST_WAITING)
        assert refusal(renderer, keys[-1])[0] == 503
        os.kill(process.pid, signal.SIGCONT)
        assert all(one.result() for one in asked)
    assert renderer.render(keys[-1], PNG)


def test_a_thumbnail_is_kept_in_memory_and_a_film_is_not(renderer: Renderer, spool: Spool) -> None:
    key = kept(spool, film(rows=600, columns=600))
    small = renderer.render(key, Rendering(viewport=(64, 64)))
    renderer.render(key, PNG)
    renderer.close()
    assert renderer.render(key, Rendering(viewport=(64, 64))) == small
    with pytest.raises(NoPicture):  # which a closed renderer does not make any more
        renderer.render(key, PNG)
    assert renderer.pid is None
