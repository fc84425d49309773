"""The contract of reconciliation, over SQLite and PostgreSQL: what a row lacks is said, what lacks a row is found."""

import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import reference_to
from dicom_router.dicom.part10 import encode_file
from dicom_router.store.database import Database
from dicom_router.store.reconciliation import CALLING_AE_TITLE, Found, Missing
from dicom_router.store.tables import arrival, delivery, work
from tests.factories import film, film_bytes
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import TestDesk, open_desk, reading
from xray_triage.health.rebuilt import Rebuilding, Rebuilt, Why
from xray_triage.reading.acquisition import PRODUCT, is_ours
from xray_triage.reading.patient import read_patient
from xray_triage.results.make import make_request
from xray_triage.results.request import Asked
from xray_triage.station.reconciling import DAY_SECONDS, Reconciler


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[TestDesk]:
    opened = open_desk(database, tmp_path)
    yield opened
    opened.renderer.close()


def keep(desk: TestDesk, content: bytes) -> str:
    """A file in the spool that no row names."""
    return desk.spool.keep(io.BytesIO(content)).key


def date_back(folder: Path, key: str, at: datetime) -> None:
    """It was kept then, by the time of its file."""
    os.utime(folder / "spool" / key[:2] / key, (at.timestamp(), at.timestamp()))


def take_back(desk: TestDesk, key: str) -> Found:
    return desk.reconciliation.take_back(key, is_ours=is_ours)


def lose_all_rows(desk: TestDesk) -> None:
    with desk.database.write() as connection:
        for table in (delivery, arrival, work):
            connection.execute(table.delete())


def reconcile(desk: TestDesk, folder: Path) -> Reconciler:
    """What the worker does at start."""
    reconciler = Reconciler(desk, Rebuilt(folder), clock=desk.clock, on_film=lambda: None)
    while reconciler.run_once():
        pass
    return reconciler


def test_a_film_without_a_row_comes_again_when_it_came_and_behind_those_that_come_now(
    desk: TestDesk, tmp_path: Path
) -> None:
    came = datetime(2025, 3, 1, 7, tzinfo=UTC)
    old = film()
    key = keep(desk, film_bytes(old))
    date_back(tmp_path, key, came)
    assert desk.reconciliation.loose() == {key}
    assert take_back(desk, key) is Found.FILM
    assert desk.reconciliation.loose() == set()
    (found,) = desk.inbox.of_study(old.StudyInstanceUID)
    assert (found.instance, found.spooled.key, found.received_at) == (reference_to(old), key, came)
    assert (found.calling_ae_title, found.quarantined) == (CALLING_AE_TITLE, False)
    new = film()
    desk.receive(new)
    (now,) = desk.inbox.of_study(new.StudyInstanceUID)
    for expected in (now, found):
        claimed = desk.ledger.claim("read")
        assert claimed is not None
        assert claimed.key == str(expected.arrival_id)
    sent = [one.instance.sop_instance_uid for one in desk.deliver()]
    assert sent == [new.SOPInstanceUID, old.SOPInstanceUID]


def test_the_bytes_of_a_film_that_comes_again_are_those_on_record(desk: TestDesk) -> None:
    """A forwarder compares them before it sends."""
    dataset = film()
    first = desk.receive(dataset)
    lose_all_rows(desk)
    take_back(desk, first.spooled.key)
    (again,) = desk.inbox.of_study(dataset.StudyInstanceUID)
    assert again.spooled == first.spooled


def test_what_was_made_here_is_no_film(desk: TestDesk, tmp_path: Path) -> None:
    case_id = desk.add(reading()).case_id
    case = desk.casebook.case(case_id)
    assert case is not None
    (came,) = desk.inbox.of_study(case.study_instance_uid)
    desk.consultations.request(case_id, question="Tràn khí?", priority="urgent", requested_by="BS. Mai")
    made = len({one.spooled.key for one in desk.outbox.of_study(case.study_instance_uid)}) - 1
    assert made == 5  # report, picture, outlines, request and its page
    lose_all_rows(desk)
    reconcile(desk, tmp_path)
    assert [one.spooled.key for one in desk.inbox.of_study(case.study_instance_uid)] == [came.spooled.key]
    assert desk.spool.apart()[0] == made - 1  # the case has its picture still
    assert [one.what for one in desk.outbox.of_study(case.study_instance_uid)] == ["original"]


def test_a_machine_that_is_named_like_us_alone_by_its_maker_made_a_film() -> None:
    assert not is_ours(film(Manufacturer=PRODUCT, ManufacturerModelName="DR 1"))
    assert not is_ours(film(Manufacturer=["", PRODUCT], ManufacturerModelName=""))
    assert not is_ours(Dataset())
    instance = reference_to(film())
    asked = Asked(question="?", priority="routine", requested_by="BS", patient=read_patient(film()))
    made = make_request(film(), [instance], asked, at=datetime(2025, 6, 1, tzinfo=UTC), station_name="Trạm")
    assert [is_ours(one.dataset) for one in made] == [True, True]


@pytest.mark.parametrize(
    "content",
    [
        bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x12\x001.2.840.10008.1.2\0" + b"\x08\0\x05\0CS\xff\0",
        film_bytes(film())[:3000],
        film_bytes(film()).replace(b"\x08\x00\x18\x00UI", b"\x08\x00\x19\x00UI"),
        encode_file(film()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"),
    ],
)
def test_what_cannot_be_read_is_set_apart_and_counted(desk: TestDesk, content: bytes, tmp_path: Path) -> None:
    key = keep(desk, content)
    reconcile(desk, tmp_path)
    assert desk.spool.apart() == (1, len(content))
    assert not desk.spool.has(key)
    assert desk.inbox.unread() == 0


def test_of_two_films_under_one_uid_the_one_that_came_first_is_the_film(desk: TestDesk, tmp_path: Path) -> None:
    first, second = film(seed=1), film(seed=2)
    second.SOPInstanceUID = second.file_meta.MediaStorageSOPInstanceUID = first.SOPInstanceUID
    second.StudyInstanceUID = first.StudyInstanceUID
    late, early = keep(desk, film_bytes(second)), keep(desk, film_bytes(first))
    date_back(tmp_path, late, datetime(2025, 3, 2, tzinfo=UTC))
    date_back(tmp_path, early, datetime(2025, 3, 1, tzinfo=UTC))
    reconcile(desk, tmp_path)
    assert [(one.spooled.key, one.quarantined) for one in desk.inbox.of_study(first.StudyInstanceUID)] == [
        (early, False),
        (late, True),
    ]


def test_the_same_film_twice_is_one_arrival_and_one_file(desk: TestDesk) -> None:
    dataset = film()
    kept = desk.receive(dataset).spooled.key
    twin = keep(desk, film_bytes(dataset))
    assert take_back(desk, twin) is Found.KNOWN
    assert list(desk.spool.keys()) == [kept]
    assert take_back(desk, kept) is Found.KNOWN  # a film that was committed between two looks
    assert list(desk.spool.keys()) == [kept]
    assert len(desk.inbox.of_study(dataset.StudyInstanceUID)) == 1


def test_rows_whose_file_is_gone_are_counted(desk: TestDesk) -> None:
    dataset = film()
    desk.record(desk.receive(dataset), dataset, reading())
    assert desk.reconciliation.missing() == Missing()
    study = dataset.StudyInstanceUID
    assert desk.reconciliation.missing_of(study) == 0
    deliveries = {one.what: one.spooled.key for one in desk.outbox.of_study(study)}
    desk.spool.delete(deliveries["sr"])
    desk.spool.delete(deliveries["sc"])  # also the picture of the case
    assert desk.reconciliation.missing() == Missing(others=2)
    desk.spool.delete(deliveries["original"])
    assert desk.reconciliation.missing() == Missing(arrivals=1, others=2)
    assert desk.reconciliation.missing_of(study) == 1
    assert desk.reconciliation.missing_of("1.2.3") == 0


def test_what_may_be_on_its_way_is_left_alone_until_the_second_look(desk: TestDesk, tmp_path: Path) -> None:
    reconciler = reconcile(desk, tmp_path)
    key = keep(desk, film_bytes(film(Manufacturer=PRODUCT, ManufacturerModelName=PRODUCT)))
    for looks in (1, 2):
        assert not reconciler.run_once()
        assert desk.spool.has(key)
        desk.clock.advance(DAY_SECONDS)
        while reconciler.run_once():
            pass
        assert desk.spool.has(key) is (looks == 1)
    assert desk.spool.apart()[0] == 1


def test_a_clock_set_back_years_calls_for_no_look_and_a_day_does(desk: TestDesk, tmp_path: Path) -> None:
    reconciler = reconcile(desk, tmp_path)
    desk.clock.time = datetime(1970, 1, 1, tzinfo=UTC)
    assert not reconciler.run_once()
    desk.clock.elapsed_seconds += DAY_SECONDS
    assert reconciler.run_once()


def test_a_film_stays_to_be_taken_back_while_the_database_fails(sqlite_only: TestDesk, tmp_path: Path) -> None:
    dataset = film()
    keep(sqlite_only, film_bytes(dataset))
    reconciler = Reconciler(sqlite_only, Rebuilt(tmp_path), clock=sqlite_only.clock, on_film=lambda: None)
    assert reconciler.run_once()
    sqlite_only.break_inserts("arrival")
    with pytest.raises(sa.exc.DatabaseError):
        reconciler.run_once()
    sqlite_only.mend_inserts()
    assert reconciler.run_once()
    assert len(sqlite_only.inbox.of_study(dataset.StudyInstanceUID)) == 1


@pytest.fixture
def sqlite_only(tmp_path: Path) -> Iterator[TestDesk]:
    with desk_in(tmp_path) as opened:
        yield opened


def test_films_taken_back_are_counted_in_what_a_person_must_acknowledge(desk: TestDesk, tmp_path: Path) -> None:
    rebuilt = Rebuilt(tmp_path)
    keep(desk, film_bytes(film()))
    reconcile(desk, tmp_path)
    assert rebuilt.events() == []  # nothing was lost: a film that a kill left between disk and commit
    rebuilt.add(Rebuilding(at=desk.clock.now(), why=Why.LOST, detail="gone"))
    for _ in range(2):
        keep(desk, film_bytes(film()))
    reconcile(desk, tmp_path)
    assert [one.films for one in rebuilt.events()] == [2]
    assert desk.outbox.summary().waiting == 3
