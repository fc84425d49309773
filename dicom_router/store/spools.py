"""Which spool a database's rows point into: binds a spool to a database by its marker. Opens no film.

Several stations may stand on one database, each with a spool of its own: a row names its spool, and only the station
that has this spool at hand does the work. What cannot be told apart is refused, before any work is touched.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.errors import DamagedFile, SpoolMismatch
from dicom_router.store.database import Database
from dicom_router.store.marker import Marker, new_marker, read_marker, write_marker
from dicom_router.store.tables import arrival, purged, spool, work

# A station whose power failed is known to be gone after these seconds, and not after the system's two hours.
_KEEPALIVE = {"tcp_keepalives_idle": 5, "tcp_keepalives_interval": 3, "tcp_keepalives_count": 3}


def bind_spool(database: Database, folder: Path, *, ae_title: str, alone: bool, clock: Clock) -> str:
    """The id of the spool in ``folder``, which from now on is one of the database's; writes nothing when it was.

    ``alone``: no other station can be on this database, as it lies beside the spool: then its rows are of this spool,
    whatever they call it. The first spool of a database gets all rows that name none. Raises SpoolMismatch.
    """
    marker, place = _marker_of(folder), {"ae_title": ae_title, "host": socket.gethostname(), "folder": str(folder)}
    with database.read() as connection:
        known = _known(connection, marker)
    if known is not None and known._asdict().items() >= place.items():
        return str(known.spool_id)
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("LOCK TABLE spool IN EXCLUSIVE MODE"))
        named = _name(connection, marker, place, alone=alone) or marker or new_marker(clock)
        if named != marker:
            write_marker(folder, named)
        _keep(connection, named, place)
    return named.id


def _marker_of(folder: Path) -> Marker | None:
    try:
        return read_marker(folder)
    except DamagedFile:  # what the disk spoilt is as good as lost: the database may know the name
        return None


def _known(connection: sa.Connection, marker: Marker | None) -> sa.Row[Any] | None:
    found = connection.execute(sa.select(spool).where(spool.c.spool_id == marker.id)) if marker else None
    return found.one_or_none() if found else None


def _name(connection: sa.Connection, marker: Marker | None, place: dict[str, str], *, alone: bool) -> Marker | None:
    """The name that the database has for this spool; None when it has none. Raises SpoolMismatch."""
    if _known(connection, marker) is not None:
        _check_free(connection, marker, place)
        return marker
    rows = connection.execute(sa.select(spool).order_by(spool.c.made_at.desc())).all()
    if not alone:
        rows = [row for row in rows if row.ae_title == place["ae_title"]]
    if not rows:
        return None
    at_home = marker is None and (rows[0].host, rows[0].folder) == (place["host"], place["folder"])
    if not alone and not at_home:
        raise _mismatch(rows[0])
    if marker is not None:
        _rename(connection, rows[0].spool_id, marker)
        return marker
    return Marker(id=rows[0].spool_id, made=rows[0].made_at)


def _rename(connection: sa.Connection, spool_id: str, marker: Marker) -> None:
    """Whatever the rows call their spool, it is this one: the marker may be another station's too, and stays."""
    for table in (arrival, work, purged, spool):
        connection.execute(table.update().where(table.c.spool_id == spool_id).values(spool_id=marker.id))


def _check_free(connection: sa.Connection, marker: Marker | None, place: dict[str, str]) -> None:
    """No other spool may have the AE title that this one takes."""
    assert marker is not None
    same = sa.and_(spool.c.ae_title == place["ae_title"], spool.c.spool_id != marker.id)
    other = connection.execute(sa.select(spool).where(same)).first()
    if other is not None:
        raise _mismatch(other)


def _mismatch(row: sa.Row[Any]) -> SpoolMismatch:
    name = json.dumps({"id": row.spool_id, "made": row.made_at.isoformat()})
    return SpoolMismatch(
        f"the database has a station {row.ae_title} already, whose films lie in {row.folder} on {row.host}: give this "
        "one a database or an ae_title of its own; if that one is gone for good and this one takes its place, write "
        f"{name} into spool/spool.json here"
    )


def _keep(connection: sa.Connection, marker: Marker, place: dict[str, str]) -> None:
    mine = spool.c.spool_id == marker.id
    if connection.execute(spool.update().where(mine).values(place)).rowcount:
        return
    if connection.execute(sa.select(spool.c.spool_id)).first() is None:
        for table in (arrival, work, purged):
            connection.execute(table.update().where(table.c.spool_id.is_(None)).values(spool_id=marker.id))
    connection.execute(spool.insert().values(spool_id=marker.id, made_at=marker.made, **place))


@contextmanager
def sole_holder(database: Database, spool_id: str) -> Iterator[bool]:
    """Hold the spool for one station among all on a PostgreSQL, e.g. against a copy of a whole disk; True: it is ours.

    The server lets go whatever way this process ends. On SQLite, which is on this computer, always True.
    """
    if database.is_sqlite:
        yield True
        return
    number = int.from_bytes(bytes.fromhex(spool_id)[:8], signed=True)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # closed for good at the end, and the lock with it
        for name, value in _KEEPALIVE.items():
            connection.exec_driver_sql(f"SET {name} = {value}")
        lock = sa.func.pg_try_advisory_lock(sa.cast(number, sa.BigInteger))
        yield bool(connection.scalar(sa.select(lock)))
