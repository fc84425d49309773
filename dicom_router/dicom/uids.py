"""Unique identifiers (PS3.5 9): what is one, which are ours, which services and encodings we speak. Knows no object.

Storage classes and transfer syntaxes go by their names in ``pydicom.uid`` everywhere; it names no other service.
"""

import re

from pydicom import uid

IMPLEMENTATION_CLASS_UID = "2.25.150870262393914318929571426853217083409"
IMPLEMENTATION_VERSION_NAME = "XRAY_TRIAGE"

DICOM_ROOT = "1.2.840.10008."
STORAGE_ROOT = f"{DICOM_ROOT}5.1.4.1.1."
APPLICATION_CONTEXT = f"{DICOM_ROOT}3.1.1.1"
VERIFICATION = f"{DICOM_ROOT}1.1"
MODALITY_WORKLIST = f"{DICOM_ROOT}5.1.4.31"
PERFORMED_STEP = f"{DICOM_ROOT}3.1.2.3.3"
STORAGE_COMMITMENT = f"{DICOM_ROOT}1.20.1"
STORAGE_COMMITMENT_INSTANCE = f"{DICOM_ROOT}1.20.1.1"  # the one that everybody knows, PS3.4 J.3.5
STUDY_ROOT_FIND = f"{DICOM_ROOT}5.1.4.1.2.2.1"
STUDY_ROOT_GET = f"{DICOM_ROOT}5.1.4.1.2.2.3"

UNCOMPRESSED = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)  # what has no pixels needs no more

# Ours first: of several that a machine offers in one context, the one that costs no quality and is read fastest.
# Deflated and JPIP are never taken: a small file of theirs may be anything when opened.
TRANSFER_SYNTAXES = (
    *UNCOMPRESSED,
    *(uid.JPEGLSLossless, uid.JPEGLosslessSV1, uid.JPEGLossless, uid.JPEG2000Lossless, uid.HTJ2KLossless),
    *(uid.HTJ2KLosslessRPCL, uid.RLELossless, uid.ExplicitVRBigEndian, uid.JPEGLSNearLossless, uid.JPEG2000),
    *(uid.HTJ2K, uid.JPEGExtended12Bit, uid.JPEGBaseline8Bit),
)

_UID = re.compile(r"[0-9][0-9.]{0,63}\Z")  # no dot first: it becomes a part of a URL


def is_uid(text: str) -> bool:
    """At most 64 digits and dots, a digit first, PS3.5 9.1. Leading zeros, which real machines write, are let pass."""
    return _UID.match(text) is not None


def is_storage(sop_class_uid: str) -> bool:
    """Whether objects of this class are kept: every composite class of PS3.4 annex B, and every private one."""
    is_ours = sop_class_uid.startswith(STORAGE_ROOT) or not sop_class_uid.startswith(DICOM_ROOT)
    return is_ours and is_uid(sop_class_uid)
