"""A lost or damaged database is set aside and made anew, from a backup where there is one; nothing kept is lost."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from dicom_router.errors import DatabaseLost
from dicom_router.store.database import means_damage
from tests.factories import StoppedClock
from xray_triage.accounts.roles import Role
from xray_triage.config.station import Config
from xray_triage.health.checks import CheckState
from xray_triage.health.rebuilt import Rebuilding, Rebuilt, Why
from xray_triage.health.storage import database_check
from xray_triage.station.rebuilding import Restore, no_backup, open_or_rebuild
from xray_triage.stores import Stores, open_stores

MADE_AT = datetime(2025, 5, 31, 2, tzinfo=UTC)


class Place:
    """A station's folder, and its database as the front opens it."""

    def __init__(self, folder: Path, database: str = "") -> None:
        self.data_dir = folder / "data"
        self.path = self.data_dir / "station.db"
        self.config = Config(station={"data_dir": self.data_dir, "database": database})  # type: ignore[arg-type]
        self.rebuilt = Rebuilt(self.data_dir)

    def open(self, restore: Restore = no_backup, *, suspect: bool = False) -> Stores:
        return open_or_rebuild(self.config, clock=StoppedClock(), restore=restore, suspect=suspect)

    def users(self, restore: Restore = no_backup, *, suspect: bool = False) -> set[str]:
        """Who is known after a start."""
        stores = self.open(restore, suspect=suspect)
        with closing(stores.database):
            return {user.name for user in stores.accounts.users.list()}

    def add_user(self, name: str) -> None:
        stores = self.open()
        with closing(stores.database):
            stores.accounts.users.add(name, role=Role.DOCTOR)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A station with one user."""
    made = Place(tmp_path)
    made.add_user("mai")
    assert made.rebuilt.events() == []
    return made


@pytest.fixture
def a_backup(place: Place, tmp_path: Path) -> Callable[[Path], datetime]:
    """Made now; puts itself in place."""
    copy = tmp_path / "copy.db"
    copy.write_bytes(place.path.read_bytes())

    def restore(_: Path) -> datetime:
        place.path.write_bytes(copy.read_bytes())
        return MADE_AT

    return restore


def test_from_a_backup_comes_what_it_knew(place: Place, a_backup: Callable[[Path], datetime]) -> None:
    place.add_user("binh")
    place.path.write_bytes(b"not a database " * 500)
    assert place.users(a_backup) == {"mai"}
    (event,) = place.rebuilt.events()
    assert (event.why, event.backup_at, event.at) == (Why.DAMAGED, MADE_AT, StoppedClock().now())
    assert (place.data_dir / event.kept / "station.db").read_bytes().startswith(b"not a database")
    said = database_check(place.rebuilt.events(), None)
    assert said.state is CheckState.WARNING
    assert "out of the backup of" in said.said["en"]
    assert event.kept in said.detail


def test_without_a_backup_it_begins_empty_and_says_what_is_gone(place: Place) -> None:
    place.path.unlink()
    assert place.users() == set()
    (event,) = place.rebuilt.events()
    assert (event.why, event.kept, event.backup_at) == (Why.LOST, "", None)
    assert "without a backup" in database_check([event], None).said["en"]


def test_a_crash_in_the_middle_begins_again_and_both_are_told(
    place: Place, a_backup: Callable[[Path], datetime]
) -> None:
    def die(_: Path) -> None:
        raise KeyboardInterrupt

    place.path.write_bytes(b"not a database " * 500)
    with pytest.raises(KeyboardInterrupt):
        place.open(die)
    with pytest.raises(DatabaseLost, match="start the station"):
        open_stores(place.config, role="cli", clock=StoppedClock())
    assert place.users(a_backup) == {"mai"}
    assert [event.why for event in place.rebuilt.events()] == [Why.DAMAGED, Why.LOST]


def test_what_was_set_aside_is_never_written_over(place: Place) -> None:
    for content in (b"first " * 1000, b"second " * 1000):
        place.path.write_bytes(content)
        place.users()
    kept = [place.data_dir / event.kept / "station.db" for event in place.rebuilt.events()]
    assert [path.read_bytes()[:6] for path in kept] == [b"first ", b"second"]


def test_a_spoilt_journal_is_set_aside_alone(place: Place) -> None:
    place.path.with_name("station.db-wal").write_bytes(bytes(50_000))
    assert place.users() == {"mai"}
    (event,) = place.rebuilt.events()
    assert event.why is Why.JOURNAL
    assert [path.name for path in (place.data_dir / event.kept).iterdir()] == ["station.db-wal"]
    assert "WAL" in database_check([event], None).said["en"]


def test_an_index_that_disagrees_with_its_table_is_found_by_who_is_told_to_suspect(place: Place) -> None:
    stores = place.open()
    with closing(stores.database):
        stores.accounts.sessions.open(stores.accounts.users.find("mai"))
    with closing(sqlite3.connect(place.path)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        changed = (
            "UPDATE sqlite_master SET sql = replace(sql, '(account_id)', '(seen_at)') WHERE name = 'session_account'"
        )
        assert connection.execute(changed).rowcount == 1
    assert place.users() == {"mai"}
    assert place.rebuilt.events() == []
    assert place.users(suspect=True) == set()
    assert [event.why for event in place.rebuilt.events()] == [Why.DAMAGED]


def test_suspicion_of_a_sound_database_changes_nothing(place: Place) -> None:
    assert place.users(suspect=True) == {"mai"}
    assert place.rebuilt.events() == []


def test_an_empty_postgresql_beside_a_used_spool_is_lost(tmp_path: Path, postgres_url: str) -> None:
    place = Place(tmp_path, postgres_url)
    place.add_user("mai")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("DROP SCHEMA public CASCADE")
        server.execute("CREATE SCHEMA public")
    with pytest.raises(DatabaseLost, match="start the station"):
        open_stores(place.config, role="cli", clock=StoppedClock())
    assert place.users() == set()
    assert [event.why for event in place.rebuilt.events()] == [Why.LOST]


@pytest.mark.parametrize(("state", "is_damage"), [("XX001", True), ("XX002", True), ("53100", False), ("40001", False)])
def test_what_postgresql_calls_damage_is_damage(state: str, is_damage: bool) -> None:
    error = psycopg.errors.lookup(state)("a page")
    assert means_damage(error) is is_damage


def test_what_nobody_acknowledged_is_told_and_what_somebody_did_is_not(tmp_path: Path) -> None:
    rebuilt = Rebuilt(tmp_path)
    rebuilt.amend(films=3)
    rebuilt.acknowledge(5)
    assert rebuilt.events() == []
    for why in Why:
        rebuilt.add(Rebuilding(at=MADE_AT, why=why, detail="…"))
    rebuilt.amend(films=3)
    rebuilt.acknowledge(1)
    assert [(event.why, event.films) for event in rebuilt.events()] == [(Why.DAMAGED, 0), (Why.JOURNAL, 3)]
    rebuilt.acknowledge(2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"[{}]", b'{"at": 1}'])
def test_a_list_that_the_disk_spoilt_is_told_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rebuilt.json").write_bytes(content)
    (event,) = Rebuilt(tmp_path).events()
    assert "cannot be read" in event.detail
    Rebuilt(tmp_path).acknowledge(1)
    assert Rebuilt(tmp_path).events() == []
