"""Asks a peer over DIMSE: C-FIND for what it has, C-GET for an instance (PS3.4 annex C). Knows no consultation.

C-GET and not C-MOVE: a station behind NAT cannot be called back.
"""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NoReturn

from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_router.clock import Clock
from dicom_router.dicom.keys import Keys, decode_keys, encode
from dicom_router.dicom.part10 import file_head
from dicom_router.dicom.status import PENDING, Status, is_out_of_resources, written
from dicom_router.dicom.uids import STUDY_ROOT_FIND, STUDY_ROOT_GET, UNCOMPRESSED, is_uid
from dicom_router.errors import DamagedFile, NotOffered, PeerRefused, PeerUnreachable
from dicom_router.transport.archive import MOST_INSTANCES, MOST_STUDIES, NOBODYS_STUDY, FoundInstance, FoundStudy, Write
from dicom_router.transport.line import PeerLine
from dicom_router.transport.pace import Pace
from dicom_router.upper_layer.command import CommandField, Request, Response
from dicom_router.upper_layer.connection import TIMEOUTS, Endpoint, Timeouts
from dicom_router.upper_layer.negotiation import Context
from dicom_router.upper_layer.requestor import RequestedAssociation

_FETCHED = (*UNCOMPRESSED, DeflatedExplicitVRLittleEndian)  # what is kept deflated is given as it is by some
LONGEST_MATCH_BYTES = 1 << 16
# The peer is well, and does not give this one instance.
NOT_THIS_ONE = frozenset({Status.SUCCESS, Status.SUB_OPERATIONS_FAILED, Status.SUB_OPERATIONS_IMPOSSIBLE})
_LEVEL, _STUDY, _SERIES, _INSTANCE, _CLASS = 0x00080052, 0x0020000D, 0x0020000E, 0x00080018, 0x00080016
_ACCESSION, _NAME, _PATIENT, _BORN = 0x00080050, 0x00100010, 0x00100020, 0x00100030
_OF_A_STUDY = dict.fromkeys((_NAME, _PATIENT, _BORN, _STUDY), "")
MOST_SURPLUS_BYTES = 1 << 24  # of what comes in a C-GET and was not asked for


class DimseArchive:
    """See Archive. ``sop_classes`` are those that may be fetched; ``max_kbit_per_second`` 0 is no limit."""

    def __init__(  # noqa: PLR0913 - one for each line of a destination in station.toml
        self,
        host: str,
        port: int,
        ae_title: str,
        calling_ae_title: str,
        *,
        sop_classes: Sequence[str],
        clock: Clock,
        max_kbit_per_second: float = 0,
        tls: ssl.SSLContext | None = None,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._endpoint = Endpoint(host=host, port=port, ae_title=ae_title, calling_ae_title=calling_ae_title, tls=tls)
        self._sop_classes = sop_classes
        self._line = PeerLine(self._endpoint, timeouts)
        self._pace = Pace(max_kbit_per_second, clock=clock)

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        """See Archive. Series by series: a query over all of them at once needs an agreement that few peers make."""
        found: dict[str, FoundInstance] = {}
        with self._open() as association:
            matches = self._find(association, _series_of(study_instance_uid))
            for series in dict.fromkeys(str(match.get(_SERIES, "")) for match in matches):
                if not is_uid(series) or len(found) >= MOST_INSTANCES:
                    continue
                for match in self._find(association, _images_of(study_instance_uid, series)):
                    uid = str(match.get(_INSTANCE, ""))
                    if is_uid(uid):
                        found[uid] = FoundInstance(
                            study_instance_uid=study_instance_uid,
                            series_instance_uid=series,
                            sop_instance_uid=uid,
                            sop_class_uid=str(match.get(_CLASS, "")),
                        )
        return list(found.values())

    def studies(self, accession_number: str) -> list[FoundStudy]:
        """See Archive."""
        with self._open() as association:
            matches = self._find(association, {_LEVEL: "STUDY", _ACCESSION: accession_number, **_OF_A_STUDY})
        return [
            FoundStudy(
                study_instance_uid=str(match[_STUDY]),
                patient_id=str(match.get(_PATIENT, "")),
                patient_name=str(match.get(_NAME, "")),
                patient_birth_date=str(match.get(_BORN, "")),
            )
            for match in matches[:MOST_STUDIES]
            if is_uid(str(match.get(_STUDY, ""))) and match.get(_ACCESSION) == accession_number
        ]

    def probe(self) -> None:
        """See Archive."""
        with self._open() as association:
            self._find(association, _series_of(NOBODYS_STUDY))
            self._context(association, STUDY_ROOT_GET)

    def fetch(self, found: FoundInstance, write: Write) -> None:
        """See Archive."""
        keys = _images_of(found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid)
        with self._open() as association:
            context = self._context(association, STUDY_ROOT_GET)
            association.ask(context, CommandField.C_GET_RQ, encode(keys, context.transfer_syntax_uid, str.encode))
            has_come, answer = self._take(association, found, write)
        if has_come:
            return
        if answer.status in NOT_THIS_ONE:
            what = f"{self._endpoint} did not send {found.sop_instance_uid}"
            raise PeerRefused(what, status=written(answer.status))
        self._fail(answer, "C-GET")

    def close(self) -> None:
        """Release the association, if one is open."""
        self._line.close()

    def _find(self, association: RequestedAssociation, keys: Keys) -> list[Keys]:
        """All matches, PS3.4 C.4.1. Over our limit the rest is cancelled; a peer may end so at its own (Orthanc)."""
        context = self._context(association, STUDY_ROOT_FIND)
        association.ask(context, CommandField.C_FIND_RQ, encode(keys, context.transfer_syntax_uid, str.encode))
        matches: list[Keys] = []
        for number in range(2 * MOST_INSTANCES):
            context_id, answer = association.next_message()
            if isinstance(answer, Request):
                raise association.fault("it asks instead of answering")
            encoded = _joined(association.dataset(context_id)) if answer.has_dataset else b""
            if answer.status not in PENDING:
                if answer.status not in {Status.SUCCESS, Status.CANCELLED} and number <= MOST_INSTANCES:
                    self._fail(answer, "C-FIND")
                return matches
            if number < MOST_INSTANCES:
                matches.append(self._decode(encoded, context))
            elif number == MOST_INSTANCES:
                association.cancel(context)
        raise association.fault("its answer to C-FIND does not end")

    def _take(self, association: RequestedAssociation, found: FoundInstance, write: Write) -> tuple[bool, Response]:
        """Answer what comes in a C-GET (PS3.4 C.4.3) until its last response; whether the instance came.

        Only its first copy is written. A peer that does not stop sending other things is hung up on.
        """
        has_come, surplus_bytes = False, 0
        for _ in range(MOST_INSTANCES):
            context_id, request = association.next_message()
            if isinstance(request, Response):
                if request.has_dataset:
                    _joined(association.dataset(context_id))
                if request.status not in PENDING:
                    return has_come, request
                continue
            if request.field != CommandField.C_STORE_RQ:
                raise association.fault("it asks for something else than to store")
            context = next((one for one, number in association.accepted.items() if number == context_id), None)
            is_wanted = context is not None and request.sop_instance_uid == found.sop_instance_uid
            is_first = is_wanted and not has_come
            if context is not None and is_first:
                write(file_head(context.sop_class_uid, found.sop_instance_uid, context.transfer_syntax_uid))
            for fragment in association.dataset(context_id):
                self._pace.spend(len(fragment))
                if is_first:
                    write(fragment)
                elif (surplus_bytes := surplus_bytes + len(fragment)) > MOST_SURPLUS_BYTES:
                    association.abort()
                    return has_come, Response(Status.SUB_OPERATIONS_FAILED)
            has_come |= is_wanted
            association.respond(context_id, request, Response(Status.SUCCESS if is_wanted else Status.CLASS_MISMATCH))
        raise association.fault("its answer to C-GET does not end")

    def _open(self) -> AbstractContextManager[RequestedAssociation]:
        asked = [(each, syntax) for each in (STUDY_ROOT_FIND, STUDY_ROOT_GET) for syntax in UNCOMPRESSED]
        asked += [(each, syntax) for each in self._sop_classes for syntax in _FETCHED]
        contexts = [Context(sop_class_uid=each, transfer_syntax_uid=syntax) for each, syntax in asked]
        return self._line.association(contexts, taken=self._sop_classes)

    def _context(self, association: RequestedAssociation, sop_class_uid: str) -> Context:
        """An accepted context of this class. Raises PeerRefused, saying what the site can do."""
        for context in association.accepted:
            if context.sop_class_uid == sop_class_uid:
                return context
        what = "C-GET" if sop_class_uid == STUDY_ROOT_GET else "C-FIND"
        raise NotOffered(
            f"{self._endpoint} has no {what} for us (Study Root): allow it there, or give this destination its url",
            status=written(Status.CLASS_NOT_SUPPORTED),
        )

    def _decode(self, encoded: bytes, context: Context) -> Keys:
        try:
            return decode_keys(encoded, context.transfer_syntax_uid)
        except DamagedFile as error:
            raise PeerUnreachable(f"{self._endpoint}: its answer to C-FIND is no DICOM ({error})") from error

    def _fail(self, answer: Response, what: str) -> NoReturn:
        """A final status of PS3.4 tables C.4-1 and C.4-3 that is no success."""
        told = written(answer.status)
        sentence = f"{self._endpoint} answered {told} to {what}" + (f": {answer.comment}" if answer.comment else "")
        if answer.status == Status.NOT_AUTHORISED:
            raise PeerUnreachable(f"{sentence}; ask its administrator to allow it", slowly=True, status=told)
        if is_out_of_resources(answer.status):
            raise PeerUnreachable(f"{sentence}; it will be tried again", status=told)
        raise PeerRefused(sentence, status=told)


def _series_of(study: str) -> Keys:
    return {_LEVEL: "SERIES", _STUDY: study, _SERIES: ""}


def _images_of(study: str, series: str, instance: str = "") -> Keys:
    return {_LEVEL: "IMAGE", _STUDY: study, _SERIES: series, _INSTANCE: instance, _CLASS: ""}


def _joined(fragments: Iterator[memoryview]) -> bytes:
    encoded = b""
    for fragment in fragments:
        encoded += fragment
        if len(encoded) > LONGEST_MATCH_BYTES:
            raise PeerUnreachable("its answer to C-FIND does not end; is this a PACS?")
    return encoded
