"""What machines say of their work (MPPS), kept, and what that means for the orders. Knows no DICOM message.

Whatever the order in which the messages of several steps come, an order ends where ``standing`` says.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields, replace

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.scp.performed_step import ScheduledStep, StepState
from dicom_router.store.database import Database, insert_new
from xray_triage.orders.order import OrderState
from xray_triage.orders.tables import film_order, performed_step, scheduled_step

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
        with self._database.write() as connection:
            orders = _locked(connection, steps)
            others = {row.accession_number for row in orders if patient_id not in ("", row.patient_id)}
            steps = tuple(replace(one, accession_number="") if one.accession_number in others else one for one in steps)
            row = {
                "sop_instance_uid": sop_instance_uid,
                "state": StepState.IN_PROGRESS.value,
                "calling_ae_title": calling_ae_title,
                "begun_at": now,
                "changed_at": now,
            }
            step_id = insert_new(connection, performed_step, row)
            if step_id is None:
                return False
            if steps:
                connection.execute(scheduled_step.insert(), [asdict(one) | {"step_id": step_id} for one in steps])
            _settle(connection, steps, StepState.IN_PROGRESS)
            return True

    def change(self, sop_instance_uid: str, state: StepState) -> StepState | None:
        """See StepBook."""
        this = performed_step.c.sop_instance_uid == sop_instance_uid
        with self._database.write() as connection:
            row = connection.execute(sa.select(performed_step).where(this).with_for_update()).one_or_none()
            if row is None or row.state != StepState.IN_PROGRESS:
                return StepState(row.state) if row else None
            columns = [scheduled_step.c[field.name] for field in fields(ScheduledStep)]
            done_for = connection.execute(sa.select(*columns).where(scheduled_step.c.step_id == row.step_id))
            steps = [ScheduledStep(**one._asdict()) for one in done_for]
            _locked(connection, steps)
            values = {"state": state.value, "changed_at": self._clock.now()}
            connection.execute(performed_step.update().where(this).values(values))
            _settle(connection, steps, state)
            return StepState.IN_PROGRESS


def standing(connection: sa.Connection, accession_number: str, study_instance_uid: str) -> OrderState:
    """Where an order stands by all steps for it: done, else in progress, else waiting."""
    step = scheduled_step.c
    named = sa.or_(step.accession_number == accession_number, step.study_instance_uid == study_instance_uid)
    query = sa.select(performed_step.c.state).join_from(scheduled_step, performed_step).where(named)
    states = set(connection.scalars(query))
    if StepState.COMPLETED in states:
        return OrderState.DONE
    return OrderState.IN_PROGRESS if StepState.IN_PROGRESS in states else OrderState.WAITING


def _settle(connection: sa.Connection, steps: Sequence[ScheduledStep], said: StepState) -> None:
    for row in _locked(connection, steps):
        if OrderState(row.state).is_open:
            state = _MEANS.get(said) or standing(connection, row.accession_number, row.study_instance_uid)
            this = film_order.update().where(film_order.c.order_id == row.order_id)
            connection.execute(this.values(state=state.value))


def _locked(connection: sa.Connection, steps: Sequence[ScheduledStep]) -> Sequence[sa.Row[tuple[object]]]:
    """The orders that are named, held until the transaction ends: machines at one order take turns."""
    named = sa.or_(
        film_order.c.accession_number.in_([one.accession_number for one in steps]),
        film_order.c.study_instance_uid.in_([one.study_instance_uid for one in steps]),
    )
    wanted = sa.select(film_order).where(named).order_by(film_order.c.order_id).with_for_update()
    return connection.execute(wanted).all()
