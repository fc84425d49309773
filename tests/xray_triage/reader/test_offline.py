"""One film through the verb ``read`` with a bundle that draws heart and lungs."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.peers.dcmtk import dciodvfy
from tests.xray_triage.bundles import make_bundle
from tests.xray_triage.films import DRAWN, film
from xray_triage.config.station import Config
from xray_triage.reader.offline import FilmReading, OfflineReader

SILENT = {"ViewPosition": "", "ViewCodeSequence": None, "SeriesDescription": None, "ProtocolName": None}


@pytest.fixture
def a_reader(tmp_path: Path) -> OfflineReader:
    masks = np.zeros((3, 64, 64), np.float32)
    masks[0, 8:56, 8:28], masks[1, 8:56, 36:56], masks[2, 30:50, 22:46] = 1, 1, 1
    squash = {"size": 64, "mean": 0.0, "std": 1.0, "fit": "squash", "trim": False}
    bundle = make_bundle(tmp_path / "bundle", masks=masks, input=squash)
    return OfflineReader.from_config(Config(model={"bundle": str(bundle), "providers": ["cpu"], "threads": 1}))  # type: ignore[arg-type]


def read(reader: OfflineReader, folder: Path, **attributes: object) -> FilmReading:
    film(**attributes).save_as(folder / "film.dcm", enforce_file_format=True)
    return reader.read(folder / "film.dcm")


def test_a_pa_film_of_an_adult_gets_its_ratio_in_every_result(a_reader: OfflineReader, tmp_path: Path) -> None:
    film = read(a_reader, tmp_path, ViewPosition="PA", PatientAge="060Y", PatientBirthDate="")
    assert film.as_json()["scores"]["cardiothoracic_ratio"] == 0.5
    assert film.as_json()["flags"] == []
    assert "cardiothoracic ratio" in film.as_text()
    written = a_reader.write_results(film, tmp_path / "out")
    assert len(written) == 3
    assert all(dciodvfy(path) == [] for path in written)
    outlines = pydicom.dcmread(tmp_path / "out" / "film.gsps.dcm").GraphicAnnotationSequence[0].GraphicObjectSequence
    heart, thorax = (list(one.GraphicData) for one in outlines[-2:])
    assert heart == [480 * 22 / 64, 512 * 40 / 64, 480 * 46 / 64, 512 * 40 / 64]
    assert (thorax[0], thorax[2]) == (480 * 8 / 64, 480 * 56 / 64)


@pytest.mark.parametrize(
    ("attributes", "ratio", "flags"),
    [
        ({"ViewPosition": "AP"}, None, []),
        ({"ViewPosition": "PA", "PatientAge": "016Y", "PatientBirthDate": ""}, None, []),
        (SILENT, 0.5, ["view_not_stated"]),
    ],
)
def test_a_film_gets_a_ratio_only_where_it_means_something(
    a_reader: OfflineReader, tmp_path: Path, attributes: dict[str, object], ratio: float | None, flags: list[str]
) -> None:
    said = read(a_reader, tmp_path, **attributes).as_json()
    assert (said["status"], said["scores"]["cardiothoracic_ratio"], said["flags"]) == ("read", ratio, flags)


def test_a_picture_file_states_neither_age_nor_view(a_reader: OfflineReader, tmp_path: Path) -> None:
    Image.fromarray((DRAWN.image * 255).astype("uint8")).save(tmp_path / "film.png")
    assert a_reader.read(tmp_path / "film.png").as_json()["flags"] == ["age_unknown", "view_not_stated"]
