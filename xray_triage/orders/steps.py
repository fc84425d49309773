"""What machines say of their work (MPPS), kept, and what that means for the orders. Knows no DICOM message.

Whatever the order in which the messages of several steps come, an order ends where ``standing`` says.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.scp.performed_step import ScheduledStep, StepState
from dicom_router.store.database import Database, insert_new
from xray_triage.orders.order import OrderState
from xray_triage.orders.tables import film_order, performed_step

_SEPARATOR = "\\"  # in no value of DICOM
_MEANS = {StepState.IN_PROGRESS: OrderState.IN_PROGRESS, StepState.COMPLETED: OrderState.DONE}  # of an open order


class Steps:
    """A StepBook. An order waits again when every step for it was given up, and is done when one was completed.

    Only a film, or a person, moves an order that is done or cancelled.
    """

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(
        self, sop_instance_uid: str, steps: tuple[ScheduledStep, ...], *, patient_id: str, calling_ae_title: str
    ) -> bool:
        """See StepBook. An accession number of somebody else than ``patient_id`` counts as typed wrongly."""
        now = self._clock.now()
        uids = [step.study_instance_uid for step in steps if step.study_instance_uid]
        numbers = [step.accession_number for step in steps if step.accession_number]
        with self._database.write() as connection:
            orders = _locked(connection, numbers, uids)
            if patient_id:
                others = {row.accession_number for row in orders if patient_id != row.patient_id}
                numbers = [number for number in numbers if number not in others]
            row = {
                "sop_instance_uid": sop_instance_uid,
                "state": StepState.IN_PROGRESS.value,
                "accession_numbers": _SEPARATOR.join(numbers),
                "study_instance_uids": _SEPARATOR.join(uids),
                "calling_ae_title": calling_ae_title,
                "begun_at": now,
                "changed_at": now,
            }
            if insert_new(connection, performed_step, row) is None:
                return False
            _settle(connection, numbers, uids, StepState.IN_PROGRESS)
            return True

    def change(self, sop_instance_uid: str, state: StepState) -> StepState | None:
        """See StepBook."""
        this = performed_step.c.sop_instance_uid == sop_instance_uid
        with self._database.write() as connection:
            row = connection.execute(sa.select(performed_step).where(this).with_for_update()).one_or_none()
            if row is None or row.state != StepState.IN_PROGRESS:
                return StepState(row.state) if row else None
            numbers, uids = (
                text.split(_SEPARATOR) if text else [] for text in (row.accession_numbers, row.study_instance_uids)
            )
            _locked(connection, numbers, uids)
            values = {"state": state.value, "changed_at": self._clock.now()}
            connection.execute(performed_step.update().where(this).values(values))
            _settle(connection, numbers, uids, state)
            return StepState.IN_PROGRESS


def standing(connection: sa.Connection, accession_number: str, study_instance_uid: str) -> OrderState:
    """Where an order stands by all steps for it: done, else in progress, else waiting."""
    step = performed_step.c
    named = sa.or_(
        step.accession_numbers.contains(accession_number, autoescape=True),
        step.study_instance_uids.contains(study_instance_uid, autoescape=True),
    )
    rows = connection.execute(sa.select(step.state, step.accession_numbers, step.study_instance_uids).where(named))
    states = {
        row.state
        for row in rows
        if accession_number in row.accession_numbers.split(_SEPARATOR)
        or study_instance_uid in row.study_instance_uids.split(_SEPARATOR)
    }
    if StepState.COMPLETED in states:
        return OrderState.DONE
    return OrderState.IN_PROGRESS if StepState.IN_PROGRESS in states else OrderState.WAITING


def _settle(connection: sa.Connection, numbers: Sequence[str], uids: Sequence[str], said: StepState) -> None:
    for row in _locked(connection, numbers, uids):
        if OrderState(row.state).is_open:
            state = _MEANS.get(said) or standing(connection, row.accession_number, row.study_instance_uid)
            this = film_order.update().where(film_order.c.order_id == row.order_id)
            connection.execute(this.values(state=state.value))


def _locked(connection: sa.Connection, numbers: Sequence[str], uids: Sequence[str]) -> Sequence[sa.Row[tuple[object]]]:
    """The orders that are named, held until the transaction ends: machines at one order take turns."""
    named = sa.or_(film_order.c.accession_number.in_(numbers), film_order.c.study_instance_uid.in_(uids))
    wanted = sa.select(film_order).where(named).order_by(film_order.c.order_id).with_for_update()
    return connection.execute(wanted).all()
