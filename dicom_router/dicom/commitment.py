"""The dataset of Storage Commitment: a request or a report, PS3.4 tables J.3-1 and J.3-2. Knows no network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import ImplicitVRLittleEndian

from dicom_router.dicom.identity import check_structure
from dicom_router.dicom.status import Status
from dicom_router.dicom.uids import is_uid
from dicom_router.errors import DAMAGE, DamagedFile

REQUEST = 1  # Action Type ID
ALL_KEPT, SOME_FAILED = 1, 2  # Event Type IDs


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One instance, by its UIDs."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The instances of one transaction: those that are asked about or kept, and those that failed, with the reason."""

    transaction_uid: str
    named: tuple[Reference, ...]
    failed: Mapping[Reference, int] = field(default_factory=dict)

    @property
    def event_type(self) -> int:
        """The Event Type ID of a report with these."""
        return SOME_FAILED if self.failed else ALL_KEPT

    def answers(self) -> dict[str, int]:
        """Of a report: by SOP Instance UID 0, or the reason of the failure. What is both kept and failed has failed."""
        kept = dict.fromkeys((each.sop_instance_uid for each in self.named), int(Status.SUCCESS))
        return kept | {each.sop_instance_uid: reason for each, reason in self.failed.items()}

    def dataset(self) -> Dataset:
        """As it is sent. A sequence without items is left out."""
        dataset = Dataset()
        dataset.TransactionUID = self.transaction_uid
        if self.named:
            dataset.ReferencedSOPSequence = [_item(each) for each in self.named]
        if self.failed:
            dataset.FailedSOPSequence = [_item(each, FailureReason=reason) for each, reason in self.failed.items()]
        return dataset

    def encode(self, transfer_syntax_uid: str) -> bytes:
        """The dataset in explicit or implicit VR little endian."""
        buffer = BytesIO()
        stream = DicomIO(buffer)
        stream.is_little_endian, stream.is_implicit_VR = True, transfer_syntax_uid == ImplicitVRLittleEndian
        write_dataset(stream, self.dataset())
        return buffer.getvalue()


def decode_references(encoded: bytes, transfer_syntax_uid: str) -> References:
    """Raises DamagedFile when it is no such dataset, or names no transaction or no instance."""
    check_structure(BytesIO(encoded), end=len(encoded), transfer_syntax_uid=transfer_syntax_uid)
    try:
        dataset = read_dataset(BytesIO(encoded), transfer_syntax_uid == ImplicitVRLittleEndian, True)
        found = References(
            transaction_uid=_uid(dataset, "TransactionUID"),
            named=tuple(_reference(item) for item in _items(dataset, "ReferencedSOPSequence")),
            failed={_reference(item): _reason(item) for item in _items(dataset, "FailedSOPSequence")},
        )
    except DAMAGE as error:
        raise DamagedFile(f"not a readable dataset: {error}") from error
    if not found.named and not found.failed:
        raise DamagedFile("it names no instance")
    return found


def _item(reference: Reference, **more: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def _items(dataset: Dataset, keyword: str) -> Iterable[Dataset]:
    return dataset.get(keyword) or ()


def _reference(item: Dataset) -> Reference:
    return Reference(
        sop_class_uid=_uid(item, "ReferencedSOPClassUID"), sop_instance_uid=_uid(item, "ReferencedSOPInstanceUID")
    )


def _uid(dataset: Dataset, keyword: str) -> str:
    text = str(dataset.get(keyword) or "").strip(" \0")
    if not is_uid(text):
        raise DamagedFile(f"{keyword} is missing or no UID")
    return text


def _reason(item: Dataset) -> int:
    """Processing failure where none is told: an answer that says nothing lasting."""
    reason: Any = item.get("FailureReason")
    return reason if isinstance(reason, int) else int(Status.PROCESSING_FAILURE)
