"""Two stations on one database: each does the work of the films in its own spool, and takes nothing of the other's."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import reference_to
from dicom_router.errors import SpoolMismatch
from dicom_router.store.inbox import Outcome, record_file
from dicom_router.transport.folder import FolderTransport
from dicom_router.transport.forwarder import Forwarder
from tests.factories import StoppedClock, film, film_bytes
from xray_triage.config.station import Config
from xray_triage.health.checks import CheckState
from xray_triage.health.storage import elsewhere_check
from xray_triage.reader.policy import SitePolicy
from xray_triage.reader.reader import Reader
from xray_triage.reading.classifier import Classifier
from xray_triage.stores import Stores, open_stores


@dataclass
class Place:
    """One station: its stores, and what works on them."""

    config: Config
    stores: Stores
    clock: StoppedClock

    def receive(self, dataset: Dataset) -> Outcome:
        spooled = self.stores.spool.keep(io.BytesIO(film_bytes(dataset)))
        sender = {"calling_ae_title": "DX1", "peer_host": "127.0.0.1"}
        instance = reference_to(dataset)
        return record_file(self.stores.inbox, self.stores.spool, instance=instance, spooled=spooled, **sender)

    def reader(self, classifier: Classifier | None = None) -> Reader:
        policy = SitePolicy.from_config(self.config)
        return Reader(
            self.stores, classifier=classifier, policy=policy, result_destinations={"sr": ("pacs",)}, clock=self.clock
        )

    def deliver(self, folder: Path) -> int:
        """Send all that is due in both lanes; how many objects."""
        forwarders = [
            Forwarder(
                outbox=self.stores.outbox,
                spool=self.stores.spool,
                transport=FolderTransport(folder, clock=self.clock),
                destination="pacs",
                lane=lane,
                clock=self.clock,
            )
            for lane in ("light", "bulk")
        ]
        return sum(1 for forwarder in forwarders for _ in iter(forwarder.run_once, False))


def open_place(folder: Path, database_url: str, *, ae_title: str) -> Place:
    config = Config.model_validate(
        {
            "station": {"data_dir": folder, "ae_title": ae_title, "database": database_url},
            "destination": [{"name": "pacs", "kind": "folder", "path": folder / "pacs"}],
            "retention": {"reserve_gb": 0},
        }
    )
    clock = StoppedClock()
    return Place(config, open_stores(config, role="front", clock=clock), clock)


@pytest.fixture
def two(tmp_path: Path, database_url: str) -> Iterator[tuple[Place, Place]]:
    """Two stations of different names."""
    places = [open_place(tmp_path / name, database_url, ae_title=name) for name in ("XA", "XB")]
    yield places[0], places[1]
    for place in places:
        place.stores.database.close()


def test_a_film_waits_for_the_station_that_has_it(two: tuple[Place, Place], tmp_path: Path) -> None:
    here, there = two
    (tmp_path / "out").mkdir()
    assert here.receive(film()) is Outcome.NEW
    there.stores.ledger.free_leases(forgive=True)  # as a station does at its start
    assert not there.reader().run_once()
    assert there.deliver(tmp_path / "out") == 0
    assert elsewhere_check(there.stores.ledger.elsewhere).state is CheckState.WARNING
    assert elsewhere_check(here.stores.ledger.elsewhere).state is CheckState.OK
    assert here.reader().run_once()
    assert here.deliver(tmp_path / "out") == 2  # the film, and the report that it was not read
    assert not here.stores.outbox.summary().refused_count
    assert elsewhere_check(there.stores.ledger.elsewhere).state is CheckState.OK


def test_a_restart_of_one_frees_no_lease_of_the_other(two: tuple[Place, Place]) -> None:
    here, there = two
    here.receive(film())
    assert here.stores.ledger.claim("read")
    assert there.stores.ledger.free_leases(forgive=True) == 0
    assert here.stores.ledger.free_leases(forgive=True) == 1


def test_a_film_that_both_get_is_one_film_and_lies_in_one_spool(two: tuple[Place, Place], tmp_path: Path) -> None:
    here, there = two
    dataset = film()
    assert (here.receive(dataset), there.receive(dataset)) == (Outcome.NEW, Outcome.SAME)
    assert list(there.stores.spool.keys()) == []
    assert not there.reader().run_once()
    assert here.reader().run_once()


def test_a_film_is_read_again_by_the_station_that_has_it(two: tuple[Place, Place]) -> None:
    here, there = two
    dataset = film()
    here.receive(dataset)
    assert here.reader().run_once()
    case = there.stores.casebook.case_of_study(dataset.StudyInstanceUID)
    assert case is not None
    assert there.stores.rereading.reread(case.case_id) == 1
    assert not there.reader().run_once()
    assert here.reader().run_once()


def test_a_second_station_of_the_same_name_is_refused_in_one_line(two: tuple[Place, Place], tmp_path: Path) -> None:
    url = str(two[0].config.station.database)
    with pytest.raises(SpoolMismatch, match="ae_title of its own"):
        open_place(tmp_path / "third", url, ae_title="XA")
    again = open_place(tmp_path / "XA", url, ae_title="XA")
    assert again.stores.spool.id == two[0].stores.spool.id
    again.stores.database.close()
