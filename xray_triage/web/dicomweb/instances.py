"""The instances that a study, a series or a UID names, with their headers. Never decodes a pixel."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO

from fastapi import HTTPException

from dicom_router.dicom.instance import SpooledFile, reference_to
from dicom_router.dicom.outline import Outline, read_outline
from dicom_router.dicom.uids import is_uid
from dicom_router.errors import DamagedFile, PeerRefused, PeerUnreachable
from dicom_router.store.holdings import Holding
from xray_triage.stores import Stores
from xray_triage.web.dicomweb.attributes import Attributes, attributes_of
from xray_triage.web.surroundings import Fetch

HEADERS_KEPT = 4096


class Instances:
    """All that DICOMweb hands out, by name."""

    def __init__(self, stores: Stores, fetch: Fetch | None = None) -> None:
        self._stores = stores
        self._fetch = fetch
        self._kept_summary = lru_cache(maxsize=HEADERS_KEPT)(self._summary)  # a spooled file never changes
        self.picture = lru_cache(maxsize=HEADERS_KEPT)(self._picture)

    def find(self, study: str, series: str | None = None, instance: str | None = None) -> list[Holding]:
        """What the path of a request names, in order of arrival. 400: no UID; 404: nothing of that name."""
        check_uids(*filter(None, (study, series, instance)))
        found = [
            one
            for one in self.of_studies([study])[study]
            if series in (None, one.instance.series_instance_uid) and instance in (None, one.instance.sop_instance_uid)
        ]
        if not found:
            raise HTTPException(404, "the station holds no such instance")
        return found

    def of_studies(self, studies: Sequence[str]) -> dict[str, list[Holding]]:
        """The same for whole studies; a study that is unknown has an empty list."""
        found = self._stores.holdings.of_studies(studies)
        for study, key in self._stores.studies.pictures(studies):  # one that goes to no PACS is named by no delivery
            if all(one.spooled.key != key for one in found[study]):
                with suppress(DamagedFile):
                    found[study].append(self.picture(key))
        return found

    def at_hand(self, found: Sequence[Holding]) -> list[Holding]:
        """The same with their files here: what was purged is taken back from the PACS, and is as the PACS gives it.

        404: it cannot be had from here; 503: the PACS does not answer now.
        """
        return [self._taken_back(one) if one.is_purged else one for one in found]

    def _taken_back(self, purged: Holding) -> Holding:
        key = purged.spooled.key
        if not self._stores.spool.has(key):
            if self._fetch is None:
                raise HTTPException(404, "this film lies at the PACS alone, which has no url here to fetch it by")
            try:
                self._fetch(purged.instance, key)
            except PeerUnreachable as error:
                raise HTTPException(503, f"this film lies at the PACS: {error}", {"Retry-After": "30"}) from error
            except PeerRefused as error:
                raise HTTPException(404, f"this film lies at the PACS, which does not give it: {error}") from error
        return replace(self._picture(key), is_purged=True)

    def availability(self, holding: Holding) -> str:
        """PS3.3 C.4.23.1.1."""
        if not holding.is_purged or self._stores.spool.has(holding.spooled.key):
            return "ONLINE"
        return "NEARLINE" if self._fetch else "OFFLINE"

    def small_picture(self, holding: Holding) -> bytes | None:
        """A JPEG of a purged film, made when it went; None where there is none, or the film is at hand."""
        if not holding.is_purged or self._stores.spool.has(holding.spooled.key):
            return None
        return self._stores.small_pictures.of(holding.instance.sop_instance_uid)

    def case_id(self, study: str) -> str:
        """What the audit trail calls a study: its case, or its UID before it is read."""
        case = self._stores.casebook.case_of_study(study)
        return case.case_id if case else study

    def is_negative(self, holding: Holding) -> bool:
        """Whether the reader found this film to be shown as a negative by its own header."""
        names = holding.instance
        case = self._stores.casebook.case_of_study(names.study_instance_uid)
        film = case.film(names.sop_instance_uid) if case else None
        return film is not None and "inverted" in film.flags

    def outline(self, holding: Holding) -> Outline:
        """The header, large values left in the file. Raises DamagedFile."""
        with self._open_header(holding) as stream:
            return read_outline(stream)

    def _open_header(self, holding: Holding) -> BinaryIO:
        """The file, or what is kept of a purged one. Raises DamagedFile."""
        kept = self._stores.inbox.purged_header(holding.spooled.key) if holding.is_purged else None
        return kept or self._stores.spool.open(holding.spooled.key)

    def summary(self, holding: Holding, tags: frozenset[str]) -> Attributes:
        """Those attributes of an instance, or all without ``tags``; none of a damaged file."""
        return self._kept_summary(holding, tags) if tags else self._summary(holding, tags)  # all may be megabytes

    def _summary(self, holding: Holding, tags: frozenset[str]) -> Attributes:
        try:
            with self._open_header(holding) as stream:
                return attributes_of(read_outline(stream, only=[int(tag, 16) for tag in tags]))
        except (DamagedFile, OSError):
            return {}

    def _picture(self, key: str) -> Holding:
        with self._stores.spool.open(key) as stream:
            outline = read_outline(stream)
            size = stream.seek(0, 2)
        return Holding(instance=reference_to(outline.header), spooled=SpooledFile(key=key, sha256="", size_bytes=size))


def check_uids(*uids: str) -> None:
    """Raises 400 where the path of a request names something that is no UID (PS3.5 9.1)."""
    if not all(map(is_uid, uids)):
        raise HTTPException(400, "not a UID")
