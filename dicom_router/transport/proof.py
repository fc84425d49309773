"""What to do next to prove that a destination has an instance, from all that it was asked. Pure; knows no network.

A promise (Storage Commitment) is believed once a search finds the instance, where one can be made. Without a promise it
must be found twice, a day apart: what lies only in a cache does not count. What is not found is looked for again after
an hour, as some archives index late. Times are not trusted: one from the future counts as long ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dicom_router.dicom.status import Status
from dicom_router.store.commitments import Inquiry, Proof

SOON, LATER = timedelta(hours=1), timedelta(days=1)
MOST_ASKINGS = 2
CONFLICTS = frozenset({Status.CLASS_INSTANCE_CONFLICT, Status.CLASS_NOT_SUPPORTED})
_PRESENT, _ABSENT = Status.SUCCESS, Status.NO_SUCH_INSTANCE


class Step(StrEnum):
    """ASK for commitment; LOOK whether it is there; WAIT; the others end it. CONFLICT: sending again would not help."""

    ASK = "ask"
    LOOK = "look"
    WAIT = "wait"
    COMMITTED = "committed"
    MISSING = "missing"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a destination offers now: storage commitment, a search, or bytes that can be read back."""

    asks: bool
    looks: bool
    reads: bool = False


def next_step(inquiries: Sequence[Inquiry], means: Means, *, now: datetime) -> Step:
    """For one delivery, with its inquiries in order of asking."""
    asked = [each for each in inquiries if each.transaction_uid is not None]
    looked = [each for each in inquiries if each.transaction_uid is None]
    answers = {each.answer for each in asked}
    if answers & CONFLICTS:
        return Step.CONFLICT
    if _ABSENT in answers:
        return Step.MISSING
    is_promised = _PRESENT in answers
    if not is_promised and asked and not _is_past(asked[-1].asked_at, SOON, now):
        return Step.WAIT
    if not is_promised and means.asks and (len(asked) < MOST_ASKINGS or not means.looks):
        return Step.ASK
    if means.looks:
        return _after_looking(looked, is_enough=is_promised or means.reads, now=now)
    return Step.COMMITTED if is_promised else Step.WAIT


def proof_of(inquiries: Sequence[Inquiry], means: Means) -> Proof:
    """By what a delivery is committed, when ``next_step`` says so."""
    if any(each.transaction_uid is not None and each.answer == _PRESENT for each in inquiries):
        return Proof.REPORT
    return Proof.FILE if means.reads else Proof.SEARCH


def _after_looking(looked: Sequence[Inquiry], *, is_enough: bool, now: datetime) -> Step:
    """``is_enough``: to be found once."""
    if not looked:
        return Step.LOOK
    *before, last = looked
    if last.answer != _PRESENT:
        if before and before[-1].answer != _PRESENT:
            return Step.MISSING
        return Step.LOOK if _is_past(last.asked_at, SOON, now) else Step.WAIT
    first_found = next(each.asked_at for each in looked if each.answer == _PRESENT)
    if is_enough or _is_past(first_found, LATER, last.asked_at):
        return Step.COMMITTED
    return Step.LOOK if _is_past(first_found, LATER, now) else Step.WAIT


def _is_past(at: datetime, span: timedelta, now: datetime) -> bool:
    return not timedelta(0) <= now - at < span
