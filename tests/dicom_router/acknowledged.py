"""Deliveries that were acknowledged, on a real database, and what was asked about them: for tests of proofs."""

from contextlib import ExitStack
from io import BytesIO

import sqlalchemy as sa

from dicom_router.dicom.instance import Acknowledgement, InstanceRef, SpooledFile
from dicom_router.dicom.part10 import dataset_sha256
from dicom_router.store.commitments import Commitments
from dicom_router.store.database import Database
from dicom_router.store.delivery import Delivery
from dicom_router.store.ledger import Ledger, Work
from dicom_router.store.outbox import Outbox, commitment_kind
from dicom_router.store.tables import delivery, work
from tests.factories import DX, ExplicitVRLittleEndian, StoppedClock

STUDY, FILM, REPORT = "1.2", "1.2.3", "1.2.4"


class Desk:
    """Ledger, outbox and proofs on one database."""

    def __init__(self, database: Database) -> None:
        self.clock = StoppedClock()
        self.closing = ExitStack()  # what a test opened
        self.database = database
        self.ledger = Ledger(database, clock=self.clock, node="station/front")
        self.outbox = Outbox(database, self.ledger, clock=self.clock)
        self.book = Commitments(database, self.ledger, self.outbox, clock=self.clock)

    def enqueue(self, uid: str, *, to: tuple[str, ...] = ("pacs",), study: str = STUDY, content: bytes = b"") -> None:
        instance = InstanceRef(
            sop_instance_uid=uid,
            sop_class_uid=DX,
            study_instance_uid=study,
            series_instance_uid=f"{study}.1",
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )
        sha256 = dataset_sha256(BytesIO(content)) if content else uid
        spooled = SpooledFile(key="0" * 32, sha256=sha256, size_bytes=1000)
        with self.database.write() as connection:
            self.outbox.enqueue(
                connection, instance=instance, spooled=spooled, what="sr", urgent=False, destinations=to
            )

    def deliver(self, *uids: str, to: tuple[str, ...] = ("pacs",), study: str = STUDY, content: bytes = b"") -> None:
        """Queue them and have them acknowledged."""
        for uid in uids:
            self.enqueue(uid, to=to, study=study, content=content)
        self.acknowledge_all(*to)

    def acknowledge_all(self, *destinations: str) -> None:
        for name in destinations:
            while claimed := self.outbox.claim(name, "light"):
                word = Acknowledgement(status="0x0000", peer="PACS", at=self.clock.now(), sent_bytes=900)
                self.outbox.acknowledge(*claimed, word)

    def claim(self, destination: str = "pacs") -> Work:
        claimed = self.book.claim(destination)
        assert claimed is not None
        return claimed

    def unproved(self, destination: str = "pacs") -> list[Delivery]:
        return [each for each, _ in self.book.unproved(destination, STUDY)]

    def answers(self) -> list[int | None]:
        return [each.answer for _, inquiries in self.book.unproved("pacs", STUDY) for each in inquiries]

    def obstacle(self) -> str:
        """What the work of proving says of the study."""
        mine = sa.and_(work.c.kind == commitment_kind("pacs"), work.c.key == STUDY)
        with self.database.read() as connection:
            return str(connection.scalar(sa.select(work.c.error).where(mine)))

    def delivery(self, uid: str = FILM) -> Delivery:
        (found,) = [one for one in self.outbox.of_study(STUDY) if one.instance.sop_instance_uid == uid]
        return found

    def are_committed(self, *uids: str, at: tuple[str, ...] = ("pacs",)) -> bool:
        """Whether every one of these is proved to be at every one of these destinations."""
        proved = sa.select(sa.func.count()).where(
            delivery.c.destination.in_(at),
            delivery.c.sop_instance_uid.in_(uids),
            delivery.c.acknowledged_at.is_not(None),
            delivery.c.committed_at.is_not(None),
        )
        with self.database.read() as connection:
            return connection.execute(proved).scalar_one() == len(set(uids)) * len(set(at))
