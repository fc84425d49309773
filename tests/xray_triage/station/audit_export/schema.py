"""The rules of the audit message schema, PS3.15 A.5.1, and of the syslog header, RFC 5424 6, written out to test by."""

import re
from base64 import b64decode
from datetime import datetime
from xml.etree import ElementTree as ET

CODED = ({"csd-code", "codeSystemName", "originalText"}, {"displayName"}, "")
# element: attributes that must be, attributes that may be, its children in their order
RULES: dict[str, tuple[set[str], set[str], str]] = {
    "AuditMessage": (
        set(),
        set(),
        "EventIdentification ActiveParticipant+ AuditSourceIdentification ParticipantObjectIdentification*",
    ),
    "EventIdentification": (
        {"EventDateTime", "EventOutcomeIndicator"},
        {"EventActionCode"},
        "EventID EventTypeCode* EventOutcomeDescription?",
    ),
    "ActiveParticipant": (
        {"UserID", "UserIsRequestor"},
        {"AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
        "RoleIDCode* MediaIdentifier?",
    ),
    "MediaIdentifier": (set(), set(), "MediaType"),
    "AuditSourceIdentification": ({"AuditSourceID"}, {"AuditEnterpriseSiteID"}, "AuditSourceTypeCode*"),
    "AuditSourceTypeCode": ({"csd-code"}, set(), ""),
    "ParticipantObjectIdentification": (
        {"ParticipantObjectID"},
        {
            "ParticipantObjectTypeCode",
            "ParticipantObjectTypeCodeRole",
            "ParticipantObjectDataLifeCycle",
            "ParticipantObjectSensitivity",
        },
        (
            "ParticipantObjectIDTypeCode (ParticipantObjectName|ParticipantObjectQuery) ParticipantObjectDetail* "
            "ParticipantObjectDescription*"
        ),
    ),
    "ParticipantObjectName": (set(), set(), ""),
    "ParticipantObjectQuery": (set(), set(), ""),
    "ParticipantObjectDetail": ({"type", "value"}, set(), ""),
    "ParticipantObjectDescription": (set(), set(), "MPPS* Accession* SOPClass* ParticipantObjectContainsStudy?"),
    "Accession": ({"Number"}, set(), ""),
    "SOPClass": ({"NumberOfInstances"}, {"UID"}, "Instance*"),
    "Instance": ({"UID"}, set(), ""),
    **dict.fromkeys(("EventID", "EventTypeCode", "RoleIDCode", "MediaType", "ParticipantObjectIDTypeCode"), CODED),
}
VALUES = {
    "EventActionCode": "[CRUDE]",
    "EventOutcomeIndicator": "0|4|8|12",
    "UserIsRequestor": "true|false",
    "NetworkAccessPointTypeCode": "[1-5]",
    "ParticipantObjectTypeCode": "[1-4]",
    "ParticipantObjectTypeCodeRole": r"[1-9]|1\d|2[0-6]",
    "ParticipantObjectDataLifeCycle": r"[1-9]|1[0-5]",
    "NumberOfInstances": r"\d+",
}
HEADER = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (?P<host>[!-~]{1,255}) "
    rb"(?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<kind>[!-~]{1,32}) "
    rb'\[meta sequenceId="(?P<sequence>[1-9]\d{0,9})"\] \xef\xbb\xbf'
)


def check_message(xml: bytes) -> ET.Element:
    """The message, every element of which obeys."""
    message = ET.fromstring(xml)
    assert message.tag == "AuditMessage"
    for element in message.iter():
        _check_element(element)
    requestors = [each for each in message.iter("ActiveParticipant") if each.get("UserIsRequestor") == "true"]
    assert len(requestors) <= 1  # A.5.2: not several
    assert datetime.fromisoformat(message[0].attrib["EventDateTime"]).tzinfo is not None
    return message


def _check_element(element: ET.Element) -> None:
    must, may, children = RULES[element.tag]
    assert must <= set(element.attrib) <= must | may, (element.tag, element.attrib)
    order = "".join(f"{child.tag} " for child in element)
    pattern = re.sub(r"(\w+)", r"(?:\1 )", children).replace(") (", ")(").replace("* ", "*").replace("+ ", "+")
    assert re.fullmatch(pattern.replace("? ", "?"), order), (element.tag, order)
    for name, value in element.attrib.items():
        assert re.fullmatch(VALUES.get(name, r"[^\x00-\x1f]*"), value), (name, value)
    if element.tag == "ParticipantObjectQuery":
        b64decode(element.text or "", validate=True)
    if element.tag == "ParticipantObjectDetail":
        b64decode(element.attrib["value"], validate=True)


def parse(line: bytes) -> tuple[dict[str, str], ET.Element]:
    """The fields of the header, and the message, both checked."""
    found = HEADER.match(line)
    assert found, line[:200]
    return {name: value.decode() for name, value in found.groupdict().items()}, check_message(line[found.end() :])
