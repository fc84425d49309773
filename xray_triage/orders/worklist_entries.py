"""Orders as entries of the Modality Worklist, PS3.4 table K.6-1: every attribute that the station can tell."""

from collections.abc import Iterator, Sequence
from functools import cache

from pydicom.datadict import tag_for_keyword

from dicom_router.dicom.keys import Keys
from xray_triage.orders.order import Order, OrderState
from xray_triage.orders.orders import Orders

X_RAY = ("DX", "CR", "DR")  # what machines that take radiographs call themselves; the last one against the standard
_LONGEST_LO, _LONGEST_SH = 64, 16
_STEPS, _MODALITY, _STATION, _NUMBER = 0x00400100, 0x00080060, 0x00400001, 0x00080050
# Asked for by machines, and not known here: given back empty, which is no warning (K.6 allows type 2).
_EMPTY = (
    "IssuerOfPatientID", "OtherPatientIDs", "PatientWeight", "PatientSize", "PatientState", "PregnancyStatus",
    "MedicalAlerts", "Allergies", "SpecialNeeds", "ConfidentialityConstraintOnPatientDataDescription",
    "PatientComments", "AdmissionID", "CurrentPatientLocation", "ReferencedPatientSequence", "ReferencedStudySequence",
    "PatientTransportArrangements", "RequestedProcedureCodeSequence", "RequestedProcedureLocation",
    "ReportingPriority", "NamesOfIntendedRecipientsOfResults",
)  # fmt: skip
_EMPTY_OF_STEP = (
    "ScheduledPerformingPhysicianName", "ScheduledProtocolCodeSequence", "ScheduledProcedureStepLocation",
    "PreMedication", "RequestedContrastAgent", "CommentsOnTheScheduledProcedureStep",
)  # fmt: skip


class WorklistEntries:
    """Called for each query, with the keys asked and the AE title that asks.

    ``ae_title`` is the one machine that is to film; empty: whoever asks. ``station_name``: the institution.
    """

    def __init__(self, orders: Orders, *, ae_title: str, station_name: str) -> None:
        self._orders = orders
        self._ae_title = ae_title
        self._station_name = station_name

    def __call__(self, keys: Keys, calling_ae_title: str) -> Iterator[Keys]:
        """One entry for each order that is offered. Raises SQLAlchemyError.

        Where the site named no machine, an order is for the station and for the kind of X-ray machine asked for.
        """
        items = keys.get(_STEPS, ())
        step: Keys = items[0] if items and not isinstance(items, str) else {}
        ae_title = self._ae_title or _asked(step, _STATION) or calling_ae_title
        modality = _asked(step, _MODALITY)
        modality = modality if modality in X_RAY else X_RAY[0]
        for order in self._orders.offered(accession_number=_asked(keys, _NUMBER)):
            yield entry_of(order, ae_title=ae_title, modality=modality, station_name=self._station_name)


def entry_of(order: Order, *, ae_title: str, modality: str, station_name: str) -> Keys:
    """The whole entry of one order."""
    typed = order.registration
    return _NOTHING_ELSE | _by_tag(
        ScheduledProcedureStepSequence=[_step_of(order, ae_title, modality)],
        AccessionNumber=order.accession_number,
        ReferringPhysicianName=typed.referring_physician,
        RequestingPhysician=typed.referring_physician,
        PatientName=typed.patient_name,
        PatientID=order.patient_id,
        PatientBirthDate=f"{typed.patient_birth_date:%Y%m%d}" if typed.patient_birth_date else "",
        PatientSex=typed.patient_sex or "",
        PatientAddress=typed.address[:_LONGEST_LO],
        InstitutionName=station_name[:_LONGEST_LO],
        StudyInstanceUID=order.study_instance_uid,
        RequestedProcedureID=order.accession_number,
        RequestedProcedureDescription=order.procedure_name,
        RequestedProcedurePriority="ROUTINE",
        ReasonForTheRequestedProcedure=typed.reason[:_LONGEST_LO],
        RequestedProcedureComments=typed.reason,
    )


def _step_of(order: Order, ae_title: str, modality: str) -> Keys:
    local = order.scheduled_at.astimezone()
    return _NOTHING_ELSE_OF_STEP | _by_tag(
        ScheduledStationAETitle=ae_title,
        ScheduledStationName=ae_title[:_LONGEST_SH],
        ScheduledProcedureStepStartDate=f"{local:%Y%m%d}",
        ScheduledProcedureStepStartTime=f"{local:%H%M%S}",
        Modality=modality,
        ScheduledProcedureStepDescription=order.procedure_name,
        ScheduledProcedureStepID=order.accession_number,
        ScheduledProcedureStepStatus="STARTED" if order.state is OrderState.IN_PROGRESS else "SCHEDULED",
    )


def _asked(keys: Keys, tag: int) -> str:
    """The one value asked for; empty when it is a pattern or several."""
    value = keys.get(tag, "")
    plain = isinstance(value, str) and len(value) <= _LONGEST_SH and value.isascii() and value.isprintable()
    return str(value) if plain and not set(value) & set("*?\\") else ""


def _by_tag(**values: "str | Sequence[Keys]") -> dict[int, "str | Sequence[Keys]"]:
    return {_tag_of(keyword): value for keyword, value in values.items()}


@cache
def _tag_of(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return tag


def _nothing(keywords: tuple[str, ...]) -> dict[int, "str | Sequence[Keys]"]:
    return _by_tag(**{keyword: () if keyword.endswith("Sequence") else "" for keyword in keywords})


_NOTHING_ELSE, _NOTHING_ELSE_OF_STEP = _nothing(_EMPTY), _nothing(_EMPTY_OF_STEP)
