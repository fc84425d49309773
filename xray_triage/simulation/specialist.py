"""Acts the specialist, for the demonstration and for a trial of the link: an answer as a reading workstation stores it.

Nothing in it is derived from our own objects: its UIDs are new, its maker is another, and it is sent like any film.
"""

import io
from collections.abc import Sequence
from datetime import datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import BasicTextSRStorage, EncapsulatedPDFStorage, ExplicitVRLittleEndian, generate_uid

from dicom_router.dicom.instance import Acknowledgement, Parcel, reference_to
from dicom_router.dicom.part10 import encode_file
from dicom_router.transport.protocol import Transport
from xray_triage.reading.findings import Code
from xray_triage.results import codes
from xray_triage.results.content import (
    CONTAINS,
    HAS_OBS_CONTEXT,
    add_document,
    code_item,
    container_item,
    evidence,
    language_item,
    object_item,
    person_item,
    text_item,
)
from xray_triage.results.copying import copy_patient_and_study
from xray_triage.results.items import add, coded, item, reference
from xray_triage.results.request import person_name

MAKER = "Reading workstation"
HOSPITAL = "Bệnh viện tuyến trên"
REPORT = Code("18748-4", "LN", "Diagnostic Imaging Report")
CONCLUSIONS = Code("121076", "DCM", "Conclusions")
CONCLUSION = Code("121077", "DCM", "Conclusion")


def make_text_answer(source: Dataset, text: str, *, author: str, verified: bool, at: datetime) -> Dataset:
    """A Basic Text SR in the study of ``source``, a film's header with its text repaired. PS3.3 A.35.1."""
    dataset = _begin(source, BasicTextSRStorage, "SR", at)
    name = person_name(author)
    add(
        dataset,
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED" if verified else "UNVERIFIED",
        PerformedProcedureCodeSequence=[],
        CurrentRequestedProcedureEvidenceSequence=[_evidence(source)],
    )
    if verified:
        add(dataset, VerifyingObserverSequence=[_signature(name, at)])
    children = [
        language_item(),
        code_item(HAS_OBS_CONTEXT, codes.OBSERVER_TYPE, codes.PERSON),
        person_item(HAS_OBS_CONTEXT, codes.PERSON_OBSERVER_NAME, name),
        container_item(CONCLUSIONS, [text_item(CONTAINS, CONCLUSION, "\r\n".join(text.splitlines()))]),
        object_item(CONTAINS, str(source.SOPClassUID), str(source.SOPInstanceUID)),
    ]
    add_document(dataset, title=REPORT, template="2000", children=children)
    return dataset


def make_pdf_answer(source: Dataset, document: bytes, *, title: str, verified: bool, at: datetime) -> Dataset:
    """An Encapsulated PDF in the study of ``source``. PS3.3 A.45.1."""
    dataset = _begin(source, EncapsulatedPDFStorage, "DOC", at)
    add(
        dataset,
        ConversionType="WSD",
        AcquisitionDateTime="",
        BurnedInAnnotation="YES",
        DocumentTitle=title[:1024],
        ConceptNameCodeSequence=coded(REPORT),
        VerificationFlag="VERIFIED" if verified else "UNVERIFIED",
        SourceInstanceSequence=[reference(str(source.SOPClassUID), str(source.SOPInstanceUID))],
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocumentLength=len(document),
        EncapsulatedDocument=document + b"\0" * (len(document) % 2),
    )
    return dataset


def store(answers: Sequence[Dataset], transport: Transport) -> list[Acknowledgement]:
    """Hand the answers to the PACS behind ``transport``. Raises PeerUnreachable or PeerRefused."""
    return [transport.send(_parcel(answer)) for answer in answers]


def _parcel(answer: Dataset) -> Parcel:
    file = encode_file(answer)
    return Parcel(instance=reference_to(answer), size_bytes=len(file), open=lambda: io.BytesIO(file))


def _begin(source: Dataset, sop_class_uid: str, modality: str, at: datetime) -> Dataset:
    local = at.astimezone()
    day, time = local.strftime("%Y%m%d"), local.strftime("%H%M%S")
    dataset = Dataset()
    add(
        dataset,
        SpecificCharacterSet="ISO_IR 192",
        InstanceCreationDate=day,
        InstanceCreationTime=time,
        SOPClassUID=sop_class_uid,
        SOPInstanceUID=generate_uid(prefix=None),
        SeriesInstanceUID=generate_uid(prefix=None),
        SeriesNumber="1",
        SeriesDescription="Trả lời hội chẩn",
        Modality=modality,
        InstanceNumber="1",
        ContentDate=day,
        ContentTime=time,
        TimezoneOffsetFromUTC=local.strftime("%z"),
        Manufacturer=MAKER,
        InstitutionName=HOSPITAL,
    )
    copy_patient_and_study(source, dataset)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _signature(name: str, at: datetime) -> Dataset:
    return item(
        VerifyingOrganization=HOSPITAL,
        VerificationDateTime=at.astimezone().strftime("%Y%m%d%H%M%S"),
        VerifyingObserverName=name,
        VerifyingObserverIdentificationCodeSequence=[],
    )


def _evidence(source: Dataset) -> Dataset:
    film = reference(str(source.SOPClassUID), str(source.SOPInstanceUID))
    return evidence(str(source.StudyInstanceUID), [(str(source.SeriesInstanceUID), [film])])
