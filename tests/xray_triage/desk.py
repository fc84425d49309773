"""A desk over real stores: films arrive, are read as told, and lie in the casebook with their results on the way."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi import FastAPI
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import Acknowledgement, Arrival, reference_to
from dicom_router.store import tables as router
from dicom_router.store.commitments import Commitments, Proof
from dicom_router.store.database import Database
from dicom_router.store.delivery import Delivery
from dicom_router.store.inbox import Outcome
from tests.factories import StoppedClock, film, film_bytes
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.roles import Role
from xray_triage.cases import rows, tables
from xray_triage.cases.casebook import sequence_of
from xray_triage.cases.identity import Statement
from xray_triage.cases.recording import RecordedCase, record_reading
from xray_triage.cases.statements import statements
from xray_triage.config.destinations import Destination
from xray_triage.config.records import RecordPeer, Standing
from xray_triage.config.sections import RegistrationSection, RetentionSection, StationSection
from xray_triage.config.station import Config
from xray_triage.health.checks import Health, Probe
from xray_triage.model.acquaintance import Site
from xray_triage.model.drift import ModelInUse
from xray_triage.reading.acquisition import Machine, exposed_at, made_at
from xray_triage.reading.findings import (
    KINDS,
    REASONS,
    Box,
    Finding,
    Findings,
    ModelIdentity,
    NotReadable,
    Priority,
    Reading,
    TriageDecision,
)
from xray_triage.reading.patient import read_patient
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.make import make_results
from xray_triage.results.overlay import heat_png
from xray_triage.stores import READ_WORK, Stores, join_stores
from xray_triage.web.app import create_app
from xray_triage.web.surroundings import Surroundings

PACS = "pacs"
STATION = "Trạm y tế Thạnh An"
PASSWORD = "thach-an-2025"  # of every user of a desk
FULL_NAMES = {Role.DOCTOR: "BS. Trần Thị Mai", Role.TECHNICIAN: "KTV. Lê Văn Bình", Role.ADMIN: "Quản trị"}
MODEL = ModelIdentity(name="phổi", version="1.2", sha256="ab" * 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestDesk(Stores):
    """The stores behind the page, and the hands of the machine, the reader and the forwarder."""

    __test__ = False

    clock: StoppedClock

    def break_inserts(self, table: str) -> None:
        """SQLite: no row goes into ``table`` any more, until ``mend_inserts``."""
        with self.database.write() as connection:
            abort = f"BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END"
            connection.exec_driver_sql(f"CREATE TRIGGER broken {abort}")

    def mend_inserts(self) -> None:
        with self.database.write() as connection:
            connection.exec_driver_sql("DROP TRIGGER broken")

    def receive(self, dataset: Dataset) -> Arrival:
        """What the listener does with one instance."""
        spooled = self.spool.keep(io.BytesIO(film_bytes(dataset)))
        kept = self.inbox.record(
            instance=reference_to(dataset), spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1"
        )
        assert kept is not Outcome.SAME
        return self.inbox.of_study(dataset.StudyInstanceUID)[-1]

    def record(self, arrival: Arrival, dataset: Dataset, reading: Reading) -> RecordedCase:
        """What the reader does with one film after it was read, the results included."""
        shade = Radiograph(image=np.tile(np.linspace(0, 1, 400, dtype=np.float32), (500, 1)), rows=500, columns=400)
        made = make_results(
            dataset,
            reading,
            shade if reading.findings else None,
            station_name=STATION,
            at=self.clock.now(),
        )
        kept = [(one.what, one.dataset, self.spool.keep(io.BytesIO(one.encoded))) for one in made]
        heat = reading.findings.heat_map if reading.findings else None
        with self.database.write() as connection:
            self.heat_maps.keep(connection, dataset.SOPInstanceUID, None if heat is None else heat_png(heat))
            recorded = record_reading(
                connection,
                arrival=arrival,
                stated=said_by(dataset, arrival, reading),
                reading=reading,
                picture_key=next((spooled.key for what, _, spooled in kept if what == "sc" and reading.findings), None),
                exposed_at=exposed_at(dataset, received_at=arrival.received_at),
                read_at=self.clock.now(),
            )
            for what, made_dataset, spooled in kept:
                self.outbox.enqueue(
                    connection,
                    instance=reference_to(made_dataset),
                    spooled=spooled,
                    what=what,
                    urgent=reading.decision.priority is Priority.URGENT,
                    destinations=(PACS,),
                )
        return recorded

    def add(self, reading: Reading, **film_attributes: object) -> RecordedCase:
        """A film comes in and is read."""
        dataset = film(**film_attributes)  # type: ignore[arg-type]
        return self.record(self.receive(dataset), dataset, reading)

    def finish_reading(self) -> None:
        """The reader is done with all that came."""
        while work := self.ledger.claim(READ_WORK):
            with self.database.write() as connection:
                self.ledger.finish(connection, work)

    def put(self, readings: Sequence[Reading], machine: Machine | None = None) -> None:
        """Many films of one case, straight into the tables; those that were read count for ``machine``, if any."""
        sequence = self.gauges.last_image()
        case_id = self.add(unread()).case_id
        common = {"arrival_id": 1, "received_at": self.clock.now(), "read_at": self.clock.now(), "picture_key": None}
        with self.database.write() as connection:
            common["case_sequence"] = sequence_of(connection, case_id)
            films = [
                rows.image_columns(one) | common | {"sop_instance_uid": f"1.2.{sequence}.{number}"}
                for number, one in enumerate(readings)
            ]
            connection.execute(tables.image.insert(), films)
            for film_row, one in zip(films, readings, strict=True):
                if machine is not None and one.model is not None:
                    self.machines.count(connection, film_row["sop_instance_uid"], machine, one.model.sha256)

    def deliver(self) -> list[Delivery]:
        """What the forwarder does while the PACS is well: everything that waits is taken."""
        taken = []
        for lane in ("light", "bulk"):
            while claimed := self.outbox.claim(PACS, lane):
                work, delivery = claimed
                said = Acknowledgement(status="0x0000", peer=PACS, at=self.clock.now(), sent_bytes=1)
                self.outbox.acknowledge(work, delivery, said)
                taken.append(delivery)
        return taken

    def prove(self) -> None:
        """What the PACS does when it takes responsibility for all that it has taken."""
        book = Commitments(self.database, self.ledger, self.outbox, clock=self.clock)
        unproved = sa.select(router.delivery.c.study_instance_uid).where(router.delivery.c.committed_at.is_(None))
        with self.database.read() as connection:
            studies = set(connection.scalars(unproved))
        for study in studies:
            for delivery, _ in book.unproved(PACS, study):
                book.commit(delivery, Proof.REPORT)

    def arrivals(self) -> list[Arrival]:
        """All that ever came."""
        with self.database.read() as connection:
            numbers = connection.scalars(sa.select(router.arrival.c.arrival_id)).all()
        return [self.inbox.get(number) for number in numbers]

    def site(self, accepts: Literal["ask", "auto"] = "ask") -> Site:
        """The machines of this desk."""
        return Site(self.machines, accepts=accepts)

    def token(self, role: Role = Role.DOCTOR) -> str:
        """A bearer token of the desk's user with this role."""
        return self.accounts.tokens.make(self.accounts.users.find(role.value), label="test")

    def session(self, role: Role = Role.DOCTOR) -> str:
        """The id of a new session of the desk's user with this role: the value of the cookie ``session``."""
        return self.accounts.sessions.open(self.accounts.users.find(role.value))

    def app(self, *probes: Probe, model: ModelInUse | None = None, **settings: Any) -> FastAPI:
        surroundings = Surroundings(
            health=Health(probes),
            renderer=self.renderer,
            model_in_use=lambda: model,
            station_name=STATION,
            **settings,
        )
        return create_app(self, surroundings)


def said_by(dataset: Dataset, arrival: Arrival, reading: Reading) -> list[Statement]:
    """What a film says of its patient."""
    return statements(
        read_patient(dataset, arrival.received_at.astimezone().date()),
        str(dataset.AccessionNumber),
        reading,
        made_at=made_at(dataset, received_at=arrival.received_at),
    )


def open_desk(
    database: Database,
    folder: Path,
    *,
    takes_requests: bool = True,
    originals: bool = True,
    second: str = "",
    reserve_bytes: int = 0,
    station_name: str = STATION,
    peers: Mapping[str, tuple[Standing, ...]] | None = None,
) -> TestDesk:
    """A desk on ``database``, which has a station's tables, and a spool in ``folder``.

    Its PACS takes ``originals`` and requests; so does a ``second`` destination, if it has a name.
    ``peers``: who gets results, and which.
    """
    sends = ("results", *(("originals",) if originals else ()), *(("requests",) if takes_requests else ()))
    names = (PACS, second) if second else (PACS,)
    config = Config(
        station=StationSection(name=station_name, ae_title="TEST", data_dir=folder),
        destination=tuple(Destination(name=each, kind="folder", path=folder / each, send=sends) for each in names),
        registration=RegistrationSection(prefix="TA"),
        retention=RetentionSection(reserve_gb=reserve_bytes / 1e9),
        record=tuple(
            RecordPeer(name=name, kind="hl7", host="127.0.0.1", send=send) for name, send in (peers or {}).items()
        ),
    )
    joined = join_stores(database, config, role="front", clock=StoppedClock())
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts.of(database, clock=joined.clock, idle_minutes=30, hasher=hasher)
    known = {user.name for user in accounts.users.list()}
    for role in Role:
        if role.value not in known:
            accounts.users.add(role.value, role=role, full_name=FULL_NAMES[role], password=PASSWORD)
    stores = {field.name: getattr(joined, field.name) for field in fields(joined)} | {"accounts": accounts}
    return TestDesk(**stores)


def reading(priority: Priority = Priority.URGENT, **probabilities: float) -> Reading:
    """A film that was read, every label with a threshold of one half."""
    findings = tuple(
        Finding(kind=KINDS[name], probability=p, threshold=0.5, box=Box(10, 20, 30, 40) if p >= 0.5 else None)
        for name, p in (probabilities or {"pneumothorax": 0.93, "cardiomegaly": 0.12}).items()
    )
    positive = tuple(finding.kind.name for finding in findings if finding.positive)
    return Reading(
        decision=TriageDecision(priority=priority, reasons=positive),
        findings=Findings(findings=findings, scores={"abnormal": 0.9, "cardiothoracic_ratio": 0.51}, model=MODEL),
        model=MODEL,
        seconds=0.2,
    )


def unread(reason: str = "no_model") -> Reading:
    """A film that was not read."""
    decision = TriageDecision(priority=Priority.NOT_READ, reasons=())
    return Reading(decision=decision, not_readable=NotReadable(reason=REASONS[reason]))
