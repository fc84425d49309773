"""Somebody outside the page is told of an urgent case and of an answer: once, without a word of the patient."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dicom_router.store.database import open_database
from dicom_router.transport.archive import FoundInstance
from tests.peers.certificates import Authority, Certificate
from tests.peers.messenger import Webhook, a_mailbox, a_webhook
from tests.xray_triage.desk import TestDesk, open_desk, reading
from xray_triage.cases.consultation import AnswerKind, Standing
from xray_triage.cases.notices import Notice, Notices
from xray_triage.config.notices import NoticePeer
from xray_triage.config.sections import StationSection
from xray_triage.config.station import Config
from xray_triage.config.values import Tls
from xray_triage.consultations.answers import Answers, Question
from xray_triage.consultations.report_parser import ParsedAnswer
from xray_triage.station.notices.notifier import Notifier
from xray_triage.station.notices.sending import send

PATIENT = ("Nguyễn^Văn^An", "P0001")
DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Certificate:
    return authority.sign("messenger")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with a_webhook() as served:
        yield served


class Station:
    """The hands of the reader and of the answers' fetcher, and the worker that tells."""

    def __init__(self, desk: TestDesk, peer: NoticePeer) -> None:
        self.desk, self.peer = desk, peer
        self.notices = Notices(desk.database, desk.ledger, clock=desk.clock, wanted={peer.name: peer.on})
        config = Config(station=StationSection(name="Trạm A"), notice=(peer,))
        self.notifier = Notifier(config, peer, self.notices, clock=desk.clock)

    def tell(self, what: str, about: str) -> None:
        with self.desk.database.write() as connection:
            self.notices.tell(connection, what, about)

    def run(self) -> int:
        """Until there is nothing to do; how many notices were taken."""
        taken = 0
        while self.notifier.run_once():
            taken += 1
        return taken


def peer_at(url: str, **settings: Any) -> NoticePeer:
    return NoticePeer(**{"name": "phone", "kind": "webhook", "url": url, **settings})


def told(hook: Webhook) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in hook.posts]


def test_several_cases_within_a_minute_are_one_notice_and_a_case_is_told_once(desk: TestDesk, hook: Webhook) -> None:
    station = Station(desk, peer_at(hook.url + "/hook?room=1"))
    station.tell("urgent", "case 1")
    assert station.run() == 1
    station.tell("urgent", "case 1")  # its film is read again
    assert station.run() == 0
    for number in (2, 3, 4):
        desk.clock.advance(10)
        station.tell("urgent", f"case {number}")
        assert station.run() == 0
    station.tell("answer", "1.2.3")
    desk.clock.advance(30)
    assert station.run() == 1
    assert [one["text"] for one in told(hook)] == [
        "Trạm A: 1 ca khẩn cấp mới",
        "Trạm A: 3 ca khẩn cấp mới, 1 trả lời hội chẩn mới",
    ]
    assert {path for path, _, _ in hook.posts} == {"/hook?room=1"}
    assert len({one["id"] for one in told(hook)}) == 2
    assert [head["idempotency-key"] for _, head, _ in hook.posts] == [one["id"] for one in told(hook)]
    desk.clock.advance(3600)
    assert station.run() == 0


def test_a_peer_that_is_away_for_a_day_gets_the_old_notice_and_one_of_all_since(desk: TestDesk) -> None:
    with a_webhook() as gone:
        pass
    station = Station(desk, peer_at(gone.url + "/secret"))
    station.tell("urgent", "case 0")
    for hour in range(24):
        station.tell("urgent", f"case of hour {hour}")
        assert station.run() == 0
        desk.clock.advance(DAY_SECONDS / 24)
    problem = station.notices.problem("phone")
    assert "refused" in problem
    assert "secret" not in problem
    with a_webhook(port=gone.port) as back:
        assert station.run() == 2
        first, second = (one["text"] for one in told(back))
    assert first.startswith("Trạm A: 2 ca khẩn cấp mới (")  # with its time: it is no longer new
    assert second == "Trạm A: 23 ca khẩn cấp mới"
    assert station.notices.problem("phone") == ""


@pytest.mark.parametrize("status", [302, 403, 404, 500])
def test_what_is_not_taken_is_tried_again_under_the_same_number(
    sqlite_desk: TestDesk, hook: Webhook, status: int
) -> None:
    station = Station(sqlite_desk, peer_at(hook.url))
    hook.status = status
    station.tell("answer", "1.2.3")
    assert station.run() == 0
    assert f"HTTP {status}" in station.notices.problem("phone")
    hook.status = 204
    sqlite_desk.clock.advance(10)
    assert station.run() == 1
    first, second = told(hook)
    assert first == second


def test_nobody_hears_what_he_did_not_ask_for(sqlite_desk: TestDesk, hook: Webhook, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("geheim\n")
    peer = peer_at(hook.url + "/topic", kind="ntfy", on=("urgent",), token_file=tmp_path / "token")
    station = Station(sqlite_desk, peer)
    station.tell("answer", "1.2.3")
    assert station.run() == 0
    station.tell("urgent", "case 1")
    assert station.run() == 1
    [(path, head, body)] = hook.posts
    assert (path, body.decode()) == ("/topic", "Trạm A: 1 ca khẩn cấp mới")
    assert (head["authorization"], head["priority"]) == ("Bearer geheim", "5")
    (tmp_path / "token").unlink()
    station.tell("urgent", "case 2")
    sqlite_desk.clock.advance(60)
    assert station.run() == 0
    assert "token_file cannot be read" in station.notices.problem("phone")


@pytest.mark.parametrize("from_first_byte", [True, False], ids=["TLS", "STARTTLS"])
def test_mail_goes_encrypted_and_bears_a_number(
    sqlite_desk: TestDesk,
    authority: Authority,
    own: Certificate,
    tmp_path: Path,
    from_first_byte: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "password").write_text("geheim")
    with a_mailbox(own, from_first_byte=from_first_byte, password="geheim") as box:
        if from_first_byte:
            monkeypatch.setattr("xray_triage.station.notices.sending.SMTPS", box.port)
        mail = {"kind": "mail", "url": "", "host": "127.0.0.1", "port": box.port, "to": ("lan@example.vn",)}
        account = {"username": "tram@example.vn", "token_file": tmp_path / "password", "tls": Tls(ca=authority.ca)}
        station = Station(sqlite_desk, peer_at(**mail, **account))
        station.tell("urgent", "case 1")
        assert station.run() == 1, station.notices.problem("phone")
    [letter] = box.letters
    assert letter["Subject"] == "Trạm A: 1 ca khẩn cấp mới"
    assert letter.get_content().strip() == letter["Subject"]
    assert (letter["From"], letter["To"]) == ("tram@example.vn", "lan@example.vn")
    assert letter["Message-ID"].endswith("@xray-triage.invalid>")
    assert box.logins == ["tram@example.vn geheim"]


def test_mail_never_goes_in_the_clear_nor_to_a_stranger(
    sqlite_desk: TestDesk, authority: Authority, own: Certificate, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    mail = {"kind": "mail", "url": "", "host": "127.0.0.1", "to": ("lan@example.vn",)}
    for ca, offers_tls, why in ((stranger.ca, True, "certificate verify failed"), (authority.ca, False, "STARTTLS")):
        with a_mailbox(own, offers_tls=offers_tls) as box:
            station = Station(sqlite_desk, peer_at(**mail, port=box.port, tls=Tls(ca=ca)))
            station.tell("urgent", f"case {why}")
            sqlite_desk.clock.advance(3600)
            assert station.run() == 0
            assert why in station.notices.problem("phone")
        assert box.letters == []


def test_killed_at_any_moment_nothing_is_missing(sqlite_desk: TestDesk, hook: Webhook, tmp_path: Path) -> None:
    """Before the notice is made, when it is made, when it was taken and that is not noted, and when it is noted."""
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    for stage in range(4):
        pid = os.fork()
        if pid == 0:
            _tell_and_die(url, tmp_path, hook, stage)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
        sqlite_desk.ledger.free_leases(forgive=True)  # as at every start
        assert Station(sqlite_desk, peer_at(hook.url)).run() == (0 if stage == 3 else 1)
    numbers = [one["id"] for one in told(hook)]
    assert len(numbers) == 5
    assert numbers[2] == numbers[3]  # taken, and not noted: the receiver can tell
    assert len({*numbers}) == 4
    assert {one["urgent"] for one in told(hook)} == {1}


def _tell_and_die(url: str, folder: Path, hook: Webhook, stage: int) -> None:
    try:
        station = Station(open_desk(open_database(url), folder), peer_at(hook.url))
        station.tell("urgent", f"case {stage}")
        if stage >= 1:
            assert station.notices.gather("phone")
        if stage >= 2:
            work = station.notices.next("phone")
            assert work
            assert send(station.peer, station.notifier.message(Notice.of(work.key))) == ""
            if stage == 3:
                station.notices.sent(work)
        os.kill(os.getpid(), signal.SIGKILL)
    finally:  # the child must never come back into pytest
        os._exit(1)


def test_an_answer_is_told_in_the_commit_that_keeps_it(sqlite_desk: TestDesk, hook: Webhook) -> None:
    station = Station(sqlite_desk, peer_at(hook.url))
    recorded = sqlite_desk.add(reading(), patient_name=PATIENT[0], patient_id=PATIENT[1])
    sqlite_desk.consultations.request(recorded.case_id, question="?", priority="urgent", requested_by="BS. Lan")
    book = Answers(sqlite_desk.database, clock=sqlite_desk.clock, notices=station.notices)
    question = asked_of(sqlite_desk, recorded.case_id)
    for number, standing in enumerate((Standing.MACHINE, Standing.PRELIMINARY, Standing.FINAL)):
        reply = ParsedAnswer(kind=AnswerKind.TEXT, text="Tràn khí", standing=standing)
        for _ in range(2):  # the second time it is known
            book.keep(question, found(f"1.2.3.{number}"), reply, spool_key=None, next_poll_at=sqlite_desk.clock.now())
    assert station.run() == 1
    assert [(one["urgent"], one["answers"], one["text"]) for one in told(hook)] == [
        (0, 2, "Trạm A: 2 trả lời hội chẩn mới")  # what a machine wrote is no answer
    ]
    assert not [word for word in (*PATIENT, "Nguyễn", "Tràn", recorded.case_id) if word.encode() in hook.posts[0][2]]


def found(uid: str) -> FoundInstance:
    return FoundInstance(study_instance_uid="1", series_instance_uid="1", sop_instance_uid=uid, sop_class_uid="1")


def asked_of(desk: TestDesk, case_id: str) -> Question:
    case = desk.casebook.case(case_id)
    assert case
    assert case.consultation
    return Question(
        consultation_id=1,
        case_sequence=1,
        case_id=case_id,
        study_instance_uid=case.study_instance_uid,
        request_uid=case.consultation.request_uid,
        state="requested",
        priority="urgent",
        requested_at=desk.clock.now(),
        watched=True,
        polls=0,
        obstacle=None,
        obstacle_detail="",
        accession_number="",
        patient_id="",
        patient_name="",
        patient_birth_date="",
    )


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"url": ""}, "needs url"),
        ({"url": "ftp://example.vn/x"}, "https://"),
        ({"url": "https://me:secret@example.vn/x"}, "password in it"),
        ({"url": "http://example.vn/x", "token_file": "token"}, "in the clear"),
        ({"kind": "mail", "host": "mail"}, "needs to"),
        ({"kind": "mail", "host": "mail", "to": ["Bác sĩ Lan"]}, "no address"),
        ({"kind": "mail", "host": "mail", "to": ["lan@example.vn\nBcc: all@example.vn"]}, "no address"),
        ({"on": []}, "at least 1"),
        ({"on": ["urgnt"]}, "urgent"),
    ],
)
def test_a_peer_that_cannot_be_told_is_refused_at_once(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        peer_at(**{"url": "https://example.vn/x", **settings})
