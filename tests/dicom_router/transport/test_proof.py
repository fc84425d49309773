"""What is to be done next to prove that a destination has an instance: pure, step by step."""

from datetime import timedelta

import pytest

from dicom_router.store.commitments import Inquiry, Proof
from dicom_router.transport.proof import Means, Step, next_step, proof_of
from tests.factories import StoppedClock

NOW = StoppedClock().now()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PACS, SEARCHABLE, PROMISING = (Means(asks=a, looks=b) for a, b in ((True, True), (False, True), (True, False)))
FOLDER = Means(asks=False, looks=True, reads=True)
DUMB = Means(asks=False, looks=False)
THERE, GONE = 0x0000, 0x0112


def asked(answer: int | None = None, *, ago: timedelta = timedelta(0)) -> Inquiry:
    return Inquiry(transaction_uid="2.25.1", asked_at=NOW - ago, answer=answer)


def looked(answer: int, *, ago: timedelta = timedelta(0)) -> Inquiry:
    return Inquiry(transaction_uid=None, asked_at=NOW - ago, answer=answer)


@pytest.mark.parametrize(
    ("inquiries", "means", "step"),
    [
        ([], PACS, Step.ASK),
        ([], SEARCHABLE, Step.LOOK),
        ([], FOLDER, Step.LOOK),
        ([], DUMB, Step.WAIT),
        # a report that does not come: asked again once, then looked for
        ([asked()], PACS, Step.WAIT),
        ([asked(ago=HOUR)], PACS, Step.ASK),
        ([asked(ago=2 * HOUR), asked(ago=HOUR)], PACS, Step.LOOK),
        ([asked(ago=2 * HOUR), asked(ago=HOUR)], PROMISING, Step.ASK),
        ([asked(ago=HOUR)], SEARCHABLE, Step.LOOK),  # it offers no commitment any more
        # a promise counts when the instance is found, or cannot be looked for
        ([asked(THERE)], PACS, Step.LOOK),
        ([asked(THERE)], PROMISING, Step.COMMITTED),
        ([asked(THERE), looked(THERE)], PACS, Step.COMMITTED),
        ([asked(THERE, ago=DAY), asked(ago=HOUR), looked(THERE)], PACS, Step.COMMITTED),  # to the first asking
        # a promise that is a lie
        ([asked(THERE), looked(GONE)], PACS, Step.WAIT),
        ([asked(THERE), looked(GONE, ago=HOUR)], PACS, Step.LOOK),
        ([asked(THERE), looked(GONE, ago=HOUR), looked(GONE)], PACS, Step.MISSING),
        ([asked(THERE), looked(GONE, ago=HOUR), looked(THERE)], PACS, Step.COMMITTED),  # it indexes late
        # refused
        ([asked(GONE)], PACS, Step.MISSING),
        ([asked(GONE)], PROMISING, Step.MISSING),
        ([asked(0x0119)], PACS, Step.CONFLICT),
        ([asked(0x0122)], PACS, Step.CONFLICT),
        ([asked(0x0110)], PACS, Step.WAIT),  # later, in a new transaction
        ([asked(0x0131, ago=HOUR)], PACS, Step.ASK),
        ([asked(0x0213, ago=2 * HOUR), asked(0x0213, ago=HOUR)], PACS, Step.LOOK),
        # without a promise it is looked for twice, a day apart
        ([looked(THERE)], SEARCHABLE, Step.WAIT),
        ([looked(THERE, ago=DAY)], SEARCHABLE, Step.LOOK),
        ([looked(THERE, ago=DAY), looked(THERE)], SEARCHABLE, Step.COMMITTED),
        ([looked(THERE, ago=HOUR), looked(THERE)], SEARCHABLE, Step.WAIT),
        ([looked(GONE)], SEARCHABLE, Step.WAIT),
        ([looked(GONE, ago=HOUR), looked(GONE)], SEARCHABLE, Step.MISSING),
        ([looked(GONE, ago=HOUR), looked(THERE)], SEARCHABLE, Step.WAIT),
        ([looked(THERE, ago=DAY + HOUR), looked(GONE, ago=HOUR)], SEARCHABLE, Step.LOOK),
        ([looked(THERE, ago=DAY + HOUR), looked(GONE, ago=HOUR), looked(GONE)], SEARCHABLE, Step.MISSING),
        # a file that is read back is there
        ([looked(THERE)], FOLDER, Step.COMMITTED),
        ([looked(GONE, ago=HOUR), looked(GONE)], FOLDER, Step.MISSING),
        # a clock that was wrong makes nobody wait for years
        ([asked(ago=-400 * DAY)], PACS, Step.ASK),
        ([looked(THERE, ago=-400 * DAY)], SEARCHABLE, Step.LOOK),
    ],
)
def test_what_is_next(inquiries: list[Inquiry], means: Means, step: Step) -> None:
    assert next_step(inquiries, means, now=NOW) is step


def test_a_proof_has_a_name() -> None:
    assert proof_of([asked(), asked(THERE), looked(THERE)], PACS) is Proof.REPORT
    assert proof_of([asked(), looked(THERE)], PACS) is Proof.SEARCH
    assert proof_of([looked(THERE)], FOLDER) is Proof.FILE
