"""One film on its way through the reader: its header, and what is said of one that was not read. Knows no store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from pydicom.dataset import Dataset

from dicom_router.dicom.instance import Arrival, InstanceRef
from xray_triage.orders.match import Filmed
from xray_triage.reading.findings import REASONS, NotReadable, Reading
from xray_triage.reading.patient import read_age, read_patient
from xray_triage.reading.radiograph import Radiograph
from xray_triage.reading.triage import not_read


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One film on its way through the reader: its header with repaired text, and what came of it."""

    arrival: Arrival
    header: Dataset
    reading: Reading
    radiograph: Radiograph | None = None

    @property
    def is_none(self) -> bool:
        """Whether it turned out to be no film at all, e.g. a report."""
        why = self.reading.not_readable
        return why is not None and why.reason is REASONS["not_a_film"]


def filmed(film: Film) -> Filmed:
    """What its order is known by."""
    patient = read_patient(film.header)
    return Filmed(
        study_instance_uid=film.arrival.instance.study_instance_uid,
        accession_number=str(film.header.get("AccessionNumber") or ""),
        patient_id=patient.id,
        patient_name=patient.name,
        patient_birth_date=patient.birth_date,
    )


def lacking(reading: Reading, unmade: Sequence[str]) -> Reading:
    """The reading, flagged with the objects that could not be made of it."""
    return replace(reading, flags=(*reading.flags, *(f"no_{what}" for what in unmade)))


def unread(why: NotReadable, header: Dataset | None = None, arrived: date | None = None) -> Reading:
    """The reading of a film that was not read; what its ``header`` says of its age is flagged all the same."""
    age_flags = () if header is None else read_age(header, arrived).flags
    return Reading(decision=not_read(), not_readable=why, flags=(*refused_by(why), *age_flags))


def refused_by(why: NotReadable | None) -> tuple[str, ...]:
    """What refused the film, as a flag."""
    return (f"refused_by_{why.by}",) if why is not None and why.by else ()


def without_pixels(dataset: Dataset) -> Dataset:
    """The same dataset, rid of the megabytes."""
    if "PixelData" in dataset:
        del dataset.PixelData
    return dataset


def bare_header(instance: InstanceRef) -> Dataset:
    """What the listener knew of an instance whose file can no longer be parsed."""
    header = Dataset()
    header.SOPInstanceUID = instance.sop_instance_uid
    header.SOPClassUID = instance.sop_class_uid
    header.StudyInstanceUID = instance.study_instance_uid
    header.SeriesInstanceUID = instance.series_instance_uid
    return header
