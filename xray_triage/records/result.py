"""The result of a case: what a doctor wrote of its films and stands for. Knows no database, no page, no network.

Versions are never changed. A draft is no version; what the AI found is never one.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

MOST_LETTERS = 8000  # of each part


class ResultState(Enum):
    """What a version is. The newest one is what stands."""

    FINAL = "final"
    AMENDED = "amended"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who writes: the account's name, the name on paper, and the licence number (số GPHN/CCHN), or empty."""

    account: str
    name: str
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a doctor wrote: mô tả, kết luận, đề nghị. ``adopts``: the SOP Instance UID of the answer taken over."""

    description: str = ""
    conclusion: str = ""
    advice: str = ""
    adopts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What one doctor has begun to write of a case."""

    author: Author
    words: Words
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One version, from 1. ``before_author``: what the AI had said then; ``reason``: why it was amended or cancelled.

    ``document_uid``: the SOP Instance UID of its report in the study.
    """

    version: int
    state: ResultState
    author: Author
    words: Words
    before_author: str
    reason: str
    made_at: datetime
    document_uid: str


class CannotWrite(Exception):
    """The result cannot be written now; the message says what to do, as a sentence for the doctor's page."""


class BadWords(CannotWrite):
    """Not with these words: some are missing, or too many."""
