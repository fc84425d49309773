"""/rendered and /thumbnail with somebody else's client: pictures of what has one, and words for what has none."""

import dataclasses
import io

import httpx
import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image

from tests.factories import film
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.web.dicomweb.films import pages
from tests.xray_triage.web.dicomweb.test_retrieve import names, path_of

pytestmark = pytest.mark.slow  # a child process for each

ANYTHING, PNG = {"Accept": "*/*"}, {"Accept": "image/png"}


def gray(answer: httpx.Response) -> np.ndarray:
    """What is seen, 0 to 255."""
    with Image.open(io.BytesIO(answer.content)) as opened:
        return np.asarray(opened).astype(int)


def size_of(picture: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture)) as opened:
        return opened.size


def test_the_foreign_client_gets_pictures_of_instances_and_frames(
    foreign: DICOMwebClient, sqlite_desk: TestDesk
) -> None:
    dataset, _ = pages(3)
    sqlite_desk.receive(dataset)
    png = (("image/png"),)
    assert size_of(foreign.retrieve_instance_rendered(*names(dataset), media_types=png)) == (40, 40)
    jpeg = foreign.retrieve_instance_frames_rendered(*names(dataset), [2], media_types=("image/jpeg",))
    assert jpeg.startswith(b"\xff\xd8")


def test_a_study_and_a_series_are_shown_by_their_first_film(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film(rows=600, columns=300)
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    study, series, instance = (f"/dicom-web/studies/{names(dataset)[0]}", *names(dataset)[1:])
    for path in ("", f"/series/{series}", f"/series/{series}/instances/{instance}"):
        assert size_of(client.get(f"{study}{path}/rendered").content) == (300, 600)
        small = client.get(f"{study}{path}/thumbnail")
        assert (size_of(small.content), small.headers["Content-Type"]) == ((128, 256), "image/jpeg")
    assert size_of(client.get(f"{study}/rendered?viewport=100,100").content) == (50, 100)
    assert size_of(client.get(f"{study}/thumbnail?viewport=64,64").content) == (32, 64)
    assert size_of(client.get(f"{study}/rendered?viewport=50,50,0,0,300,300").content) == (50, 50)
    narrow = client.get(
        f"{study}/rendered?window=2048,10,sigmoid&quality=10", headers={"Accept": "image/png, */*;q=.1"}
    )
    assert narrow.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("window", ["", "window=2048,4096,linear"])
def test_a_film_whose_header_says_the_wrong_polarity_is_shown_as_the_reader_saw_it(
    client: httpx.Client, sqlite_desk: TestDesk, window: str
) -> None:
    right, lies = film(), film(photometric="MONOCHROME1")
    lies.PixelData = right.PixelData
    sqlite_desk.record(sqlite_desk.receive(right), right, reading())
    arrival = sqlite_desk.receive(lies)
    before = gray(client.get(f"{path_of(lies)}/rendered?{window}", headers=PNG))
    sqlite_desk.record(arrival, lies, dataclasses.replace(reading(), flags=("inverted",)))

    wanted = gray(client.get(f"{path_of(right)}/rendered?{window}", headers=PNG))
    assert np.abs(gray(client.get(f"{path_of(lies)}/rendered?{window}", headers=PNG)) - wanted).max() <= 1
    assert np.abs(255 - before - wanted).max() <= 1
    small = gray(client.get(f"{path_of(lies)}/thumbnail?viewport=48,64"))
    assert np.abs(small - wanted).mean() < 20  # noise, as JPEG has it


def test_a_report_has_no_picture_and_the_result_has_one(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    study = f"/dicom-web/studies/{dataset.StudyInstanceUID}"
    series = {one["00080060"]["Value"][0]: one["0020000E"]["Value"][0] for one in client.get(f"{study}/series").json()}
    answers = {kind: client.get(f"{study}/series/{uid}/rendered", headers=ANYTHING) for kind, uid in series.items()}
    assert {kind: answer.status_code for kind, answer in answers.items()} == {
        "DX": 200,
        "SR": 406,
        "OT": 200,
        "PR": 406,
    }
    with Image.open(io.BytesIO(answers["OT"].content)) as picture:
        assert picture.mode == "RGB"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_bomb_is_refused_by_its_header(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    bomb = film(Rows=65535, Columns=65535)
    sqlite_desk.receive(bomb)
    for path in ("rendered", "thumbnail", "frames/1/rendered"):
        answer = client.get(f"{path_of(bomb)}/{path}")
        assert (answer.status_code, "65535 x 65535 pixels" in answer.text) == (422, True)


def test_what_is_asked_for_wrongly_is_refused(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    sqlite_desk.receive(dataset)
    path = path_of(dataset)
    for query in (
        "window=1", "window=1,2,cubic", "window=a,b", "window=1,0", "window=1,-5,linear", "window=nan,1",
        "window=1,inf", "viewport=1", "viewport=0,0", "viewport=9999,9", "viewport=-1,1", "viewport=1,1,1",
        "viewport=1,1,0,0,-5,5", "viewport=x,y", "quality=0", "quality=101", "quality=x", f"window={'1' * 200}",
    ):  # fmt: skip
        assert client.get(f"{path}/rendered?{query}").status_code == 400, query
    assert client.get(f"{path}/frames/2/rendered").status_code == 404
    assert client.get(f"{path}/frames/1,1/rendered").status_code == 400
    assert client.get(f"{path}/rendered", headers={"Accept": "image/gif"}).status_code == 406
    assert client.get(f"{path}/thumbnail", headers={"Accept": "image/png"}).status_code == 406
    assert client.get(f"{path}/thumbnail?accept=image/png", headers=ANYTHING).status_code == 406
    assert client.get(f"{path}/rendered?accept=image/png").headers["Content-Type"] == "image/png"
    assert client.get(f"{path}/rendered?viewport=10,10,60,60,9,9").status_code == 422


def test_while_the_renderer_is_busy_one_is_told_when_to_come_again(
    client: httpx.Client, sqlite_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray_triage.rendering.renderer.MOST_WAITING", 0)
    dataset = film()
    sqlite_desk.receive(dataset)
    answer = client.get(f"{path_of(dataset)}/rendered")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
