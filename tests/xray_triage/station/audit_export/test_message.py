"""Every line of the trail as an audit message: by the schema's rules, under the right event, whatever the text."""

from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xray_triage.station.audit_export.schema import check_message
from xray_triage.accounts.audit import Action, Entry
from xray_triage.station.audit_export.message import About, Film, Source, film_message, trail_message

SOURCE = Source(ae_title="TRAM1", name="Trạm y tế Thạnh An")
ABOUT = About(patient_id="P1", patient_name="Nguyễn Văn An", study_instance_uid="1.2.3", accession_number="A1")
NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
TEXT = st.text(max_size=30)


def entry(action: Action | str, **values: str) -> Entry:
    line = {"actor": "Mai", "subject": "c1", "detail": "", "address": "10.0.0.1"} | values
    return Entry(entry_id=1, at=NOW, action=action, **line)


def told(message: ET.Element) -> tuple[str, str, str, str]:
    """Event, type, action, outcome."""
    identified = message[0]
    kind = identified.find("EventTypeCode")
    return (
        identified[0].attrib["csd-code"],
        "" if kind is None else kind.attrib["csd-code"],
        identified.attrib["EventActionCode"],
        identified.attrib["EventOutcomeIndicator"],
    )


# PS3.15 A.5.3: Application Activity, Audit Log Used, Export, Import, Instances Accessed, Order Record, Patient Record,
# Query, Security Alert, User Authentication.
EXPECTED = {
    Action.STARTED: ("110100", "110120", "E", "0"),
    Action.STOPPED: ("110100", "110121", "E", "0"),
    Action.TRAIL_READ: ("110101", "", "R", "0"),
    Action.EXPORTED: ("110106", "", "R", "0"),
    Action.IMPORTED: ("110107", "", "C", "0"),
    Action.CASE_SEEN: ("110103", "", "R", "0"),
    Action.CASE_PRINTED: ("110103", "", "R", "0"),
    Action.ANSWER_OPENED: ("110103", "", "R", "0"),
    Action.VERDICT_GIVEN: ("110103", "", "U", "0"),
    Action.RESULT_SIGNED: ("110103", "", "U", "0"),
    Action.NOT_SIGNED: ("110103", "", "U", "4"),
    Action.CASE_DONE: ("110103", "", "U", "0"),
    Action.CASE_REOPENED: ("110103", "", "U", "0"),
    Action.PATIENT_REGISTERED: ("110109", "", "C", "0"),
    Action.CONSULTATION_ASKED: ("110109", "", "C", "0"),
    Action.CONSULTATION_CHANGED: ("110109", "", "U", "0"),
    Action.CONSULTATION_WITHDRAWN: ("110109", "", "D", "0"),
    Action.ORDER_CHANGED: ("110109", "", "U", "0"),
    Action.ORDER_REOPENED: ("110109", "", "U", "0"),
    Action.ORDER_FINISHED: ("110109", "", "U", "0"),
    Action.ORDER_CANCELLED: ("110109", "", "D", "0"),
    Action.PATIENT_CORRECTED: ("110110", "", "U", "0"),
    Action.PATIENT_CONFLICT: ("110110", "", "U", "0"),
    Action.SEARCHED: ("110112", "", "E", "0"),
    Action.LISTED: ("110112", "", "E", "0"),
    Action.SIGNED_IN: ("110114", "110122", "E", "0"),
    Action.SIGN_IN_FAILED: ("110114", "110122", "E", "4"),
    Action.SIGNED_OUT: ("110114", "110123", "E", "0"),
}
USERS = (
    "PASSWORD_CHANGED",
    "PASSWORD_RESET",
    "USER_ADDED",
    "USER_CHANGED",
    "USER_DISABLED",
    "USER_ENABLED",
    "TOKEN_MADE",
    "TOKEN_REVOKED",
)
EXPECTED |= dict.fromkeys((Action[name] for name in USERS), ("110113", "110137", "E", "0"))
OTHERS = {*Action} - EXPECTED.keys()


@pytest.mark.parametrize("action", [*EXPECTED, *sorted(OTHERS), "dreamt"])
def test_every_action_has_its_event_by_the_schema(action: Action | str) -> None:
    expected = EXPECTED.get(action, ("110113", "110131", "E", "0"))  # type: ignore[call-overload]
    for about in (None, ABOUT):
        assert told(check_message(trail_message(entry(action), about, SOURCE))) == expected


def test_the_audit_log_that_is_carried_away_is_used() -> None:
    message = check_message(trail_message(entry(Action.EXPORTED, subject="audit"), None, SOURCE))
    assert told(message)[0] == "110101"


def test_who_saw_whom_is_in_it() -> None:
    message = check_message(trail_message(entry(Action.CASE_SEEN), ABOUT, SOURCE))
    (person,) = message.iter("ActiveParticipant")
    assert (person.get("UserID"), person.get("NetworkAccessPointID")) == ("Mai", "10.0.0.1")
    study, patient = message.iter("ParticipantObjectIdentification")
    assert (study.get("ParticipantObjectID"), patient.get("ParticipantObjectID")) == ("1.2.3", "P1")
    assert patient.findtext("ParticipantObjectName") == "Nguyễn Văn An"
    assert [each.get("Number") for each in study.iter("Accession")] == ["A1"]
    assert [each.get("AuditSourceID") for each in message.iter("AuditSourceIdentification")] == ["TRAM1"]


def test_a_film_that_came_in_names_both_ends() -> None:
    film = Film(
        received_at=NOW,
        calling_ae_title="DX1",
        peer_host="10.0.0.7",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        sop_instance_uid="1.2.3.4",
        about=ABOUT,
    )
    message = check_message(film_message(film, SOURCE))
    assert told(message) == ("110104", "", "C", "0")
    roles = {each.get("UserID"): each[0].get("csd-code") for each in message.iter("ActiveParticipant")}
    assert roles == {"DX1": "110153", "TRAM1": "110152"}
    assert [each.get("UID") for each in message.iter("Instance")] == ["1.2.3.4"]


@settings(max_examples=50)
@given(action=st.sampled_from([*Action]), actor=TEXT, subject=TEXT, detail=TEXT, address=TEXT, name=TEXT)
def test_no_text_breaks_it(action: Action, actor: str, subject: str, detail: str, address: str, name: str) -> None:
    line = entry(action, actor=actor, subject=subject, detail=detail, address=address)
    for about in (None, About(patient_id=actor, patient_name=name, study_instance_uid="1.2", accession_number=detail)):
        check_message(trail_message(line, about, Source(ae_title="TRAM1", name=name)))


def test_a_time_of_another_zone_stays_that_moment() -> None:
    line = Entry(
        entry_id=1,
        at=NOW.astimezone(timezone(timedelta(hours=7))),
        actor="Mai",
        action=Action.SIGNED_IN,
        subject="",
        detail="",
        address="",
    )
    at = check_message(trail_message(line, None, SOURCE))[0].attrib["EventDateTime"]
    assert datetime.fromisoformat(at) == NOW
