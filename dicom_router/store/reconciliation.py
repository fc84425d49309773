"""Compares the spool with the database, both ways: files that no row names, rows whose file is gone.

What it does is harmless to repeat. Decodes no pixel; knows no case and no result but by what it is told of them.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import structlog
from pydicom.dataset import Dataset

from dicom_router.dicom.identity import identify_file
from dicom_router.dicom.instance import InstanceRef, SpooledFile, read_header
from dicom_router.dicom.part10 import seek_dataset
from dicom_router.errors import DamagedFile
from dicom_router.store.database import Database
from dicom_router.store.holdings import expects_file
from dicom_router.store.inbox import Inbox, Outcome, record_file
from dicom_router.store.spool import CHUNK_BYTES, Spool
from dicom_router.store.tables import arrival, delivery, purged, spool

CALLING_AE_TITLE = "RECOVERED"  # of an arrival that was found in the spool
HOST = "spool"
ROWS_AT_ONCE = 1000

log = structlog.get_logger()


class Found(StrEnum):
    """What a file without a row was. OURS, UNREADABLE: set apart. KNOWN: its bytes are on record already."""

    FILM = "film"
    KNOWN = "known"
    OURS = "ours"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Rows whose file is gone: of so many arrivals, and so many files that were made or fetched here."""

    arrivals: int = 0
    others: int = 0


class Reconciliation:
    """One spool and one database. ``others``: columns of other owners' tables that hold keys of the spool."""

    def __init__(self, *, spool: Spool, database: Database, inbox: Inbox, others: Sequence[sa.Column[Any]]) -> None:
        self._spool = spool
        self._database = database
        self._inbox = inbox
        self._others = others

    def loose(self) -> set[str]:
        """The keys of all files that no row names. Files on their way to their row are among them."""
        keys = set(self._spool.keys())  # first: what is committed meanwhile has its row below
        named = [sa.select(column).where(column.is_not(None)) for column in self._columns()]
        for key in self._stream(named):
            keys.discard(key)
        return keys

    def missing(self) -> Missing:
        """What rows expect in the spool and is not there."""
        mine = self._spool.id
        arrivals = set(self._stream([sa.select(arrival.c.spool_key).where(expects_file(arrival, mine))]))
        made = sa.select(delivery.c.spool_key).where(delivery.c.what != "original", expects_file(delivery, mine))
        others = set(self._stream([made, *self._of_others()]))
        gone = set(self._stream([sa.select(purged.c.spool_key)]))
        keys = set(self._spool.keys())  # last: what was committed meanwhile is there
        return Missing(arrivals=len(arrivals - keys), others=len(others - arrivals - gone - keys))

    def _of_others(self) -> list[sa.Select[Any]]:
        """Other owners' files; none where several stations share the database, for their rows do not say whose."""
        with self._database.read() as connection:
            if (connection.scalar(sa.select(sa.func.count()).select_from(spool)) or 0) > 1:
                return []
        return [sa.select(column).where(column.is_not(None)) for column in self._others]

    def took_back(self, study_instance_uid: str) -> bool:
        """Whether a film of the study was found in the spool: its peers may have more of it than we know."""
        mine = sa.and_(
            arrival.c.study_instance_uid == study_instance_uid, arrival.c.calling_ae_title == CALLING_AE_TITLE
        )
        with self._database.read() as connection:
            return bool(connection.scalar(sa.select(sa.exists().where(mine))))

    def missing_of(self, study_instance_uid: str) -> int:
        """Of how many arrivals of a study the file is gone."""
        mine = sa.select(arrival.c.spool_key).where(
            arrival.c.study_instance_uid == study_instance_uid, expects_file(arrival, self._spool.id)
        )
        return sum(not self._spool.has(key) for key in self._stream([mine]))

    def take_back(self, key: str, *, is_ours: Callable[[Dataset], bool]) -> Found:
        """Make an arrival of a file that no row names, or set it apart; harmless to repeat.

        ``is_ours`` tells by its header whether an object was made here; such a one is never an arrival. Raises
        SQLAlchemyError, and OSError when the file cannot be read or moved.
        """
        try:
            instance, spooled = self._look_at(key)
        except DamagedFile as error:
            return self._set_apart(key, Found.UNREADABLE, str(error))
        if self._was_made_here(key, is_ours):
            return self._set_apart(key, Found.OURS, instance.sop_class_uid)
        outcome = record_file(
            self._inbox,
            self._spool,
            instance=instance,
            spooled=spooled,
            calling_ae_title=CALLING_AE_TITLE,
            peer_host=HOST,
            received_at=self._spool.kept_at(key),
        )
        log.info("film taken back from the spool", key=key, outcome=str(outcome))
        return Found.KNOWN if outcome is Outcome.SAME else Found.FILM

    def _look_at(self, key: str) -> tuple[InstanceRef, SpooledFile]:
        digest = hashlib.sha256()
        with self._spool.open(key) as stream:
            instance = identify_file(stream)
            seek_dataset(stream)
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
            return instance, SpooledFile(key=key, sha256=digest.hexdigest(), size_bytes=stream.tell())

    def _was_made_here(self, key: str, is_ours: Callable[[Dataset], bool]) -> bool:
        try:
            with self._spool.open(key) as stream:
                return is_ours(read_header(stream))
        except DamagedFile:  # what we make can be read
            return False

    def _set_apart(self, key: str, found: Found, why: str) -> Found:
        self._spool.set_apart(key)
        log.warning("file set apart", key=key, found=found.value, why=why)
        return found

    def _columns(self) -> list[sa.Column[Any]]:
        return [arrival.c.spool_key, delivery.c.spool_key, *self._others]

    def _stream(self, queries: Sequence[sa.Select[Any]]) -> Iterator[str]:
        with self._database.read() as connection:
            for query in queries:
                yield from connection.execution_options(yield_per=ROWS_AT_ONCE).scalars(query)
