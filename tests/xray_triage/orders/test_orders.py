"""Orders on both databases: numbers that are never given twice, states, and who is found again."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from dicom_router.scp.performed_step import ScheduledStep
from dicom_router.store.database import Database
from tests.factories import StoppedClock
from tests.xray_triage.desk import open_desk, reading
from tests.xray_triage.orders.conftest import filmed, registration
from xray_triage.orders.accession import SECONDS_A_NUMBER, NumbersUsedUp, draw_prefix, next_number
from xray_triage.orders.order import OrderState
from xray_triage.orders.orders import OrderClosed, Orders
from xray_triage.orders.rows import UnknownOrder
from xray_triage.orders.steps import Steps

PROCESSES, FORMS = 2, 30


OF_THE_PATIENT = {"patient_id": "079080012345", "calling_ae_title": "DX1"}


def state_of(orders: Orders, number: str) -> OrderState:
    order = orders.find(number)
    assert order is not None
    return order.state


def number_of(orders: Orders, key: str = "a", **changes: object) -> str:
    return orders.register(registration(**changes), form_key=key, registered_by="lan").accession_number


# Numbers


def test_an_accession_number_tells_station_day_and_count(orders: Orders, clock: StoppedClock) -> None:
    local = clock.now().astimezone()
    first = (local.hour * 3600 + local.minute * 60 + local.second) // SECONDS_A_NUMBER + 1
    assert [number_of(orders, key) for key in "abc"] == [f"TA{local:%y%m%d}{first + n:04}" for n in range(3)]


def test_a_database_put_back_to_this_mornings_copy_repeats_no_number(
    database: Database, orders: Orders, clock: StoppedClock
) -> None:
    given = []
    for key in "abc":
        given.append(number_of(orders, key))
        clock.advance(SECONDS_A_NUMBER)
    with database.write() as connection:
        connection.exec_driver_sql("delete from film_order")
    assert number_of(orders, "d") not in given


def test_the_same_form_sent_again_is_the_same_order(orders: Orders) -> None:
    first, again = (orders.register(registration(), form_key="a", registered_by="lan") for _ in range(2))
    assert first == again
    assert len(orders.offered()) == 1


def test_a_form_filled_anew_after_going_back_is_another_order(orders: Orders) -> None:
    assert number_of(orders) != number_of(orders, patient_name="TRẦN THỊ B")


def test_a_clock_set_back_repeats_no_number(orders: Orders, clock: StoppedClock) -> None:
    given = [number_of(orders, "1"), number_of(orders, "2")]
    clock.time -= timedelta(days=400)
    given.append(number_of(orders, "3"))
    clock.time += timedelta(days=400)
    given.append(number_of(orders, "4"))
    assert len(set(given)) == 4


def test_numbers_on_films_are_not_given_again_when_the_orders_are_lost(database: Database, tmp_path) -> None:  # type: ignore[no-untyped-def]
    desk = open_desk(database, tmp_path)
    given = number_of(desk.orders)
    for typed in (given, f"{given}A", f"{given[:-1]}X"):
        desk.add(reading(), AccessionNumber=typed)
    with database.write() as connection:
        connection.exec_driver_sql("delete from film_order")
    assert int(number_of(desk.orders)[2:]) == int(given[2:]) + 1


def test_a_station_without_prefix_draws_one_and_keeps_it(database: Database, clock: StoppedClock) -> None:
    first, second = (number_of(Orders(database, clock=clock), key) for key in "ab")
    assert len(first) == 16
    assert first[:6] == second[:6]
    assert len({draw_prefix() for _ in range(300)}) == 300


def test_no_day_has_more_numbers_than_fit() -> None:
    midnight, at_noon, late = (
        datetime(2025, 11, 22, hour, 0 if hour < 23 else 59, 59, tzinfo=UTC) for hour in (0, 12, 23)
    )
    assert next_number("TA251122", None, at=midnight) == "TA2511220006"
    assert next_number("TA251122", "TA2511220006", at=at_noon) == "TA2511224326"
    assert next_number("TA251122", "TA2511229000", at=at_noon) == "TA2511229001"
    assert next_number("TA251122", None, at=late) == "TA2511228640"
    with pytest.raises(NumbersUsedUp):
        next_number("TA251122", "TA2511229999", at=midnight)


REGISTER_MANY = """
import sys
from datetime import date
from concurrent.futures import ThreadPoolExecutor
from dicom_router.clock import SystemClock
from dicom_router.store.database import open_database
from xray_triage.orders.order import Registration
from xray_triage.orders.orders import Orders

orders = Orders(open_database(sys.argv[1]), clock=SystemClock(), prefix="TA")
typed = Registration(patient_name="NGUYỄN VĂN A", patient_birth_date=date(1980, 2, 1), patient_sex=None)

def register(number):
    return orders.register(typed, form_key=f"{sys.argv[2]}-{number // 2}", registered_by="lan").accession_number

with ThreadPoolExecutor(8) as pool:  # every form is sent twice
    print("\\n".join(pool.map(register, range(2 * int(sys.argv[3])))))
"""


@pytest.mark.slow
def test_many_forms_in_two_processes_at_once_share_no_number(database: Database, database_url: str) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER_MANY, database_url, str(number), str(FORMS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    said = [process.communicate(timeout=120)[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES
    assert [len(numbers) for numbers in said] == [2 * FORMS] * PROCESSES
    assert len({number for numbers in said for number in numbers}) == PROCESSES * FORMS


def test_one_form_sent_ten_times_at_once_is_one_order(orders: Orders) -> None:
    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(lambda _: number_of(orders), range(10)))) == 1


# Who


@pytest.mark.parametrize(
    ("typed", "patient_id"),
    [
        ({"patient_id": "P7"}, "P7"),
        ({}, "079080012345"),
        ({"citizen_number": "", "insurance_number": "GD4797912345678"}, "7912345678"),
    ],
)
def test_a_patient_is_known_by_the_number_that_lasts_longest(
    orders: Orders, typed: dict[str, object], patient_id: str
) -> None:
    order = orders.register(registration(**typed), form_key="a", registered_by="lan")
    assert order.patient_id == patient_id


def test_a_patient_without_papers_gets_the_accession_number(orders: Orders) -> None:
    order = orders.register(registration(citizen_number=""), form_key="a", registered_by="lan")
    assert order.patient_id == order.accession_number


@pytest.mark.parametrize("search", ["duc nguyen", "Đức", "079080012345", "0790"])
def test_an_earlier_patient_is_found_without_accents_once(orders: Orders, search: str) -> None:
    newest = [number_of(orders, key) for key in "ab"][-1]
    number_of(orders, "c", patient_name="TRẦN THỊ B", citizen_number="001180000000")
    assert [order.accession_number for order in orders.patients(search)] == [newest]


@pytest.mark.parametrize("search", ["", "   ", "không ai", "%", "_", "' or 1=1 --"])
def test_a_search_for_nobody_finds_nobody(orders: Orders, search: str) -> None:
    number_of(orders)
    assert orders.patients(search) == []


# States


def test_a_waiting_order_is_corrected_and_cancelled(orders: Orders) -> None:
    number = number_of(orders)
    changed = orders.change(number, registration(patient_name="NGUYỄN VĂN ĐẠT"))
    assert (changed.accession_number, changed.registration.patient_name) == (number, "NGUYỄN VĂN ĐẠT")
    orders.cancel(number)
    assert orders.offered() == []
    with pytest.raises(OrderClosed):
        orders.change(number, registration())
    with pytest.raises(UnknownOrder):
        orders.cancel("TA2501010001")


def test_a_cancellation_is_taken_back_and_nothing_else_is(
    database: Database, orders: Orders, clock: StoppedClock
) -> None:
    number, steps = number_of(orders), Steps(database, clock=clock)
    orders.reopen(number)
    assert state_of(orders, number) is OrderState.WAITING
    orders.cancel(number)
    orders.reopen(number)
    assert [order.accession_number for order in orders.offered()] == [number]
    steps.begin("1.2.3", (ScheduledStep(study_instance_uid="", accession_number=number),), **OF_THE_PATIENT)
    orders.cancel(number)  # the machine broke down and never says how it ended
    orders.reopen(number)
    assert state_of(orders, number) is OrderState.IN_PROGRESS
    orders.finish(number)
    orders.reopen(number)
    assert state_of(orders, number) is OrderState.DONE
    for late in (orders.cancel, orders.finish):
        with pytest.raises(OrderClosed):
            late(number)
    with pytest.raises(UnknownOrder):
        orders.reopen("TA2501010001")


def test_a_film_closes_the_order_of_its_number_or_study_and_person_and_no_other(
    database: Database, orders: Orders
) -> None:
    first, second, other = (
        orders.register(registration(), form_key=key, registered_by="lan") for key in ("a", "b", "c")
    )
    orders.cancel(second.accession_number)
    with database.write() as connection:
        orders.close(connection, filmed(first, study_instance_uid="1.2.3"))
        orders.close(connection, filmed(second, accession_number=""))
        orders.close(connection, filmed(other, patient_id="P9", patient_name="TRẦN VĂN B"))
        orders.close(connection, filmed(other, study_instance_uid="1.2.3", accession_number=""))
    assert {state_of(orders, order.accession_number) for order in (first, second)} == {OrderState.DONE}
    assert [order.accession_number for order in orders.offered()] == [other.accession_number]


def test_the_order_behind_a_case_is_told_only_where_film_and_person_agree(database: Database, tmp_path) -> None:  # type: ignore[no-untyped-def]
    desk = open_desk(database, tmp_path)
    order = desk.orders.register(registration(referring_physician="BS Lan"), form_key="a", registered_by="lan")
    numbered = {"AccessionNumber": order.accession_number}
    name = order.registration.patient_name
    desk.add(reading(), study_instance_uid="1.2.1", patient_name=name, patient_id=order.patient_id, **numbered)
    desk.add(reading(), study_instance_uid="1.2.2", patient_name="LÊ VĂN C", patient_id="77", **numbered)
    told = desk.orders.of_study("1.2.1")
    assert told is not None
    assert (told.citizen_number, told.referring_physician, told.reason, told.placer_number) == (
        "079080012345", "BS Lan", "Ho kéo dài", "",
    )  # fmt: skip
    assert desk.orders.of_study("1.2.2") is None
    assert desk.orders.of_study("1.2.3") is None


def test_an_order_is_offered_for_a_week_and_listed_until_then(orders: Orders, clock: StoppedClock) -> None:
    number_of(orders)
    clock.advance(6 * 86_400)
    assert len(orders.offered()) == len(orders.of_day(clock.now().astimezone().date())) == 1
    clock.advance(2 * 86_400)
    assert orders.offered() == orders.of_day(clock.now().astimezone().date()) == []
    assert len(orders.of_day(date(2025, 6, 1))) == 1


def test_an_order_for_next_week_is_listed_on_its_day(orders: Orders) -> None:
    at = datetime(2025, 6, 8, 3, tzinfo=UTC)
    number_of(orders, scheduled_at=at)
    assert orders.of_day(date(2025, 6, 1)) == []
    assert len(orders.of_day(at.astimezone().date())) == 1
