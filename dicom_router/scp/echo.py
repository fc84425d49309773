"""Verification SCP, PS3.4 annex A: a machine asks whether anybody is there. Knows nothing else."""

from collections.abc import Iterator

from dicom_router.dicom.status import Status
from dicom_router.dicom.uids import TRANSFER_SYNTAXES, VERIFICATION
from dicom_router.scp.provider import NOT_SERVED
from dicom_router.upper_layer.acceptor import Message
from dicom_router.upper_layer.command import CommandField, Response


class Echo:
    """A provider of C-ECHO."""

    transfer_syntaxes = TRANSFER_SYNTAXES

    def serves(self, sop_class_uid: str) -> bool:
        """See Provider."""
        return sop_class_uid == VERIFICATION

    def answer(self, message: Message) -> Iterator[Response]:
        """The one response. See Provider."""
        yield Response(Status.SUCCESS) if message.request.field == CommandField.C_ECHO_RQ else NOT_SERVED
