"""A record as a FHIR R4 (4.0.1) transaction Bundle of plain dictionaries. Knows no network.

Every entry is a conditional PUT by an identifier of ours, so that sending it twice changes nothing. Whatever no person
has written is preliminary.
"""

import base64
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from xray_triage import __version__
from xray_triage.cases.consultation import ConsultationState
from xray_triage.hl7.names import parted
from xray_triage.reading.findings import Finding
from xray_triage.records.record import FilmRead, Record, Standing
from xray_triage.results.wording import value

Resource = dict[str, Any]

SYSTEMS = "urn:xray-triage"
STUDY_UIDS = "urn:dicom:uid"
SNOMED, LOINC, DCM = "http://snomed.info/sct", "http://loinc.org", "http://dicom.nema.org/resources/ontology/DCM"
OBSERVATION_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
REPORT_CATEGORIES = "http://terminology.hl7.org/CodeSystem/v2-0074"
ENDPOINT_TYPES = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
SCHEMES = {"SCT": SNOMED, "DCM": DCM, "LN": LOINC}
SEXES = {"M": "male", "F": "female", "O": "other"}
CHEST_XRAY = {"system": LOINC, "code": "30745-4"}  # of any view and number of views
REPORT = {"system": LOINC, "code": "18748-4"}
TASK_STATES = {
    ConsultationState.REQUESTED: "requested",
    ConsultationState.SENT: "accepted",
    ConsultationState.OVERDUE: "requested",
    ConsultationState.ANSWERED: "completed",
    ConsultationState.CANCELLED: "cancelled",
    ConsultationState.WITHDRAWN: "cancelled",
}
UNREAD_BY_DOCTORS = "AI, chưa có bác sĩ đọc"


_ODD_BLANK, _CONTROL = re.compile(r"[^\S\t\r\n ]"), re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def bundle(record: Record) -> Resource:
    """The transaction. The same record gives the same Bundle."""
    made = list(_Writer(record).resources())
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": full_url,
                "resource": resource,
                "request": {
                    "method": "PUT",
                    "url": f"{resource['resourceType']}?identifier={quote(f'{system}|{number}', '')}",
                },
            }
            for (system, number), full_url, resource in made
        ],
    }


class _Writer:
    """Writes the resources of one record, each under the name by which the others refer to it."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._names: dict[str, str] = {}

    def resources(self) -> Iterator[tuple[tuple[str, str], str, Resource]]:
        record = self._record
        yield self._entry("patient", self._patient_key(), self._patient())
        yield self._entry("facility", (f"{SYSTEMS}:facility", self._facility_id()), self._facility())
        if record.accession_number:
            yield self._entry("order", self._order_key(), self._order())
        if record.dicomweb_url:
            yield self._entry("endpoint", (f"{SYSTEMS}:endpoint", self._facility_id()), self._endpoint())
        yield self._entry("study", (STUDY_UIDS, f"urn:oid:{record.study_instance_uid}"), self._study())
        if record.result is not None:
            author = record.result.author
            yield self._entry("author", self._author_key(), self._author(author.name, author.licence))
        yield from self._machine()
        yield self._entry("report", (f"{SYSTEMS}:report", record.study_instance_uid), self._report())
        if record.asked is not None:
            yield self._entry("task", (f"{SYSTEMS}:consultation", record.asked.uid), self._task())

    def _machine(self) -> Iterator[tuple[tuple[str, str], str, Resource]]:
        record = self._record
        models = {film.model.sha256: film.model for film in record.films if film.model is not None}
        for sha256, model in models.items():
            device = {
                "resourceType": "Device",
                "deviceName": [{"name": model.name, "type": "model-name"}],
                "version": [{"value": model.version}, {"value": f"xray-triage {__version__}"}],
                "note": [{"text": f"sha256 {sha256}"}],
            }
            yield self._entry(f"model {sha256}", (f"{SYSTEMS}:model", sha256), device)
        for film in record.films:
            for finding in film.findings:
                key = (f"{SYSTEMS}:finding", f"{film.sop_instance_uid}/{finding.kind.name}")
                yield self._entry(f"finding {key[1]}", key, self._observation(film, finding))

    def _entry(self, name: str, key: tuple[str, str], resource: Resource) -> tuple[tuple[str, str], str, Resource]:
        system, number = key
        identifiers = [{"system": system, "value": number}, *resource.pop("identifier", [])]
        full_url = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{system}|{number}')}"
        self._names[name] = full_url
        made = {"resourceType": resource.pop("resourceType"), "identifier": identifiers, **resource}
        return key, full_url, _said(made)

    def _ref(self, name: str) -> Resource:
        return {"reference": self._names[name]}

    def _facility_id(self) -> str:
        facility = self._record.facility
        return facility.national_id or facility.code or facility.name

    def _within(self, what: str) -> str:
        """The system of numbers that count within the facility alone."""
        return f"{SYSTEMS}:{what}:{quote(self._facility_id(), safe='')}"

    def _patient_key(self) -> tuple[str, str]:
        """The national number where it is known, else the local one, which counts within the facility.

        Without any it is nobody's number: the person of this study.
        """
        record = self._record
        if record.ordered.citizen_number:
            return (f"{SYSTEMS}:cccd", record.ordered.citizen_number)
        if record.patient.id:
            return (self._within("patient"), record.patient.id)
        return (f"{SYSTEMS}:person-of-study", record.study_instance_uid)

    def _patient(self) -> Resource:
        record, patient = self._record, self._record.patient
        others = []
        if record.ordered.citizen_number and patient.id:
            others.append({"system": self._within("patient"), "value": patient.id})
        if record.ordered.insurance_number:
            others.append({"system": f"{SYSTEMS}:bhyt", "value": record.ordered.insurance_number})
        made: Resource = {"resourceType": "Patient", "identifier": others}
        if patient.name:
            parts = parted(patient.name, record.ordered.name_parts)
            given = [parts.middle, parts.given]  # in the order in which they are read (datatypes, ``HumanName``)
            made["name"] = [{"use": "official", "text": patient.name, "family": parts.family, "given": given}]
        if patient.sex:
            made["gender"] = SEXES.get(patient.sex, "unknown")
        if patient.birth_date:
            made["birthDate"] = patient.birth_date
        return made

    def _facility(self) -> Resource:
        facility = self._record.facility
        return {"resourceType": "Organization", "name": facility.name}

    def _author_key(self) -> tuple[str, str]:
        author = self._record.result.author  # type: ignore[union-attr]  # asked only where there is one
        if author.licence:
            return (f"{SYSTEMS}:licence", author.licence)
        return (self._within("account"), author.account)

    def _author(self, name: str, licence: str) -> Resource:
        made: Resource = {"resourceType": "Practitioner", "name": [{"text": name}]}
        if licence:
            made["qualification"] = [{"identifier": [{"value": licence}], "code": {"text": "Số GPHN/CCHN"}}]
        return made

    def _order_key(self) -> tuple[str, str]:
        return (self._within("accession"), self._record.accession_number)

    def _order(self) -> Resource:
        record, ordered = self._record, self._record.ordered
        stands = record.standing in (Standing.FINAL, Standing.AMENDED)
        made: Resource = {
            "resourceType": "ServiceRequest",
            "status": "completed" if stands else "active",
            "intent": "order",
            "code": self._procedure(),
            "subject": self._ref("patient"),
        }
        if ordered.referring_physician:
            made["requester"] = {"display": ordered.referring_physician}
        if ordered.reason:
            made["reasonCode"] = [{"text": ordered.reason}]
        return made

    def _procedure(self) -> Resource:
        record = self._record
        service = [{"system": f"{SYSTEMS}:service", "code": record.service}] if record.service else []
        coding = [*service, *([CHEST_XRAY] if record.is_chest else [])]
        return {**({"coding": coding} if coding else {}), "text": record.procedure}

    def _endpoint(self) -> Resource:
        return {
            "resourceType": "Endpoint",
            "status": "active",
            "connectionType": {"system": ENDPOINT_TYPES, "code": "dicom-wado-rs"},
            "payloadType": [{"text": "DICOM"}],
            "address": self._record.dicomweb_url,
        }

    def _study(self) -> Resource:
        record = self._record
        made: Resource = {
            "resourceType": "ImagingStudy",
            "status": "available",
            "subject": self._ref("patient"),
            "started": _time(record.film_at),
            "numberOfInstances": len(record.films),
            "modality": [{"system": DCM, "code": "DX"}],
        }
        if record.accession_number:
            made["basedOn"] = [self._ref("order")]
        if record.dicomweb_url:
            made["endpoint"] = [self._ref("endpoint")]
        return made

    def _observation(self, film: FilmRead, finding: Finding) -> Resource:
        """What the AI said: never more than preliminary, by a device."""
        code = finding.kind.code
        made: Resource = {
            "resourceType": "Observation",
            "status": "preliminary",
            "category": [{"coding": [{"system": OBSERVATION_CATEGORIES, "code": "imaging"}]}],
            "code": {"text": finding.kind.vi},
            "subject": self._ref("patient"),
            "effectiveDateTime": _time(self._record.film_at),
            "valueBoolean": finding.positive,
            "note": [{"text": UNREAD_BY_DOCTORS}],
            "derivedFrom": [self._ref("study")],
            "component": _measures(finding),
        }
        if code.scheme in SCHEMES:
            made["code"]["coding"] = [{"system": SCHEMES[code.scheme], "code": code.value, "display": code.meaning}]
        if film.model is not None:
            made["device"] = self._ref(f"model {film.model.sha256}")
        return made

    def _report(self) -> Resource:
        record, result = self._record, self._record.result
        made: Resource = {
            "resourceType": "DiagnosticReport",
            "status": record.standing.value,
            "category": [{"coding": [{"system": REPORT_CATEGORIES, "code": "RAD"}]}],
            "code": {"coding": [REPORT], "text": f"Kết quả {record.procedure}"},
            "subject": self._ref("patient"),
            "effectiveDateTime": _time(record.film_at),
            "imagingStudy": [self._ref("study")],
        }
        if record.accession_number:
            made["basedOn"] = [self._ref("order")]
        seen = [url for name, url in self._names.items() if name.startswith("finding ")]
        if seen:
            made["result"] = [{"reference": url} for url in seen]
        if result is None:
            made["conclusion"] = _machine_words(record)
            return made
        made |= {
            "issued": _time(result.made_at),
            "performer": [self._ref("facility")],
            "resultsInterpreter": [self._ref("author")],
            "conclusion": _doctor_words(record),
        }
        if record.pdf:
            content = base64.b64encode(record.pdf).decode("ascii")
            made["presentedForm"] = [{"contentType": "application/pdf", "language": "vi", "data": content}]
        return made

    def _task(self) -> Resource:
        asked = self._record.asked
        assert asked is not None, "asked only where there is one"
        made: Resource = {
            "resourceType": "Task",
            "status": TASK_STATES[asked.state],
            "intent": "order",
            "priority": "urgent" if asked.priority == "urgent" else "routine",
            "code": {"text": "Hội chẩn từ xa"},
            "description": asked.question,
            "focus": self._ref("study"),
            "for": self._ref("patient"),
            "authoredOn": _time(asked.requested_at),
            "requester": {"display": asked.requested_by},
        }
        if asked.answer:
            made["output"] = [{"type": {"text": "Ý kiến của bác sĩ chuyên khoa"}, "valueString": asked.answer}]
        if asked.answered_by:
            made["owner"] = {"display": asked.answered_by}
        if asked.answered_at:
            made["lastModified"] = _time(asked.answered_at)
        return made


def _said(value: Any) -> Any:
    """Without control characters and what is empty then: neither may stand in FHIR (datatypes, ``string``)."""
    if isinstance(value, str):
        return _CONTROL.sub("", _ODD_BLANK.sub(" ", value)).strip()
    if isinstance(value, dict):
        return {name: kept for name, one in value.items() if (kept := _said(one)) not in ("", {}, [])}
    return [kept for one in value if (kept := _said(one)) not in ("", {}, [])] if isinstance(value, list) else value


def _doctor_words(record: Record) -> str:
    result = record.result
    assert result is not None, "asked only where there is one"
    if record.standing is Standing.CANCELLED:
        return f"KẾT QUẢ ĐÃ HỦY: {result.reason}"
    words = result.words
    return "\n\n".join(part for part in (words.description, words.conclusion, words.advice) if part)


def _machine_words(record: Record) -> str:
    lines = [f"{UNREAD_BY_DOCTORS}."]
    for place, film in enumerate(record.films, 1):
        seen = [f"{one.kind.vi} {value(one)}" for one in film.findings if one.positive]
        told = f"{'; '.join(seen) or 'AI không thấy dấu hiệu vượt ngưỡng'}."
        if film.reason is not None:
            told = f"AI chưa đọc: {film.reason.vi} Chưa đọc không có nghĩa là bình thường."
        lines.append(f"Phim {place}: {told}")
    return "\n".join(lines)


def _measures(finding: Finding) -> list[Resource]:
    """The probability and its threshold, or the measure that decides instead, and the limit that it must be over."""
    if finding.measured is not None:
        pairs = zip(("measure", "limit"), finding.measured, strict=True)
        return [{"code": {"text": name}, "valueQuantity": {"value": round(number, 3)}} for name, number in pairs]
    pairs = zip(("probability", "threshold"), (finding.probability, finding.threshold), strict=True)
    return [{"code": {"text": name}, "valueQuantity": _share(number)} for name, number in pairs]


def _share(probability: float) -> Resource:
    return {"value": round(100 * probability, 2), "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}


def _time(at: datetime) -> str:
    return at.astimezone().isoformat(timespec="seconds")
