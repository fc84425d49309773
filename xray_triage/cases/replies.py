"""Asks the PACS for what specialists wrote, while a question is open and for a week after. Knows no protocol.

What is in the study, was not made by us and came after the request is the answer (decision 0014). An object becomes one
answer however often it is fetched; answers stand in the order in which they are found, so no clock is trusted.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import BinaryIO

import sqlalchemy as sa
import structlog

from dicom_router.backoff import delay
from dicom_router.clock import Clock
from dicom_router.database import Database
from dicom_router.errors import DamagedFile, PeerRefused, PeerUnreachable, SpoolFull
from dicom_router.inbox import Inbox
from dicom_router.outbox import Delivery, Outbox
from dicom_router.spool import Spool
from dicom_router.transport.archive import Archive, FoundInstance
from xray_triage.cases import tables
from xray_triage.cases.answerbook import LONGEST_RETRY_SECONDS, AnswerBook, Question
from xray_triage.cases.answers import KINDS, PDF, NotAnAnswer, Reply, read_reply
from xray_triage.cases.case import ConsultationState

MOST_STUDIES = 20  # over one association; then the others get their turn
LARGEST_REPORT_BYTES = 8 << 20
LARGEST_BYTES = 64 << 20  # of a PDF
LONGEST_FETCH_SECONDS = 3600.0
LONGEST_BREAK_SECONDS = 600.0  # for an object on which the connection broke
SILENCE_CAP_SECONDS = 60.0  # a silent PACS is asked at least this often
FOLLOW_CAP_SECONDS = 6 * 3600.0
FOLLOW_SECONDS = 7 * 86_400.0
# An open question is asked for ever more rarely: never more often than each two-hundredth of the time it has waited.
PATIENCE = 200
TOO_LARGE = "(tệp trả lời lớn hơn {megabytes} MB, hãy xem tại PACS)"
CLOCK_STEP_SECONDS = 2.0
AT_ONCE = timedelta(seconds=60)
BEFORE = "there before the request"


class TooLarge(Exception):
    """An answer that is not taken over the link."""


class Replies:
    """One thread calls ``run_once``; the archives, by the name of their destination, are this worker's alone."""

    def __init__(  # noqa: PLR0913 - the rooms that it joins
        self,
        database: Database,
        *,
        clock: Clock,
        inbox: Inbox,
        outbox: Outbox,
        spool: Spool,
        archives: Mapping[str, Archive],
        poll_seconds: float,
        largest_bytes: int = LARGEST_BYTES,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._book = AnswerBook(database, clock=clock)
        self._clock = clock
        self._inbox = inbox
        self._outbox = outbox
        self._spool = spool
        self._archives = archives
        self._poll_seconds = poll_seconds
        self._largest_bytes = largest_bytes
        self._jitter = jitter
        self._failures = dict.fromkeys(archives, 0)  # in a row
        self._quiet_until = dict.fromkeys(archives, float("-inf"))
        self._ahead: float | None = None  # the clock's, of the one that only grows
        self._log = structlog.get_logger()

    def run_once(self) -> bool:
        """Ask for what is due, the urgent first, a few studies over one connection. True when more may be due."""
        self._notice_the_clock()
        questions = self._due() if any(map(self._may_ask, self._archives)) else []
        notes = [note for question in questions if (note := self._ask(question)) is not None]
        if notes:  # in one commit: every open page looks again after each
            with self._database.write() as connection:
                for note in notes:
                    connection.execute(note)
        for archive in self._archives.values():
            archive.close()
        return len(questions) == MOST_STUDIES

    def _notice_the_clock(self) -> None:
        """At start, and when the clock was set back, nothing waits for a time that may be far away: all is due."""
        ahead = self._clock.now().timestamp() - self._clock.monotonic()
        if self._ahead is None or ahead < self._ahead - CLOCK_STEP_SECONDS:
            asked, now = tables.consultation, self._clock.now()
            with self._database.write() as connection:
                connection.execute(asked.update().where(asked.c.next_poll_at > now).values(next_poll_at=now))
        self._ahead = ahead

    def _due(self) -> list[Question]:
        """What is due, and what would be soon."""
        asked, case = tables.consultation, tables.case
        now = self._clock.now()
        columns = [asked.c[field.name] for field in fields(Question) if field.name in asked.c]
        query = (
            sa.select(*columns, case.c.case_id, case.c.study_instance_uid)
            .join_from(asked, case)
            .where(
                asked.c.next_poll_at <= now + timedelta(seconds=self._poll_seconds / 10),
                asked.c.state != ConsultationState.CANCELLED.value,
            )
            .order_by((asked.c.priority != "urgent"), asked.c.next_poll_at)
            .limit(MOST_STUDIES)
        )
        with self._database.read() as connection:
            if not connection.scalar(sa.select(sa.exists().where(asked.c.next_poll_at <= now))):
                return []
            return [Question(**row._asdict()) for row in connection.execute(query)]

    def _may_ask(self, name: str) -> bool:
        return self._clock.monotonic() >= self._quiet_until[name]

    def _ask(self, question: Question) -> sa.Update | None:
        """Ask every archive that is not silent; what none of them answered stays due. What is to be noted of it."""
        problems: list[str] = []
        is_asked = is_watched = False
        for name in filter(self._may_ask, self._archives):
            try:
                is_watched |= self._look(question, self._archives[name])
            except PeerUnreachable as error:
                self._be_quiet(name, error)
                problems.append(str(error))
                continue
            except (PeerRefused, SpoolFull) as error:
                problems.append(str(error))
            self._failures[name] = 0
            is_asked = True
        if not is_asked and not problems:
            return None
        problem = "; ".join([*problems, *self._book.unreadable(question)])
        return self._note(question, problem, is_asked=is_asked, is_watched=is_watched)

    def _be_quiet(self, name: str, error: PeerUnreachable) -> None:
        self._failures[name] += 1
        cap = max(SILENCE_CAP_SECONDS, self._poll_seconds)
        seconds = cap if error.slowly else delay(self._failures[name], cap_seconds=cap, jitter=self._jitter())
        self._quiet_until[name] = self._clock.monotonic() + seconds
        self._log.warning("answers not asked for", destination=name, error=str(error))

    def _note(self, question: Question, problem: str, *, is_asked: bool, is_watched: bool) -> sa.Update | None:
        """When to ask next, and why it could not be asked. None when nothing changed."""
        asked = tables.consultation
        values: dict[str, object] = {}
        if is_asked:
            values |= {"next_poll_at": self._next_poll_at(question), "polls": asked.c.polls + 1}
        if problem != question.problem:
            values["problem"] = problem
        if is_watched and not question.watched:
            values["watched"] = True
        if not values:
            return None
        # An answer that came meanwhile, or a newer question, has set its own next time.
        mine = sa.and_(
            asked.c.consultation_id == question.consultation_id,
            asked.c.state == question.state,
            asked.c.polls == question.polls,
            asked.c.next_poll_at.is_not(None),
        )
        return asked.update().where(mine).values(values)

    def _next_poll_at(self, question: Question) -> datetime | None:
        now = self._clock.now()
        if question.state == ConsultationState.ANSWERED.value:
            seconds = follow_up_seconds(question.polls, self._poll_seconds)
        else:
            seconds = max(self._poll_seconds, (now - question.requested_at).total_seconds() / PATIENCE)
            seconds = min(seconds, FOLLOW_CAP_SECONDS)
        # Only ever sooner, so that hundreds of stations spread and none asks later than its site wants.
        return None if seconds is None else now + timedelta(seconds=seconds * (1 - self._jitter() / 5))

    def _look(self, question: Question, archive: Archive) -> bool:
        """Take what is new in the study; whether from now on all that is new came after the request."""
        study = question.study_instance_uid
        deliveries = self._outbox.of_study(study)
        sent_at = _sent_at(deliveries, question.request_uid)
        kept = self._inbox.of_study(study)
        ours = {one.sop_instance_uid for one in (*(d.instance for d in deliveries), *(a.instance for a in kept))}
        found = archive.instances(study)
        new = self._book.unknown([one for one in found if _may_answer(one) and one.sop_instance_uid not in ours])
        earliest = None
        if not question.watched:
            if sent_at is None and all(one.sop_instance_uid != question.request_uid for one in found):
                for one in new:
                    self._book.pass_over(question, one, BEFORE)
                return True
            earliest = self._earliest(question, sent_at)
        for one in sorted(new, key=lambda each: each.sop_class_uid == PDF):  # the megabytes last
            self._take(question, one, archive, earliest)
        return True

    def _earliest(self, question: Question, sent_at: datetime | None) -> datetime:
        """What states an earlier time was there before the request, which reached the PACS before we looked."""
        waited = self._clock.now() - (sent_at or question.requested_at)
        is_at_once = timedelta(0) <= waited < AT_ONCE  # nobody answers so fast by a clock that is behind
        return question.requested_at - (timedelta(0) if is_at_once else timedelta(days=1))

    def _take(self, question: Question, found: FoundInstance, archive: Archive, earliest: datetime | None) -> None:
        try:
            with self._spool.scratch() as file:
                self._fetch(found, archive, file)
                file.seek(0)
                reply = read_reply(file, sop_instance_uid=found.sop_instance_uid)
                if earliest is not None and reply.written_at is not None and reply.written_at < earliest:
                    raise NotAnAnswer(BEFORE)
                self._keep(question, found, reply, self._spool.keep(file).key)
        except NotAnAnswer as error:
            self._book.pass_over(question, found, str(error))
        except TooLarge:
            self._keep(question, found, _too_large(found, self._largest(found)), None)
        except (DamagedFile, PeerRefused) as error:
            self._retry_later(question, found, error, LONGEST_RETRY_SECONDS)
        except PeerUnreachable as error:
            # It answered the search: should this object be what breaks the connection, the others go past it.
            self._retry_later(question, found, error, LONGEST_BREAK_SECONDS)
            raise

    def _keep(self, question: Question, found: FoundInstance, reply: Reply, spool_key: str | None) -> None:
        next_poll_at = self._clock.now() + timedelta(seconds=self._poll_seconds)
        is_kept = False
        try:
            is_kept = self._book.keep(question, found, reply, spool_key=spool_key, next_poll_at=next_poll_at)
        finally:
            if not is_kept and spool_key is not None:
                self._spool.delete(spool_key)
        if is_kept:
            self._log.info("answer received", case_id=question.case_id, kind=reply.kind)

    def _retry_later(self, question: Question, found: FoundInstance, error: Exception, cap_seconds: float) -> None:
        def wait(tries: int) -> float:
            return delay(tries, base_seconds=self._poll_seconds, cap_seconds=cap_seconds, jitter=self._jitter())

        tries = self._book.retry_later(question, found, str(error), wait)
        self._log.warning("answer not readable", case_id=question.case_id, error=str(error), tries=tries)

    def _largest(self, found: FoundInstance) -> int:
        is_report = KINDS.get(found.sop_class_uid, "pdf") != "pdf"
        return min(LARGEST_REPORT_BYTES, self._largest_bytes) if is_report else self._largest_bytes

    def _fetch(self, found: FoundInstance, archive: Archive, file: BinaryIO) -> None:
        largest = self._largest(found)
        ends_at = self._clock.monotonic() + LONGEST_FETCH_SECONDS
        size_bytes = 0

        def write(piece: bytes | memoryview) -> None:
            nonlocal size_bytes
            size_bytes += len(piece)
            if size_bytes > largest:
                raise TooLarge
            if self._clock.monotonic() > ends_at:
                raise PeerUnreachable(f"{found.sop_instance_uid} did not come within {LONGEST_FETCH_SECONDS:.0f} s")
            try:
                file.write(piece)
            except OSError as error:
                raise SpoolFull(f"an answer cannot be written: {error}") from error

        archive.fetch(found, write)


def follow_up_seconds(polls: int, poll_seconds: float) -> float | None:
    """How long after the ``polls``-th look for an addendum to look again: ever longer; None after a week of them."""
    waits = [min(poll_seconds * 2.0**n, FOLLOW_CAP_SECONDS) for n in range(min(polls, 30) + 1)]
    spent = sum(waits[:-1]) + max(0, polls - 30) * FOLLOW_CAP_SECONDS
    return waits[-1] if spent < FOLLOW_SECONDS else None


def _sent_at(deliveries: Sequence[Delivery], request_uid: str) -> datetime | None:
    """When the first PACS had the request."""
    of_request = [one for one in deliveries if one.instance.sop_instance_uid == request_uid]
    return min((one.acknowledged_at for one in of_request if one.acknowledged_at is not None), default=None)


def _may_answer(found: FoundInstance) -> bool:
    return not found.sop_class_uid or found.sop_class_uid in KINDS


def _too_large(found: FoundInstance, largest_bytes: int) -> Reply:
    return Reply(
        kind=KINDS.get(found.sop_class_uid, "pdf"),
        title="",
        text=TOO_LARGE.format(megabytes=largest_bytes >> 20),
        author="",
        verified=False,
        complete=True,
        written_at=None,
    )
