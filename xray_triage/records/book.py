"""The results of the cases: drafts that are saved as they are typed, versions that are never changed.

A version, its paper and the delivery of its document are one commit. Knows no page and no network.
"""

import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
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
from xray_triage.cases import marks
from xray_triage.cases import tables as cases
from xray_triage.cases.casebook import UnknownCase, sequence_of
from xray_triage.cases.shapes import ResultJson
from xray_triage.language import N_
from xray_triage.records import tables
from xray_triage.records.beginning import UNSAID
from xray_triage.records.document import make_document
from xray_triage.records.outbox import RecordOutbox
from xray_triage.records.printing import Printer
from xray_triage.records.result import MOST_LETTERS, Author, BadWords, CannotWrite, Draft, Result, ResultState, Words
from xray_triage.records.rows import author_columns, draft_of, result_columns, result_of, words_columns
from xray_triage.records.shapes import shape_of
from xray_triage.records.signing.signatures import Signatures
from xray_triage.results.origin import Origin

NO_CONCLUSION = N_("Hãy viết kết luận trước khi hoàn tất.")
NO_REASON = N_("Hãy viết lý do.")
NO_RESULT = N_("Ca này chưa có kết quả để sửa hay hủy.")
IS_THERE = N_("Ca này đã có kết quả: hãy đọc bản mới nhất, rồi sửa kết quả đó. Bản nháp vẫn còn.")
IS_UNSAID = N_("Trong phần mô tả còn dòng để “…”: hãy viết nốt, bấm câu bình thường, hoặc xóa dòng đó.")
TOO_LONG = N_("Mỗi phần của kết quả dài nhất 8.000 chữ.")
_UNSAID_LINE = re.compile(rf":\s*{UNSAID}\s*$", re.MULTILINE)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")  # what no paper and no message can hold

Headers = Callable[[str], Dataset]  # the repaired header of a study's film


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
        records: RecordOutbox,
        signatures: Signatures,
        spool: Spool,
        header: Headers,
        printer: Printer,
        destinations: Sequence[str],
        station_name: str,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._database, self._clock = database, clock
        self._inbox, self._outbox, self._spool = inbox, outbox, spool
        self._records, self._signatures = records, signatures
        self._header, self._printer = header, printer
        self._destinations = destinations
        self._station_name = station_name
        self._wake = wake

    def save_draft(self, case_id: str, author: Author, words: Words) -> None:
        """Keep what ``author`` has written so far; nothing at all is no draft. Raises UnknownCase, BadWords."""
        words = _plain(words)
        table = tables.result_draft
        with self._database.write() as connection:
            sequence = sequence_of(connection, case_id)
            mine = sa.and_(table.c.case_sequence == sequence, table.c.author == author.account)
            if words == Words():
                connection.execute(table.delete().where(mine))
                return
            values = author_columns(author) | words_columns(words) | {"saved_at": self._clock.now()}
            if not connection.execute(table.update().where(mine).values(values)).rowcount:
                insert_new(connection, table, values | {"case_sequence": sequence})

    def drafts(self, case_id: str) -> list[Draft]:
        """What is being written of a case, the newest first. Raises UnknownCase."""
        table = tables.result_draft
        with self._database.read() as connection:
            mine = table.c.case_sequence == sequence_of(connection, case_id)
            rows = connection.execute(sa.select(table).where(mine).order_by(table.c.saved_at.desc()))
            return [draft_of(row) for row in rows]

    def versions(self, case_id: str) -> list[Result]:
        """Every version of a case's result, the oldest first. Raises UnknownCase."""
        table = tables.result
        with self._database.read() as connection:
            mine = table.c.case_sequence == sequence_of(connection, case_id)
            return [
                result_of(row) for row in connection.execute(sa.select(table).where(mine).order_by(table.c.version))
            ]

    def newest(self, case_ids: Iterable[str]) -> dict[str, Result]:
        """What stands, by case, of those that have a result."""
        rows = self._last_rows(tables.result, "version", case_ids)
        return {case_id: result_of(row) for case_id, row in rows.items()}

    def shapes(self, case_ids: Iterable[str]) -> dict[str, ResultJson]:
        """What programs and the list are told, by case, of those that have a result or a draft."""
        ids = list(case_ids)
        drafts = self._last_rows(tables.result_draft, "saved_at", ids)
        begun = {case_id: shape_of(draft_of(row)) for case_id, row in drafts.items()}
        newest = self.newest(ids)
        sent, signed = self._records.of_cases(newest), self._signatures.among(newest)
        return begun | {
            case_id: shape_of(one, sent[case_id], is_signed=(case_id, one.version) in signed)
            for case_id, one in newest.items()
        }

    def paper(self, case_id: str, version: int | None = None) -> bytes | None:
        """The PDF of a version, else of the newest, as it was made then; None where there is none."""
        table, paper, case = tables.result, tables.result_paper, cases.case
        query = (
            sa.select(paper.c.pdf)
            .join_from(paper, table)
            .join(case, table.c.case_sequence == case.c.sequence)
            .where(case.c.case_id == case_id, sa.true() if version is None else table.c.version == version)
            .order_by(table.c.version.desc())
        )
        with self._database.read() as connection:
            return connection.scalar(query.limit(1))

    def finish(self, case_id: str, author: Author, words: Words, *, before_author: str) -> Result:
        """The first version. Raises UnknownCase, CannotWrite or SpoolFull; the draft is then kept as it was."""
        if self._last(case_id) is not None:
            raise CannotWrite(IS_THERE)
        return self._add(case_id, ResultState.FINAL, author, words, reason="", before_author=before_author)

    def amend(
        self, case_id: str, author: Author, words: Words, *, reason: str, before_author: str, over: int | None = None
    ) -> Result:
        """A new version over the newest. ``over``: the version that the author has read.

        Raises as ``finish`` does, when another stands there now, and when nothing is there to amend.
        """
        self._need(case_id, reason, over)
        return self._add(case_id, ResultState.AMENDED, author, words, reason=reason, before_author=before_author)

    def cancel(
        self, case_id: str, author: Author, *, reason: str, before_author: str, over: int | None = None
    ) -> Result:
        """Nothing stands any more; what stood can still be read. Raises as ``amend`` does."""
        last = self._need(case_id, reason, over)
        if last.state is ResultState.CANCELLED:
            raise CannotWrite(NO_RESULT)
        return self._add(case_id, ResultState.CANCELLED, author, last.words, reason=reason, before_author=before_author)

    def _need(self, case_id: str, reason: str, over: int | None) -> Result:
        last = self._last(case_id)
        if last is None:
            raise CannotWrite(NO_RESULT)
        if over not in (None, last.version):
            raise CannotWrite(IS_THERE)
        if not reason.strip():
            raise BadWords(NO_REASON)
        return last

    def _last(self, case_id: str) -> Result | None:
        versions = self.versions(case_id)
        return versions[-1] if versions else None

    def _add(
        self, case_id: str, state: ResultState, author: Author, words: Words, *, reason: str, before_author: str
    ) -> Result:
        words = _plain(words)
        if not words.conclusion:
            raise BadWords(NO_CONCLUSION)
        if state is not ResultState.CANCELLED and _UNSAID_LINE.search(words.description):
            raise BadWords(IS_UNSAID)
        earlier = [one.document_uid for one in self.versions(case_id)]
        made = Result(
            version=len(earlier) + 1,
            state=state,
            author=author,
            words=words,
            before_author=before_author,
            reason=_text(reason),
            made_at=self._clock.now(),
            document_uid="",
        )
        study = self._study(case_id)
        header = self._header(study)
        document = self._document(study, header, made, earlier)
        made = replace(made, document_uid=str(document.SOPInstanceUID))
        paper = self._printer.make(case_id, made, header)
        spooled = self._spool.keep(io.BytesIO(encode_file(document)))
        is_kept = False
        try:
            with self._database.write() as connection:
                self._insert(connection, sequence_of(connection, case_id), made, paper)
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
        return made

    def _insert(self, connection: sa.Connection, sequence: int, made: Result, paper: bytes) -> None:
        """The version, its paper, and what it means for the case: whoever writes has seen it, and is done with it;
        one whose result was cancelled waits for another."""
        table = tables.result
        number = insert_new(connection, table, result_columns(made) | {"case_sequence": sequence})
        if number is None:
            raise CannotWrite(IS_THERE)
        connection.execute(tables.result_paper.insert().values(result_id=number, pdf=paper))
        self._records.enqueue(connection, sequence, made.version)
        if made.state is ResultState.CANCELLED:
            marks.renew(connection, sequence)  # it waits for a result again
            return
        marks.finish(connection, sequence, by=made.author.name, at=made.made_at)
        draft = tables.result_draft
        mine = sa.and_(draft.c.case_sequence == sequence, draft.c.author == made.author.account)
        connection.execute(draft.delete().where(mine))

    def _study(self, case_id: str) -> str:
        with self._database.read() as connection:
            query = sa.select(cases.case.c.study_instance_uid).where(cases.case.c.case_id == case_id)
            study = connection.scalar(query)
        if study is None:
            raise UnknownCase(case_id)
        return str(study)

    def _document(self, study: str, header: Dataset, made: Result, earlier: Sequence[str]) -> Dataset:
        films: list[Arrival] = [one for one in self._inbox.of_study(study) if not one.quarantined]
        origin = Origin(source=header, model=None, station_name=self._station_name, at=made.made_at)
        return make_document(origin, made, [one.instance for one in films], earlier)

    def _last_rows(self, table: sa.Table, by: str, case_ids: Iterable[str]) -> dict[str, sa.Row[Any]]:
        case = cases.case
        query = (
            sa.select(table, case.c.case_id)
            .join_from(table, case, table.c.case_sequence == case.c.sequence)
            .where(case.c.case_id.in_(list(case_ids)))
            .order_by(table.c[by])
        )
        with self._database.read() as connection:
            return {row.case_id: row for row in connection.execute(query)}


def _plain(words: Words) -> Words:
    """The words as they can be kept, printed and sent. Raises BadWords."""
    plain = replace(words, **{name: _text(getattr(words, name)) for name in tables.WORDS})
    if max(map(len, (plain.description, plain.conclusion, plain.advice))) > MOST_LETTERS:
        raise BadWords(TOO_LONG)
    return plain


def _text(written: str) -> str:
    """In composed letters (NFC), its lines ended alike; no character that no paper and no message can hold."""
    return _NOT_TEXT.sub("", "\n".join(unicodedata.normalize("NFC", written).splitlines())).strip()
