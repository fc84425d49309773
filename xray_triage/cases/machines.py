"""The X-ray machines whose films were read, what their films scored, and the cut-offs that were set for them.

A machine is kept once for each model: under another model its scores mean something else. What was set is never
overwritten: every setting is a row of its own, and the last one holds. Decides nothing; model/acquaintance.py does.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database, OutsideText, UtcDateTime, insert_new
from xray_triage.cases.rows import detail_of, probabilities_of
from xray_triage.cases.tables import image
from xray_triage.reading.acquisition import Machine
from xray_triage.reading.bundle import Reference

metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
machine = sa.Table(
    "machine",
    metadata,
    sa.Column("machine_id", _Number, primary_key=True),
    sa.Column("model_sha256", sa.Text, nullable=False),
    *(sa.Column(name, OutsideText, nullable=False) for name in ("manufacturer", "model", "station")),
    sa.UniqueConstraint("model_sha256", "manufacturer", "model", "station", name="machine_of_model"),
    sqlite_autoincrement=True,
)
cut_off_setting = sa.Table(
    "cut_off_setting",
    metadata,
    sa.Column("setting_id", _Number, primary_key=True),
    sa.Column("machine_id", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("set_at", UtcDateTime, nullable=False),
    sa.Column("set_by", OutsideText, nullable=False),
    sa.Column("after_image", sa.BigInteger, nullable=False),
    sa.Column("cut_offs", sa.Text, nullable=False),  # JSON: label -> probability
    sa.Column("basis", sa.Text, nullable=False),  # JSON: label -> its Reference
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("cut_off_setting_machine", "machine_id", "setting_id"),
    sqlite_autoincrement=True,
)


class SettingKind(StrEnum):
    """SET: cut-offs were accepted. RESET: back to the bundle's. CHANGED: the machine's films look otherwise now."""

    SET = "cut_offs_set"
    RESET = "cut_offs_reset"
    CHANGED = "cut_offs_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of what was set. ``after_image``: films of the machine beyond this image's number count from then on.

    ``basis``: how the scores of each label lay then. ``by``: a person, or the policy.
    """

    kind: SettingKind
    by: str
    at: datetime | None = None
    after_image: int = 0
    cut_offs: Mapping[str, float] = field(default_factory=dict)
    basis: Mapping[str, Reference] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMachine:
    """A machine under one model."""

    machine_id: int
    machine: Machine


class Machines:
    """Reads and writes them. ``note`` hears of every setting: who set what is in the audit trail."""

    def __init__(self, database: Database, *, clock: Clock, note: Callable[[str, Setting], None]) -> None:
        self._database = database
        self._clock = clock
        self._note = note

    def known(self, model_sha256: str) -> list[KnownMachine]:
        """Every machine of which this model read a film, in the order of its first film."""
        found = sa.select(machine).where(machine.c.model_sha256 == model_sha256).order_by(machine.c.machine_id)
        with self._database.read() as connection:
            return [
                KnownMachine(machine_id=row.machine_id, machine=Machine(**_named(row)))
                for row in connection.execute(found)
            ]

    def find(self, model_sha256: str, wanted: Machine) -> KnownMachine | None:
        """The row of this machine; None before its first film."""
        return next((one for one in self.known(model_sha256) if one.machine == wanted), None)

    def count(self, connection: sa.Connection, sop_instance_uid: str, made_by: Machine, model_sha256: str) -> None:
        """The film is one of this machine, read by this model. In the transaction that records it."""
        names = {"manufacturer": made_by.manufacturer, "model": made_by.model, "station": made_by.station}
        names["model_sha256"] = model_sha256
        number = sa.select(machine.c.machine_id).where(*(machine.c[name] == value for name, value in names.items()))
        if connection.scalar(number) is None:  # an insert that does nothing would use up a number that people type
            insert_new(connection, machine, names)
        film = image.update().where(image.c.sop_instance_uid == sop_instance_uid)
        connection.execute(film.values(machine_id=number.scalar_subquery()))

    def films(self, machine_id: int, *, after_image: int = 0) -> int:
        """How many films of the machine were read."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).where(*_of(machine_id, after_image))) or 0

    def scores(self, machine_id: int, *, newest: int, after_image: int = 0) -> list[Mapping[str, float]]:
        """What the model said of each label on the ``newest`` films of the machine, the newest first.

        Beside it the energies that each film came with, as rows.detail_of names them.
        """
        readings = sa.select(image.c.reading).where(*_of(machine_id, after_image)).order_by(image.c.image_id.desc())
        with self._database.read() as connection:
            newest_first = connection.scalars(readings.limit(newest)).all()
        return [_scored(reading) for reading in newest_first]

    def last_film(self, machine_id: int) -> int:
        """The number of the machine's newest image, 0 when there is none."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(sa.func.max(image.c.image_id)).where(*_of(machine_id, 0))) or 0

    def settings(self, machine_id: int) -> list[Setting]:
        """What was ever set for the machine, the last one first."""
        rows = sa.select(cut_off_setting).where(cut_off_setting.c.machine_id == machine_id)
        with self._database.read() as connection:
            return [_setting(row) for row in connection.execute(rows.order_by(cut_off_setting.c.setting_id.desc()))]

    def keep(self, known: KnownMachine, setting: Setting) -> None:
        """Add a setting, which holds from the machine's next film on."""
        row = {
            "machine_id": known.machine_id,
            "kind": setting.kind.value,
            "set_at": self._clock.now(),
            "set_by": setting.by,
            "after_image": setting.after_image,
            "cut_offs": json.dumps(dict(setting.cut_offs)),
            "basis": json.dumps({label: one.model_dump() for label, one in setting.basis.items()}),
            "note": setting.note,
        }
        with self._database.write() as connection:
            connection.execute(cut_off_setting.insert().values(row))
        self._note(str(known.machine), setting)


@lru_cache(maxsize=1024)  # each film is read again and again, until so many are newer
def _scored(reading: str) -> Mapping[str, float]:
    return MappingProxyType(probabilities_of(reading)[1] | detail_of(reading))


def _of(machine_id: int, after_image: int) -> tuple[sa.ColumnElement[bool], ...]:
    return image.c.machine_id == machine_id, image.c.image_id > after_image


def _named(row: sa.Row[tuple[object, ...]]) -> dict[str, str]:
    return {"manufacturer": row.manufacturer, "model": row.model, "station": row.station}


def _setting(row: sa.Row[tuple[object, ...]]) -> Setting:
    return Setting(
        kind=SettingKind(row.kind),
        by=row.set_by,
        at=row.set_at,
        after_image=row.after_image,
        cut_offs=json.loads(row.cut_offs),
        basis={label: Reference(**one) for label, one in json.loads(row.basis).items()},
        note=row.note,
    )
