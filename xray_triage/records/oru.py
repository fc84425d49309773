"""A record as an HL7 v2 message ORU^R01: the doctor's words, the paper, on wish what the AI saw. Knows no network.

HL7 v2.5 chapter 7. What the AI says alone is preliminary and marked as read by no doctor.
"""

import base64
from collections.abc import Iterator
from datetime import datetime

from xray_triage.hl7.message import escaped, moment, written
from xray_triage.hl7.names import parted
from xray_triage.records.record import Record, Standing
from xray_triage.results.wording import value

STATUS = {Standing.PRELIMINARY: "P", Standing.FINAL: "F", Standing.AMENDED: "C", Standing.CANCELLED: "X"}
VERSIONS = ("2.3.1", "2.5")
UNREAD_BY_DOCTORS = "AI, chưa có bác sĩ đọc"
DESCRIPTION, CONCLUSION, ADVICE = "GDT^Mô tả^L", "IMP^Kết luận^L", "REC^Đề nghị^L"
SEXES = {"M": "M", "F": "F", "O": "O"}


def message(record: Record, *, number: str, at: datetime, version: str = "2.5", with_ai: bool = False) -> bytes:
    """The message with control id ``number``; the same record and arguments give the same bytes."""
    status = STATUS[record.standing]
    kind = "ORU^R01" if version < "2.4" else "ORU^R01^ORU_R01"
    facility = escaped(record.facility.code or record.facility.name)
    head = ["MSH", "XRAY-TRIAGE", facility, "HIS", facility, moment(at), "", kind, number, "P", version]
    lines = [[*head, "", "", "", "", "", "UNICODE UTF-8"], _patient(record), _request(record, status)]
    observations = [*_words(record), *_paper(record), *(_ai(record) if with_ai or record.result is None else ())]
    for place, (kind_of_value, name, _, *rest) in enumerate(observations, 1):
        lines.append(["OBX", str(place), kind_of_value, name, str(place), *rest])
    return written(lines)


def _patient(record: Record) -> list[str]:
    patient, ordered = record.patient, record.ordered
    assigner = escaped(record.facility.code or record.facility.name)
    # PID-3 must not be empty: of a patient without any number the case's own, as an identifier of no kind.
    numbers = [f"{escaped(patient.id)}^^^{assigner}^PI"] if patient.id else []
    numbers += [f"{escaped(ordered.citizen_number)}^^^CCCD^NI"] if ordered.citizen_number else []
    numbers += [f"{escaped(ordered.insurance_number)}^^^BHYT^SS"] if ordered.insurance_number else []
    numbers = numbers or [f"{record.case_id}^^^{assigner}^U"]
    name = "^".join(map(escaped, parted(patient.name, ordered.name_parts))).rstrip("^")
    birth = patient.birth_date.replace("-", "")
    sex = SEXES.get(patient.sex, "U")
    return ["PID", "1", "", "~".join(numbers), "", name or "^", "", birth, sex]  # PID-5 must not be empty either


def _request(record: Record, status: str) -> list[str]:
    fields = [""] * 25
    placer, filler = record.ordered.placer_number or record.accession_number, record.accession_number
    fields[0], fields[1], fields[2] = "1", escaped(placer), escaped(filler)
    fields[3] = f"{escaped(record.service)}^{record.procedure}"
    fields[6] = moment(record.film_at)
    fields[15] = f"^{escaped(record.ordered.referring_physician)}" if record.ordered.referring_physician else ""
    fields[17] = escaped(filler)
    fields[21] = moment(record.result.made_at) if record.result else ""
    fields[23], fields[24] = "RAD", status
    if record.result is not None:
        author = record.result.author
        fields += [""] * 7
        fields[31] = f"{escaped(author.licence)}&{escaped(author.name)}"  # NDL.1: its parts are subcomponents
    return ["OBR", *fields]


def _words(record: Record) -> Iterator[list[str]]:
    if record.result is None:
        return
    words, status = record.result.words, STATUS[record.standing]
    conclusion = words.conclusion
    if record.standing is Standing.CANCELLED:
        conclusion = f"KẾT QUẢ ĐÃ HỦY: {record.result.reason}"
    for name, text in ((DESCRIPTION, words.description), (CONCLUSION, conclusion), (ADVICE, words.advice)):
        if text:
            yield _observation("TX", name, escaped(text), status)


def _paper(record: Record) -> Iterator[list[str]]:
    if record.pdf:
        content = base64.b64encode(record.pdf).decode("ascii")
        yield _observation("ED", "PDF^Phiếu kết quả^L", f"^AP^PDF^Base64^{content}", STATUS[record.standing])


def _ai(record: Record) -> Iterator[list[str]]:
    """In the words of people, one line a film; a film that was not read says why."""
    for place, film in enumerate(record.films, 1):
        if film.reason:
            told = f"AI chưa đọc phim {place}: {film.reason.vi} Chưa đọc không có nghĩa là bình thường."
        else:
            seen = [f"{one.kind.vi} {value(one)}" for one in film.findings if one.positive]
            told = f"Phim {place}: {'; '.join(seen) or 'AI không thấy dấu hiệu vượt ngưỡng'}."
        model = f" Mô hình {film.model.name} {film.model.version}." if film.model else ""
        yield _observation("TX", f"AI^{UNREAD_BY_DOCTORS}^L", escaped(f"{UNREAD_BY_DOCTORS}. {told}{model}"), "P")


def _observation(kind: str, name: str, value: str, status: str) -> list[str]:
    """OBX-2 to OBX-11; OBX-4 is set later: it tells observations of one name apart, and 2.3.1 wants it."""
    return [kind, name, "", value, "", "", "", "", "", status]
