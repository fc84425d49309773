"""The document in an Encapsulated PDF (PS3.3 A.45.1): where its PDF lies, or its words if it is RTF. Loads no PDF."""

from typing import BinaryIO

from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicom_router.dicom.outline import Extent, Outline, read_outline
from dicom_router.errors import DamagedFile
from xray_triage.cases.consultation import AnswerNote
from xray_triage.consultations import report_text as words
from xray_triage.consultations.rtf import is_rtf, plain_text
from xray_triage.reading.header import text

DOCUMENT = 0x00420011
PDF_WITHIN_BYTES = 1024  # where readers look for its beginning (ISO 32000-1 annex H, note 13)
LONGEST_RTF_BYTES = 1 << 20


def document_in(stream: BinaryIO) -> Extent:
    """Where the PDF lies in an Encapsulated PDF. Never loads it. Raises DamagedFile when there is none."""
    stream.seek(0)
    return _pdf_in(_document_of(read_outline(stream)), stream)


def words_in(outline: Outline, stream: BinaryIO) -> tuple[str, AnswerNote | None]:
    """Nothing of a PDF, which is shown as it is; the words of RTF in its place. Raises DamagedFile for neither."""
    if text(outline.header, "SOPClassUID") != uid.EncapsulatedPDFStorage:
        return "", None
    extent = _document_of(outline)
    stream.seek(extent.offset)
    length = extent.length or 0
    begun = stream.read(min(LONGEST_RTF_BYTES, length)).decode("latin-1")
    if is_rtf(begun):
        return words.joined(iter([plain_text(begun), *([None] if length > LONGEST_RTF_BYTES else [])]))
    _pdf_in(extent, stream)
    return "", None


def _document_of(outline: Outline) -> Extent:
    extent = outline.large.get(DOCUMENT) or _small_document(outline.header)
    if extent is None or extent.length is None:
        raise DamagedFile("an encapsulated PDF without its document")
    return extent


def _pdf_in(extent: Extent, stream: BinaryIO) -> Extent:
    """Its PDF without what programs write before it: marks of UTF-8, blank lines, heads of mails."""
    stream.seek(extent.offset)
    begun = stream.read(min(PDF_WITHIN_BYTES + 4, extent.length or 0))
    before = begun.find(b"%PDF-")
    if before < 0:
        raise DamagedFile("an encapsulated PDF whose document is none")
    return Extent(vr=extent.vr, offset=extent.offset + before, length=(extent.length or 0) - before)


def _small_document(header: Dataset) -> Extent | None:
    raw: object = header.get_item(DOCUMENT) if DOCUMENT in header else None
    if not isinstance(raw, RawDataElement) or not raw.value:
        return None
    return Extent(vr="OB", offset=raw.value_tell, length=raw.length)
