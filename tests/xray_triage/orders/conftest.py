"""A book of orders on a fresh database, and a desk that the HIS sends orders to."""

from collections.abc import Iterator
from datetime import date

import pytest

from dicom_router.store.database import Database
from dicom_router.store.refusals import number_of
from tests.databases import open_in
from tests.factories import StoppedClock
from tests.xray_triage.desk import TestDesk, open_desk
from xray_triage.orders.his import HisOrders
from xray_triage.orders.match import Filmed
from xray_triage.orders.order import Order, Procedure, Registration, Sex
from xray_triage.orders.orders import Orders
from xray_triage.orders.tables import film_order, his_message


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
def orders(database: Database, clock: StoppedClock) -> Orders:
    return Orders(database, clock=clock, prefix="TA")


@pytest.fixture(scope="module")
def lasting_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestDesk]:
    """On SQLite."""
    folder = tmp_path_factory.mktemp("desk")
    opened = open_in(folder / "station.db")
    yield open_desk(opened, folder)
    opened.close()


@pytest.fixture
def desk(lasting_desk: TestDesk) -> Iterator[TestDesk]:
    """Without an order, at its first hour, and nobody was refused."""
    with lasting_desk.database.write() as connection:
        for table in (film_order, his_message):
            connection.execute(table.delete())
    for each in lasting_desk.refusals.standing():
        lasting_desk.refusals.dismiss(number_of(each))
    lasting_desk.clock.time = StoppedClock().time
    yield lasting_desk
    lasting_desk.refusals.flush()


@pytest.fixture
def his(desk: TestDesk) -> HisOrders:
    return taker(desk)


def taker(desk: TestDesk) -> HisOrders:
    return HisOrders(
        desk.database,
        desk.orders,
        clock=desk.clock,
        audit=desk.audit,
        refusals=desk.refusals,
        services={"18.0119": Procedure.CHEST_PA},
    )
