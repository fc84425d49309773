"""Between the rows of the tables and what is kept in them. Knows no database."""

from typing import Any

import sqlalchemy as sa

from xray_triage.records.result import Author, Draft, Result, ResultState, Words
from xray_triage.records.tables import WORDS


def author_columns(author: Author) -> dict[str, Any]:
    """Who writes."""
    return {"author": author.account, "author_name": author.name, "licence": author.licence}


def words_columns(words: Words) -> dict[str, Any]:
    """What is written."""
    return {name: getattr(words, name) for name in WORDS}


def result_columns(result: Result) -> dict[str, Any]:
    """A version."""
    return {
        "version": result.version,
        "state": result.state.value,
        **author_columns(result.author),
        **words_columns(result.words),
        "before_author": result.before_author,
        "reason": result.reason,
        "made_at": result.made_at,
        "document_uid": result.document_uid,
    }


def draft_of(row: sa.Row[Any]) -> Draft:
    """A row of ``result_draft``."""
    return Draft(author=_author(row), words=_words(row), saved_at=row.saved_at)


def result_of(row: sa.Row[Any]) -> Result:
    """A row of ``result``."""
    return Result(
        version=row.version,
        state=ResultState(row.state),
        author=_author(row),
        words=_words(row),
        before_author=row.before_author,
        reason=row.reason,
        made_at=row.made_at,
        document_uid=row.document_uid,
    )


def _author(row: sa.Row[Any]) -> Author:
    return Author(account=row.author, name=row.author_name, licence=row.licence)


def _words(row: sa.Row[Any]) -> Words:
    return Words(**{name: getattr(row, name) for name in WORDS})
