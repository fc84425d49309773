"""The instances that a study, a series or a UID names, with their headers. Never decodes a pixel."""

import re
from collections.abc import Sequence
from functools import lru_cache

from fastapi import HTTPException
from pydicom.uid import UID

from dicom_router.errors import DamagedFile
from dicom_router.holdings import Holding
from dicom_router.instance import SpooledFile, reference_to
from dicom_router.outline import Outline, read_outline
from xray_triage.web.desk import Desk
from xray_triage.web.dicomweb.attributes import Attributes, attributes_of

_UID = re.compile(r"[0-9.]{1,64}\Z")
# What a search gives back lies before the content of a report and the graphics of a presentation state.
CONTENT = 0x0040A000
HEADERS_KEPT = 1024


class Archive:
    """All that DICOMweb hands out, by name."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.summary = lru_cache(maxsize=HEADERS_KEPT)(self._summary)  # a spooled file never changes

    def find(self, study: str, series: str | None = None, instance: str | None = None) -> list[Holding]:
        """What the path of a request names, in order of arrival. 400: no UID; 404: nothing of that name."""
        for uid in filter(None, (study, series, instance)):
            if not _UID.match(uid):
                raise HTTPException(400, "not a UID")
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
        found = self._desk.holdings.of_studies(studies)
        for study, holdings in found.items():
            holdings += self._pictures(study, {one.spooled.key for one in holdings})
        return found

    def outline(self, holding: Holding) -> Outline:
        """The header, large values left in the file. Raises DamagedFile."""
        with self._desk.spool.open(holding.spooled.key) as stream:
            return read_outline(stream)

    def _summary(self, holding: Holding) -> Attributes:
        """The attributes up to an object's content; of a damaged file the names that the gate knew."""
        try:
            with self._desk.spool.open(holding.spooled.key) as stream:
                return attributes_of(read_outline(stream, before=CONTENT))
        except (DamagedFile, OSError):
            return {}

    def _pictures(self, study: str, known: set[str]) -> list[Holding]:
        """Result pictures that go to no PACS, so that no delivery names them."""
        case = self._desk.casebook.case_of_study(study)
        keys = [image.picture_key for image in case.images] if case else []
        return [self._picture(key) for key in keys if key and key not in known]

    def _picture(self, key: str) -> Holding:
        with self._desk.spool.open(key) as stream:
            outline = read_outline(stream)
            size = stream.seek(0, 2)
        return Holding(
            instance=reference_to(outline.header), spooled=SpooledFile(key=key, sha256="", size_bytes=size)
        )
