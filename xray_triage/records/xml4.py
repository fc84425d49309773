"""A result as the insurance table XML4 (results of paraclinical services) wants it: a row of twelve fields for the HIS.

A code that nobody configured is left empty, never invented. Knows no network.
"""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from xray_triage.records.record import Record, Standing

FIELDS = (
    "MA_LK",
    "STT",
    "MA_DICH_VU",
    "MA_CHI_SO",
    "TEN_CHI_SO",
    "GIA_TRI",
    "DON_VI_DO",
    "MO_TA",
    "KET_LUAN",
    "NGAY_KQ",
    "MA_BS_DOC_KQ",
    "DU_PHONG",
)
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 2.2: nor in any escape
OUTER, ROWS, ROW = "CHITIEU_CHITIET_DICHVUCANLAMSANG", "DSACH_CHI_TIET_CLS", "CHI_TIET_CLS"


def tells(record: Record) -> bool:
    """Whether there is a row: a doctor's result stands, and was not taken back."""
    return record.standing in (Standing.FINAL, Standing.AMENDED)


def row(record: Record, *, number: int = 1) -> dict[str, str]:
    """The twelve fields. Raises ValueError where no doctor's result stands: nothing else may be told so."""
    if record.result is None or not tells(record):
        raise ValueError(f"case {record.case_id} has no doctor's result that stands")
    words = record.result.words
    told = {
        "MA_LK": record.ordered.treatment_code,
        "STT": str(number),
        "MA_DICH_VU": record.service,
        "MA_CHI_SO": record.indicator,
        "MO_TA": words.description,
        "KET_LUAN": "\n".join(part for part in (words.conclusion, words.advice) if part),
        "NGAY_KQ": f"{record.result.made_at.astimezone():%Y%m%d%H%M}",
        "MA_BS_DOC_KQ": record.result.author.licence,
    }
    return {name: told.get(name, "") for name in FIELDS}


def lacking(record: Record) -> list[str]:
    """The fields that the HIS must fill in itself, since nobody has told this station their codes."""
    made = row(record)
    return [name for name in ("MA_LK", "MA_DICH_VU", "MA_CHI_SO", "MA_BS_DOC_KQ") if not made[name]]


def document(record: Record) -> bytes:
    """The row as a file of its own, in UTF-8."""
    outer = Element(OUTER)
    one = SubElement(SubElement(outer, ROWS), ROW)
    for name, value in row(record).items():
        SubElement(one, name).text = _NO_XML.sub("", value)
    indent(outer)
    return bytes(tostring(outer, encoding="utf-8", xml_declaration=True))
