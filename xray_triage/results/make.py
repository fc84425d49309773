"""A reading in, DICOM objects out, ready to be kept and sent: what other folders call of this one.

Making them again gives objects of the same UIDs. Must never know the spool, the database or the network.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import InstanceRef
from dicom_router.dicom.part10 import encode_file
from xray_triage.reading.findings import ModelIdentity, Reading, Reason
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.capture import REQUEST_PAGE, make_capture, make_request_pages
from xray_triage.results.letter import Letter
from xray_triage.results.origin import Origin
from xray_triage.results.presentation import is_possible, make_presentation
from xray_triage.results.report import REPORT, make_report
from xray_triage.results.request import REQUEST, Asked, Step, make_request_document
from xray_triage.results.uids import derive_uid
from xray_triage.results.wording import urgency

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultObject:
    """One object of ours: ``what`` is sr, sc, gsps, request or request_sc.

    ``dataset`` has its file meta information, ``encoded`` is its file.
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
    """The report, the picture, and for a film that was read the outlines; each is made when it is asked for.

    ``source`` is the film's header with its text already repaired; ``supersedes`` the report of an earlier reading. A
    colour film (a digitised picture) gets no outlines: DICOM allows a grayscale presentation state over grayscale
    images only. Of a film that was not read ``radiograph`` is what can be shown of it, if anything. An object that some
    tag of the film lets nobody make is left out: ``on_unmade`` is told its ``what``.
    """
    origin = Origin(source=source, model=reading.model, station_name=station_name, at=at)
    for what, make in _makers(origin, reading, radiograph, supersedes):
        try:
            made = _encoded(what, make())
        except MemoryError:  # no fault of the film: it is read again
            raise
        except Exception:  # some tag of the film lets nobody make this object: that costs it, not the reading
            log.exception("result not made", what=what, sop_instance_uid=str(source.SOPInstanceUID))
            on_unmade(what)
        else:
            yield made


def _makers(
    origin: Origin, reading: Reading, radiograph: Radiograph | None, supersedes: InstanceRef | None
) -> Iterator[tuple[str, Callable[[], Dataset]]]:
    yield "sr", lambda: make_report(origin, reading, supersedes)
    if reading.findings is None or radiograph is not None:
        yield "sc", lambda: make_capture(origin, reading, radiograph)
    if reading.findings is not None and is_possible(origin.source):
        yield "gsps", lambda: make_presentation(origin, reading)


def _encoded(what: str, dataset: Dataset) -> ResultObject:
    return ResultObject(what=what, dataset=dataset, encoded=encode_file(dataset))


def make_request(
    source: Dataset, references: Sequence[InstanceRef], asked: Asked, *, at: datetime, station_name: str
) -> list[ResultObject]:
    """A request for a consultation in the study of ``source``, over ``references``: films, reports, pictures.

    After it the same as pages to look at; those of a reminder are there already.
    """
    origin = Origin(source=source, model=None, station_name=station_name, at=at)
    made = [_encoded(REQUEST.what, make_request_document(origin, references, asked))]
    if asked.turn.step is not Step.REMIND:
        letter = Letter(
            question=asked.question,
            priority=urgency(asked.priority),
            is_urgent=asked.priority == "urgent",
            why=asked.why,
            patient=_patient_lines(asked),
            asked_by=asked.requested_by,
            station_name=station_name,
            phone=asked.phone,
            asked_at=replace(origin, at=asked.turn.since or at).local_time,
            made_at=origin.local_time,
            news=asked.turn.news,
            is_withdrawn=asked.turn.step is Step.WITHDRAW,
        )
        parts = (at.isoformat(), asked.priority, asked.requested_by, asked.question)
        pages = make_request_pages(origin, letter, *parts, before=asked.pages_before)
        made += [_encoded(REQUEST_PAGE.what, page) for page in pages]
    return made


def _patient_lines(asked: Asked) -> str:
    """Whose films they are, as far as it is known: name, sex and age; numbers."""
    patient, number = asked.patient, asked.accession_number
    sex = {"M": "nam", "F": "nữ"}.get(patient.sex, "")
    years = patient.age_years
    age = "" if years is None else f"{int(years)} tuổi" if years >= 1 else f"{int(12 * years)} tháng tuổi"
    who = ", ".join(filter(None, (patient.name, sex, age)))
    numbers = (f"mã {patient.id}" if patient.id else "", f"phiếu chỉ định {number}" if number else "")
    return "\n".join(filter(None, (f"Người bệnh: {who or 'phim không ghi tên'}", " · ".join(filter(None, numbers)))))
