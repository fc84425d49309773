"""The heat map and the ratio's lines: kept with the case, handed out for the viewer, loaded by no list."""

import io
from dataclasses import replace

import httpx
import numpy as np
from PIL import Image
from sqlalchemy import event

from tests.factories import film
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.cases.heat import HeatMaps
from xray_triage.reading.findings import Cardiothoracic, Line, Reading
from xray_triage.results.overlay import heat_png

HEART = Cardiothoracic(heart=Line(left=100.26, right=220.0, row=300.0), thorax=Line(left=40, right=360, row=280))


def warm() -> Reading:
    """A film with heat in its lower right corner, and a measured heart."""
    said = reading()
    assert said.findings is not None
    heat = np.zeros((128, 102), np.float32)
    heat[96:, 70:] = np.linspace(0.2, 1, 32, dtype=np.float32)
    return replace(said, rows=500, columns=400, findings=replace(said.findings, heat_map=heat, cardiothoracic=HEART))


def test_the_heat_is_amber_to_red_and_transparent_where_cold() -> None:
    with Image.open(io.BytesIO(heat_png(np.array([[0, 0.29, 0.65, 1, np.nan]], np.float32)))) as picture:
        pixels = np.asarray(picture)[0].tolist()
    assert [pixel[3] for pixel in pixels] == [0, 0, 126, 255, 0]
    assert pixels[3][:3] == [255, 40, 0]
    assert pixels[2][:3] == [255, 96, 0]


def test_a_films_heat_is_handed_out_with_its_case(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, warm()).case_id
    answer = client.get(f"/cases/{case_id}/heat/{dataset.SOPInstanceUID}")
    assert answer.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.mode, picture.size) == ("RGBA", (102, 128))
    other = sqlite_desk.add(reading(), seed=1).case_id
    for case, uid in ((other, dataset.SOPInstanceUID), ("nothing", dataset.SOPInstanceUID), (case_id, "1.2.3")):
        assert client.get(f"/cases/{case}/heat/{uid}").status_code == 404


def test_a_film_read_again_without_heat_has_none(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    arrival = sqlite_desk.receive(dataset := film())
    sqlite_desk.record(arrival, dataset, warm())
    case_id = sqlite_desk.record(arrival, dataset, warm()).case_id
    heat_maps = HeatMaps(sqlite_desk.database)
    assert heat_maps.among([dataset.SOPInstanceUID, "1.2.3"]) == {dataset.SOPInstanceUID}
    sqlite_desk.record(arrival, dataset, unread())
    assert client.get(f"/cases/{case_id}/heat/{dataset.SOPInstanceUID}").status_code == 404
    assert heat_maps.among([dataset.SOPInstanceUID]) == frozenset()


def test_the_lines_and_the_films_size_are_told(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, warm()).case_id
    (image,) = client.get(f"/api/cases/{case_id}").json()["images"]
    assert image["lines"] == [[100.3, 300.0, 220.0, 300.0], [40.0, 280.0, 360.0, 280.0]]
    assert (image["rows"], image["columns"]) == (500, 400)


def test_no_list_of_cases_loads_a_heat_map(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.record(sqlite_desk.receive(dataset := film()), dataset, warm())
    asked: list[str] = []

    def listen(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    event.listen(sqlite_desk.database.engine, "before_cursor_execute", listen)
    for path in ("/", "/api/cases"):
        assert client.get(path, follow_redirects=True).status_code == 200
    event.remove(sqlite_desk.database.engine, "before_cursor_execute", listen)
    assert asked
    assert not [statement for statement in asked if "heat.png" in statement]
