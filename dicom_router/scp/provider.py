"""The interface of a DICOM service that the listener offers, and how a small dataset comes out of a message.

Knows no SOP class of its own: storage.py, echo.py, modality_worklist.py, performed_step.py and commitment.py have them.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from dicom_router.dicom.keys import Keys, decode_keys
from dicom_router.dicom.status import Status
from dicom_router.upper_layer.acceptor import EventReport, Message
from dicom_router.upper_layer.command import Response

LONGEST_DATASET = 1 << 16
NOT_SERVED = Response(Status.UNRECOGNISED_OPERATION, "this operation is not served for this SOP class")


class Provider(Protocol):
    """A service class provider, PS3.7 7.5. One for the listener; every association calls it from its own thread."""

    @property
    def transfer_syntaxes(self) -> Sequence[str]:
        """In which it takes datasets, the preferred first."""
        ...

    def serves(self, sop_class_uid: str) -> bool:
        """Whether it answers for this SOP class. Two providers of a listener never serve the same."""
        ...

    def answer(self, message: Message) -> Iterator[Response | EventReport]:
        """The responses to one request, the last one final; after a C-CANCEL no more of them are asked for.

        After the final one there may be a report of what became of the request.

        Raises ConnectionLost or ProtocolViolation when the request's dataset never ends.
        """
        ...


class Refused(Exception):
    """The request gets this one response; ``comment`` is for the person who reads the machine's log."""

    def __init__(self, status: Status, comment: str) -> None:
        super().__init__(comment)
        self.answer = Response(status, comment)


class TooLong(ValueError):
    """The dataset of a request is over LONGEST_DATASET."""


def read_keys(message: Message) -> Keys:
    """The dataset of a request, every text in it decoded. Raises DamagedFile, and what ``read_encoded`` raises."""
    return decode_keys(read_encoded(message), message.context.transfer_syntax_uid)


def read_encoded(message: Message) -> bytes:
    """The dataset of a request, of at most LONGEST_DATASET bytes, as it came.

    Raises TooLong; ConnectionLost or ProtocolViolation when it never ends.
    """
    encoded = bytearray()
    for fragment in message.fragments:
        encoded += fragment
        if len(encoded) > LONGEST_DATASET:
            raise TooLong(f"a dataset over {LONGEST_DATASET} bytes")
    return bytes(encoded)
