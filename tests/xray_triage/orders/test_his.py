"""What messages of the HIS do to the orders, on both databases: once, again, changed, taken back, before and after."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.store.database import Database
from tests.peers.ordering import MANNERS, Answer, placed, understood
from tests.xray_triage.desk import TestDesk, open_desk, reading
from tests.xray_triage.orders.conftest import taker
from xray_triage.accounts.audit import Action
from xray_triage.orders.his import REMEMBERED, HisOrders
from xray_triage.orders.match import Filmed
from xray_triage.orders.order import Order, OrderState
from xray_triage.orders.placed import SAME_FOR
from xray_triage.orders.tables import his_message

PEER = "192.168.1.30"
Send = Callable[[bytes], Answer]


@pytest.fixture
def send(his: HisOrders) -> Send:
    return lambda message: understood(his.take(message, peer=PEER))


def only(desk: TestDesk) -> Order:
    (order,) = everything(desk)
    return order


def everything(desk: TestDesk) -> list[Order]:
    return desk.orders.of_day(desk.clock.now().astimezone().date())


def take_film(desk: TestDesk, order: Order, **attributes: str) -> str:
    """The film of an order, read; its Study Instance UID."""
    typed = order.registration
    said = {"patient_name": typed.patient_name, "patient_id": order.patient_id, "PatientBirthDate": ""} | attributes
    desk.add(
        reading(),
        study_instance_uid=order.study_instance_uid,
        AccessionNumber=order.accession_number,
        **said,
    )
    film = Filmed(
        study_instance_uid=order.study_instance_uid,
        accession_number=order.accession_number,
        patient_id=said["patient_id"],
        patient_name=said["patient_name"],
        patient_birth_date="",
    )
    with desk.database.write() as connection:
        desk.orders.close(connection, film)
    return order.study_instance_uid


# Placing


def test_an_order_is_offered_to_the_machine_with_all_that_the_his_says(desk: TestDesk, send: Send) -> None:
    assert send(MANNERS["2.5, as the standard has it"]) == Answer("AA", "A-1", "", "")
    (order,) = desk.orders.offered()
    assert (order.patient_id, order.registration.patient_name) == ("BN-1", "NGUYỄN VĂN AN")
    assert order.accession_number.startswith("TA")
    assert (order.placing.placer, order.placing.placer_number) == ("HIS-A|79012", "CD-1")
    assert order.procedure_name == "Chụp X-quang ngực thẳng"
    (noted,) = desk.audit.entries(subject=order.accession_number)
    assert (noted.action, noted.actor) == (Action.PATIENT_REGISTERED, "his:HIS-A|79012")
    assert desk.orders.last_message_at() == desk.clock.now()


def test_a_message_that_comes_again_is_one_order(desk: TestDesk, send: Send) -> None:
    assert [send(placed()).code for _ in range(3)] == ["AA"] * 3
    only(desk)


def test_an_order_that_comes_again_in_another_message_is_one_order(desk: TestDesk, send: Send) -> None:
    assert [send(placed(message_id=f"M-{n}")).code for n in range(3)] == ["AA"] * 3
    only(desk)


def test_an_old_message_that_comes_again_undoes_no_newer_one(desk: TestDesk, send: Send) -> None:
    send(placed())
    send(placed(control="XO", message_id="M-2", name="NGUYỄN^ẨN^VĂN"))
    assert send(placed()).code == "AA"
    kept = only(desk)
    assert (kept.registration.patient_name, kept.ordered.name_parts) == ("NGUYỄN VĂN ẨN", "NGUYỄN^ẨN^VĂN")


def test_a_his_that_counts_its_messages_anew_loses_no_order(desk: TestDesk, send: Send) -> None:
    assert send(placed("1", message_id="1")).code == "AA"
    assert send(placed("2", message_id="1", patient="BN-2")).code == "AA"
    assert len(everything(desk)) == 2


def test_on_either_database_ten_connections_at_once_place_change_and_take_back_one_order(
    database: Database, tmp_path: Path
) -> None:
    desk = open_desk(database, tmp_path)
    his = taker(desk)
    same = [placed()] * 10
    others = [placed(message_id=f"N-{n}", control=control) for n in range(5) for control in ("NW", "XO")]
    with ThreadPoolExecutor(10) as pool:
        answers = [*pool.map(partial(his.take, peer=PEER), same), *pool.map(partial(his.take, peer=PEER), others)]
    assert {understood(answer).code for answer in answers} == {"AA"}
    assert only(desk).state is OrderState.WAITING
    his.take(placed(control="CA", message_id="M-2"), peer=PEER)
    assert only(desk).state is OrderState.CANCELLED
    assert desk.orders.last_message_at() == desk.clock.now()
    desk.refusals.flush()


def test_two_his_may_count_alike(desk: TestDesk, send: Send) -> None:
    assert [send(placed(msh_3=name)).code for name in ("HIS", "LIS")] == ["AA", "AA"]
    assert len(everything(desk)) == 2


def test_a_number_of_somebody_elses_open_order_is_refused_and_of_a_closed_one_begins_anew(
    desk: TestDesk, send: Send
) -> None:
    send(placed())
    other = placed(message_id="M-2", patient="BN-2", name="LÊ^C")
    assert send(other).place == "ORC-2"
    send(placed(control="CA", message_id="M-3"))
    assert send(other).code == "AA"
    assert {order.patient_id for order in everything(desk)} == {"BN-1", "BN-2"}


def test_a_number_that_comes_after_a_month_is_another_order_of_the_same_patient(desk: TestDesk, send: Send) -> None:
    send(placed())
    take_film(desk, only(desk))
    desk.clock.time += SAME_FOR / 2
    assert send(placed(message_id="M-2")).code == "AA"
    assert desk.orders.offered() == []
    desk.clock.time += SAME_FOR
    assert send(placed(message_id="M-3")).code == "AA"
    assert len(desk.orders.offered()) == 1


def test_what_was_taken_is_forgotten_after_a_month(desk: TestDesk, send: Send) -> None:
    send(placed())
    desk.clock.time += 2 * REMEMBERED
    send(placed("2", message_id="M-2"))
    with desk.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(his_message)) == 1


@pytest.mark.parametrize("name", ["ACC-000001", "TA2506010001"])
def test_the_accession_number_of_the_his_is_kept_where_it_is_free_and_none_of_ours(
    desk: TestDesk, send: Send, name: str
) -> None:
    send(placed(obr_18=name))
    send(placed("2", message_id="M-2", obr_18=name))
    numbers = [order.accession_number for order in everything(desk)]
    assert numbers.count("ACC-000001") == (name == "ACC-000001")
    assert len(set(numbers)) == 2
    assert "TA2506010001" not in numbers


def test_orders_of_one_message_are_all_placed_or_none(desk: TestDesk, send: Send) -> None:
    assert send(placed() + b"\rORC|XO|unknown\rOBR|1|unknown||18^X").place == "ORC-2"
    assert everything(desk) == []
    assert send(placed(message_id="M-1") + b"\rORC|NW|CD-2\rOBR|1|CD-2||18^X").code == "AA"
    assert len(everything(desk)) == 2


# Changing and taking back


def test_a_change_is_made_to_the_order_that_is_there(desk: TestDesk, send: Send) -> None:
    send(placed())
    before = only(desk)
    assert send(placed(control="XO", message_id="M-2", name="TRẦN^B", patient="BN-9", pv1_19="LK-2")).code == "AA"
    after = only(desk)
    assert (after.accession_number, after.study_instance_uid) == (before.accession_number, before.study_instance_uid)
    assert (after.registration.patient_name, after.patient_id) == ("TRẦN B", "BN-9")
    assert after.placing.treatment_code == "LK-2"
    assert after.scheduled_at == before.scheduled_at


def test_a_change_after_the_film_reaches_the_record_and_never_the_patient(desk: TestDesk, send: Send) -> None:
    send(placed())
    study = take_film(desk, only(desk))
    assert (
        send(placed(control="XO", message_id="M-2", pv1_19="LK-2", orc_12="^LAN", pid_19="079170012345")).code == "AA"
    )
    told = desk.orders.of_study(study)
    assert told is not None
    assert (told.treatment_code, told.referring_physician, told.citizen_number) == ("LK-2", "LAN", "079170012345")
    assert told.placer_number == "CD-1"
    refused = send(placed(control="XO", message_id="M-3", name="TRẦN^B", patient="BN-9"))
    assert (refused.code, refused.place) == ("AE", "PID-3")
    assert only(desk).registration.patient_name == "NGUYỄN VĂN AN"
    assert only(desk).state is OrderState.DONE


def test_an_order_taken_back_is_offered_no_more_until_it_is_placed_again(desk: TestDesk, send: Send) -> None:
    send(placed())
    assert [send(placed(control="CA", message_id=f"M-{n}")).code for n in (2, 3)] == ["AA", "AA"]
    assert desk.orders.offered() == []
    assert only(desk).placing.withdrawn_at is not None
    assert send(placed(control="XO", message_id="M-4")).place == "ORC-2"
    assert send(placed(message_id="M-5")).code == "AA"
    (order,) = desk.orders.offered()
    assert order.placing.withdrawn_at is None


def test_an_order_taken_back_after_the_film_stays_done_and_says_so(desk: TestDesk, send: Send) -> None:
    send(placed())
    take_film(desk, only(desk))
    assert send(placed(control="CA", message_id="M-2")).code == "AA"
    order = only(desk)
    assert (order.state, order.placing.withdrawn_at) == (OrderState.DONE, desk.clock.now())


def test_what_a_person_cancelled_here_is_not_placed_again_by_an_old_number(desk: TestDesk, send: Send) -> None:
    send(placed())
    desk.orders.cancel(only(desk).accession_number)
    assert send(placed(message_id="M-2")).place == "ORC-2"
    assert desk.orders.offered() == []


@pytest.mark.parametrize("control", ["XO", "CA"])
def test_an_order_that_nobody_placed_is_not_changed(desk: TestDesk, send: Send, control: str) -> None:
    refused = send(placed(control=control))
    assert (refused.code, refused.place, refused.control_id) == ("AE", "ORC-2", "M-1")
    assert "no order with this number" in refused.why
    assert everything(desk) == []


# Refusing


@pytest.mark.parametrize(
    ("content", "code", "control_id"),
    [
        (b"", "AR", ""), (b"GET / HTTP/1.1\r\n\r\n", "AR", ""), (b"MSH|^~\\&", "AR", ""), (b"MSH||||||||", "AR", ""),
        (b"MSH|^~\\&|A|B|||20250601||ORM^O01|7|P|2.5\rorc|NW", "AR", "7"),
        (b"MSH|^~\\&|A|B|||20250601||ADT^A01|7|P|2.5\rPID|1", "AR", "7"),
        (b"MSH|^~\\&|A|B|||20250601||ORM^O01|7|P|2.8\rPID|1", "AR", "7"),
        (b"MSH|^~\\&|A|B|||20250601||ORM^O01||P|2.5\rORC|NW|1", "AE", ""),
        (b"MSH|^~\\&|A|B|||20250601||ORM^O01|7|P|2.5\rPID|1", "AE", "7"),
    ],
)  # fmt: skip
def test_what_is_no_order_is_refused_in_words_and_told_to_a_person(
    desk: TestDesk, send: Send, content: bytes, code: str, control_id: str
) -> None:
    refused = send(content)
    assert (refused.code, refused.control_id) == (code, control_id)
    assert refused.why
    (told,) = desk.refusals.standing()
    assert (told.host, told.reason, told.is_told) == (PEER, "his_message", True)
    assert told.detail.startswith(code)


def test_a_refused_order_is_told_until_it_comes_mended_whatever_else_comes(desk: TestDesk, send: Send) -> None:
    assert send(placed(pid_7="soon")).place == "PID-7"
    assert send(placed("CD-2", message_id="M-2", patient="BN-2")).code == "AA"
    assert len(desk.refusals.standing()) == 1
    assert send(placed(message_id="M-3")).code == "AA"
    assert desk.refusals.standing() == []


def test_a_database_that_fails_keeps_nothing_and_answers_nothing(desk: TestDesk, his: HisOrders, send: Send) -> None:
    with desk.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE film_order RENAME TO away")
    with pytest.raises(SQLAlchemyError):
        his.take(placed(), peer=PEER)
    with desk.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO film_order")
    assert send(placed()).code == "AA"
    only(desk)
