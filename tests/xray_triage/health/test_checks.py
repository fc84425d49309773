"""The checks in plain words."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from dicom_router.dicom.instance import Acknowledgement, Parcel
from dicom_router.errors import (
    NotOffered,
    PeerRefused,
    PeerUnreachable,
    PeerUntrusted,
    RouterError,
    SpoolFull,
)
from dicom_router.store.declined import Declined
from dicom_router.transport.archive import FoundInstance, FoundStudy, Write
from tests.factories import StoppedClock
from xray_triage.consultations.obstacles import OBSTACLES, PERSONS, Obstacle, problem_of, together
from xray_triage.health.checks import Check, CheckState, Health, ready, troubles
from xray_triage.health.computer import BUILT_AT, certificates_check, clock_check, reader_check
from xray_triage.health.model import drift_check, model_check, thresholds_check
from xray_triage.health.peers import (
    answers_check,
    asking_check,
    collector_check,
    commitment_check,
    destination_check,
    left_out_check,
)
from xray_triage.health.storage import GIB, backup_check, disk_check


@pytest.mark.parametrize(("around", "state"), [("UTC", CheckState.WARNING), ("Asia/Ho_Chi_Minh", CheckState.OK)])
def test_utc_that_nobody_chose_is_told(monkeypatch: pytest.MonkeyPatch, around: str, state: CheckState) -> None:
    with monkeypatch.context() as context:
        context.setenv("TZ", around)
        time.tzset()
        found = clock_check(StoppedClock(time=BUILT_AT), zone="")
    time.tzset()
    assert found.state is state
    hour = 0 if around == "UTC" else 7
    assert f"01/06/2025 {hour:02}:00" in found.said["vi"]
    assert ("timezone = " in found.said["vi"]) == (around == "UTC")


@pytest.mark.parametrize(("days", "state"), [(1, CheckState.WARNING), (8, CheckState.OK)])
def test_a_kind_that_is_left_out_is_told_for_a_week(days: float, state: CheckState) -> None:
    clock = StoppedClock()
    since = clock.now() - timedelta(days=days)
    learnt = Declined(destination="tinh", what="gsps", since=since, status="0x0122", error="no outlines")
    found = left_out_check(lambda: [learnt], clock)
    assert found.state is state
    assert "không nhận GSPS (tinh)" in found.said["vi"]
    assert "no outlines" in found.detail
    assert left_out_check(list, clock).state is CheckState.OK


class Peer:
    """A transport whose peer answers an echo as told."""

    def __init__(self, answer: RouterError | None = None) -> None:
        self._answer = answer

    def echo(self) -> None:
        if self._answer is not None:
            raise self._answer

    def send(self, parcel: Parcel) -> Acknowledgement:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


class Archive(Peer):
    """An archive whose peer answers a probe as told."""

    def probe(self) -> None:
        self.echo()

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        raise NotImplementedError

    def studies(self, accession_number: str) -> list[FoundStudy]:
        raise NotImplementedError

    def fetch(self, found: FoundInstance, write: Write) -> None:
        raise NotImplementedError


def standing(*, missing: int = 0, overdue: int = 0) -> tuple[str, int, int, str | None]:
    return "pacs", missing, overdue, "no C-FIND"


def fail() -> str:
    raise ValueError("golden film: 0.91 instead of 0.93")


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (disk_check(lambda: 50 * GIB), CheckState.OK),
        (disk_check(lambda: GIB), CheckState.WARNING),
        (disk_check(lambda: 0), CheckState.BAD),
        (clock_check(StoppedClock(time=BUILT_AT), zone="UTC"), CheckState.OK),
        (clock_check(StoppedClock(time=BUILT_AT), zone="UTC", ahead_seconds=600.0), CheckState.OK),
        (clock_check(StoppedClock(time=BUILT_AT), zone="UTC", ahead_seconds=25200.5), CheckState.WARNING),
        (clock_check(StoppedClock(time=datetime(1970, 1, 1, tzinfo=UTC)), zone="UTC"), CheckState.WARNING),
        (model_check(lambda: "phổi 1.2", ValueError), CheckState.OK),
        (model_check(fail, ValueError), CheckState.BAD),
        (backup_check(BUILT_AT, "", BUILT_AT + timedelta(days=2)), CheckState.OK),
        (backup_check(BUILT_AT, "", BUILT_AT - timedelta(days=400)), CheckState.OK),
        (backup_check(BUILT_AT, "", BUILT_AT + timedelta(days=3)), CheckState.WARNING),
        (backup_check(BUILT_AT, "no such folder", BUILT_AT), CheckState.WARNING),
        (backup_check(None, "", BUILT_AT), CheckState.WARNING),
        (collector_check(""), CheckState.OK),
        (collector_check("refused"), CheckState.WARNING),
        (destination_check("pacs", Peer()), CheckState.OK),
        (destination_check("pacs", Peer(PeerUnreachable("refused"))), CheckState.WARNING),
        (destination_check("pacs", Peer(PeerUnreachable("refused")), takes=True), CheckState.WARNING),
        (destination_check("pacs", Peer(PeerUnreachable("busy", status="HTTP 503")), takes=True), CheckState.WARNING),
        (destination_check("pacs", Peer(NotOffered("no C-ECHO", status="0x0122"))), CheckState.OK),
        (destination_check("pacs", Peer(PeerRefused("no", status="0xC000"))), CheckState.BAD),
        (destination_check("pacs", Peer(PeerRefused("no", status="0xC000")), takes=True), CheckState.OK),
        (destination_check("pacs", Peer(PeerUnreachable("no", status="HTTP 403", slowly=True))), CheckState.BAD),
        (
            destination_check("pacs", Peer(PeerUnreachable("no", status="HTTP 403", slowly=True)), takes=True),
            CheckState.OK,
        ),
        (destination_check("pacs", Peer(PeerUnreachable("1/1/3", slowly=True))), CheckState.BAD),
        (destination_check("pacs", Peer(PeerRefused("1/1/3"))), CheckState.BAD),
        (destination_check("pacs", Peer(PeerUntrusted("TLS failed"))), CheckState.BAD),
        (answers_check("pacs", Archive()), CheckState.OK),
        (answers_check("pacs", Archive(PeerUnreachable("refused"))), CheckState.WARNING),
        (answers_check("pacs", Archive(PeerUnreachable("HTTP 401", slowly=True))), CheckState.BAD),
        (answers_check("pacs", Archive(PeerUntrusted("TLS failed"))), CheckState.BAD),
        (answers_check("pacs", Archive(NotOffered("no C-GET"))), CheckState.BAD),
        (answers_check("pacs", Archive(PeerRefused("0xC000"))), CheckState.BAD),
        (asking_check(list), CheckState.OK),
        (asking_check(lambda: [("unreachable", "no answer"), ("coming", "a large object")]), CheckState.OK),
        (asking_check(lambda: [("unreachable", "no answer"), ("not_offered", "no C-GET")]), CheckState.WARNING),
        (asking_check(lambda: [("of another version", "")]), CheckState.OK),
        (commitment_check(lambda: [standing()]), CheckState.OK),
        (commitment_check(lambda: [standing(), standing(missing=1)]), CheckState.WARNING),
        (commitment_check(lambda: [standing(overdue=7), standing()]), CheckState.WARNING),
        (thresholds_check({}, {}), CheckState.OK),
        (thresholds_check({"nodule": "measured too weak"}, {}), CheckState.WARNING),
        (thresholds_check({}, {"abnormal": (0.999, 0.48)}), CheckState.WARNING),
        (drift_check(12, None), CheckState.OK),
        (drift_check(200, ()), CheckState.OK),
        (drift_check(200, ("edema", "nodule")), CheckState.WARNING),
        (reader_check(lambda: True), CheckState.OK),
        (reader_check(lambda: False), CheckState.BAD),
    ],
)
def test_every_check_says_how_bad_it_is_in_two_languages(check: Check, state: CheckState) -> None:
    assert check.state is state
    assert check.said["vi"].endswith(".")
    assert check.said["en"].endswith(".")
    assert check.said["vi"] != check.said["en"]
    assert {check: state}[check] is state  # the page remembers answers by it


def test_the_engineer_gets_the_error_itself() -> None:
    assert "0.91 instead of 0.93" in model_check(fail, ValueError).detail


def test_why_the_pacs_cannot_be_asked_is_told_by_the_kind_of_the_error_and_its_words_are_for_the_engineer() -> None:
    errors = [PeerUnreachable("a"), PeerUntrusted("b"), NotOffered("c"), PeerRefused("d"), SpoolFull("e")]
    told = [problem_of(error) for error in errors]
    assert told == [("unreachable", "a"), ("untrusted", "b"), ("not_offered", "c"), ("refused", "d"), ("disk", "e")]
    assert asking_check(lambda: told).detail == "b"
    assert set(OBSTACLES) == set(Obstacle) > PERSONS


def test_of_several_obstacles_the_one_is_shown_that_a_person_must_remove() -> None:
    away, barred = PeerUnreachable("away"), PeerUnreachable("HTTP 401", slowly=True)
    assert together([problem_of(away), problem_of(barred)]) == ("forbidden", "away; HTTP 401")
    assert together([problem_of(away)]) == ("unreachable", "away")
    assert together([]) is None


def test_a_number_is_written_as_the_reader_does() -> None:
    said = disk_check(lambda: GIB * 3 // 2).said
    assert "1,5 GB" in said["vi"]
    assert "1.5 GB" in said["en"]


def test_a_threshold_that_does_nothing_is_named_with_the_reason() -> None:
    check = thresholds_check({"nodule": "measured too weak"}, {})
    assert "nodule" in check.said["en"]
    assert check.detail == "nodule is withheld: measured too weak"


def test_an_error_that_nobody_foresaw_is_not_swallowed() -> None:
    with pytest.raises(ValueError, match="golden"):
        model_check(fail, KeyError)


def test_a_dead_link_does_not_make_a_station_unready_but_a_dead_reader_does() -> None:
    link = destination_check("pacs", Peer(PeerUnreachable("refused")))
    reader = reader_check(lambda: False)
    fine = disk_check(lambda: 50 * GIB)
    report = Health([lambda: fine, lambda: link]).report()

    assert ready(report)
    assert troubles(report) == [link]
    assert not ready([*report, reader])
    assert troubles([*report, reader]) == [reader, link]


@pytest.mark.parametrize(
    ("days", "state"), [(31, CheckState.OK), (29, CheckState.WARNING), (0, CheckState.BAD), (-400, CheckState.BAD)]
)
def test_a_certificate_that_ends_is_said_30_days_ahead(days: int, state: CheckState) -> None:
    clock = StoppedClock()
    ends = [(clock.now() + timedelta(days=days), "me.pem"), (clock.now() + timedelta(days=4000), "page.pem")]
    told = certificates_check(ends, clock)
    assert told.state is state
    assert ("me.pem" in told.said["en"]) == (state is not CheckState.OK)


def test_without_a_certificate_there_is_nothing_to_end() -> None:
    assert certificates_check([], StoppedClock()).state is CheckState.OK
