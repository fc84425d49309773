"""What the database promises: damage is detected, a lock is waited for, a migration is whole or absent."""

import hashlib
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dicom_router.errors import DatabaseDamaged, PeerUnreachable, SchemaTooNew
from dicom_router.store import tables
from dicom_router.store.database import Database, UtcDateTime, insert_all_new, migrate, migrate_router, open_database
from tests.factories import free_port, until

TABLE = "CREATE TABLE thing (number INTEGER)"
REVISION = '''
"""A step."""
from alembic import op
revision, down_revision, branch_labels, depends_on = {revision!r}, {previous!r}, None, None
def upgrade():
    {body}
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.db"


@pytest.fixture
def sqlite_database(path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def empty_database(empty_database_url: str) -> Iterator[Database]:
    opened = open_database(empty_database_url)
    yield opened
    opened.close()


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "100 %, %(of): ours; theirs"  # a user may call it anything
    (folder / "versions").mkdir(parents=True)
    return folder


def add_revision(scripts: Path, number: int, *body: str) -> None:
    revision, previous = f"{number:04}", f"{number - 1:04}" if number > 1 else None
    text = REVISION.format(revision=revision, previous=previous, body="\n    ".join(body))
    (scripts / "versions" / f"{revision}_step.py").write_text(text)


def table_names(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names())


def fill(database: Database, rows: int) -> None:
    with database.write() as connection:
        connection.execute(sa.text(TABLE))
        for number in range(rows):
            connection.execute(sa.text("INSERT INTO thing VALUES (:number)"), {"number": number})


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.text("SELECT COUNT(*) FROM thing")).scalar_one())


def test_an_error_says_nothing_of_a_patient(empty_database: Database) -> None:
    with empty_database.write() as connection:
        connection.execute(sa.text(TABLE))
    with pytest.raises(sa.exc.DBAPIError) as caught, empty_database.write() as connection:
        connection.execute(sa.text("INSERT INTO nothing VALUES (:name)"), {"name": "Nguyễn Văn An"})
    assert "Nguyễn" not in str(caught.value)


def test_a_commit_is_synced_and_readers_are_not_locked_out(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_of_many_rows_those_that_are_there_stay_as_they_are(empty_database: Database) -> None:
    thing = sa.Table("thing", sa.MetaData(), sa.Column("name", sa.Text, primary_key=True), sa.Column("n", sa.Integer))
    with empty_database.write() as connection:
        thing.create(connection)
        insert_all_new(connection, thing, [{"name": "a", "n": 1}])
        insert_all_new(connection, thing, [{"name": "a", "n": 2}, {"name": "b", "n": 2}, {"name": "b", "n": 3}])
        insert_all_new(connection, thing, [])
        assert connection.execute(sa.select(thing).order_by("name")).all() == [("a", 1), ("b", 2)]


def test_an_error_rolls_everything_back_even_a_new_table(empty_database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        make_table_and_fail(empty_database)
    assert table_names(empty_database) == set()
    fill(empty_database, 3)
    assert count(empty_database) == 3


def make_table_and_fail(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text(TABLE))
        connection.execute(sa.text("INSERT INTO thing VALUES (1)"))
        raise ZeroDivisionError


def test_times_are_aware_and_utc_on_both_sides(empty_database: Database) -> None:
    table = sa.Table("moment", sa.MetaData(), sa.Column("at", UtcDateTime))
    hanoi = datetime(2025, 6, 1, 15, 15, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    with empty_database.write() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), [{"at": hanoi}, {"at": None}])
        assert connection.scalars(sa.select(table.c.at)).all() == [datetime(2025, 6, 1, 8, 15, 0, 123456, UTC), None]
        stored = connection.scalars(sa.select(table.c.at)).first()
        assert stored is not None
        assert stored.tzinfo is UTC
        assert connection.scalar(sa.select(table.c.at).where(table.c.at >= hanoi)) is not None
    with pytest.raises(sa.exc.StatementError, match="a time without zone"), empty_database.write() as connection:
        connection.execute(sa.insert(table), {"at": datetime(2025, 6, 1)})  # noqa: DTZ001 -- what is tested


@pytest.mark.slow
def test_a_locked_database_is_waited_for(sqlite_database: Database, path: Path) -> None:
    fill(sqlite_database, 1)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(3, lambda: other.execute("COMMIT"))
    release.start()
    with sqlite_database.write() as connection:
        connection.execute(sa.text("INSERT INTO thing VALUES (2)"))
    release.join()
    other.close()
    assert count(sqlite_database) == 2


def test_reading_goes_on_while_somebody_writes(sqlite_database: Database) -> None:
    fill(sqlite_database, 1)
    with sqlite_database.write() as connection:
        connection.execute(sa.text("INSERT INTO thing VALUES (2)"))
        assert count(sqlite_database) == 1
    assert count(sqlite_database) == 2


def test_many_threads_write_without_an_error(sqlite_database: Database) -> None:
    fill(sqlite_database, 0)

    def write() -> None:
        for number in range(20):
            with sqlite_database.write() as connection:
                connection.execute(sa.text("INSERT INTO thing VALUES (:number)"), {"number": number})

    threads = [threading.Thread(target=write) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count(sqlite_database) == 200


def test_a_damaged_page_is_found_at_start(sqlite_database: Database, path: Path) -> None:
    fill(sqlite_database, 3000)
    sqlite_database.close()
    content = bytearray(path.read_bytes())
    content[5 * 4096 : 6 * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged, match=r"station\.db"):
        open_database(f"sqlite:///{path}")


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_file_that_is_no_database_is_damage(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_database_that_lost_its_end_is_damage(sqlite_database: Database, path: Path) -> None:
    fill(sqlite_database, 3000)
    sqlite_database.close()
    path.write_bytes(path.read_bytes()[: 4 * 4096])
    with pytest.raises(DatabaseDamaged):
        open_database(f"sqlite:///{path}")


def test_a_folder_that_is_not_there_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(sa.exc.OperationalError):
        open_database(f"sqlite:///{tmp_path / 'nowhere' / 'station.db'}")


def test_a_postgresql_that_does_not_answer_is_unreachable() -> None:
    port = free_port()
    with pytest.raises(PeerUnreachable, match=f"127.0.0.1:{port} does not answer"):
        open_database(f"postgresql://postgres@127.0.0.1:{port}/station")


def test_connections_that_the_server_cut_are_replaced(postgres_url: str) -> None:
    database, killer = open_database(postgres_url), open_database(postgres_url)
    fill(database, 1)
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    with killer.write() as connection:
        connection.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert count(database) == 1
    fill_more(database)
    assert count(database) == 2
    database.close()
    killer.close()


def fill_more(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("INSERT INTO thing VALUES (2)"))


def test_the_migrations_make_exactly_the_tables_that_the_program_uses(empty_database: Database) -> None:
    migrate_router(empty_database)
    options = {"version_table": "router_version", "compare_type": True}
    with empty_database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata) == []


def test_a_newer_schema_is_refused_and_its_data_untouched(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE router_version SET version_num = '9999'"))
        connection.execute(sa.text("INSERT INTO destination (name) VALUES ('pacs')"))
        connection.execute(sa.text("ALTER TABLE destination ADD COLUMN from_the_future TEXT"))
    before = table_names(database)
    with pytest.raises(SchemaTooNew, match="router_version is at 9999"):
        migrate_router(database)
    assert table_names(database) == before
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT name, from_the_future FROM destination")).one() == ("pacs", None)


def test_a_newer_schema_is_refused_without_a_write(sqlite_database: Database, path: Path) -> None:
    migrate_router(sqlite_database)
    with sqlite_database.write() as connection:
        connection.execute(sa.text("UPDATE router_version SET version_num = '9999'"))
    sqlite_database.close()
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(SchemaTooNew):
        migrate_router(sqlite_database)
    sqlite_database.close()
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_migrations_run_one_after_another_and_only_once(empty_database: Database, scripts: Path) -> None:
    add_revision(scripts, 1, f"op.execute({TABLE!r})")
    migrate(empty_database, scripts=scripts, version_table="test_version")
    migrate(empty_database, scripts=scripts, version_table="test_version")
    add_revision(scripts, 2, "op.execute('INSERT INTO thing VALUES (1)')")
    add_revision(scripts, 3, "op.execute('INSERT INTO thing VALUES (2)')")
    migrate(empty_database, scripts=scripts, version_table="test_version")
    migrate(empty_database, scripts=scripts, version_table="test_version")
    assert count(empty_database) == 2


def test_two_owners_of_tables_keep_their_own_versions(database: Database, scripts: Path) -> None:
    add_revision(scripts, 1, f"op.execute({TABLE!r})")
    migrate(database, scripts=scripts, version_table="test_version")
    migrate_router(database)
    assert {"work", "thing", "test_version", "router_version"} <= table_names(database)


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: Database, scripts: Path) -> None:
    add_revision(scripts, 1, f"op.execute({TABLE!r})")
    add_revision(scripts, 2, "op.execute('CREATE TABLE half (number INTEGER)')", "raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        migrate(empty_database, scripts=scripts, version_table="test_version")
    assert table_names(empty_database) == set()
    add_revision(scripts, 2, "op.execute('CREATE TABLE whole (number INTEGER)')")
    migrate(empty_database, scripts=scripts, version_table="test_version")
    assert table_names(empty_database) == {"thing", "whole", "test_version"}


def test_a_process_killed_in_mid_migration_leaves_the_old_state(
    empty_database: Database, empty_database_url: str, scripts: Path, tmp_path: Path
) -> None:
    fill(empty_database, 3)
    reached = tmp_path / "reached"
    body = [
        "import pathlib, threading",
        "op.execute('ALTER TABLE thing ADD COLUMN half TEXT')",
        f"pathlib.Path({str(reached)!r}).touch()",
        "threading.Event().wait(60)",
    ]
    add_revision(scripts, 1, *body)
    migrating = multiprocessing.get_context("forkserver").Process(
        target=migrate_in_process, args=(empty_database_url, scripts)
    )
    migrating.start()
    until(reached.exists)
    migrating.kill()
    migrating.join()
    add_revision(scripts, 1, "op.execute('ALTER TABLE thing ADD COLUMN whole TEXT')")
    migrate(empty_database, scripts=scripts, version_table="test_version")
    columns = [column["name"] for column in sa.inspect(empty_database.engine).get_columns("thing")]
    assert columns == ["number", "whole"]
    assert count(empty_database) == 3


def migrate_in_process(url: str, scripts: Path) -> None:
    migrate(open_database(url), scripts=scripts, version_table="test_version")


@pytest.mark.slow
def test_nodes_that_start_together_migrate_once(empty_database: Database, empty_database_url: str) -> None:
    nodes = [start_migrating(empty_database_url) for _ in range(3)]
    assert [node.wait(60) for node in nodes] == [0, 0, 0]
    assert "work" in table_names(empty_database)


def test_a_current_database_opens_without_importing_alembic(sqlite_database: Database, path: Path) -> None:
    migrate_router(sqlite_database)
    assert start_migrating(f"sqlite:///{path}", then="sys.exit('alembic' in sys.modules)").wait(60) == 0


def start_migrating(url: str, *, then: str = "") -> "subprocess.Popen[bytes]":
    program = (
        "import sys; from dicom_router.store.database import migrate_router, open_database; "
        f"database = open_database({url!r}); migrate_router(database); database.close(); {then}"
    )
    return subprocess.Popen([sys.executable, "-c", program])
