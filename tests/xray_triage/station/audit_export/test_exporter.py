"""The trail reaches its collector over TLS: all of it, in order, and again only what it may not have."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_router.store.database import Database, open_database
from tests.peers.certificates import Authority, Certificate
from tests.peers.collector import Collector
from tests.xray_triage.desk import TestDesk, open_desk, reading
from tests.xray_triage.orders.conftest import registration
from tests.xray_triage.station.audit_export.schema import parse
from xray_triage.accounts.audit import Action
from xray_triage.config.sections import AuditSection, StationSection
from xray_triage.config.station import Config
from xray_triage.config.values import Tls
from xray_triage.station.audit_export.exporter import AuditExporter, deliver
from xray_triage.station.audit_export.message import Source
from xray_triage.station.audit_export.outlet import BATCH, Outlet


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Certificate:
    return authority.sign("collector")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[TestDesk]:
    """A station with one case and one order, once over each kind of database."""
    opened = open_desk(database, tmp_path)
    yield opened
    opened.renderer.close()


def config_for(collector: Collector, authority: Authority, **tls: Path) -> Config:
    audit = AuditSection(syslog=f"127.0.0.1:{collector.port}", tls=Tls(ca=authority.ca, **tls))
    return Config(station=StationSection(name="Trạm", ae_title="TRAM1"), audit=audit)


def exporter_to(collector: Collector, authority: Authority, desk: TestDesk) -> AuditExporter:
    return AuditExporter(config_for(collector, authority), desk, clock=desk.clock)


def run(exporter: AuditExporter) -> int:
    """Until there is nothing to do; how many batches the collector took."""
    taken = 0
    while exporter.run_once():
        taken += 1
    return taken


def sequences(collector: Collector, process: str = "trail") -> list[int]:
    heads = [parse(message)[0] for message in collector.messages]
    return [int(head["sequence"]) for head in heads if head["process"] == process]


def test_all_that_was_noted_and_every_film_comes_in_order_and_once(
    desk: TestDesk, authority: Authority, own: Certificate
) -> None:
    case_id = desk.add(reading(), study_instance_uid="1.2.3.1", patient_id="P1").case_id
    order = desk.orders.register(registration(), form_key="1", registered_by="technician")
    desk.audit.note(Action.CASE_SEEN, actor="doctor", subject=case_id, address="10.0.0.1")
    desk.audit.note(Action.PATIENT_REGISTERED, actor="technician", subject=order.accession_number)
    with Collector(own) as collector:
        exporter = exporter_to(collector, authority, desk)
        assert run(exporter) == 2
        assert run(exporter) == 0
        desk.audit.note(Action.SIGNED_OUT, actor="doctor")
        assert run(exporter) == 1
    told = [parse(message) for message in collector.messages]
    assert {head["priority"] for head, _ in told} == {"85"}
    assert {(head["app"], head["kind"]) for head, _ in told} == {("xray-triage", "DICOM+RFC3881")}
    newest = max(entry.entry_id for entry in desk.audit.all_entries())
    assert sequences(collector) == list(range(1, newest + 1))
    assert sequences(collector, "films") == [1]
    patients = {
        thing.get("ParticipantObjectID")
        for _, message in told
        for thing in message.iter("ParticipantObjectIdentification")
        if thing.get("ParticipantObjectTypeCodeRole") == "1"
    }
    assert patients == {"P1", order.patient_id}


def test_a_dead_collector_is_asked_ever_more_rarely_and_gets_all_when_it_is_back(
    desk: TestDesk, authority: Authority, own: Certificate
) -> None:
    with Collector(own) as gone:
        pass
    exporter = exporter_to(gone, authority, desk)
    desk.audit.note(Action.SIGNED_IN, actor="doctor")
    tries = 0
    for _ in range(3600):
        before = exporter._due_at
        assert exporter.run_once() is False
        tries += exporter._due_at != before
        desk.clock.advance(1)
    assert 15 < tries < 25
    assert "refused" in exporter.problem
    for _ in range(2 * BATCH):
        desk.audit.note(Action.SIGNED_OUT, actor="doctor")
    desk.clock.advance(300)
    with Collector(own, port=gone.port) as collector:
        run(exporter)
    assert exporter.problem == ""
    assert sequences(collector) == list(range(1, 2 * BATCH + 2))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_collector_that_dies_in_the_middle_gets_the_batch_again_under_the_same_numbers(
    desk: TestDesk, authority: Authority, own: Certificate
) -> None:
    for _ in range(10):
        desk.audit.note(Action.SIGNED_OUT, actor="doctor")
    with Collector(own, dies_after=4) as dying:
        exporter = exporter_to(dying, authority, desk)
        assert run(exporter) == 0
        assert exporter.problem
    desk.clock.advance(10)
    with Collector(own, port=dying.port) as collector:
        run(exporter)
    assert sequences(dying) == [1, 2, 3, 4]
    assert sequences(collector) == list(range(1, 11))
    assert dying.messages == collector.messages[:4]  # so that the doubles are known


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_collector_that_closes_without_a_word_has_read_all(
    desk: TestDesk, authority: Authority, own: Certificate
) -> None:
    desk.audit.note(Action.SIGNED_IN, actor="doctor")
    with Collector(own, closes_mutely=True) as collector:
        assert run(exporter_to(collector, authority, desk)) == 1
    assert sequences(collector) == [1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_killed_at_any_moment_nothing_is_missing(
    database_url: str, desk: TestDesk, authority: Authority, own: Certificate, tmp_path: Path
) -> None:
    """Before a batch is sent, when it was sent and not yet noted, and when it was noted."""
    received: list[int] = []
    for stage in range(3):
        desk.audit.note(Action.SIGNED_IN, actor=f"doctor{stage}")
        with Collector(own) as collector:
            pid = os.fork()
            if pid == 0:
                _send_and_die(database_url, tmp_path, config_for(collector, authority), stage)
            assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
            run(exporter_to(collector, authority, desk))
        received += sequences(collector)
    assert received == [1, 2, 2, 3]  # only what was sent and not yet noted comes twice


def _send_and_die(database_url: str, folder: Path, config: Config, stage: int) -> None:
    try:
        desk = open_desk(open_database(database_url), folder)
        outlet = Outlet(desk, Source(ae_title="TRAM1", name="Trạm"), host="tram")
        batch = outlet.next()
        assert batch
        if stage >= 1:
            assert deliver(batch.frames, config.audit) == ""
        if stage == 2:
            outlet.done(batch)
        os.kill(os.getpid(), signal.SIGKILL)
    finally:  # the child must never come back into pytest
        os._exit(1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_certificates_are_looked_at_on_both_sides(
    desk: TestDesk, authority: Authority, own: Certificate, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    desk.audit.note(Action.SIGNED_IN, actor="doctor")
    with Collector(own, client_ca=authority.ca) as collector:
        assert "certificate verify failed" in deliver((), config_for(collector, stranger).audit)
        assert run(exporter_to(collector, authority, desk)) == 0  # it shows none
        mine = authority.sign("station")
        config = config_for(collector, authority, cert=mine.cert, key=mine.key)
        assert run(AuditExporter(config, desk, clock=desk.clock)) == 1
    assert sequences(collector) == [1]
