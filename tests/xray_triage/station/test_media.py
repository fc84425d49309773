"""Films from a stick: taken as the listener takes them, and one bad file stops nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_router.errors import PeerUnreachable
from dicom_router.store.inbox import Outcome
from tests.factories import StoppedClock, film, film_bytes, film_file
from tests.xray_triage.desk import TestDesk, reading
from xray_triage.config.station import Config
from xray_triage.station.media import Exporter, Importer
from xray_triage.stores import Stores, open_stores

DEFLATED = "1.2.840.10008.1.2.1.99"


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    config = Config(station={"data_dir": tmp_path / "data"}, retention={"reserve_gb": 0})  # type: ignore[arg-type]
    opened = open_stores(config, role="import", clock=StoppedClock())
    yield opened
    opened.database.close()


def test_a_film_is_taken_once(stores: Stores, tmp_path: Path) -> None:
    path = film_file(tmp_path / "film.dcm", film())
    importer = Importer(stores)
    assert importer.take(path) is None
    assert importer.take(path) is None
    assert importer.counts == {Outcome.NEW: 1, Outcome.SAME: 1}
    assert len(list(stores.spool.keys())) == stores.inbox.unread() == 1


def test_a_film_that_comes_again_mends_the_file_that_a_disk_lost(stores: Stores, tmp_path: Path) -> None:
    path = film_file(tmp_path / "film.dcm", film())
    importer = Importer(stores)
    importer.take(path)
    (key,) = stores.spool.keys()
    stores.spool.delete(key)
    importer.take(path)
    with stores.spool.open(key) as stream:
        assert stream.read() == path.read_bytes()


def test_a_photograph_on_the_stick_is_told_from_a_damaged_file(stores: Stores, tmp_path: Path) -> None:
    for name, head in (("zalo.jpg", b"\xff\xd8\xff\xe0"), ("IMG_1.HEIC", b"\0\0\0\x18ftypheic")):
        (tmp_path / name).write_bytes(head + bytes(200))
        problem = Importer(stores).take(tmp_path / name)
        assert problem
        assert "A photographed film in docs/RUNBOOK.md" in problem
    assert "A photographed film" in (Path(__file__).parents[3] / "docs/RUNBOOK.md").read_text(encoding="utf-8")


def test_what_the_listener_would_not_take_is_told_and_the_next_file_taken(stores: Stores, tmp_path: Path) -> None:
    whole = film_bytes(film())
    bad = {
        "cut.dcm": whole[:-100],
        "deflated.dcm": film_bytes(film(transfer_syntax_uid=DEFLATED)),
        "notes.txt": b"no film",
    }
    importer = Importer(stores)
    for name, content in bad.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert importer.take(path)
    assert importer.take(tmp_path / "unreadable.dcm")
    assert list(stores.spool.keys()) == []
    assert importer.take(film_file(tmp_path / "film.dcm", film())) is None
    assert importer.counts == {None: 4, Outcome.NEW: 1}


def test_a_case_goes_into_a_new_folder_and_never_into_one_that_is_not_plugged_in(
    sqlite_desk: TestDesk, tmp_path: Path
) -> None:
    dataset = film()
    case = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    exporter = Exporter(sqlite_desk)
    parcel, *_ = exporter.parcels(case.case_id)[0]
    exporter.put(parcel, tmp_path / "stick")
    exporter.put(parcel, tmp_path / "stick")
    assert len(list((tmp_path / "stick").rglob("*.dcm"))) == 1
    (tmp_path / "a file").touch()
    for nowhere in (tmp_path / "missing" / "stick", tmp_path / "a file", Path("/dev/full")):
        with pytest.raises(PeerUnreachable, match="no such folder; plug in or mount the medium"):
            exporter.put(parcel, nowhere)
    assert not (tmp_path / "missing").exists()
