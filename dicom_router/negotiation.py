"""What is agreed when an association begins, PS3.8 7.1 and PS3.7 annex D. The gate's only use of pynetdicom; no I/O."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from dicom_router.pdu import ProtocolViolation

IMPLEMENTATION_CLASS_UID = "2.25.150870262393914318929571426853217083409"
IMPLEMENTATION_VERSION_NAME = "XRAY_TRIAGE"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

VERIFICATION = "1.2.840.10008.1.1"
_DICOM_ROOT = "1.2.840.10008."
_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."

# Ours first: of several that a machine offers in one context, the one that costs no quality and is read fastest.
# Deflated and JPIP are never taken: a small file of theirs may be anything when opened.
TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.1",  # explicit VR little endian
    "1.2.840.10008.1.2",  # implicit VR little endian
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K lossless, resolution order
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.2",  # explicit VR big endian
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.203",  # HTJ2K
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
)
_UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One accepted presentation context."""

    sop_class_uid: str
    transfer_syntax_uid: str


def parse_association_request(pdu: bytes) -> A_ASSOCIATE:
    """Read an A-ASSOCIATE-RQ PDU, PS3.8 9.3.2. Raises ProtocolViolation.

    pynetdicom's codec raises whatever its parts raise; noise from the network ends here.
    """
    request = A_ASSOCIATE_RQ()
    try:
        request.decode(pdu)
        primitive = request.to_primitive()
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error) as error:
        raise ProtocolViolation(f"a malformed A-ASSOCIATE-RQ: {error}") from error
    if not request.protocol_version & 1:
        raise ProtocolViolation("an unknown version of the upper layer protocol")
    return primitive


def accept(request: A_ASSOCIATE, *, max_pdu: int) -> tuple[bytes, Mapping[int, Context]]:
    """The A-ASSOCIATE-AC PDU, and by context ID what it accepts. Refused contexts have result 3 or 4 in it."""
    proposed = request.presentation_context_definition_list
    results, _roles = negotiate_as_acceptor(proposed, _supported(proposed))
    answer = A_ASSOCIATE()
    answer.application_context_name = APPLICATION_CONTEXT
    answer.calling_ae_title = request.calling_ae_title
    answer.called_ae_title = request.called_ae_title
    answer.result, answer.result_source = 0, 1
    answer.presentation_context_definition_results_list = results
    answer.user_information = [*_user_information(max_pdu)]
    contexts = {
        cast(int, result.context_id): Context(
            sop_class_uid=str(result.abstract_syntax), transfer_syntax_uid=str(result.transfer_syntax[0])
        )
        for result in results
        if result.result == 0
    }
    return A_ASSOCIATE_AC(answer).encode(), contexts


def is_storage(sop_class_uid: str) -> bool:
    """Whether objects of this class are kept: every composite class of PS3.4 annex B, and every private one."""
    return sop_class_uid.startswith(_STORAGE_ROOT) or not sop_class_uid.startswith(_DICOM_ROOT)


def _supported(proposed: list[PresentationContext]) -> list[PresentationContext]:
    classes = {str(context.abstract_syntax) for context in proposed}
    return [
        build_context(sop_class, list(_UNCOMPRESSED if sop_class == VERIFICATION else TRANSFER_SYNTAXES))
        for sop_class in classes
        if sop_class == VERIFICATION or is_storage(sop_class)
    ]


def _user_information(
    max_pdu: int,
) -> tuple[MaximumLengthNotification, ImplementationClassUIDNotification, ImplementationVersionNameNotification]:
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return length, implementation, version
