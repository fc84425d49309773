"""What all our objects have in common: whose film, which model, when, and the modules that say so.

Must never know findings.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from xray_triage import __version__
from xray_triage.reading.acquisition import PRODUCT
from xray_triage.reading.findings import ModelIdentity
from xray_triage.results.codes import PROCESSING_EQUIPMENT
from xray_triage.results.copying import copy_patient_and_study, formed
from xray_triage.results.items import add, coded, item
from xray_triage.results.uids import derive_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object that we make. ``what`` is its name in deliveries and part of its UIDs."""

    what: str
    sop_class_uid: str
    modality: str
    series_number: int
    description: str
    transfer_syntax_uid: str = ExplicitVRLittleEndian


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an object is made from. ``source``: the film's header, its text repaired; ``model``: None when AI is off."""

    source: Dataset
    model: ModelIdentity | None
    station_name: str
    at: datetime

    def uid(self, kind: str, *parts: str) -> str:
        """The UID of something made of this film by this model."""
        return derive_uid(str(self.source.SOPInstanceUID), self.model.sha256 if self.model else "", kind, *parts)

    @cached_property
    def patient_and_study(self) -> Dataset:
        """What all objects of the film say of them, in form: copied once."""
        copied = Dataset()
        copy_patient_and_study(self.source, copied)
        return copied

    @cached_property
    def utc_offset(self) -> str:
        """Timezone Offset From UTC of the film (PS3.3 C.12.1.1.8), or empty."""
        offset = str(formed(self.source, "TimezoneOffsetFromUTC") or "")
        return offset if re.fullmatch(r"(-(0\d|1[0-2])|\+(0\d|1[0-4]))[0-5]\d", offset) and offset != "-0000" else ""

    @cached_property
    def local_time(self) -> datetime:
        """``at`` on the film's clock where it tells its offset, else on the station's: a study has one clock."""
        if not self.utc_offset:
            return self.at.astimezone()
        minutes = int(self.utc_offset[1:3]) * 60 + int(self.utc_offset[3:])
        offset = timedelta(minutes=-minutes if self.utc_offset[0] == "-" else minutes)
        return self.at.astimezone(timezone(offset))


def begin(origin: Origin, kind: Kind, *parts: str) -> Dataset:
    """A dataset with patient, study, series, equipment and SOP common modules, and its transfer syntax.

    ``parts`` tell apart several objects of one kind that are made of the same film by the same model.
    """
    dataset = Dataset()
    now = origin.local_time
    day, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    add(
        dataset,
        SpecificCharacterSet="ISO_IR 192",
        InstanceCreationDate=day,
        InstanceCreationTime=time,
        SOPClassUID=kind.sop_class_uid,
        SOPInstanceUID=origin.uid(kind.what, *parts),
        SeriesInstanceUID=origin.uid(kind.what, "series", *parts),
        SeriesNumber=str(kind.series_number),
        SeriesDate=day,
        SeriesTime=time,
        SeriesDescription=kind.description,
        Modality=kind.modality,
        InstanceNumber="1",
        ContentDate=day,
        ContentTime=time,
        ContributingEquipmentSequence=[_contribution(origin)],
    )
    if origin.utc_offset:
        add(dataset, TimezoneOffsetFromUTC=origin.utc_offset)
    dataset.update(origin.patient_and_study)
    _add_equipment(dataset, origin)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(kind.transfer_syntax_uid)
    return dataset


def _add_equipment(dataset: Dataset, origin: Origin) -> None:
    """PS3.3 C.7.5.1. The equipment that made *this* object is the program; the institution is that of the film."""
    add(
        dataset,
        Manufacturer=PRODUCT,
        ManufacturerModelName=PRODUCT,
        SoftwareVersions=__version__,
        StationName=_short(origin.station_name),
    )
    institution = formed(origin.source, "InstitutionName")
    if institution:
        add(dataset, InstitutionName=institution)


def _short(name: str) -> str:
    """As much of a name as fits an SH of 16, counted in bytes as some readers do; the report holds it whole."""
    return name.encode()[:16].decode(errors="ignore").strip()


def _contribution(origin: Origin) -> Dataset:
    """An item of the Contributing Equipment Sequence: PS3.3 C.12.1.1.4."""
    model = origin.model
    return item(
        PurposeOfReferenceCodeSequence=coded(PROCESSING_EQUIPMENT),
        Manufacturer=PRODUCT,
        StationName=_short(origin.station_name),
        ManufacturerModelName=model.name[:64] if model else PRODUCT,
        SoftwareVersions=[model.version[:64], f"{PRODUCT} {__version__}"] if model else __version__,
        ContributionDateTime=origin.local_time.strftime("%Y%m%d%H%M%S"),
        ContributionDescription=f"model sha256 {model.sha256}" if model else "no AI model took part",
    )
