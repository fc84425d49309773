"""A real PostgreSQL on loopback, and the two databases that a contract suite runs over."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dicom_router.store.database import Database, open_database
from tests.databases import lay_in, make_tables
from tests.factories import free_port, until

TEMPLATE = "with_tables"

_numbers = itertools.count(1)


def _programs() -> Path:
    """The folder of initdb and postgres, which Debian keeps out of PATH; the newest when there are several."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    in_path = shutil.which("initdb")
    if not folders and not in_path:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    return folders[-1] if folders else Path(str(in_path)).parent


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server that lives as long as the session, without a database name."""
    with running_server() as url:
        yield url


@contextmanager
def running_server() -> Iterator[str]:
    """A server of its own, by its URL without a database name."""
    programs, port = _programs(), free_port()
    user = "postgres" if os.geteuid() == 0 else None  # initdb and postgres refuse to run as root
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    cluster = folder / "cluster"
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(cluster),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "-N",
    ]
    subprocess.run(initdb, user=user, check=True, timeout=120, capture_output=True, cwd=folder)
    settings = ["fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"]
    options = [word for setting in settings for word in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", cluster, "-p", str(port), *options],
            user=user,
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        until(lambda: _answers(port))
        yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown
        server.wait(60)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a database with a station's tables, to be copied."""
    _administer(postgres_server, f"CREATE DATABASE {TEMPLATE}")
    make_tables(f"{postgres_server}/{TEMPLATE}")
    return TEMPLATE


@pytest.fixture
def make_postgres_database(postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Makes fresh databases, copies of one of this name; each is gone after the test."""
    names: list[str] = []

    def make(template: str) -> str:
        names.append(f"test_{next(_numbers)}")
        _administer(postgres_server, f"CREATE DATABASE {names[-1]} TEMPLATE {template}")
        return f"{postgres_server}/{names[-1]}"

    yield make
    for name in names:
        _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(make_postgres_database: Callable[[str], str]) -> str:
    """A fresh, empty database."""
    return make_postgres_database("template1")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database; the test runs once over each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'station.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database with a station's tables; the test runs once over each kind."""
    if request.param == "sqlite":
        lay_in(tmp_path / "station.db")
        return f"sqlite:///{tmp_path / 'station.db'}"
    make = request.getfixturevalue("make_postgres_database")
    return str(make(request.getfixturevalue("postgres_template")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, open."""
    opened = open_database(database_url)
    yield opened
    opened.close()


def _administer(server: str, statement: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement)


def _answers(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
