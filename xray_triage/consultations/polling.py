"""Asks the PACS for what specialists wrote, while a question is open and for a week after. Knows no protocol.

What is in the study, was not made by us and came after the request is the answer (decision 0014). An object becomes one
answer however often it is fetched; answers stand in the order in which they are found, so no clock is trusted.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from pydicom.uid import EncapsulatedPDFStorage

from dicom_router.clock import Clock
from dicom_router.errors import PeerRefused, PeerUnreachable, SpoolFull
from dicom_router.store.database import Database
from dicom_router.store.delivery import Delivery
from dicom_router.store.inbox import Inbox
from dicom_router.store.outbox import Outbox
from dicom_router.transport.archive import Archive, FoundInstance
from dicom_router.transport.backoff import delay
from xray_triage.cases import tables
from xray_triage.cases.consultation import ConsultationState, Problem
from xray_triage.consultations.answers import Answers, Question
from xray_triage.consultations.fetching import BEFORE, Broke, Fetcher, FetchRequest, TakesLong
from xray_triage.consultations.large_objects import LargeObjects
from xray_triage.consultations.obstacles import Obstacle, problem_of, together
from xray_triage.consultations.other_studies import OtherStudies
from xray_triage.consultations.report_parser import KINDS, UNREAD

MOST_STUDIES = 20  # over one association; then the others get their turn
LONGEST_TURN_SECONDS = 20.0  # then who has become urgent meanwhile is asked for first
SILENCE_CAP_SECONDS = 60.0  # a silent PACS is asked at least this often
FOLLOW_CAP_SECONDS = 6 * 3600.0
FOLLOW_SECONDS = 7 * 86_400.0
# An open question is asked for ever more rarely: never more often than each two-hundredth of the time it has waited.
POLL_FRACTION = 200
MOST_RARE = 2000  # looks; the wait has reached its cap long before
CLOCK_STEP_SECONDS = 2.0
AT_ONCE = timedelta(seconds=60)


class AnswerPolling:
    """One thread calls ``run_once``; the archives, by the name of their destination, are this worker's alone.

    What takes long is left to ``large``.
    """

    def __init__(  # noqa: PLR0913 - the stores that it joins
        self,
        database: Database,
        *,
        clock: Clock,
        inbox: Inbox,
        outbox: Outbox,
        book: Answers,
        fetcher: Fetcher,
        large: LargeObjects,
        archives: Mapping[str, Archive],
        poll_seconds: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._inbox = inbox
        self._outbox = outbox
        self._book = book
        self._fetcher = fetcher
        self._large = large
        self._archives = archives
        self._others = OtherStudies(database, clock=clock)
        self._poll_seconds = poll_seconds
        self._jitter = jitter
        self._turn_ends_at = float("inf")
        self._failures = dict.fromkeys(archives, 0)  # in a row
        self._quiet_until = dict.fromkeys(archives, float("-inf"))
        self._ahead: float | None = None  # the clock's, of the one that only grows
        self._log = structlog.get_logger()

    def run_once(self) -> bool:
        """Ask for what is due, the urgent first, a few studies over one connection. True when more may be due."""
        self._notice_the_clock()
        self._turn_ends_at = self._clock.monotonic() + LONGEST_TURN_SECONDS
        questions = self._due() if any(map(self._may_ask, self._archives)) else []
        notes = [note for question in questions if self._is_in_time() and (note := self._ask(question)) is not None]
        if notes:  # in one commit: every open page looks again after each
            with self._database.write() as connection:
                for note in notes:
                    connection.execute(note)
        for archive in self._archives.values():
            archive.close()
        return len(questions) == MOST_STUDIES or not self._is_in_time()

    def _is_in_time(self) -> bool:
        return self._clock.monotonic() < self._turn_ends_at

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
        columns = [(asked if field.name in asked.c else case).c[field.name] for field in fields(Question)]
        query = (
            sa.select(*columns)
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
        problems: list[Problem] = []
        is_asked = is_watched = is_left = False
        for name in filter(self._may_ask, self._archives):
            try:
                is_left |= self._look(question, name)
                is_watched = True
            except PeerUnreachable as error:
                self._be_quiet(name, error)
                problems.append(problem_of(error))
                continue
            except (PeerRefused, SpoolFull) as error:
                problems.append(problem_of(error))
            self._failures[name] = 0
            is_asked = True
        if not is_asked and not problems:
            return None
        not_yet = self._book.unreadable(question)
        is_coming = question.case_sequence in self._large.held().values()
        coming = [Problem(Obstacle.COMING, "a large object")] if is_coming else []
        problem = together([*problems, *not_yet] or coming)
        next_poll_at = self._clock.now() if is_left else self._next_poll_at(question)  # after the others that are due
        values: dict[str, object] = {"next_poll_at": next_poll_at, "polls": tables.consultation.c.polls + 1}
        is_watched = is_watched and not (is_left or not_yet or is_coming)  # these may be from before the request
        return self._note(question, problem, values if is_asked else {}, is_watched=is_watched)

    def _be_quiet(self, name: str, error: PeerUnreachable) -> None:
        self._failures[name] += 1
        cap = max(SILENCE_CAP_SECONDS, self._poll_seconds)
        seconds = cap if error.slowly else delay(self._failures[name], cap_seconds=cap, jitter=self._jitter())
        self._quiet_until[name] = self._clock.monotonic() + seconds
        self._log.warning("answers not asked for", destination=name, error=str(error))

    def _note(
        self, question: Question, problem: Problem | None, values: dict[str, object], *, is_watched: bool
    ) -> sa.Update | None:
        """``values``, when to ask next, and why it could not be asked. None when nothing changed."""
        asked = tables.consultation
        obstacle, detail = problem or (None, "")
        if (obstacle, detail) != (question.obstacle, question.obstacle_detail):
            values |= {"obstacle": obstacle, "obstacle_detail": detail}
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
        is_open = question.state == ConsultationState.REQUESTED.value
        seconds = (open_seconds if is_open else follow_up_seconds)(question.polls, self._poll_seconds)
        # Only ever sooner, so that hundreds of stations spread and none asks later than its site wants.
        return None if seconds is None else now + timedelta(seconds=seconds * (1 - self._jitter() / 5))

    def _look(self, question: Question, name: str) -> bool:
        """Take what is new in the study; whether some of it is left. Else all that is new later came after the request.

        One object is taken however late it is: a PACS that needs the whole turn to list a study would give none ever.
        """
        archive, study = self._archives[name], question.study_instance_uid
        sent_at = _sent_at(self._outbox.of_study(study), question.request_uid)
        found = archive.instances(study)
        found += self._others.instances(name, archive, question)
        held = self._large.held()  # before the book is asked: what is let go of in between is known to the book
        ours = self._ours({one.study_instance_uid for one in found}) | held.keys()
        new = self._book.unknown([one for one in found if _may_answer(one) and one.sop_instance_uid not in ours])
        earliest = None
        if not question.watched:
            has_request = sent_at is not None or any(one.sop_instance_uid == question.request_uid for one in found)
            if not has_request and self._is_just_after(question.requested_at):
                self._book.pass_over(question, new, BEFORE)
                return False
            earliest = self._earliest(question, sent_at)
        self._mark(question, [one for one in new if one.sop_class_uid in UNREAD])
        return self._take(question, name, [one for one in new if one.sop_class_uid not in UNREAD], earliest)

    def _ours(self, studies: Iterable[str]) -> set[str]:
        """What came through this station, and what it made."""
        found: set[str] = set()
        for study in studies:
            found |= {delivery.instance.sop_instance_uid for delivery in self._outbox.of_study(study)}
            found |= {arrival.instance.sop_instance_uid for arrival in self._inbox.of_study(study)}
        return found

    def _mark(self, question: Question, found: Sequence[FoundInstance]) -> None:
        """Tell of what is not fetched; before the study was watched nothing says whether it is new."""
        if question.watched:
            self._book.mark(question, found)
        else:
            self._book.pass_over(question, found, BEFORE)

    def _take(self, question: Question, name: str, found: Sequence[FoundInstance], earliest: datetime | None) -> bool:
        tried = self._book.tried(found)
        for number, one in enumerate(sorted(found, key=_is_pdf)):  # the megabytes last
            if number and not self._is_in_time():
                return True
            wanted = FetchRequest(question=question, found=one, earliest=earliest)
            if one.sop_instance_uid in tried:  # and failed: no question waits for it again
                self._large.add(name, wanted)
                continue
            try:
                self._fetcher.take(wanted, self._archives[name], at_once=True)
            except TakesLong as error:
                self._large.add(name, wanted)
                if isinstance(error, Broke):
                    return False  # should the link be dead, the next question finds out
        return False

    def _earliest(self, question: Question, sent_at: datetime | None) -> datetime:
        """What states an earlier time was there before the request, where nobody looked before the request came."""
        is_at_once = self._is_just_after(sent_at or question.requested_at)  # nobody answers so fast by a clock behind
        return question.requested_at - (timedelta(0) if is_at_once else timedelta(days=1))

    def _is_just_after(self, moment: datetime) -> bool:
        return timedelta(0) <= self._clock.now() - moment < AT_ONCE


def open_seconds(polls: int, poll_seconds: float) -> float:
    """How long after the ``polls``-th look for an answer to look again.

    A two-hundredth of the time that these looks have taken: no clock tells it, as one may have been wrong when the
    question was asked, and a PACS that was silent has not been asked at all.
    """
    rare = min(max(0, polls - POLL_FRACTION), MOST_RARE)
    return min(poll_seconds * (1 + 1 / POLL_FRACTION) ** rare, max(poll_seconds, FOLLOW_CAP_SECONDS))


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
    return not found.sop_class_uid or found.sop_class_uid in KINDS or found.sop_class_uid in UNREAD


def _is_pdf(found: FoundInstance) -> bool:
    return found.sop_class_uid == EncapsulatedPDFStorage
