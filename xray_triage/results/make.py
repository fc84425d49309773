"""A reading in, DICOM objects out, ready to be kept and sent: what other folders call of this one.

Making them again gives objects of the same UIDs. Must never know the spool, the database or the network.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import InstanceRef
from dicom_router.dicom.part10 import encode_file
from xray_triage.reading.findings import ModelIdentity, Reading, Reason
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.capture import make_capture
from xray_triage.results.origin import Origin
from xray_triage.results.presentation import is_possible, make_presentation
from xray_triage.results.report import REPORT, make_report
from xray_triage.results.request import make_request_document
from xray_triage.results.uids import derive_uid

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultObject:
    """One object of ours. ``what`` is sr, sc, gsps or request; ``dataset`` has its file meta information.

    ``encoded`` is its file.
    """

    what: str
    dataset: Dataset
    encoded: bytes


def report_uid(sop_instance_uid: str, *, model: ModelIdentity | None, reason: Reason | None) -> str:
    """The SOP Instance UID that the report of such a reading has; ``reason``: why the film was not read, or None."""
    return derive_uid(sop_instance_uid, model.sha256 if model else "", REPORT.what, *([reason.code] if reason else []))


def make_results(
    source: Dataset,
    reading: Reading,
    radiograph: Radiograph | None,
    *,
    station_name: str,
    at: datetime,
    supersedes: InstanceRef | None = None,
    on_unmade: Callable[[str], None] = lambda _: None,
) -> Iterator[ResultObject]:
    """The report, and for a film that was read the picture and the outlines; each is made when it is asked for.

    ``source`` is the film's header with its text already repaired; ``supersedes`` the report of an earlier reading. A
    colour film (a digitised picture) gets no outlines: DICOM allows a grayscale presentation state over grayscale
    images only. An object that some tag of the film lets nobody make is left out: ``on_unmade`` is told its ``what``.
    """
    origin = Origin(source=source, model=reading.model, station_name=station_name, at=at)
    for what, make in _makers(origin, reading, radiograph, supersedes):
        try:
            dataset = make()
            made = ResultObject(what=what, dataset=dataset, encoded=encode_file(dataset))
        except Exception:
            log.exception("result not made", what=what, sop_instance_uid=str(source.SOPInstanceUID))
            on_unmade(what)
        else:
            yield made


def _makers(
    origin: Origin, reading: Reading, radiograph: Radiograph | None, supersedes: InstanceRef | None
) -> Iterator[tuple[str, Callable[[], Dataset]]]:
    yield "sr", lambda: make_report(origin, reading, supersedes)
    if reading.findings is None:
        return
    if radiograph is not None:
        yield "sc", lambda: make_capture(origin, reading, radiograph)
    if is_possible(origin.source):
        yield "gsps", lambda: make_presentation(origin, reading)


def make_request(
    source: Dataset,
    references: Sequence[InstanceRef],
    *,
    question: str,
    priority: Literal["urgent", "routine"],
    requested_by: str,
    at: datetime,
    station_name: str,
    reminder: int = 0,
) -> ResultObject:
    """A request for a consultation in the study of ``source``, over ``references``: films, reports, pictures.

    ``reminder`` counts how often it has been repeated.
    """
    origin = Origin(source=source, model=None, station_name=station_name, at=at)
    dataset = make_request_document(
        origin, references, question=question, priority=priority, requested_by=requested_by, reminder=reminder
    )
    return ResultObject(what="request", dataset=dataset, encoded=encode_file(dataset))
