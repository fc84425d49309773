"""Modality Performed Procedure Step SCP, PS3.4 annex F.7.2: a machine says that it begins, and how it ended.

Knows no order: its caller keeps the steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.dicom.keys import Keys
from dicom_router.dicom.status import Status
from dicom_router.dicom.uids import PERFORMED_STEP, UNCOMPRESSED, is_uid
from dicom_router.errors import DamagedFile
from dicom_router.scp.provider import Refused, TooLong, read_keys
from dicom_router.upper_layer.acceptor import Message
from dicom_router.upper_layer.command import CommandField, Response

_ACCESSION_NUMBER, _PATIENT_ID, _STUDY_INSTANCE_UID = 0x00080050, 0x00100020, 0x0020000D
_STATUS, _SCHEDULED_STEPS = 0x00400252, 0x00400270

log = structlog.get_logger()


class StepState(StrEnum):
    """Performed Procedure Step Status (0040,0252), PS3.3 C.4.14. The first may change, the others are final."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledStep:
    """What the machine says it works for. Either is empty when it does not say."""

    study_instance_uid: str
    accession_number: str


class StepBook(Protocol):
    """Keeps the steps: committed when a method returns. Both may raise SQLAlchemyError."""

    def begin(
        self, sop_instance_uid: str, steps: tuple[ScheduledStep, ...], *, patient_id: str, calling_ae_title: str
    ) -> bool:
        """A step in progress; whether any order is known to ``steps`` is no matter. False: that UID was there.

        ``patient_id``: who is filmed, as the machine has it; empty when it does not say.
        """
        ...

    def change(self, sop_instance_uid: str, state: StepState) -> StepState | None:
        """Set the state of a step that is in progress. The state before; None: there is no such step."""
        ...


class PerformedSteps:
    """A provider of N-CREATE and N-SET. Success means that the step is on record."""

    transfer_syntaxes = UNCOMPRESSED

    def __init__(self, book: StepBook) -> None:
        self._book = book

    def serves(self, sop_class_uid: str) -> bool:
        """See Provider."""
        return sop_class_uid == PERFORMED_STEP

    def answer(self, message: Message) -> Iterator[Response]:
        """The one response. See Provider."""
        try:
            answer = self._answer(message)
        except Refused as refused:
            answer = refused.answer
        except TooLong as error:
            answer = Response(Status.RESOURCE_LIMITATION, str(error))
        except DamagedFile as error:
            answer = Response(Status.PROCESSING_FAILURE, str(error))
        except SQLAlchemyError as error:
            log.error("performed step not recorded", error=str(error).splitlines()[0])
            answer = Response(Status.PROCESSING_FAILURE, "could not be recorded, try later")
        if answer.status != Status.SUCCESS:
            log.warning("performed step refused", calling_ae_title=message.calling_ae_title, reason=answer.comment)
        yield answer

    def _answer(self, message: Message) -> Response:
        uid = message.request.sop_instance_uid
        if message.request.field not in (CommandField.N_CREATE_RQ, CommandField.N_SET_RQ):
            return Response(Status.UNRECOGNISED_OPERATION, "only N-CREATE and N-SET are served for performed steps")
        if not is_uid(uid):
            return Response(Status.INVALID_INSTANCE_UID, "SOP Instance UID is missing or no UID")
        keys = read_keys(message)
        if message.request.field == CommandField.N_CREATE_RQ:
            return self._begin(uid, keys, message.calling_ae_title)
        return self._change(uid, keys)

    def _begin(self, uid: str, keys: Keys, calling_ae_title: str) -> Response:
        if _state(keys) is not StepState.IN_PROGRESS:
            return Response(Status.INVALID_ATTRIBUTE_VALUE, "a step begins IN PROGRESS")
        items = _required(keys, _SCHEDULED_STEPS, "Scheduled Step Attributes Sequence")
        steps = tuple(
            ScheduledStep(
                study_instance_uid=str(item.get(_STUDY_INSTANCE_UID, "")),
                accession_number=str(item.get(_ACCESSION_NUMBER, "")),
            )
            for item in items
            if not isinstance(item, str)
        )
        patient_id = str(keys.get(_PATIENT_ID, ""))
        if not self._book.begin(uid, steps, patient_id=patient_id, calling_ae_title=calling_ae_title):
            return Response(Status.DUPLICATE_INSTANCE, "this step has begun already")
        log.info("performed step begun", calling_ae_title=calling_ae_title, step=uid)
        return Response(Status.SUCCESS)

    def _change(self, uid: str, keys: Keys) -> Response:
        state = _state(keys) if _STATUS in keys else StepState.IN_PROGRESS
        before = self._book.change(uid, state)
        if before is None:
            return Response(Status.NO_SUCH_INSTANCE, "no such step was begun")
        if before is not StepState.IN_PROGRESS:
            comment = f"the step is {before} and changes no more"
            return Response(Status.PROCESSING_FAILURE, comment, error_id=Status.NO_LONGER_UPDATED)
        log.info("performed step changed", step=uid, state=str(state))
        return Response(Status.SUCCESS)


def _required(keys: Keys, tag: int, name: str) -> str | Sequence[Keys]:
    if tag not in keys:
        raise Refused(Status.MISSING_ATTRIBUTE, f"{name} is missing")
    if not keys[tag]:
        raise Refused(Status.MISSING_ATTRIBUTE_VALUE, f"{name} is empty")
    return keys[tag]


def _state(keys: Keys) -> StepState:
    said = str(_required(keys, _STATUS, "Performed Procedure Step Status"))
    if said not in tuple(StepState):
        raise Refused(Status.INVALID_ATTRIBUTE_VALUE, f"Performed Procedure Step Status is {said[:16]!r}")
    return StepState(said)
