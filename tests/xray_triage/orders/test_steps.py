"""What machines say of their work, in every order: late, twice, for nobody known, of two machines, after a restart."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from dicom_router.scp.performed_step import ScheduledStep, StepState
from dicom_router.store.database import Database
from tests.factories import StoppedClock
from tests.xray_triage.orders.conftest import filmed, registration
from xray_triage.orders.order import Order, OrderState
from xray_triage.orders.orders import Orders
from xray_triage.orders.steps import Steps

WAITING, RUNNING, DONE, CANCELLED = (
    OrderState.WAITING, OrderState.IN_PROGRESS, OrderState.DONE, OrderState.CANCELLED,
)  # fmt: skip
ENDS = {"completed": StepState.COMPLETED, "given up": StepState.DISCONTINUED, "in progress": StepState.IN_PROGRESS}


@pytest.fixture
def order(orders: Orders) -> Order:
    return orders.register(registration(), form_key="a", registered_by="lan")


@pytest.fixture
def steps(database: Database, clock: StoppedClock) -> Steps:
    return Steps(database, clock=clock)


def begin(steps: Steps, uid: str, *orders: Order, patient_id: str = "079080012345") -> bool:
    worked_for = tuple(
        ScheduledStep(study_instance_uid=order.study_instance_uid, accession_number=order.accession_number)
        for order in orders
    )
    return steps.begin(uid, worked_for, patient_id=patient_id, calling_ae_title="DX1")


def state_of(orders: Orders, order: Order) -> OrderState:
    found = orders.find(order.accession_number)
    assert found is not None
    return found.state


# What happens, one after the other, and where the order stands after each. A and B are two steps for one order.
COURSES: Sequence[tuple[tuple[str, OrderState], ...]] = (
    (("A begins", RUNNING), ("A completed", DONE)),
    (("A begins", RUNNING), ("A given up", WAITING), ("B begins", RUNNING), ("B completed", DONE)),
    (("A begins", RUNNING), ("B begins", RUNNING), ("A given up", RUNNING), ("B completed", DONE)),
    (("A begins", RUNNING), ("B begins", RUNNING), ("A given up", RUNNING), ("B given up", WAITING)),
    (("A begins", RUNNING), ("B begins", RUNNING), ("A completed", DONE), ("B given up", DONE)),
    (("A begins", RUNNING), ("A completed", DONE), ("B begins", DONE), ("B given up", DONE)),
    (("A begins", RUNNING), ("A in progress", RUNNING), ("A given up", WAITING)),
    # said twice, and said after the end
    (("A begins", RUNNING), ("A begins", RUNNING), ("A completed", DONE), ("A completed", DONE)),
    (("A begins", RUNNING), ("A given up", WAITING), ("A completed", WAITING), ("A begins", WAITING)),
    (("A completed", WAITING), ("A given up", WAITING), ("A begins", RUNNING)),
    # the film, first and last
    (("film", DONE), ("A begins", DONE), ("A given up", DONE)),
    (("A begins", RUNNING), ("film", DONE), ("A given up", DONE)),
    (("A begins", RUNNING), ("A given up", WAITING), ("film", DONE), ("B begins", DONE)),
    # the desk cancels, the machine has it on its list
    (("cancel", CANCELLED), ("A begins", CANCELLED), ("A given up", CANCELLED), ("reopen", WAITING)),
    (("cancel", CANCELLED), ("A begins", CANCELLED), ("reopen", RUNNING), ("A completed", DONE)),
    (("cancel", CANCELLED), ("A begins", CANCELLED), ("A completed", CANCELLED), ("reopen", DONE)),
    (("A begins", RUNNING), ("cancel", CANCELLED), ("film", DONE), ("reopen", DONE)),
    # a restart between any two
    (("A begins", RUNNING), ("restart", RUNNING), ("A given up", WAITING), ("restart", WAITING)),
)


def test_an_order_stands_where_its_steps_its_film_and_the_desk_say(
    database: Database, orders: Orders, clock: StoppedClock
) -> None:
    steps = Steps(database, clock=clock)
    for place, course in enumerate(COURSES):
        order = orders.register(registration(), form_key=str(place), registered_by="lan")
        for what, state in course:
            who, _, did = what.partition(" ")
            if did == "begins":
                begin(steps, f"1.{place}.{ord(who)}", order)
            elif did:
                steps.change(f"1.{place}.{ord(who)}", ENDS[did])
            elif what == "film":
                with database.write() as connection:
                    orders.close(connection, filmed(order))
            elif what == "restart":
                steps, orders = Steps(database, clock=clock), Orders(database, clock=clock, prefix="TA")
            else:
                {"cancel": orders.cancel, "reopen": orders.reopen}[what](order.accession_number)
            assert state_of(orders, order) is state, (course, what)


def test_the_order_in_which_two_machines_report_makes_no_difference(orders: Orders, steps: Steps) -> None:
    """Whole courses of two steps, in all their interleavings."""
    for ends in itertools.combinations_with_replacement(ENDS, 2):
        said = [("A", "begins"), ("A", ends[0]), ("B", "begins"), ("B", ends[1])]
        stood = set()
        for place, course in enumerate(itertools.permutations(said)):
            if course.index(said[0]) > course.index(said[1]) or course.index(said[2]) > course.index(said[3]):
                continue
            order = orders.register(registration(), form_key=f"{ends}{place}", registered_by="lan")
            for who, did in course:
                uid = f"{order.study_instance_uid}.{ord(who)}"
                if did == "begins":
                    assert begin(steps, uid, order)
                else:
                    assert steps.change(uid, ENDS[did]) is StepState.IN_PROGRESS
            stood.add(state_of(orders, order))
        assert stood == {DONE if "completed" in ends else RUNNING if "in progress" in ends else WAITING}


def test_messages_of_two_machines_at_once_leave_no_step_unseen(orders: Orders, steps: Steps) -> None:
    for place in range(10):
        order = orders.register(registration(), form_key=str(place), registered_by="lan")
        begin(steps, f"1.{place}.1", order)
        with ThreadPoolExecutor(2) as machines:
            given_up = machines.submit(steps.change, f"1.{place}.1", StepState.DISCONTINUED)
            begun = machines.submit(begin, steps, f"1.{place}.2", order)
            assert (given_up.result(), begun.result()) == (StepState.IN_PROGRESS, True)
        assert state_of(orders, order) is RUNNING


def test_what_is_repeated_or_unknown_is_told_apart(steps: Steps, order: Order) -> None:
    assert begin(steps, "1.2.3", order)
    assert not begin(steps, "1.2.3", order)
    assert steps.change("1.2.3", StepState.COMPLETED) is StepState.IN_PROGRESS
    assert steps.change("1.2.3", StepState.DISCONTINUED) is StepState.COMPLETED
    assert steps.change("9.9", StepState.COMPLETED) is None


def test_one_step_for_two_orders_moves_both(orders: Orders, steps: Steps, order: Order) -> None:
    second = orders.register(registration(), form_key="b", registered_by="lan")
    begin(steps, "1.2.3", order, second)
    begin(steps, "1.2.4", second)
    steps.change("1.2.3", StepState.DISCONTINUED)
    assert (state_of(orders, order), state_of(orders, second)) == (WAITING, RUNNING)


def test_a_step_for_nobody_we_know_moves_nothing(orders: Orders, steps: Steps, order: Order) -> None:
    begin(steps, "1.1", order)
    nobody = [("", ""), ("9.9", "TA1"), ("%", "TA%")]
    unknown = [(ScheduledStep(study_instance_uid=uid, accession_number=number),) for uid, number in nobody]
    for place, worked_for in enumerate([(), *unknown]):
        assert steps.begin(f"1.2.{place}", worked_for, patient_id="", calling_ae_title="DX1")
        assert steps.change(f"1.2.{place}", StepState.COMPLETED) is StepState.IN_PROGRESS
    assert state_of(orders, order) is RUNNING
    assert steps.change("1.1", StepState.DISCONTINUED) is StepState.IN_PROGRESS
    assert state_of(orders, order) is WAITING


def test_a_number_typed_at_the_machine_for_somebody_else_moves_nothing(
    orders: Orders, steps: Steps, order: Order
) -> None:
    typed = (ScheduledStep(study_instance_uid="1.2.840.1", accession_number=order.accession_number),)
    steps.begin("1.2.3", typed, patient_id="P9", calling_ae_title="DX1")
    steps.change("1.2.3", StepState.COMPLETED)
    assert state_of(orders, order) is WAITING
    steps.begin("1.2.4", typed, patient_id="", calling_ae_title="DX1")
    assert state_of(orders, order) is RUNNING
