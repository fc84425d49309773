"""Reads single attributes of a dataset that may be damaged: an answer or nothing, never an exception.

It must never know what the attributes are needed for.
"""

import re
import unicodedata
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_router.errors import DAMAGE

LARGEST = 1e9


def value_of(dataset: Dataset, keyword: str) -> Any:
    """The value as pydicom gives it; None when it is missing, empty or cannot be parsed."""
    try:
        value = dataset.get(keyword)
    except DAMAGE:
        return None
    return None if value == "" else value


def first_of(dataset: Dataset, keyword: str) -> Any:
    """The first of several values, or the only one; None when there is none."""
    value = value_of(dataset, keyword)
    if isinstance(value, MultiValue):
        return value[0] if len(value) else None
    return value


def text(dataset: Dataset, keyword: str) -> str:
    """The first value without blanks around it; empty when there is none."""
    value = first_of(dataset, keyword)
    return "" if value is None else str(value).strip()


def number(dataset: Dataset, keyword: str, missing: int = 0) -> int:
    """An integer; ``missing`` when there is none."""
    value = first_of(dataset, keyword)
    try:
        return missing if value is None else int(value)
    except (ValueError, TypeError, OverflowError):
        return missing


def decimal(dataset: Dataset, keyword: str, missing: float) -> float:
    """A number; ``missing`` when there is none, or none that a film could mean (not finite, beyond a billion)."""
    value = first_of(dataset, keyword)
    try:
        found = missing if value is None else float(value)
    except (ValueError, TypeError, OverflowError):
        return missing
    return found if abs(found) <= LARGEST else missing


def words(dataset: Dataset, keyword: str) -> str:
    """All values as upper-case words of A-Z and 0-9 with single blanks between them, without accents."""
    value = value_of(dataset, keyword)
    values = value if isinstance(value, MultiValue) else [value]
    joined = " ".join("" if one is None else str(one) for one in values).upper().replace("Đ", "D")
    plain = "".join(letter for letter in unicodedata.normalize("NFD", joined) if not unicodedata.combining(letter))
    return " ".join(re.sub("[^A-Z0-9]", " ", plain).split())


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none when it is missing or damaged."""
    value = value_of(dataset, keyword)
    try:
        return [item for item in value or () if isinstance(item, Dataset)]
    except DAMAGE:
        return []
