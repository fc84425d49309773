"""A book of orders on a fresh database."""

from datetime import date

import pytest

from dicom_router.store.database import Database
from tests.factories import StoppedClock
from xray_triage.cases.casebook import migrate_cases
from xray_triage.orders.match import Filmed
from xray_triage.orders.order import Order, Registration, Sex
from xray_triage.orders.orders import Orders


def registration(**changes: object) -> Registration:
    typed: dict[str, object] = {
        "patient_name": "NGUYỄN VĂN ĐỨC",
        "patient_birth_date": date(1980, 2, 1),
        "patient_sex": Sex.MALE,
        "citizen_number": "079080012345",
        "reason": "Ho kéo dài",
    }
    return Registration(**typed | changes)  # type: ignore[arg-type]


def filmed(order: Order, **changes: str) -> Filmed:
    """The film that a machine takes of an order's entry."""
    born = order.registration.patient_birth_date
    said = {
        "study_instance_uid": order.study_instance_uid,
        "accession_number": order.accession_number,
        "patient_id": order.patient_id,
        "patient_name": order.registration.patient_name,
        "patient_birth_date": born.isoformat() if born else "",
    }
    return Filmed(**said | changes)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def desk_database(database: Database) -> Database:
    """SQLite, then PostgreSQL, with the desk's tables."""
    migrate_cases(database)
    return database


@pytest.fixture
def orders(desk_database: Database, clock: StoppedClock) -> Orders:
    return Orders(desk_database, clock=clock, prefix="TA")
