"""Takes one object of a study over the link into the answer book. Knows no protocol, and never what to ask for."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO

import structlog
from pydicom.uid import ChestCADSRStorage

from dicom_router.clock import Clock
from dicom_router.dicom.deflated import inflate, is_deflated
from dicom_router.errors import DamagedFile, NotOffered, PeerRefused, PeerUnreachable, SpoolFull
from dicom_router.store.spool import Spool
from dicom_router.transport.archive import Archive, FoundInstance
from dicom_router.transport.backoff import delay
from xray_triage.cases.consultation import AnswerKind, AnswerNote, Problem, Standing
from xray_triage.consultations.answers import LONGEST_RETRY_SECONDS, Answers, Question
from xray_triage.consultations.obstacles import Obstacle
from xray_triage.consultations.report_parser import KINDS, UNREAD, NotAnAnswer, ParsedAnswer, read_answer

LARGEST_REPORT_BYTES = 8 << 20
LARGEST_BYTES = 64 << 20  # of a PDF
LONGEST_FETCH_SECONDS = 3600.0
# What one question may take before the others are asked for: 8 s at 256 kbit/s.
AT_ONCE_BYTES = 256 << 10
AT_ONCE_SECONDS = 30.0
BEFORE = "there before the request"
NEAR = timedelta(days=1)  # what states a time so shortly before the question may be an answer by a clock behind


class TooLarge(Exception):
    """An answer that is not taken over the link."""


class TooSlow(Exception):
    """An answer that the link does not bring within ``LONGEST_FETCH_SECONDS``."""


class TakesLong(Exception):
    """An object that would keep the other questions waiting."""


class Broke(TakesLong):
    """An object at which the connection broke or stood still: the next would meet the same if it is the link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """An object that may be an answer; none when it states a time before ``earliest``."""

    question: Question
    found: FoundInstance
    earliest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trials:
    """How often an object is fetched anew: for about a day, ever more rarely."""

    longest_wait_seconds: float
    most: int


SPOILT = _Trials(longest_wait_seconds=LONGEST_RETRY_SECONDS, most=12)
BROKE_THE_LINK = _Trials(longest_wait_seconds=600.0, most=150)


class Fetcher:
    """Fetches, reads and keeps. Used by several threads, each with its own archives."""

    def __init__(
        self,
        book: Answers,
        *,
        clock: Clock,
        spool: Spool,
        poll_seconds: float,
        largest_bytes: int = LARGEST_BYTES,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._book = book
        self._clock = clock
        self._spool = spool
        self._poll_seconds = poll_seconds
        self._largest_bytes = largest_bytes
        self._jitter = jitter
        self._log = structlog.get_logger()

    def take(self, wanted: FetchRequest, archive: Archive, *, at_once: bool) -> None:
        """Make an answer of it, or note why it is none or when to try again.

        Raises PeerUnreachable or SpoolFull; with ``at_once`` TakesLong or Broke, and then nothing is noted.
        """
        question, found = wanted.question, wanted.found
        try:
            with self._spool.scratch() as coded, self._spool.scratch() as inflated:
                self._fetch(found, archive, coded, at_once=at_once)
                file = self._plain(found, coded, inflated)
                reply = read_answer(file, sop_instance_uid=found.sop_instance_uid)
                if _is_before(reply.written_at, wanted.earliest):
                    is_near = not _is_before(reply.written_at, question.requested_at - NEAR)
                    self._book.pass_over(question, [found], BEFORE, Obstacle.EARLIER if is_near else None)
                    return
                key = None if reply.kind in UNREAD.values() else self._spool.keep(file).key
                self._keep(question, found, reply, key)
        except NotAnAnswer as error:
            self._book.pass_over(question, [found], str(error))
        except TooLarge:
            self._keep(question, found, _without_content(found, AnswerNote.TOO_LARGE), None)
        except (DamagedFile, PeerRefused, TooSlow) as error:
            self._retry_later(question, found, error, SPOILT)
        except PeerUnreachable as error:
            if at_once and not error.slowly:
                raise Broke from error
            # It answered the search: should this object be what breaks the connection, the others go past it.
            self._retry_later(question, found, error, BROKE_THE_LINK)
            raise

    def _keep(self, question: Question, found: FoundInstance, reply: ParsedAnswer, spool_key: str | None) -> None:
        next_poll_at = self._clock.now() + timedelta(seconds=self._poll_seconds)
        is_kept = False
        try:
            is_kept = self._book.keep(question, found, reply, spool_key=spool_key, next_poll_at=next_poll_at)
        finally:
            if not is_kept and spool_key is not None:
                self._spool.delete(spool_key)
        if is_kept:
            standing = reply.standing.value
            self._log.info("answer received", case_id=question.case_id, kind=reply.kind.value, standing=standing)

    def _retry_later(self, question: Question, found: FoundInstance, error: Exception, trials: _Trials) -> None:
        """Try again, until nothing more is to be hoped for: then a person is told to look at the PACS."""

        def wait(tries: int) -> float:
            cap = trials.longest_wait_seconds
            return delay(tries, base_seconds=self._poll_seconds, cap_seconds=cap, jitter=self._jitter())

        obstacle = Obstacle.NOT_OFFERED if isinstance(error, NotOffered) else Obstacle.UNREADABLE
        tries = self._book.retry_later(question, found, Problem(obstacle, str(error)), wait)
        self._log.warning("answer not readable", case_id=question.case_id, error=str(error), tries=tries)
        if tries < trials.most:
            return
        if found.sop_class_uid in KINDS:
            self._keep(question, found, _without_content(found, AnswerNote.NOT_FETCHED), None)
        else:
            self._book.pass_over(question, [found], f"of no known class, and not to be had: {error}")

    def _plain(self, found: FoundInstance, coded: BinaryIO, inflated: BinaryIO) -> BinaryIO:
        """The file, its dataset as it was before it was deflated."""
        if not is_deflated(coded):
            return coded
        try:
            if not inflate(coded, inflated, longest=self._largest(found)):
                raise TooLarge
        except OSError as error:
            raise SpoolFull(f"an answer cannot be written: {error}") from error
        return inflated

    def _largest(self, found: FoundInstance) -> int:
        is_report = KINDS.get(found.sop_class_uid, AnswerKind.PDF) is not AnswerKind.PDF
        return min(LARGEST_REPORT_BYTES, self._largest_bytes) if is_report else self._largest_bytes

    def _fetch(self, found: FoundInstance, archive: Archive, file: BinaryIO, *, at_once: bool) -> None:
        largest, begun_at = self._largest(found), self._clock.monotonic()
        size_bytes = 0

        def write(piece: bytes | memoryview) -> None:
            nonlocal size_bytes
            size_bytes += len(piece)
            seconds = self._clock.monotonic() - begun_at
            if size_bytes > largest:
                raise TooLarge
            if at_once and (size_bytes > AT_ONCE_BYTES or seconds > AT_ONCE_SECONDS):
                raise TakesLong
            if seconds > LONGEST_FETCH_SECONDS:
                raise TooSlow(f"{found.sop_instance_uid} did not come within {LONGEST_FETCH_SECONDS:.0f} s")
            try:
                file.write(piece)
            except OSError as error:
                raise SpoolFull(f"an answer cannot be written: {error}") from error

        archive.fetch(found, write)


def _is_before(written_at: datetime | None, earliest: datetime | None) -> bool:
    """Whether an object states an earlier time, as exactly as it states one: to the second, minute, hour or day."""
    if written_at is None or earliest is None:
        return False
    earliest = earliest.astimezone(written_at.tzinfo).replace(microsecond=0)
    if written_at.second == 0:
        earliest = earliest.replace(second=0)
        if written_at.minute == 0:
            earliest = earliest.replace(minute=0, hour=earliest.hour if written_at.hour else 0)
    return written_at < earliest


def _without_content(found: FoundInstance, note: AnswerNote) -> ParsedAnswer:
    """A report that somebody must look at elsewhere answers; what may be without words, or a program's, does not."""
    kind = KINDS.get(found.sop_class_uid, AnswerKind.PDF)
    is_report = kind in (AnswerKind.TEXT, AnswerKind.PDF) and found.sop_class_uid != ChestCADSRStorage
    return ParsedAnswer(kind=kind, note=note, standing=Standing.FINAL if is_report else Standing.MARK)
