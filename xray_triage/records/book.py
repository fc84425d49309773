"""The results of the cases: drafts that are saved as they are typed, versions that are never changed.

A version and the delivery of its document are one commit. Knows no page and no network.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from pydicom.dataset import Dataset

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival, reference_to
from dicom_router.dicom.part10 import encode_file
from dicom_router.store.database import Database, insert_new
from dicom_router.store.inbox import Inbox
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from xray_triage.cases import tables as cases
from xray_triage.cases.casebook import UnknownCase, sequence_of
from xray_triage.language import N_
from xray_triage.records import tables
from xray_triage.records.document import make_document
from xray_triage.records.result import MOST_LETTERS, Author, CannotWrite, Draft, Result, ResultState, Words
from xray_triage.results.origin import Origin

NO_CONCLUSION = N_("Hãy viết kết luận trước khi hoàn tất.")
NO_REASON = N_("Hãy viết lý do.")
NO_RESULT = N_("Ca này chưa có kết quả để sửa hay hủy.")
IS_THERE = N_("Ca này đã có kết quả: hãy đọc bản mới nhất, rồi sửa kết quả đó. Bản nháp vẫn còn.")
TOO_LONG = N_("Mỗi phần của kết quả dài nhất 8.000 chữ.")

Headers = Callable[[str], Dataset]  # the repaired header of a study's film
Publish = Callable[[sa.Connection, int, int], None]  # told of a case's number and a version, in the commit of it


class ResultBook:
    """All results. ``destinations`` take their documents; ``publish`` tells a version to others in its own commit,
    ``wake`` is called when it is committed."""

    def __init__(  # noqa: PLR0913 - the stores that it joins
        self,
        database: Database,
        *,
        clock: Clock,
        inbox: Inbox,
        outbox: Outbox,
        spool: Spool,
        header: Headers,
        destinations: Sequence[str],
        station_name: str,
        publish: Publish = lambda _connection, _case_sequence, _version: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._publish = publish
        self._database, self._clock = database, clock
        self._inbox, self._outbox, self._spool = inbox, outbox, spool
        self._header = header
        self._destinations = destinations
        self._station_name = station_name
        self._wake = wake

    def save_draft(self, case_id: str, author: Author, words: Words) -> None:
        """Keep what ``author`` has written so far. Raises UnknownCase, or CannotWrite when it is too long."""
        _check_length(words)
        table = tables.result_draft
        with self._database.write() as connection:
            sequence = sequence_of(connection, case_id)
            values = _author_columns(author) | _words_columns(words) | {"saved_at": self._clock.now()}
            mine = sa.and_(table.c.case_sequence == sequence, table.c.author == author.account)
            if not connection.execute(table.update().where(mine).values(values)).rowcount:
                insert_new(connection, table, values | {"case_sequence": sequence})

    def drafts(self, case_id: str) -> list[Draft]:
        """What is being written of a case, the newest first. Raises UnknownCase."""
        table = tables.result_draft
        with self._database.read() as connection:
            mine = table.c.case_sequence == sequence_of(connection, case_id)
            rows = connection.execute(sa.select(table).where(mine).order_by(table.c.saved_at.desc()))
            return [Draft(author=_author(row), words=_words(row), saved_at=row.saved_at) for row in rows]

    def versions(self, case_id: str) -> list[Result]:
        """Every version of a case's result, the oldest first. Raises UnknownCase."""
        table = tables.result
        with self._database.read() as connection:
            mine = table.c.case_sequence == sequence_of(connection, case_id)
            return [_result(row) for row in connection.execute(sa.select(table).where(mine).order_by(table.c.version))]

    def newest(self, case_ids: Iterable[str]) -> dict[str, Result]:
        """What stands, by case, of those that have a result."""
        table, case = tables.result, cases.case
        query = (
            sa.select(table, case.c.case_id)
            .join_from(table, case, table.c.case_sequence == case.c.sequence)
            .where(case.c.case_id.in_(list(case_ids)))
            .order_by(table.c.version)
        )
        with self._database.read() as connection:
            return {row.case_id: _result(row) for row in connection.execute(query)}

    def finish(self, case_id: str, author: Author, words: Words, *, before_author: str) -> Result:
        """The first version. Raises UnknownCase, CannotWrite or SpoolFull; the draft is then kept as it was."""
        if self._last(case_id) is not None:
            raise CannotWrite(IS_THERE)
        return self._add(case_id, ResultState.FINAL, author, words, reason="", before_author=before_author)

    def amend(self, case_id: str, author: Author, words: Words, *, reason: str, before_author: str) -> Result:
        """A new version over the newest. Raises as ``finish`` does, and when nothing is there to amend."""
        self._need(case_id, reason)
        return self._add(case_id, ResultState.AMENDED, author, words, reason=reason, before_author=before_author)

    def cancel(self, case_id: str, author: Author, *, reason: str, before_author: str) -> Result:
        """Nothing stands any more; what stood can still be read. Raises as ``amend`` does."""
        last = self._need(case_id, reason)
        return self._add(case_id, ResultState.CANCELLED, author, last.words, reason=reason, before_author=before_author)

    def _need(self, case_id: str, reason: str) -> Result:
        last = self._last(case_id)
        if last is None:
            raise CannotWrite(NO_RESULT)
        if not reason.strip():
            raise CannotWrite(NO_REASON)
        return last

    def _last(self, case_id: str) -> Result | None:
        versions = self.versions(case_id)
        return versions[-1] if versions else None

    def _add(
        self, case_id: str, state: ResultState, author: Author, words: Words, *, reason: str, before_author: str
    ) -> Result:
        _check_length(words)
        if not words.conclusion.strip():
            raise CannotWrite(NO_CONCLUSION)
        earlier = [one.document_uid for one in self.versions(case_id)]
        draft = Result(
            version=len(earlier) + 1,
            state=state,
            author=author,
            words=words,
            before_author=before_author,
            reason=reason.strip(),
            made_at=self._clock.now(),
            document_uid="",
        )
        document = self._document(case_id, draft, earlier)
        spooled = self._spool.keep(io.BytesIO(encode_file(document)))
        is_kept = False
        try:
            with self._database.write() as connection:
                sequence = sequence_of(connection, case_id)
                uid = str(document.SOPInstanceUID)
                if insert_new(connection, tables.result, _columns(draft, uid) | {"case_sequence": sequence}) is None:
                    raise CannotWrite(IS_THERE)
                self._publish(connection, sequence, draft.version)
                mine = tables.result_draft.c.author == author.account
                connection.execute(
                    tables.result_draft.delete().where(tables.result_draft.c.case_sequence == sequence, mine)
                )
                is_kept = self._outbox.enqueue(
                    connection,
                    instance=reference_to(document),
                    spooled=spooled,
                    what="result",
                    urgent=False,
                    destinations=self._destinations,
                )
        finally:
            if not is_kept:  # somebody was quicker, or no destination takes it
                self._spool.delete(spooled.key)
        self._wake()
        return self.versions(case_id)[draft.version - 1]

    def _document(self, case_id: str, draft: Result, earlier: Sequence[str]) -> Dataset:
        with self._database.read() as connection:
            query = sa.select(cases.case.c.study_instance_uid).where(cases.case.c.case_id == case_id)
            study = connection.scalar(query)
        if study is None:
            raise UnknownCase(case_id)
        films: list[Arrival] = [one for one in self._inbox.of_study(study) if not one.quarantined]
        origin = Origin(source=self._header(study), model=None, station_name=self._station_name, at=draft.made_at)
        return make_document(origin, draft, [one.instance for one in films], earlier)


def _check_length(words: Words) -> None:
    if max(map(len, (words.description, words.conclusion, words.advice))) > MOST_LETTERS:
        raise CannotWrite(TOO_LONG)


def _author_columns(author: Author) -> dict[str, Any]:
    return {"author": author.account, "author_name": author.name, "licence": author.licence}


def _words_columns(words: Words) -> dict[str, Any]:
    return {name: getattr(words, name) for name in tables.WORDS}


def _columns(result: Result, document_uid: str) -> dict[str, Any]:
    return {
        "version": result.version,
        "state": result.state.value,
        **_author_columns(result.author),
        **_words_columns(result.words),
        "before_author": result.before_author,
        "reason": result.reason,
        "made_at": result.made_at,
        "document_uid": document_uid,
    }


def _author(row: sa.Row[Any]) -> Author:
    return Author(account=row.author, name=row.author_name, licence=row.licence)


def _words(row: sa.Row[Any]) -> Words:
    return Words(**{name: getattr(row, name) for name in tables.WORDS})


def _result(row: sa.Row[Any]) -> Result:
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
