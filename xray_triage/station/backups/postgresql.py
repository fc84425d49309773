"""A whole copy of a station's tables in PostgreSQL, by pg_dump, and how it is put back. Knows no backup folder.

No password ever stands in a command line or an environment, which ``ps`` shows.
"""

import os
import re
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dicom_router import child
from dicom_router.store.database import open_database
from xray_triage.config.station import ENVIRONMENT_PREFIX
from xray_triage.station.backups.files import private_file
from xray_triage.station.backups.sqlite import BackupError

_COPY = re.compile(r'COPY public\."?(\w+)"? \(')
_MOVE = """\
SET lock_timeout = '5s';
CREATE SCHEMA "{aside}";
DO $$ DECLARE name text; BEGIN
FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
EXECUTE format('ALTER TABLE public.%I SET SCHEMA "{aside}"', name);
END LOOP; END $$"""


def dump_postgresql(url: str, target: Path) -> dict[str, int]:
    """pg_dump as a new file; its rows by table, which are those of the snapshot. Raises BackupError, OSError."""
    private_file(target).close()
    with closing(open_database(url)) as database, database.read() as connection:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        counts = _count(connection)
        what = ("--table=public.*", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={target}")
        _run("pg_dump", url, *what)
    if dumped_rows(target) != counts:
        raise BackupError(f"{target}: pg_dump did not write every row")
    return counts


def dumped_rows(path: Path) -> dict[str, int]:
    """The rows by table of a dump, a line each between COPY and ``\\.``. Raises BackupError when its end is missing."""
    counts: dict[str, int] = {}
    table, is_whole = "", False
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in lines:
            if table and line != "\\.\n":
                counts[table] += 1
            elif found := _COPY.match(line):
                table = found[1]
                counts[table] = 0
            else:
                table = ""
                is_whole = is_whole or line.startswith("-- PostgreSQL database dump complete")
    if not is_whole:
        raise BackupError(f"{path} is damaged: its end is missing")
    return counts


def put_postgresql(dump: Path, url: str, *, aside: str) -> None:
    """Bring back a dump in one transaction; the tables that are there move into the schema ``aside``.

    Raises BackupError with what psql says.
    """
    script = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
    _run("psql", url, *script, f"--command={_MOVE.format(aside=aside)}", f"--file={dump}")


def _count(connection: sa.Connection) -> dict[str, int]:
    names = sa.inspect(connection).get_table_names(schema="public")
    count = 'SELECT count(*) FROM public."{}"'
    return {name: int(connection.exec_driver_sql(count.format(name)).scalar_one()) for name in names}


def _run(program: str, url: str, *words: str) -> None:
    """The password goes by a nameless file that only the program inherits."""
    parsed = sa.make_url(url)
    place = {name: getattr(parsed, name) for name in ("username", "host", "port", "database", "query")}
    bare = sa.URL.create("postgresql", **place).difference_update_query(["password"])
    password = str(parsed.password or parsed.query.get("password", "")).replace("\\", "\\\\").replace(":", "\\:")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    with tempfile.TemporaryFile("w") as secret:
        if password:
            secret.write(f"*:*:*:*:{password}\n")
            secret.flush()
            environment["PGPASSFILE"] = f"/dev/fd/{secret.fileno()}"
        command = [program, f"--dbname={bare.render_as_string(hide_password=False)}", "--no-password", *words]
        done = _finish(command, env=environment, pass_fds=(secret.fileno(),))
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BackupError(f"{program}: {said[0] if said else child.meaning(done.returncode)}")


def _finish(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, **options)  # noqa: S603
    except FileNotFoundError as error:
        raise BackupError(f"{command[0]} is missing; install it: sudo apt install postgresql-client") from error
