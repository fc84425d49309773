"""The two languages of page and command line: words by a catalogue, dates and numbers by CLDR. Knows nothing of ours.

Messages are Vietnamese in the source, marked by ``N_`` where they are not said at once; locale/en.po has their English.
In a message a literal ``%`` is written ``%%``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

from babel.dates import format_date, format_datetime, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

LANGUAGES = ("vi", "en")
_LOCALES = {"vi": "vi_VN", "en": "en_GB"}  # the order of day and month is the same in both


def N_(message: str) -> str:  # noqa: N802 -- the name that extractors of messages know
    """Marks a message that is translated later, where a table of words is made."""
    return message


def rounded(value: float, digits: int = 0) -> Decimal:
    """The number as it is written: a half goes up. The one rule of page, paper, picture, outlines and report.

    It looks at the decimal digits, as people do: 0.505 is 0.51, whatever its binary neighbours are.
    """
    return Decimal(str(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


@cache
def _english() -> dict[str, tuple[str, str]]:
    """Of one thing and of several, which is the same for most; Vietnamese nouns have no plural."""
    with (Path(__file__).parent / "locale" / "en.po").open("rb") as stream:
        entries = [each for each in read_po(stream, locale="en") if each.id]
    return {each.id if isinstance(each.id, str) else each.id[0]: _forms(each.string or "") for each in entries}


def _forms(said: str | Sequence[str]) -> tuple[str, str]:
    return (said, said) if isinstance(said, str) else (said[0], said[1])


@dataclass(frozen=True, slots=True)
class Language:
    """How somebody is spoken to. ``code`` is one of LANGUAGES."""

    code: str

    def say(self, message: str, /, **values: object) -> str:
        """``message`` (Vietnamese) in this language, its ``%(name)s`` filled in; a float gets one decimal.

        ``n`` is the count by which English tells one from several.
        """
        return self.translate(message, count=values.get("n")) % {
            name: self.number(value, 1) if isinstance(value, float) else value for name, value in values.items()
        }

    def translate(self, message: str, *, count: object = None) -> str:
        """``message`` as it is in the catalogue; a message without English stays Vietnamese."""
        if self.code != "en":
            return message
        one, several = _english().get(message, (message, message))
        return one if str(count) == "1" else several

    def day(self, on: date) -> str:
        """A date in figures: 31/01/2025."""
        return format_date(on, "dd/MM/yyyy", locale=self._locale)

    def time(self, at: datetime) -> str:
        """The time in the computer's own zone: 14:03."""
        return format_time(at.astimezone(), "HH:mm", tzinfo=at.astimezone().tzinfo, locale=self._locale)

    def moment(self, at: datetime, now: datetime) -> str:
        """``at`` in the computer's own zone: the time today, else with the date."""
        local, today = at.astimezone(), now.astimezone().date()
        pattern = "HH:mm" if local.date() == today else "HH:mm dd/MM/yyyy"
        return format_datetime(local, pattern, tzinfo=local.tzinfo, locale=self._locale)

    def number(self, value: float, digits: int = 0) -> str:
        """With this language's decimal sign: 0,51."""
        return format_decimal(
            rounded(value, digits), f"#,##0.{'0' * digits}" if digits else "#,##0", locale=self._locale
        )

    def percent(self, share: float) -> str:
        """``share`` of 1, in whole percent."""
        return format_percent(rounded(share, 2), "0%", locale=self._locale)

    @property
    def _locale(self) -> str:
        return _LOCALES[self.code]


VIETNAMESE, ENGLISH = Language("vi"), Language("en")
