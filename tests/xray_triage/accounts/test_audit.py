"""The audit trail."""

import inspect

from tests.factories import StoppedClock
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.audit import Action, AuditTrail, Entry
from xray_triage.accounts.tables import audit


def test_the_newest_comes_first_whatever_the_clock_says(accounts: Accounts, clock: StoppedClock) -> None:
    accounts.audit.note(Action.CASE_SEEN, actor="Mai", subject="a1")
    clock.advance(-86_400 * 400)
    accounts.audit.note(Action.CASE_SEEN, actor="Mai", subject="a2", detail="dưới giường\0", address="::1")
    newest, oldest = accounts.audit.entries()
    assert (oldest.subject, newest.subject) == ("a1", "a2")
    assert newest == Entry(
        entry_id=newest.entry_id,
        at=clock.now(),
        actor="Mai",
        action=Action.CASE_SEEN,
        subject="a2",
        detail="dưới giường\ufffd",
        address="::1",
    )


def test_it_is_read_by_user_by_case_by_time_and_in_pages(accounts: Accounts, clock: StoppedClock) -> None:
    for number in range(10):
        accounts.audit.note(Action.CASE_SEEN, actor=("Mai", "admin")[number % 2], subject=f"c{number % 5}")
        clock.advance(60)
    read = accounts.audit.entries

    def subjects(**wanted: object) -> str:
        return " ".join(entry.subject[1:] for entry in read(**wanted))  # type: ignore[arg-type]

    assert subjects() == "4 3 2 1 0 4 3 2 1 0"
    assert subjects(actor="admin") == "4 2 0 3 1"
    assert subjects(subject="c3") == "3 3"
    assert subjects(actor="Mai", subject="c3") == "3"
    assert subjects(since=read()[4].at, until=read()[1].at) == "2 1 0"
    assert subjects(limit=3) == "4 3 2"
    assert subjects(limit=3, before=read(limit=3)[-1].entry_id) == "1 0 4"
    assert [entry.subject for entry in accounts.audit.all_entries(actor="admin")] == ["c4", "c2", "c0", "c3", "c1"]


def test_a_search_that_is_made_again_and_again_is_noted_once_an_hour(accounts: Accounts, clock: StoppedClock) -> None:
    def search(detail: str, actor: str = "Mai", address: str = "10.0.0.1") -> None:
        accounts.audit.note(Action.SEARCHED, actor=actor, subject="/", detail=detail, address=address)

    for _ in range(90):  # minutes
        search("bưởi\0")
        accounts.audit.note(Action.CASE_SEEN, actor="Mai", subject="c1")
        clock.advance(60)
    search("hoa")
    search("hoa", actor="admin")
    search("hoa", address="10.0.0.2")
    searches = [
        (entry.actor, entry.detail) for entry in accounts.audit.all_entries() if entry.action is Action.SEARCHED
    ]
    assert searches == [("Mai", "hoa"), ("admin", "hoa"), ("Mai", "hoa"), *[("Mai", "bưởi\ufffd")] * 2]
    assert len(list(accounts.audit.all_entries())) == 95
    for days in (-400, 3650):
        clock.advance(days * 86_400)
        search("hoa")
    assert [entry.detail for entry in accounts.audit.entries(limit=2)] == ["hoa", "hoa"]


def test_it_only_grows(accounts: Accounts) -> None:
    accounts.audit.note(Action.EXPORTED, actor="admin", subject="audit")
    verbs = {name for name, _ in inspect.getmembers(AuditTrail, inspect.isfunction) if not name.startswith("_")}
    assert verbs == {"note", "note_within", "note_sight", "entries", "all_entries"}
    source = inspect.getsource(inspect.getmodule(AuditTrail))  # type: ignore[arg-type]
    assert "audit.delete" not in source
    assert "audit.update" not in source


def test_what_a_newer_program_noted_is_shown_as_it_stands(accounts: Accounts, clock: StoppedClock) -> None:
    row = {"at": clock.now(), "actor": "Mai", "action": "dreamt", "subject": "", "detail": "", "address": ""}
    with accounts.audit._database.write() as connection:
        connection.execute(audit.insert().values(row))
    (entry,) = accounts.audit.entries()
    assert entry.action == "dreamt"
