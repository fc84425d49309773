"""Ages as machines and people write them. Pure; it must never know a dataset."""

import re
import unicodedata

DAYS_PER_YEAR = 365.25
OLDEST_YEARS = 120.0  # more is a placeholder: ``999Y``, a birth in 1900
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / DAYS_PER_YEAR, "d": 1 / DAYS_PER_YEAR, "h": 1 / 24 / DAYS_PER_YEAR}
# Without accents: English, Vietnamese, French and Spanish. A bare number is years (``58``).
_UNITS = {
    **dict.fromkeys(("", "y", "yr", "yrs", "year", "years", "yo", "tuoi", "nam", "a", "an", "ans", "ano", "anos"), "y"),
    **dict.fromkeys(("m", "mo", "mos", "mon", "mth", "mths", "month", "months", "thang", "th", "mois", "mes"), "m"),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks", "tuan"), "w"),
    **dict.fromkeys(("d", "day", "days", "ngay"), "d"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "gio"), "h"),
}
_FILLERS = re.compile(r"\b(?:tuoi|old|of age)\b")
_PART = re.compile(r"(\d+(?:[.,]\d+)?)[\s_-]*([a-z]*)")


def parse_age(text: str) -> float | None:
    """Years from ``058Y``, ``006M``, ``3 Y``, ``0003Y``, ``36m``, ``3Y6M``, ``3.5 years``, ``3 tuổi``, ``58``, ``Y03``.

    None: nothing is said, or nothing that can be an age. 0 is unknown: machines write ``000Y`` for a patient nobody
    registered; so is more than OLDEST_YEARS.
    """
    plain = _plain(text)
    turned = re.fullmatch(r"([a-z]+)\s*(\d+)", plain)
    parts = [(turned[2], turned[1])] if turned else _PART.findall(plain)
    rest = "" if turned else re.sub(r"[\s.,/+]", "", _PART.sub("", plain))
    if not parts or rest or any(unit not in _UNITS for _, unit in parts):
        return None
    units = [_UNITS[unit] for _, unit in parts]
    if len(parts) > 1 and (units != sorted(set(units), key="ymwdh".index) or not all(unit for _, unit in parts)):
        return None  # "3 4", "3Y 4Y": nobody knows what is meant
    years = sum(float(number.replace(",", ".")) * _YEARS[_UNITS[unit]] for number, unit in parts)
    return round(max(years, 0.001), 3) if 0 < years <= OLDEST_YEARS else None


def _plain(text: str) -> str:
    """Lower case without accents; ``3 tháng tuổi`` is ``3 thang``."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("đ", "d"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).replace("y.o.", "y").strip()
    if re.search(r"[a-z].*\b(?:tuoi|old)\b", plain):
        plain = _FILLERS.sub(" ", plain)
    return plain.strip()


def contradicts(stated: float, counted: float) -> bool:
    """Whether an age that was stated cannot be the one counted from the birth date, both in years.

    An age is counted by birthdays or by calendar years, and a birth date of a year alone from its first day.
    """
    return not -1 <= counted - stated < 2
