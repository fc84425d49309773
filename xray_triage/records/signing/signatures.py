"""The signed PDFs of results, each whole and for ever, in the database, where every backup has it. Knows no key.

A version has one signature at most; an amended version is another PDF, unsigned until it is signed itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dicom_router.store.database import Database, insert_new
from xray_triage.cases import tables as cases
from xray_triage.cases.casebook import sequence_of
from xray_triage.records.outbox import RecordOutbox
from xray_triage.records.signing.signer import Signed
from xray_triage.records.tables import signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Whose certificate stands under a version, by whose account it was put there, and when."""

    version: int
    signer: str
    serial: str
    signed_by: str
    signed_at: datetime


class Signatures:
    """By case and version."""

    def __init__(self, database: Database, records: RecordOutbox) -> None:
        self._database = database
        self._records = records

    def keep(self, case_id: str, version: int, signed: Signed, *, by: str) -> None:
        """Keep a signed PDF, which goes to all who have the unsigned one; of two at once the first stays.

        Raises UnknownCase.
        """
        row = {
            "version": version,
            "pdf": signed.pdf,
            "signer": signed.signer,
            "serial": signed.serial,
            "signed_by": by,
            "signed_at": signed.signed_at,
        }
        with self._database.write() as connection:
            sequence = sequence_of(connection, case_id)
            if insert_new(connection, signature, row | {"case_sequence": sequence}) is not None:
                self._records.enqueue(connection, sequence, version)

    def of(self, case_id: str) -> dict[int, Signature]:
        """Every signature under a case's result, by version. Raises UnknownCase."""
        columns = [column for column in signature.c if column is not signature.c.pdf]
        with self._database.read() as connection:
            mine = signature.c.case_sequence == sequence_of(connection, case_id)
            return {row.version: _signature(row) for row in connection.execute(sa.select(*columns).where(mine))}

    def among(self, case_ids: Iterable[str]) -> frozenset[tuple[str, int]]:
        """Case and version of all that are signed, of these cases."""
        case = cases.case.c
        query = (
            sa.select(case.case_id, signature.c.version)
            .join_from(signature, cases.case, signature.c.case_sequence == case.sequence)
            .where(case.case_id.in_(list(case_ids)))
        )
        with self._database.read() as connection:
            return frozenset((row.case_id, row.version) for row in connection.execute(query))

    def pdf(self, case_id: str, version: int) -> bytes | None:
        """The signed PDF of a version, byte for byte; None: it is not signed. Raises UnknownCase."""
        with self._database.read() as connection:
            mine = signature.c.case_sequence == sequence_of(connection, case_id)
            return connection.scalar(sa.select(signature.c.pdf).where(mine, signature.c.version == version))


def _signature(row: sa.Row[Any]) -> Signature:
    return Signature(
        version=row.version,
        signer=row.signer,
        serial=row.serial,
        signed_by=row.signed_by,
        signed_at=row.signed_at,
    )
