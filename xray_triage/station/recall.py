"""Takes films that were purged back from a PACS, when somebody wants to see them. Must never know a page.

They come into the bounded folder of copies; the rows of the station stay as they are.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import structlog

from dicom_router.dicom.instance import InstanceRef, read_header
from dicom_router.errors import DamagedFile, PeerRefused, PeerUnreachable, SpoolFull
from dicom_router.store.spool import Spool
from dicom_router.transport.archive import Archive, FoundInstance

LARGEST_BYTES = 1 << 30
WAIT_SECONDS = 30.0  # behind somebody else's film

log = structlog.get_logger()


class Recall:
    """One film at a time, from the first of ``sources`` that gives it. Any thread may ask."""

    def __init__(self, spool: Spool, sources: Mapping[str, Archive]) -> None:
        self._spool = spool
        self._sources = sources
        self._turn = threading.Lock()

    def fetch(self, instance: InstanceRef, key: str) -> None:
        """Have the copy under ``key``. Raises PeerUnreachable, PeerRefused or SpoolFull, of the last source asked."""
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise PeerUnreachable("another film is being fetched; try again in a minute")
        try:
            if not self._spool.fetched.has(key):
                self._from_any(instance, key)
        finally:
            self._turn.release()

    def _from_any(self, instance: InstanceRef, key: str) -> None:
        last: Exception | None = None
        for name, archive in self._sources.items():
            try:
                self._from(archive, instance, key)
            except (PeerUnreachable, PeerRefused) as error:
                last = error
                log.warning("film not fetched", source=name, error=str(error))
            else:
                log.info("film fetched back", source=name, sop_instance_uid=instance.sop_instance_uid)
                return
            finally:
                archive.close()
        raise last or PeerRefused("no PACS has a url to fetch it by", status="")

    def _from(self, archive: Archive, instance: InstanceRef, key: str) -> None:
        found = FoundInstance(
            study_instance_uid=instance.study_instance_uid,
            series_instance_uid=instance.series_instance_uid,
            sop_instance_uid=instance.sop_instance_uid,
            sop_class_uid=instance.sop_class_uid,
        )
        with self._spool.fetched.put(key) as file:
            self._write(archive, found, file)
            try:
                given = str(read_header(file).get("SOPInstanceUID", ""))
            except DamagedFile as error:
                raise PeerRefused(f"what it gives is no film: {error}", status="damaged") from error
            if given != instance.sop_instance_uid:
                raise PeerRefused(f"it gives {given or 'a nameless instance'} instead", status="another")

    def _write(self, archive: Archive, found: FoundInstance, file: BinaryIO) -> None:
        size_bytes = 0

        def write(piece: bytes | memoryview) -> None:
            nonlocal size_bytes
            size_bytes += len(piece)
            if size_bytes > LARGEST_BYTES:
                raise PeerRefused(f"it gives more than {LARGEST_BYTES} bytes", status="too large")
            if self._spool.free_bytes() < len(piece):
                raise SpoolFull("no room for a copy of a film; free some disk")
            with _full_disk_told():
                file.write(piece)

        archive.fetch(found, write)
        with _full_disk_told():
            file.seek(0)  # which writes what is buffered


@contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolFull(f"a copy of a film cannot be written: {error}") from error
