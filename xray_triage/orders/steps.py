"""What machines say of their work (MPPS), kept, and what that means for the orders. Knows no DICOM message."""

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.database import Database, insert_new
from dicom_router.performed import ScheduledStep, StepState
from xray_triage.orders.order import OrderState
from xray_triage.orders.orders import move
from xray_triage.orders.tables import performed_step

_SEPARATOR = "\\"  # in no value of DICOM
_ENDS = {StepState.COMPLETED: OrderState.DONE, StepState.DISCONTINUED: OrderState.WAITING}


class Steps:
    """A StepBook. An order in progress is done when its step is completed, and waits again when it is given up."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, sop_instance_uid: str, steps: tuple[ScheduledStep, ...], *, calling_ae_title: str) -> bool:
        """See StepBook."""
        numbers = [step.accession_number for step in steps if step.accession_number]
        uids = [step.study_instance_uid for step in steps if step.study_instance_uid]
        now = self._clock.now()
        row = {
            "sop_instance_uid": sop_instance_uid,
            "state": StepState.IN_PROGRESS.value,
            "accession_numbers": _SEPARATOR.join(numbers),
            "study_instance_uids": _SEPARATOR.join(uids),
            "calling_ae_title": calling_ae_title,
            "begun_at": now,
            "changed_at": now,
        }
        with self._database.write() as connection:
            if insert_new(connection, performed_step, row) is None:
                return False
            move(connection, numbers, uids, before=OrderState.WAITING, to=OrderState.IN_PROGRESS)
            return True

    def change(self, sop_instance_uid: str, state: StepState) -> StepState | None:
        """See StepBook."""
        this = performed_step.c.sop_instance_uid == sop_instance_uid
        with self._database.write() as connection:
            row = connection.execute(sa.select(performed_step).where(this).with_for_update()).one_or_none()
            if row is None or row.state != StepState.IN_PROGRESS:
                return StepState(row.state) if row else None
            values = {"state": state.value, "changed_at": self._clock.now()}
            connection.execute(performed_step.update().where(this).values(values))
            if state in _ENDS:
                numbers, uids = row.accession_numbers.split(_SEPARATOR), row.study_instance_uids.split(_SEPARATOR)
                move(connection, numbers, uids, before=OrderState.IN_PROGRESS, to=_ENDS[state])
            return StepState.IN_PROGRESS
