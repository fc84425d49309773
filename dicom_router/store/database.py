"""One database, SQLite or PostgreSQL, its transactions and its migrations. Knows no table of anybody.

On SQLite a write transaction is an explicit BEGIN IMMEDIATE, also around DDL, so that a migration is whole or absent;
every commit is fsynced (WAL, synchronous=FULL). Errors of the database come out as SQLAlchemy's ``DBAPIError``.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.types import TypeDecorator

from dicom_router.errors import DatabaseDamaged, JournalDamaged, PeerUnreachable, SchemaTooNew

BUSY_SECONDS = 30.0
# An error's text goes into logs: without the parameters, which name patients.
_ENGINE: dict[str, Any] = {"pool_size": 20, "max_overflow": 40, "hide_parameters": True}
MIGRATION_LOCK = 0x58524159  # any number: it only has to be the same in every node
WAL_HEAD_BYTES = 32
WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # sqlite.org/fileformat2.html, 4.1
ROUTER_VERSION = "router_version"
MIGRATIONS = Path(__file__).parent / "migrations"  # the router's revisions, and the env.py of every owner's


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, in UTC on the way in and out; a naive one raises ValueError."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without zone: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class OutsideText(TypeDecorator[str]):
    """Text written by somebody else. NUL and lone surrogates, which databases refuse, become U+FFFD."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Database:
    """An engine and its two kinds of transaction. Safe to share between threads, not across a fork."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        # SQLite has one writer at a time. Threads of one process queue here, where the next one is woken at once;
        # SQLite's own busy handler, which sleeps between tries, is then met only by other processes.
        self._turn: AbstractContextManager[object] = threading.RLock() if self.is_sqlite else nullcontext()

        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()
        self._damage: str | None = None
        self._on_damage: Callable[[str], None] = lambda _: None
        sa.event.listen(engine, "handle_error", self._hear)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def damage(self) -> str | None:
        """What the database said when somebody met damage in it; None as long as nobody did."""
        return self._damage

    def tell_damage(self, to: Callable[[str], None]) -> None:
        """Call ``to`` whenever somebody meets damage, in that thread and before the error comes out."""
        self._on_damage = to

    def _hear(self, context: sa.engine.ExceptionContext) -> None:
        if means_damage(context.original_exception):
            self._damage = str(context.original_exception)
            self._on_damage(self._damage)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: committed on leaving, rolled back on an error. Not to be nested."""
        with self._turn, self.engine.connect() as connection:
            immediate = connection.execution_options(begin_immediate=True)
            with immediate.begin():
                yield immediate

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent look (on PostgreSQL: per statement). Writes nothing."""
        with self.engine.connect() as connection:
            yield connection

    def version(self) -> int | str:
        """Another value than before when anything was committed since. Writes nothing."""
        if not self.is_sqlite:  # which transactions are done, whatever their order
            with self.read() as connection:
                return str(connection.exec_driver_sql("SELECT pg_current_snapshot()").scalar_one())
        with self._watch_lock:
            if self._watch is None:  # always the same connection: PRAGMA data_version compares with its own last look
                path = str(self.engine.url.database)
                self._watch = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self.engine.dispose()


def open_database(url: str, *, thorough: bool = False) -> Database:
    """Open ``sqlite:///path`` (made when absent; its folder is not) or ``postgresql://…``.

    A SQLite file is walked once for damage; ``thorough`` compares its indexes with its tables too. Raises
    DatabaseDamaged (SQLite: what is there is no sound database) or PeerUnreachable (PostgreSQL does not answer).
    Anything else, e.g. a folder we may not write to, is SQLAlchemy's OperationalError.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, look="integrity_check" if thorough else "quick_check")
    engine = sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, **_ENGINE)
    try:
        with engine.connect():
            return Database(engine)
    except OperationalError as error:
        engine.dispose()
        raise PeerUnreachable(
            f"PostgreSQL at {parsed.host}:{parsed.port or 5432} does not answer: {error.orig}"
        ) from error


def _open_sqlite(url: sa.URL, *, look: str) -> Database:
    _check_journal(Path(f"{url.database}-wal"))
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **_ENGINE)
    sa.event.listen(engine, "connect", _prepare_connection)
    sa.event.listen(engine, "begin", _begin)
    try:
        with engine.connect() as connection:
            verdict = connection.exec_driver_sql(f"PRAGMA {look}(1)").scalar_one()
    except DatabaseError as error:
        engine.dispose()
        if means_damage(error.orig):
            raise DatabaseDamaged(f"{url.database}: {error.orig}") from error
        raise
    if verdict != "ok":
        engine.dispose()
        raise DatabaseDamaged(f"{url.database}: {verdict}")
    return Database(engine)


def _check_journal(path: Path) -> None:
    """SQLite would pass over a spoilt journal in silence. One that was never written is empty."""
    try:
        with path.open("rb") as stream:
            head = stream.read(WAL_HEAD_BYTES)
    except FileNotFoundError:
        return
    if head and (len(head) < WAL_HEAD_BYTES or head[:4] not in WAL_MAGIC):
        raise JournalDamaged(f"{path}: the newest changes cannot be read")


def means_damage(error: BaseException | None) -> bool:
    """Whether the driver's error says that the database itself is damaged: SQLite, or PostgreSQL's class XX."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return getattr(error, "sqlstate", None) in ("XX001", "XX002")  # data_corrupted, index_corrupted


def _prepare_connection(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver shall begin nothing by itself; _begin does
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("begin_immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, object]) -> Any | None:
    """Insert a row unless a UNIQUE rule forbids it. The new row's primary key, or None when it was there already."""
    return connection.execute(_insert_new(connection.dialect.name, table), dict(values)).scalar_one_or_none()


@cache
def _insert_new(dialect: str, table: sa.Table) -> sa.Executable:
    """The statement, put together once for each table: that takes longer than to execute it."""
    make_insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    (key,) = table.primary_key.columns
    return make_insert(table).on_conflict_do_nothing().returning(key)


def insert_all_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert many rows of the same columns, but those that a UNIQUE rule forbids."""
    make_insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if rows:
        connection.execute(make_insert(table).on_conflict_do_nothing(), [dict(row) for row in rows])


def migrate(database: Database, *, scripts: Path, version_table: str) -> None:
    """Bring the tables of one owner to the newest revision under ``scripts``/versions, all in one transaction.

    Quick when there is nothing to do: Alembic is not even imported. Raises SchemaTooNew, touching nothing, when the
    database was written by a newer program.
    """
    revisions = sorted(path.name.split("_")[0] for path in (scripts / "versions").glob("[0-9]*.py"))
    with database.read() as connection:
        if _is_current(connection, version_table, revisions):
            return
    with database.write() as connection:
        if not database.is_sqlite:  # several nodes may start at once
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        if not _is_current(connection, version_table, revisions):
            _upgrade(connection, scripts, version_table)


def _is_current(connection: sa.Connection, version_table: str, revisions: list[str]) -> bool:
    if not sa.inspect(connection).has_table(version_table):
        return False
    table = sa.table(version_table, sa.column("version_num", sa.String))
    current = connection.execute(sa.select(table.c.version_num)).scalar_one_or_none()
    if current is not None and current not in revisions:
        raise SchemaTooNew(
            f"{version_table} is at {current}, this program knows {revisions[-1]}: install the newer program"
        )
    return current == revisions[-1]


def _upgrade(connection: sa.Connection, scripts: Path, version_table: str) -> None:
    from alembic import command  # noqa: PLC0415 -- a fifth of a second at each start, for nothing
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection, "version_table": version_table})
    folders = {"script_location": MIGRATIONS, "version_locations": scripts / "versions"}
    for option, folder in folders.items():  # a "%" would be an interpolation
        config.set_main_option(option, str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # a folder's name may have anything else
    command.upgrade(config, "head")


def migrate_router(database: Database) -> None:
    """Make or renew the tables of tables.py."""
    migrate(database, scripts=MIGRATIONS, version_table=ROUTER_VERSION)


def has_tables(database: Database) -> bool:
    """Whether the router ever made its tables here."""
    with database.read() as connection:
        return sa.inspect(connection).has_table(ROUTER_VERSION)
