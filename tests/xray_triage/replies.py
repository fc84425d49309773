"""What specialists and their programs write: reports, PDFs and key objects, good and bad, made by hand."""

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"
ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"


def code(value: str, meaning: str, scheme: str = "DCM") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


def item(kind: str, name: str = "", value: str = "", children: list[Dataset] | None = None, **more: object) -> Dataset:
    """A content item; ``name`` is the meaning of its concept."""
    one = Dataset()
    one.RelationshipType, one.ValueType = "CONTAINS", kind
    if name:
        one.ConceptNameCodeSequence = code("1", name)
    keyword = {"TEXT": "TextValue", "PNAME": "PersonName", "DATE": "Date", "TIME": "Time"}.get(kind)
    if keyword:
        setattr(one, keyword, value)
    if children is not None:
        one.ContentSequence = children
    for keyword, one_value in more.items():
        setattr(one, keyword, one_value)
    return one


def number(name: str, value: str, unit: str) -> Dataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, code(unit, f"{unit}s", "UCUM")
    return item("NUM", name, MeasuredValueSequence=[measured])


def person(name: str) -> list[Dataset]:
    """The observation context of a document that a person wrote."""
    who = item("CODE", ConceptNameCodeSequence=code("121005", "Observer Type"), ConceptCodeSequence=code("121006", "P"))
    named = item("PNAME", value=name, ConceptNameCodeSequence=code("121008", "Person Observer Name"))
    who.RelationshipType = named.RelationshipType = "HAS OBS CONTEXT"
    return [who, named]


def device() -> list[Dataset]:
    """The observation context of a document that a program wrote."""
    what = item(
        "CODE", ConceptNameCodeSequence=code("121005", "Observer Type"), ConceptCodeSequence=code("121007", "D")
    )
    what.RelationshipType = "HAS OBS CONTEXT"
    return [what]


def document(
    content: list[Dataset] | None = None, *, sop_class_uid: str = BASIC_TEXT, study: str = "", **more: object
) -> Dataset:
    """A whole object. ``more`` is set last, by DICOM keyword."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = UID(sop_class_uid), generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = UID(study) if study else generate_uid(), generate_uid()
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "Nguyễn^An", "P0001", "19700131", "F"
    made.StudyDate, made.StudyTime, made.AccessionNumber, made.StudyID = "20250601", "081500", "A0001", "1"
    made.ReferringPhysicianName, made.Manufacturer = "", "Somebody else"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "SR", 1, 1
    made.ContentDate, made.ContentTime = "20250601", "093000"
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = code("18748-4", "Diagnostic Imaging Report", "LN")
    if content is not None:
        made.ContentSequence = content
    for keyword, value in more.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = (
        UID(sop_class_uid),
        made.SOPInstanceUID,
    )
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def text_answer(text: str, **more: object) -> Dataset:
    return document([item("TEXT", "Finding", text)], **more)  # type: ignore[arg-type]


def pdf_answer(content: bytes = b"%PDF-1.7 hello", **more: object) -> Dataset:
    padded = content + b"\0" * (len(content) % 2)
    return document(
        sop_class_uid=PDF, EncapsulatedDocument=padded, MIMETypeOfEncapsulatedDocument="application/pdf", **more
    )  # type: ignore[arg-type]
