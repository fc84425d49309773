"""How often a wrong PIN was given to each key, so that no token is locked by us. Keeps no PIN; knows no token.

A try is counted before the PIN is looked at: a power cut then costs a try, and never gives one.
"""

import sqlalchemy as sa

from dicom_router.store.database import Database, insert_new
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.records.tables import signing_key

MOST_WRONG = 3


class WrongPins:
    """By the name of the key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, name: str) -> None:
        """A PIN is about to be tried. Raises CannotSign after three wrong ones."""
        tried = signing_key.c.wrong_pins
        with self._database.write() as connection:
            insert_new(connection, signing_key, {"name": name, "wrong_pins": 0})
            mine = sa.update(signing_key).where(signing_key.c.name == name, tried < MOST_WRONG)
            if not connection.execute(mine.values(wrong_pins=tried + 1)).rowcount:
                raise CannotSign(Fault.NO_MORE_PINS, name)

    def take_back(self, name: str) -> None:
        """It was not for the PIN that nothing was signed."""
        tried = signing_key.c.wrong_pins
        with self._database.write() as connection:
            mine = sa.update(signing_key).where(signing_key.c.name == name, tried > 0)
            connection.execute(mine.values(wrong_pins=tried - 1))

    def forgive(self, name: str | None = None) -> None:
        """The PIN was right; without a name: a person says that all keys may be tried again."""
        gone = sa.delete(signing_key)
        with self._database.write() as connection:
            connection.execute(gone if name is None else gone.where(signing_key.c.name == name))
