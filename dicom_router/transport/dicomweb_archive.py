"""Asks a DICOMweb root what it has: QIDO-RS (PS3.18 10.6), and WADO-RS (10.4) for one. Knows no consultation."""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from typing import Any

from dicom_router.clock import Clock
from dicom_router.dicom.uids import is_uid
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.archive import MOST_INSTANCES, NOBODYS_STUDY, FoundInstance, Write
from dicom_router.transport.http import TIMEOUTS, DicomwebRoot, HttpResponse
from dicom_router.transport.pace import Pace
from dicom_router.upper_layer.requestor import Timeouts

PAGE = 200
SMALLEST_PAGE = 25  # a shorter answer is the last one; a longer one may have been cut by the server's own limit
LONGEST_PAGE_BYTES = 4 << 20
LONGEST_PART_HEAD_BYTES = 1 << 14
CHUNK_BYTES = 1 << 16
SOP_CLASS, SOP_INSTANCE, SERIES = "00080016", "00080018", "0020000E"
_BOUNDARY = re.compile(r'boundary="?([^";\s]+)')


class DicomwebArchive:
    """See Archive. ``max_kbit_per_second`` 0 is no limit."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        username: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
        max_kbit_per_second: float = 0,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._root = DicomwebRoot(url, username=username, password=password, tls=tls, timeouts=timeouts)
        self._pace = Pace(max_kbit_per_second, clock=clock)

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        """See Archive. Asks page by page; a server that knows no pages answers the same twice, which ends it."""
        found: dict[str, FoundInstance] = {}
        while len(found) < MOST_INSTANCES:
            page = self._page(study_instance_uid, offset=len(found))
            new = {one.sop_instance_uid: one for one in page if one.sop_instance_uid not in found}
            found |= new
            if len(page) < SMALLEST_PAGE or not new:
                break
        return list(found.values())

    def probe(self) -> None:
        """See Archive."""
        self._page(NOBODYS_STUDY, offset=0)

    def fetch(self, found: FoundInstance, write: Write) -> None:
        """See Archive."""
        path = (
            f"/studies/{found.study_instance_uid}/series/{found.series_instance_uid}/instances/{found.sop_instance_uid}"
        )
        accept = {"Accept": 'multipart/related; type="application/dicom"'}
        with self._root.open("GET", path, headers=accept) as answer:
            if answer.status != 200:
                with self._root.faults():
                    said = HttpResponse(status=answer.status, body=answer.read(CHUNK_BYTES))
                if said.status in {404, 410}:
                    raise PeerRefused(f"{self._root.url} does not give {found.sop_instance_uid}", status="HTTP 404")
                raise self._root.failure(said)
            boundary = _BOUNDARY.search(answer.headers.get("Content-Type", ""))
            pieces = self._pieces(answer)
            for piece in _first_part(pieces, boundary[1].encode(), self._broken) if boundary else pieces:
                write(piece)

    def close(self) -> None:
        """Close the connection, if one is open."""
        self._root.close()

    def _page(self, study_instance_uid: str, *, offset: int) -> list[FoundInstance]:
        path = f"/studies/{study_instance_uid}/instances?includefield={SOP_CLASS}&limit={PAGE}&offset={offset}"
        answer = self._root.ask("GET", path, longest=LONGEST_PAGE_BYTES)
        if answer.status == 204 or (answer.status == 404 and self._is_root()):
            return []  # a study that it does not know, as PS3.18 has it and as some say it
        if answer.status != 200:
            raise self._root.failure(answer)
        try:
            entries = json.loads(answer.body)
            return [found for entry in entries if (found := _found(study_instance_uid, entry))]
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise self._broken(f"its list of instances is no DICOM JSON ({error})") from error

    def _is_root(self) -> bool:
        return self._root.ask("GET", "/studies?limit=1").status in {200, 204}

    def _pieces(self, answer: HTTPResponse) -> Iterator[bytes]:
        while True:
            with self._root.faults():
                piece = answer.read(CHUNK_BYTES)
            if not piece:
                return
            self._pace.spend(len(piece))
            yield piece

    def _broken(self, what: str) -> PeerUnreachable:
        return PeerUnreachable(f"{self._root.url}: {what}; check url, it must be the DICOMweb root")


def _found(study_instance_uid: str, entry: dict[str, Any]) -> FoundInstance | None:
    """One match of QIDO-RS, PS3.18 annex F; None without the UIDs by which it can be fetched."""
    sop_class, sop_instance, series = (_text(entry, tag) for tag in (SOP_CLASS, SOP_INSTANCE, SERIES))
    if not is_uid(sop_instance) or not is_uid(series):  # they become a part of a URL
        return None
    return FoundInstance(
        study_instance_uid=study_instance_uid,
        series_instance_uid=series,
        sop_instance_uid=sop_instance,
        sop_class_uid=sop_class,
    )


def _text(entry: dict[str, Any], tag: str) -> str:
    values = (entry.get(tag) or {}).get("Value") or [""]
    return str(values[0]).strip(" \0")


def _first_part(pieces: Iterator[bytes], boundary: bytes, broken: Callable[[str], Exception]) -> Iterator[bytes]:
    """The body of the first part of a multipart answer (RFC 2046 5.1.1), never more than two pieces of it in hand."""
    delimiter = b"\r\n--" + boundary
    held = b"\r\n"  # so that the first boundary is like the others
    while (start := held.find(b"\r\n\r\n", _end_of(delimiter, held))) < 0:
        piece = next(pieces, b"")
        if not piece or len(held) > LONGEST_PART_HEAD_BYTES + CHUNK_BYTES:
            raise broken("its multipart answer has no part")
        held += piece
    held = held[start + 4 :]
    while (end := held.find(delimiter)) < 0:
        certain = max(0, len(held) - len(delimiter))
        if certain:
            yield held[:certain]
        piece = next(pieces, b"")
        if not piece:
            raise broken("its multipart answer ends in the middle")
        held = held[certain:] + piece
    yield held[:end]
    for _ in pieces:  # to its end, so that the connection can be used again
        pass


def _end_of(delimiter: bytes, held: bytes) -> int:
    start = held.find(delimiter)
    return len(held) if start < 0 else start + len(delimiter)
