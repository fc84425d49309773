"""The pictures that are kept of every film that has them: heat map and, of a purged one, the film itself, small.

In tables of their own, which no list of cases loads. Never decodes a pixel.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from dicom_router.store.database import Database, OutsideText

metadata = sa.MetaData()
heat = sa.Table(
    "heat",
    metadata,
    sa.Column("sop_instance_uid", OutsideText, primary_key=True),
    sa.Column("png", sa.LargeBinary, nullable=False),
)
small_picture = sa.Table(
    "small_picture",
    metadata,
    sa.Column("sop_instance_uid", OutsideText, primary_key=True),
    sa.Column("jpeg", sa.LargeBinary, nullable=False),
)


class KeptPictures:
    """Pictures by the film's SOP Instance UID."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        self._table = table
        self._uid, self._picture = table.c

    def keep(self, connection: sa.Connection, sop_instance_uid: str, picture: bytes | None) -> None:
        """Put this one in the place of what was kept before; None: there is none now. In the caller's transaction."""
        connection.execute(self._table.delete().where(self._uid == sop_instance_uid))
        if picture is not None:
            row = {self._uid.name: sop_instance_uid, self._picture.name: picture}
            connection.execute(self._table.insert().values(row))

    def of(self, sop_instance_uid: str) -> bytes | None:
        """The picture; None where there is none."""
        with self._database.read() as connection:
            wanted = sa.select(self._picture).where(self._uid == sop_instance_uid)
            return connection.scalar(wanted)

    def among(self, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Those of these films that have one."""
        wanted = sa.select(self._uid).where(self._uid.in_(list(sop_instance_uids)))
        with self._database.read() as connection:
            return frozenset(connection.scalars(wanted))


class HeatMaps(KeptPictures):
    """Heat maps: RGBA PNG, to be laid over the whole film, transparent where cold."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, heat)


class SmallPictures(KeptPictures):
    """What can still be seen of a film that lies at the PACS: a JPEG of some hundred pixels."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, small_picture)
