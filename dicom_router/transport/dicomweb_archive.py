"""Asks a DICOMweb root what it has: QIDO-RS (PS3.18 10.6), and WADO-RS (10.4) for one. Knows no consultation."""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from dicom_router.clock import Clock
from dicom_router.dicom.uids import is_uid
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.archive import MOST_INSTANCES, MOST_STUDIES, NOBODYS_STUDY, FoundInstance, FoundStudy, Write
from dicom_router.transport.http import CHUNK_BYTES, TIMEOUTS, Body, DicomwebRoot, HttpResponse, parameters
from dicom_router.transport.pace import Pace
from dicom_router.upper_layer.connection import Timeouts

PAGE = 200
LONGEST_PAGE_BYTES = 4 << 20
LONGEST_PART_HEAD_BYTES = 1 << 14
SOP_CLASS, SOP_INSTANCE, SERIES = "00080016", "00080018", "0020000E"
STUDY, ACCESSION, NAME, PATIENT, BORN = "0020000D", "00080050", "00100010", "00100020", "00100030"
Match = TypeVar("Match")


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
        """See Archive. Asks until a page brings nothing new: a server may have a limit of its own, however short.

        It should say so (Warning 299, PS3.18 8.3.4.4); not every one does. One without pages answers the same twice.
        """
        found: dict[str, FoundInstance] = {}
        offset = 0
        while len(found) < MOST_INSTANCES:
            page, entries = self._page(study_instance_uid, offset=offset)
            new = {one.sop_instance_uid: one for one in page if one.sop_instance_uid not in found}
            if not new:
                break
            found |= new
            offset += entries
        return list(found.values())

    def studies(self, accession_number: str) -> list[FoundStudy]:
        """See Archive. A server that cannot search for it answers with any studies: those are left out."""
        asked = "&".join(f"includefield={tag}" for tag in (ACCESSION, NAME, PATIENT, BORN))
        path = f"/studies?AccessionNumber={quote(accession_number, safe='')}&{asked}&limit={MOST_STUDIES}"
        return self._matches(path, lambda entry: _study(accession_number, entry))[0]

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
                    said = HttpResponse(status=answer.status, body=Body(answer).read(CHUNK_BYTES))
                if said.status in {404, 410}:
                    raise PeerRefused(f"{self._root.url} does not give {found.sop_instance_uid}", status="HTTP 404")
                raise self._root.failure(said)
            boundary = parameters(answer.headers.get("Content-Type", "")).get("boundary")
            pieces = self._pieces(Body(answer))
            for piece in _first_part(pieces, boundary.encode("latin-1"), self._malformed) if boundary else pieces:
                write(piece)

    def close(self) -> None:
        """Close the connection, if one is open."""
        self._root.close()

    def _page(self, study_instance_uid: str, *, offset: int) -> tuple[list[FoundInstance], int]:
        """What one answer names that can be fetched, and how many entries it had."""
        path = f"/studies/{study_instance_uid}/instances?includefield={SOP_CLASS}&limit={PAGE}&offset={offset}"
        return self._matches(path, lambda entry: _found(study_instance_uid, entry))

    def _matches(self, path: str, read: Callable[[dict[str, Any]], Match | None]) -> tuple[list[Match], int]:
        answer = self._root.ask("GET", path, longest=LONGEST_PAGE_BYTES)
        if answer.status == 204 or (answer.status == 404 and self._is_root()):
            return [], 0  # a study that it does not know, as PS3.18 has it and as some say it
        if answer.status != 200:
            raise self._root.failure(answer)
        try:
            entries = json.loads(answer.body)
            return [found for entry in entries if (found := read(entry)) is not None], len(entries)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise self._broken(f"its list is no DICOM JSON ({error})") from error

    def _is_root(self) -> bool:
        return self._root.ask("GET", "/studies?limit=1").status in {200, 204}

    def _pieces(self, body: Body) -> Iterator[bytes]:
        while True:
            with self._root.faults():
                piece = body.read(CHUNK_BYTES)
            if not piece:
                return
            self._pace.spend(len(piece))
            yield piece

    def _broken(self, what: str) -> PeerUnreachable:
        return PeerUnreachable(f"{self._root.url}: {what}; check url, it must be the DICOMweb root")

    def _malformed(self, what: str) -> PeerRefused:
        """Of one instance: the others may well come."""
        return PeerRefused(f"{self._root.url}: {what}", status="malformed")


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


def _study(accession_number: str, entry: dict[str, Any]) -> FoundStudy | None:
    study, accession = _text(entry, STUDY), _text(entry, ACCESSION)
    if accession != accession_number or not is_uid(study):
        return None
    return FoundStudy(
        study_instance_uid=study,
        patient_id=_text(entry, PATIENT),
        patient_name=_text(entry, NAME),
        patient_birth_date=_text(entry, BORN),
    )


def _text(entry: dict[str, Any], tag: str) -> str:
    (value, *_) = (entry.get(tag) or {}).get("Value") or [""]
    return str(value.get("Alphabetic", "") if isinstance(value, dict) else value).strip(" \0")


def _first_part(pieces: Iterator[bytes], boundary: bytes, malformed: Callable[[str], Exception]) -> Iterator[bytes]:
    """The body of the first part of a multipart answer (RFC 2046 5.1.1), never more than two pieces of it in hand.

    Lines that end in a line feed alone are taken for lines, as the part's head has them.
    """
    head = re.compile(rb"(?:\A|\n)--" + re.escape(boundary) + rb"[ \t]*(\r?\n)(?:[^\r\n]+\r?\n)*\r?\n")
    held = b""
    while (begun := head.search(held)) is None:
        piece = next(pieces, b"")
        if not piece or len(held) > LONGEST_PART_HEAD_BYTES + CHUNK_BYTES:
            raise malformed("its multipart answer has no part")
        held += piece
    delimiter = begun[1] + b"--" + boundary
    held = held[begun.end() :]
    while (end := held.find(delimiter)) < 0:
        certain = max(0, len(held) - len(delimiter))
        if certain:
            yield held[:certain]
        piece = next(pieces, b"")
        if not piece:
            raise malformed("its multipart answer ends in the middle")
        held = held[certain:] + piece
    yield held[:end]
    for _ in pieces:  # to its end, so that the connection can be used again
        pass
