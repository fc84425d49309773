"""Takes the HIS's messages, whatever way they came: does what they ask, and answers. Knows no socket and no file.

AA after the commit; AE names the field of an order that cannot be done; AR is for what is no message of ours. A message
that comes again changes nothing (decision 0039).
"""

import hashlib
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa
import structlog

from dicom_router.clock import Clock
from dicom_router.store.database import Database, insert_new
from dicom_router.store.refusals import Machine, Reason, Refusals
from xray_triage.accounts.audit import Action, AuditTrail
from xray_triage.hl7.message import BadField, Delimiters, Message, NotHl7, Segment, acknowledgement, read
from xray_triage.orders.order import Order, Procedure
from xray_triage.orders.orders import Orders
from xray_triage.orders.orm import Control, Instruction, NotSpoken, instructions, require_spoken, sender_of
from xray_triage.orders.placed import PlacedOrders
from xray_triage.orders.tables import his_message

NAMELESS = "HL7"  # a peer that did not say who it is
REMEMBERED = timedelta(days=30)  # how long a message that comes again is known
_NO_HEAD = Message([Segment("MSH", ("|", "^~\\&"), Delimiters(*"|^~\\&"))])
_NOTED = {
    Control.NEW: Action.PATIENT_REGISTERED,
    Control.CHANGE: Action.ORDER_CHANGED,
    Control.CANCEL: Action.ORDER_CANCELLED,
}

log = structlog.get_logger()


class HisOrders:
    """All that the HIS orders. ``services``: the procedures that the site gave codes. Safe between threads."""

    def __init__(
        self,
        database: Database,
        orders: Orders,
        *,
        clock: Clock,
        audit: AuditTrail,
        refusals: Refusals,
        services: Mapping[str, Procedure],
    ) -> None:
        self._database = database
        self._placed = PlacedOrders(orders, clock=clock)
        self._clock = clock
        self._audit = audit
        self._refusals = refusals
        self._services = services
        self._turn = threading.Lock()  # two messages with one number at once would be two orders

    def take(self, content: bytes, *, peer: str) -> bytes:
        """Do what a message asks, and give the answer to it. ``peer``: where it came from.

        Raises SQLAlchemyError: nothing was done, and nothing is to be answered, so that it comes again.
        """
        message, place = _NO_HEAD, ""
        try:
            message = read(content)
            require_spoken(message)
            self._obey(message)
        except BadField as error:
            code, place, why = "AE", error.place, str(error)
        except (NotHl7, NotSpoken) as error:
            code, why = "AR", str(error)
            message = _head_of(content) if message is _NO_HEAD else message
        else:
            code, why = "AA", ""
        self._tell(message, peer, code, why)
        number = secrets.token_hex(8)
        return acknowledgement(message, code, at=self._clock.now().astimezone(), number=number, why=why, place=place)

    def refuse(self, why: str, *, peer: str) -> bytes:
        """The answer to bytes that are not even a message's."""
        self._tell(_NO_HEAD, peer, "AR", why)
        return acknowledgement(_NO_HEAD, "AR", at=self._clock.now().astimezone(), number=secrets.token_hex(8), why=why)

    def _obey(self, message: Message) -> None:
        if not message.control_id:
            raise BadField("MSH-10", "must not be empty")
        now = self._clock.now()
        asked = instructions(message, now=now, services=self._services)
        with self._turn, self._database.write() as connection:
            if insert_new(connection, his_message, {"key": _key(message), "received_at": now}) is None:
                return
            connection.execute(his_message.delete().where(his_message.c.received_at < now - REMEMBERED))
            for instruction in asked:
                order = self._do(connection, instruction)
                actor, subject = f"his:{instruction.placing.placer}", order.accession_number
                self._audit.note_within(connection, _NOTED[instruction.control], actor=actor, subject=subject)

    def _do(self, connection: sa.Connection, asked: Instruction) -> Order:
        if asked.registration is None:
            return self._placed.withdraw(connection, asked.placing)
        if asked.control is Control.CHANGE:
            return self._placed.change(connection, asked.registration, asked.placing)
        return self._placed.place(connection, asked.registration, asked.placing, asked.accession_numbers)

    def _tell(self, message: Message, peer: str, code: str, why: str) -> None:
        machine = Machine(sender_of(message).strip("|") or NAMELESS, peer)
        log.info("message of the HIS", peer_host=peer, control_id=message.control_id[:64], answer=code, reason=why)
        order = message.first("ORC")
        number = (order.text(2) if order else "") or message.control_id
        if code == "AA":
            self._refusals.mended(machine, number)
        else:
            self._refusals.note(machine, Reason.HIS_MESSAGE, detail=f"{code} {why}", sop_instance_uid=number)


def _key(message: Message) -> str:
    """The same for a message that comes again: its sender, its number, and what stands below MSH."""
    body = ("|".join((segment.name, *segment.fields)) for segment in message.segments[1:])
    return hashlib.sha256("\r".join((sender_of(message), message.control_id, *body)).encode()).hexdigest()


def _head_of(content: bytes) -> Message:
    """MSH alone, where at least that can be read: so that the peer knows which message was refused."""
    try:
        return read(re.split(rb"[\r\n]", content.lstrip(b"\x0b\xef\xbb\xbf \r\n\t"), maxsplit=1)[0])
    except NotHl7:
        return _NO_HEAD
