"""Audit messages of DICOM: one line of the trail, or one film, as XML of the schema in PS3.15 A.5.1. Knows no network.

What the schema does not foresee stands in ParticipantObjectDetail. Text from outside goes into base64, as it demands.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as ET

from xray_triage.accounts.audit import Action, Entry

Code = tuple[str, str, str]  # value, scheme, meaning


def _dcm(value: str, meaning: str) -> Code:
    return (value, "DCM", meaning)


ACTIVITY, LOG_USED, ALERT = (
    _dcm("110100", "Application Activity"),
    _dcm("110101", "Audit Log Used"),
    _dcm("110113", "Security Alert"),
)
ACCESSED, TRANSFERRED = _dcm("110103", "DICOM Instances Accessed"), _dcm("110104", "DICOM Instances Transferred")
EXPORT, IMPORT = _dcm("110106", "Export"), _dcm("110107", "Import")
RECORD = _dcm("110110", "Patient Record")
ORDER, QUERY, LOGIN = _dcm("110109", "Order Record"), _dcm("110112", "Query"), _dcm("110114", "User Authentication")
APPLICATION, LAUNCHER = _dcm("110150", "Application"), _dcm("110151", "Application Launcher")
RECEIVER, SENDER = _dcm("110152", "Destination Role ID"), _dcm("110153", "Source Role ID")
MEDIA_TO, MEDIA_FROM = _dcm("110154", "Destination Media"), _dcm("110155", "Source Media")
URI_MEDIA = _dcm("110037", "URI")
STUDY_UID, SOP_CLASS = _dcm("110180", "Study Instance UID"), _dcm("110181", "SOP Class UID")
PATIENT_NUMBER, USER, URI = (
    ("2", "RFC-3881", "Patient Number"),
    ("11", "RFC-3881", "User Identifier"),
    ("12", "RFC-3881", "URI"),
)
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
USER_CHANGED = _dcm("110137", "User Security Attributes Changed")
SOFTWARE_CHANGED = _dcm("110131", "Software Configuration")
ACCESS_POINT_IP = "2"
_NOT_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What PS3.15 A.5.3 calls an action of the trail. ``outcome``: 0 success, 4 minor failure."""

    code: Code
    action: str
    type: Code | None = None
    outcome: str = "0"


EVENTS: dict[Action | str, Event] = {
    Action.STARTED: Event(code=ACTIVITY, action="E", type=_dcm("110120", "Application Start")),
    Action.STOPPED: Event(code=ACTIVITY, action="E", type=_dcm("110121", "Application Stop")),
    Action.SIGNED_IN: Event(code=LOGIN, action="E", type=_dcm("110122", "Login")),
    Action.SIGN_IN_FAILED: Event(code=LOGIN, action="E", type=_dcm("110122", "Login"), outcome="4"),
    Action.SIGNED_OUT: Event(code=LOGIN, action="E", type=_dcm("110123", "Logout")),
    **dict.fromkeys((Action.SEARCHED, Action.LISTED), Event(code=QUERY, action="E")),
    **dict.fromkeys((Action.CASE_SEEN, Action.CASE_PRINTED, Action.ANSWER_OPENED), Event(code=ACCESSED, action="R")),
    **dict.fromkeys((Action.VERDICT_GIVEN, Action.CASE_DONE, Action.CASE_REOPENED), Event(code=ACCESSED, action="U")),
    Action.RESULT_SIGNED: Event(code=ACCESSED, action="U"),
    Action.NOT_SIGNED: Event(code=ACCESSED, action="U", outcome="4"),
    **dict.fromkeys((Action.CONSULTATION_ASKED, Action.PATIENT_REGISTERED), Event(code=ORDER, action="C")),
    **dict.fromkeys(
        (Action.CONSULTATION_CHANGED, Action.ORDER_CHANGED, Action.ORDER_REOPENED, Action.ORDER_FINISHED),
        Event(code=ORDER, action="U"),
    ),
    **dict.fromkeys((Action.CONSULTATION_WITHDRAWN, Action.ORDER_CANCELLED), Event(code=ORDER, action="D")),
    **dict.fromkeys((Action.PATIENT_CORRECTED, Action.PATIENT_CONFLICT), Event(code=RECORD, action="U")),
    Action.EXPORTED: Event(code=EXPORT, action="R"),
    Action.IMPORTED: Event(code=IMPORT, action="C"),
    Action.TRAIL_READ: Event(code=LOG_USED, action="R"),
    **dict.fromkeys(
        (
            Action.PASSWORD_CHANGED,
            Action.PASSWORD_RESET,
            Action.USER_ADDED,
            Action.USER_CHANGED,
            Action.USER_DISABLED,
            Action.USER_ENABLED,
            Action.TOKEN_MADE,
            Action.TOKEN_REVOKED,
        ),
        Event(code=ALERT, action="E", type=USER_CHANGED),
    ),
}
OTHER = Event(code=ALERT, action="E", type=SOFTWARE_CHANGED)  # cut-offs, a restore, what another version notes


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The patient and the study that an event is about."""

    patient_id: str
    patient_name: str
    study_instance_uid: str
    accession_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One film that a machine sent."""

    received_at: datetime
    calling_ae_title: str
    peer_host: str
    sop_class_uid: str
    sop_instance_uid: str
    about: About


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The station that tells: its AE title and its name."""

    ae_title: str
    name: str


def event_of(entry: Entry) -> Event:
    """Under which event a line of the trail is told."""
    if entry.action == Action.EXPORTED and entry.subject == "audit":
        return EVENTS[Action.TRAIL_READ]
    return EVENTS.get(entry.action, OTHER)


def trail_message(entry: Entry, about: About | None, source: Source) -> bytes:
    """A line of the trail. ``about``: its case or order, where it has one."""
    event = event_of(entry)
    message = _begin(event, entry.at)
    _add_people(message, entry, event, source)
    _add_source(message, source)
    if about is not None:
        _add_study(message, about, case_id=entry.subject)
        _add_patient(message, about)
    elif entry.subject or entry.detail or event.code in (LOG_USED, QUERY):
        _add_subject(message, entry, event)
    return _xml(message)


def film_message(film: Film, source: Source) -> bytes:
    """A film that came in (PS3.15 A.5.3.7)."""
    message = _begin(Event(code=TRANSFERRED, action="C"), film.received_at)
    _participant(message, film.calling_ae_title, role=SENDER, is_requestor=True, address=film.peer_host)
    _participant(message, source.ae_title, role=RECEIVER)
    _add_source(message, source)
    described = _add_study(message, film.about)
    sop_class = ET.SubElement(described, "SOPClass", UID=film.sop_class_uid, NumberOfInstances="1")
    ET.SubElement(sop_class, "Instance", UID=film.sop_instance_uid)
    _add_patient(message, film.about)
    return _xml(message)


def _begin(event: Event, at: datetime) -> ET.Element:
    message = ET.Element("AuditMessage")
    told = {
        "EventActionCode": event.action,
        "EventDateTime": at.isoformat(timespec="milliseconds"),
        "EventOutcomeIndicator": event.outcome,
    }
    identified = ET.SubElement(message, "EventIdentification", told)
    _coded(identified, "EventID", event.code)
    if event.type is not None:
        _coded(identified, "EventTypeCode", event.type)
    return message


def _add_people(message: ET.Element, entry: Entry, event: Event, source: Source) -> None:
    """Who did it, and with what: the roles that A.5.3 names for each event."""
    person = entry.actor or entry.subject or "unknown"
    if event.code == ACTIVITY:
        _participant(message, "xray-triage", role=APPLICATION, other=f"AETITLES={source.ae_title}")
        if entry.actor:
            _participant(message, entry.actor, role=LAUNCHER, is_requestor=True)
        return
    role = {EXPORT: SENDER, IMPORT: RECEIVER, QUERY: SENDER}.get(event.code)
    _participant(message, person, role=role, is_requestor=True, address=entry.address)
    if event.code == QUERY:
        _participant(message, source.ae_title, role=RECEIVER)
    if event.code in (EXPORT, IMPORT):
        medium = _participant(message, entry.detail or "browser", role=MEDIA_TO if event.code == EXPORT else MEDIA_FROM)
        _coded(ET.SubElement(medium, "MediaIdentifier"), "MediaType", URI_MEDIA)


def _participant(
    message: ET.Element,
    user_id: str,
    *,
    role: Code | None,
    is_requestor: bool = False,
    other: str = "",
    address: str = "",
) -> ET.Element:
    told = {"UserID": user_id, "UserIsRequestor": "true" if is_requestor else "false"}
    if other:
        told["AlternativeUserID"] = other
    if address:
        told |= {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": ACCESS_POINT_IP}
    participant = ET.SubElement(message, "ActiveParticipant", _clean(told))
    if role is not None:
        _coded(participant, "RoleIDCode", role)
    return participant


def _add_source(message: ET.Element, source: Source) -> None:
    told = {"AuditSourceID": source.ae_title, "AuditEnterpriseSiteID": source.name}
    ET.SubElement(
        ET.SubElement(message, "AuditSourceIdentification", _clean(told)), "AuditSourceTypeCode", {"csd-code": "4"}
    )


def _add_study(message: ET.Element, about: About, *, case_id: str = "") -> ET.Element:
    """The study; returns the element for what describes it."""
    study = _object(message, about.study_instance_uid, STUDY_UID, kind="2", role="3")
    _named(study, case_id)
    described = ET.SubElement(study, "ParticipantObjectDescription")
    if about.accession_number:
        ET.SubElement(described, "Accession", _clean({"Number": about.accession_number}))
    return described


def _add_patient(message: ET.Element, about: About) -> None:
    _named(_object(message, about.patient_id, PATIENT_NUMBER, kind="1", role="1"), about.patient_name)


def _add_subject(message: ET.Element, entry: Entry, event: Event) -> None:
    """What has neither patient nor study: the trail itself, a query, a user, a machine, a file."""
    if event.code == LOG_USED:
        _named(_object(message, "/audit", URI, kind="2", role="13"), "Security Audit Log")
        return
    if event.code == QUERY:
        query = _object(message, STUDY_ROOT_FIND, SOP_CLASS, kind="2", role="3")
        ET.SubElement(query, "ParticipantObjectQuery").text = _base64(f"{entry.subject}: {entry.detail}")
        return
    is_user = event.type == USER_CHANGED
    thing = _object(
        message, entry.subject, USER if is_user else URI, kind="1" if is_user else "2", role="11" if is_user else "13"
    )
    _named(thing, entry.subject)
    detail = f"{entry.action}: {entry.detail}" if entry.detail else str(entry.action)
    ET.SubElement(thing, "ParticipantObjectDetail", {"type": "Alert Description", "value": _base64(detail)})


def _object(message: ET.Element, identifier: str, kind_of_id: Code, *, kind: str, role: str) -> ET.Element:
    told = {"ParticipantObjectID": identifier, "ParticipantObjectTypeCode": kind, "ParticipantObjectTypeCodeRole": role}
    thing = ET.SubElement(message, "ParticipantObjectIdentification", _clean(told))
    _coded(thing, "ParticipantObjectIDTypeCode", kind_of_id)
    return thing


def _named(thing: ET.Element, name: str) -> None:
    ET.SubElement(thing, "ParticipantObjectName").text = _plain(name)


def _coded(parent: ET.Element, name: str, code: Code) -> None:
    value, scheme, meaning = code
    ET.SubElement(parent, name, {"csd-code": value, "codeSystemName": scheme, "originalText": meaning})


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "backslashreplace")).decode()


def _clean(told: dict[str, str]) -> dict[str, str]:
    return {name: _plain(value) for name, value in told.items()}


def _plain(text: str) -> str:
    """Without what XML 1.0 cannot hold (section 2.2), nor a line's end, which would begin another one in a log."""
    return _NOT_XML.sub("\ufffd", text)


def _xml(message: ET.Element) -> bytes:
    return bytes(ET.tostring(message, encoding="UTF-8", xml_declaration=True))
