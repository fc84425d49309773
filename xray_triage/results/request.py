"""The request for a consultation: a Key Object Selection "For Conference" with the doctor's question in it.

Must never know the network: who sends it, and what comes back, is not its business. PS3.3 A.35.4, PS3.16 TID 2010.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Literal, NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from dicom_router.dicom.instance import InstanceRef
from dicom_router.dicom.uids import STORAGE_ROOT
from xray_triage.reading.patient import Patient
from xray_triage.results import codes
from xray_triage.results.content import (
    CONTAINS,
    HAS_OBS_CONTEXT,
    add_document,
    code_item,
    evidence,
    language_item,
    object_item,
    person_item,
    text_item,
)
from xray_triage.results.items import add, reference
from xray_triage.results.origin import Kind, Origin, begin
from xray_triage.results.wording import urgency

REQUEST = Kind(
    what="request",
    sop_class_uid=KeyObjectSelectionDocumentStorage,
    modality="KO",
    series_number=9104,
    description="Yêu cầu hội chẩn",
)
# Prefixes of storage classes that are no images: structured reports, presentation states, encapsulated documents.
_NO_IMAGES = tuple(f"{STORAGE_ROOT}{number}." for number in (88, 11, 104))


CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # not allowed in a UT but for the ends of lines: PS3.5 6.2


class Step(StrEnum):
    """What a document does with a question. Of one question the newest document says all."""

    ASK = "ask"
    REMIND = "remind"
    CHANGE = "change"
    WITHDRAW = "withdraw"


class Turn(NamedTuple):
    """One document of a question. ``news``: what is new since the one before; ``since``: when it was asked."""

    step: Step = Step.ASK
    news: str = ""
    since: datetime | None = None


FIRST = Turn()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked, how soon and by whom. ``why``: what the AI said of the films, a line each.

    ``patient`` and ``accession_number``: whose case it is, which one film of it may say otherwise. ``replaces``: the
    document before, if it is to be forgotten. ``pages_before``: how many series of pages the study has already.
    ``phone`` is that of the station, or empty.
    """

    question: str
    priority: Literal["urgent", "routine"]
    requested_by: str
    patient: Patient
    accession_number: str = ""
    why: Sequence[str] = ()
    phone: str = ""
    turn: Turn = FIRST
    replaces: InstanceRef | None = None
    pages_before: int = 0


def make_request_document(origin: Origin, references: Sequence[InstanceRef], asked: Asked) -> Dataset:
    """The request over all ``references``, which may be of several films. Raises ValueError when there are none.

    The same question asked again at another time is another request, and has other UIDs. A Key Object Selection has no
    Predecessor Documents Sequence: what it replaces is its last reference. One that is withdrawn is not for conference.
    """
    if not references:
        raise ValueError("a request must refer to at least one instance")
    every = [*references, *([asked.replaces] if asked.replaces else [])]
    parts = (origin.at.isoformat(), asked.priority, asked.requested_by, asked.question)
    dataset = begin(origin, REQUEST, *parts)
    add(dataset, CurrentRequestedProcedureEvidenceSequence=_evidence(every))
    children = [
        language_item(),
        code_item(HAS_OBS_CONTEXT, codes.OBSERVER_TYPE, codes.PERSON),
        person_item(HAS_OBS_CONTEXT, codes.PERSON_OBSERVER_NAME, person_name(asked.requested_by)),
        text_item(CONTAINS, codes.KEY_OBJECT_DESCRIPTION, "\r\n".join(_description(asked))),
        *(_reference_item(one) for one in every),
    ]
    title = codes.OF_INTEREST if asked.turn.step is Step.WITHDRAW else codes.FOR_CONFERENCE
    add_document(dataset, title=title, template="2010", children=children)
    return dataset


def _description(asked: Asked) -> list[str]:
    """The lines of the Key Object Description."""
    is_withdrawn = asked.turn.step is Step.WITHDRAW
    lines = [
        *([asked.turn.news] if asked.turn.news else []),
        "Yêu cầu hội chẩn đã rút" if is_withdrawn else f"Yêu cầu hội chẩn – ưu tiên: {urgency(asked.priority)}",
        *asked.why,
        f"Người yêu cầu: {asked.requested_by}",
        "",
        asked.question,
    ]
    return [CONTROL.sub(" ", line) for text in lines for line in text.splitlines() or [""]]


def person_name(name: str) -> str:
    """A free-text name as one component of a PN: PS3.5 6.2."""
    return " ".join(name.translate(str.maketrans("^=\\", "   ")).split())[:64]


def _reference_item(instance: InstanceRef) -> Dataset:
    value_type = "COMPOSITE" if instance.sop_class_uid.startswith(_NO_IMAGES) else "IMAGE"
    return object_item(CONTAINS, instance.sop_class_uid, instance.sop_instance_uid, value_type=value_type)


def _evidence(references: Sequence[InstanceRef]) -> list[Dataset]:
    def names(one: InstanceRef) -> tuple[str, str]:
        return one.study_instance_uid, one.series_instance_uid

    ordered = sorted(references, key=names)
    return [
        evidence(study, [(series, _references(ones)) for (_, series), ones in groupby(of_study, key=names)])
        for study, of_study in groupby(ordered, key=lambda one: one.study_instance_uid)
    ]


def _references(instances: Iterable[InstanceRef]) -> list[Dataset]:
    return [reference(one.sop_class_uid, one.sop_instance_uid) for one in instances]
