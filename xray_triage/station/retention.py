"""Deletes films that the PACS is proved to have, when they are old or the disk gets full; foretells when it is full.

Must never touch what is not proved everywhere, nor what a doctor still waits with. Decodes no pixel: ``draw`` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from dicom_router.dicom.header_file import header_file
from dicom_router.errors import DamagedFile
from dicom_router.store.purges import ProvenFile
from dicom_router.store.spool import Spool
from dicom_router.worker import Worker
from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Case, Image
from xray_triage.stores import Stores

ACTOR = "retention"
POLL_SECONDS = 60.0
AT_ONCE = 20  # studies a step
NEAR_BYTES, NEAR_SHARE = 5_000_000_000, 0.1  # of the reserve: where films go before they are old
DAY, WINDOW = timedelta(days=1), timedelta(days=14)
KEPT_BYTES = 130_000  # what stays of a film for ever: rows, header, pictures, the paper of a result (decision 0023)

Draw = Callable[[Image, str], bytes | None]  # a small picture of a film, out of the spool's file of this key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """``days_left`` until no film is taken any more, if all goes on as in the last 14 days; None: nothing grows."""

    days_left: float | None
    purged: int


class Retention:
    """One thread calls ``run_once``. ``keep_days`` 0: a film goes as soon as it is proved."""

    def __init__(self, stores: Stores, *, keep_days: int, draw: Draw = lambda _image, _key: None) -> None:
        self._stores = stores
        self._keep = timedelta(days=keep_days)
        self._draw = draw

    def run_once(self) -> bool:
        """Finish what a purge that was broken off left; then purge what is due, the oldest first. False: nothing was.

        Raises SQLAlchemyError; nothing is then half deleted that the next step does not finish.
        """
        self._erase_standing()
        is_near = self._is_near()
        if is_near:
            self._stores.spool.fetched.drop_all()
        before = None if is_near else self._stores.clock.now() - self._keep
        due = self._stores.purges.proven(self._stores.casebook.needed(), before=before, limit=AT_ONCE)
        purged = 0
        for study in due:
            if is_near and not self._is_near():
                break  # room enough; the others stay until they are old
            purged += self._purge(study)
        return purged > 0

    def outlook(self) -> Outlook:
        """When the disk will be full: what stays of the films of the last 14 days, against what is or can be free."""
        stores, needed = self._stores, self._stores.casebook.needed()
        now = stores.clock.now()
        came = stores.inbox.volume(now - WINDOW)
        stays = came.size_bytes - stores.purges.proven_bytes(needed, since=now - WINDOW)
        known = min(WINDOW, max(DAY, now - came.first_at)) if came.first_at else WINDOW
        per_day = (max(0, stays) + came.films * KEPT_BYTES) / (known / DAY)
        room = stores.spool.free_bytes() + stores.purges.proven_bytes(needed)
        full = 0.0 if room < near_bytes(stores.spool) else None  # a full disk takes nothing: nothing grows on it
        return Outlook(days_left=room / per_day if per_day else full, purged=stores.gauges.purged())

    def _is_near(self) -> bool:
        return self._stores.spool.free_bytes() < near_bytes(self._stores.spool)

    def _purge(self, study: str) -> bool:
        """The small pictures and headers first, then the rows of the whole study in one commit, then the files."""
        stores = self._stores
        case = stores.casebook.case_of_study(study)
        with stores.database.read() as connection:
            files = stores.purges.files(connection, study, stores.casebook.needed())
        headers = {one.spooled.key: header for one in files if (header := self._header(one)) is not None}
        pictures = self._pictures(case, files) if case else {}
        with stores.database.write() as connection:
            # What was proved a moment ago may have become a question, or have come again: asked within the commit.
            still = stores.purges.files(connection, study, stores.casebook.needed())
            files = [one for one in files if one in still]
            films = self._write(connection, case, files, headers, pictures)
        self._erase_standing()
        size_bytes = sum(one.spooled.size_bytes for one in files)
        if files:
            log.info("films purged", case_id=case.case_id if case else None, films=films, size_bytes=size_bytes)
        return bool(files)

    def _write(
        self,
        connection: Connection,
        case: Case | None,
        files: Sequence[ProvenFile],
        headers: Mapping[str, bytes],
        pictures: Mapping[str, bytes],
    ) -> list[str]:
        """Step one; the SOP Instance UIDs of the films among the files."""
        stores = self._stores
        stores.purges.mark(connection, files, headers)
        films = [one.instance.sop_instance_uid for one in files if one.is_original]
        stores.casebook.note_purged(connection, films)
        subject = case.case_id if case else ""
        for uid in films:
            if uid in pictures:
                stores.small_pictures.keep(connection, uid, pictures[uid])
            stores.audit.note_within(connection, Action.FILM_PURGED, actor=ACTOR, subject=subject, detail=uid)
        return films

    def _erase_standing(self) -> None:
        """Steps two and three, of whatever purge came so far."""
        keys = self._stores.purges.standing()
        for key in keys:
            self._stores.spool.erase(key)
        if keys:
            self._stores.purges.note_erased(keys)

    def _header(self, one: ProvenFile) -> bytes | None:
        try:
            with self._stores.spool.open(one.spooled.key) as stream:
                return header_file(stream)
        except (DamagedFile, OSError) as error:  # it goes all the same: the PACS is proved to have it
            log.warning("no header kept", sop_instance_uid=one.instance.sop_instance_uid, error=str(error))
            return None

    def _pictures(self, case: Case, files: Sequence[ProvenFile]) -> dict[str, bytes]:
        """By film: the picture with the findings, else the film itself, small."""
        drawn = {}
        for one in files:
            image = case.film(one.instance.sop_instance_uid)
            if one.is_original and image is not None:
                picture = self._draw(image, image.picture_key or one.spooled.key)
                if picture is not None:
                    drawn[image.sop_instance_uid] = picture
        return drawn


class RetentionWorker(Worker):
    """``outlook``: as it was after its last step. What is half purged at the stop is finished at the next start."""

    def __init__(self, retention: Retention) -> None:
        super().__init__(self._step, name="retention", poll_seconds=POLL_SECONDS)
        self.outlook = Outlook(days_left=None, purged=0)
        self._retention = retention

    def _step(self) -> bool:
        purged = self._retention.run_once()
        self.outlook = self._retention.outlook()
        return purged


def near_bytes(spool: Spool) -> int:
    """So much room above the reserve is nearly none: films go before they are old."""
    return min(NEAR_BYTES, round(spool.size_bytes() * NEAR_SHARE))
