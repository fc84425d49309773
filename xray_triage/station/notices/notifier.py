"""Sends what one peer of ``[[notice]]`` is to be told, again and again until it is taken. Knows no patient."""

from datetime import timedelta

import structlog

from dicom_router.clock import Clock
from dicom_router.transport.backoff import delay
from dicom_router.worker import Worker
from xray_triage.cases.notices import Notice, Notices
from xray_triage.config.notices import NoticePeer
from xray_triage.config.station import Config
from xray_triage.language import N_, Language
from xray_triage.station.notices.sending import Message, send

TICK_SECONDS = 2.0
GATHER_SECONDS = 60.0  # what comes so soon after a notice becomes one notice with all else of that time
LONGEST_PAUSE_SECONDS = 1800.0
LATE = timedelta(minutes=5)

log = structlog.get_logger()


class Notifier(Worker):
    """One peer's. The first piece of news goes at once; what follows within a minute goes together."""

    def __init__(self, config: Config, peer: NoticePeer, notices: Notices, *, clock: Clock) -> None:
        super().__init__(self.run_once, name=f"notice {peer.name}", poll_seconds=TICK_SECONDS)
        self._peer, self._notices, self._clock = peer, notices, clock
        self._station, self._language = config.station.name, Language(config.station.language)
        self._gathers_at = 0.0

    def run_once(self) -> bool:
        """Gather what is new, send what is due; whether the peer took something."""
        now = self._clock.monotonic()
        if now >= self._gathers_at and self._notices.gather(self._peer.name):
            self._gathers_at = now + GATHER_SECONDS
        work = self._notices.next(self._peer.name)
        if work is None:
            return False
        problem = send(self._peer, self.message(Notice.of(work.key)))
        if problem:
            log.warning("notice not taken", peer=self._peer.name, problem=problem, attempt=work.attempt)
            pause = delay(work.attempt, cap_seconds=LONGEST_PAUSE_SECONDS, jitter=0)
            self._notices.put_off(work, seconds=pause, problem=problem)
            return False
        self._notices.sent(work)
        log.info("notice sent", peer=self._peer.name)
        return True

    def message(self, notice: Notice) -> Message:
        """What is said of it."""
        return Message(
            number=notice.number,
            station=self._station,
            text=self._text(notice),
            at=notice.at,
            urgent=notice.urgent,
            answers=notice.answers,
        )

    def _text(self, notice: Notice) -> str:
        said = [
            self._language.say(message, n=n)
            for message, n in (
                (N_("%(n)d ca khẩn cấp mới"), notice.urgent),
                (N_("%(n)d trả lời hội chẩn mới"), notice.answers),
            )
            if n
        ]
        text, now = f"{self._station}: {', '.join(said)}", self._clock.now()
        return f"{text} ({self._language.moment(notice.at, now)})" if now - notice.at > LATE else text
