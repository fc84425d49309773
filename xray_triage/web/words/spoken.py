"""What all words of the page share: a language, times, and a word with its tone. Knows no HTML."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from xray_triage.language import N_, Language

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800


@dataclass(frozen=True, slots=True)
class State:
    """A word and its tone: ``good``, ``wait``, ``bad`` or ``none``, which the style sheet turns into a sign."""

    word: str
    tone: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """Words in one language."""

    language: Language

    def moment(self, at: datetime, now: datetime) -> str:
        return self.language.moment(at, now)

    def age(self, at: datetime, now: datetime) -> str:
        """How long ago ``at`` was, or which day; a time to come, of a clock that is wrong, is now."""
        say, seconds = self.language.say, max(0.0, (now - at) / timedelta(seconds=1))
        if seconds < MINUTE:
            return say(N_("vừa xong"))
        if seconds < HOUR:
            return say(N_("%(n)d phút trước"), n=int(seconds // MINUTE))
        if seconds < DAY:
            return say(N_("%(n)d giờ trước"), n=int(seconds // HOUR))
        if seconds < WEEK:
            return say(N_("%(n)d ngày trước"), n=int(seconds // DAY))
        return self.language.day(at.astimezone().date())

    def birthday(self, birth_date: str) -> str:
        """``birth_date`` (YYYY-MM-DD) as it is written here."""
        return "/".join(reversed(birth_date.split("-")))
