"""The heat map of every film that has one, as a small picture. In a table of its own, which no list of cases loads."""

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


class HeatMaps:
    """Heat maps by the film's SOP Instance UID: RGBA PNG, to be laid over the whole film, transparent where cold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, connection: sa.Connection, sop_instance_uid: str, png: bytes | None) -> None:
        """Put this one in the place of what was kept before; None: there is none now. In the caller's transaction."""
        connection.execute(heat.delete().where(heat.c.sop_instance_uid == sop_instance_uid))
        if png is not None:
            connection.execute(heat.insert().values(sop_instance_uid=sop_instance_uid, png=png))

    def of(self, sop_instance_uid: str) -> bytes | None:
        """The picture; None where there is none."""
        with self._database.read() as connection:
            wanted = sa.select(heat.c.png).where(heat.c.sop_instance_uid == sop_instance_uid)
            return connection.scalar(wanted)

    def among(self, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Those of these films that have one."""
        wanted = sa.select(heat.c.sop_instance_uid).where(heat.c.sop_instance_uid.in_(list(sop_instance_uids)))
        with self._database.read() as connection:
            return frozenset(connection.scalars(wanted))
