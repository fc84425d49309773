"""The content items of structured documents (PS3.3 C.17.3), and the modules that every such document has.

Must never know findings; report.py and request.py say what is in a document.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from pydicom.dataset import Dataset

from xray_triage.reading.acquisition import PRODUCT
from xray_triage.reading.findings import Code
from xray_triage.results.codes import (
    DEVICE,
    DEVICE_OBSERVER_MANUFACTURER,
    DEVICE_OBSERVER_MODEL,
    DEVICE_OBSERVER_NAME,
    DEVICE_OBSERVER_UID,
    LANGUAGE,
    OBSERVER_TYPE,
    VIETNAMESE,
)
from xray_triage.results.items import add, coded, item, reference
from xray_triage.results.origin import Origin
from xray_triage.results.uids import derive_uid

CONTAINS = "CONTAINS"
HAS_CONCEPT_MOD = "HAS CONCEPT MOD"
HAS_OBS_CONTEXT = "HAS OBS CONTEXT"
INFERRED_FROM = "INFERRED FROM"
SELECTED_FROM = "SELECTED FROM"


def code_item(relationship: str, name: Code, value: Code, children: Sequence[Dataset] = ()) -> Dataset:
    """A coded value, e.g. a finding or its site, with its own modifiers as children."""
    if children:
        return item(**_code(relationship, name, value), ContentSequence=list(children))
    return _childless(relationship, name, value)


@cache
def _childless(relationship: str, name: Code, value: Code) -> Dataset:
    """Shared by all that say it."""
    return item(**_code(relationship, name, value))


def _code(relationship: str, name: Code, value: Code) -> dict[str, Any]:
    return {
        "RelationshipType": relationship,
        "ValueType": "CODE",
        "ConceptNameCodeSequence": coded(name),
        "ConceptCodeSequence": coded(value),
    }


def text_item(relationship: str, name: Code, text: str) -> Dataset:
    """Text of any length; lines are parted by CR LF."""
    return item(RelationshipType=relationship, ValueType="TEXT", ConceptNameCodeSequence=coded(name), TextValue=text)


def uid_item(relationship: str, name: Code, uid: str) -> Dataset:
    """A UID that names something which is no instance."""
    return item(RelationshipType=relationship, ValueType="UIDREF", ConceptNameCodeSequence=coded(name), UID=uid)


def person_item(relationship: str, name: Code, person_name: str) -> Dataset:
    """A person; ``person_name`` is a valid PN."""
    return item(
        RelationshipType=relationship, ValueType="PNAME", ConceptNameCodeSequence=coded(name), PersonName=person_name
    )


def number_item(name: Code, value: str, unit: Code, children: Sequence[Dataset] = ()) -> Dataset:
    """``value`` is a decimal string of at most 16 characters; ``children`` may say what it was inferred from."""
    measured = item(NumericValue=value, MeasurementUnitsCodeSequence=coded(unit))
    one = item(
        RelationshipType=CONTAINS,
        ValueType="NUM",
        ConceptNameCodeSequence=coded(name),
        MeasuredValueSequence=[measured],
    )
    if children:
        add(one, ContentSequence=list(children))
    return one


def object_item(
    relationship: str, sop_class_uid: str, sop_instance_uid: str, *, name: Code | None = None, value_type: str = "IMAGE"
) -> Dataset:
    """A reference to an instance: IMAGE for pictures, COMPOSITE for all else (PS3.3 C.18.3, C.18.4)."""
    one = item(
        RelationshipType=relationship,
        ValueType=value_type,
        ReferencedSOPSequence=[reference(sop_class_uid, sop_instance_uid)],
    )
    if name is not None:
        add(one, ConceptNameCodeSequence=coded(name))
    return one


def coordinates_item(
    name: Code,
    points: Iterable[tuple[float, float]],
    image: Dataset,
    relationship: str = CONTAINS,
    *,
    graphic_type: str = "POLYLINE",
) -> Dataset:
    """An outline, a line or points in (column, row) from the upper left corner of the first pixel: PS3.3 C.18.6."""
    return item(
        RelationshipType=relationship,
        ValueType="SCOORD",
        ConceptNameCodeSequence=coded(name),
        GraphicType=graphic_type,
        GraphicData=[float(value) for point in points for value in point],
        ContentSequence=[image],
    )


def container_item(name: Code, children: Sequence[Dataset]) -> Dataset:
    """A heading and what stands under it."""
    return item(
        RelationshipType=CONTAINS,
        ValueType="CONTAINER",
        ConceptNameCodeSequence=coded(name),
        ContinuityOfContent="SEPARATE",
        ContentSequence=list(children),
    )


def add_document(dataset: Dataset, *, title: Code, template: str, children: Sequence[Dataset]) -> None:
    """Make ``dataset`` a document with this root container: PS3.3 C.17.3."""
    add(
        dataset,
        ValueType="CONTAINER",
        ConceptNameCodeSequence=coded(title),
        ContinuityOfContent="SEPARATE",
        ContentTemplateSequence=[item(MappingResource="DCMR", TemplateIdentifier=template)],
        ReferencedPerformedProcedureStepSequence=[],
        ContentSequence=list(children),
    )


def language_item() -> Dataset:
    """TID 1204. Our texts are Vietnamese; the meanings of codes stay as in their dictionaries."""
    return code_item(HAS_CONCEPT_MOD, LANGUAGE, VIETNAMESE)


def device_items(origin: Origin) -> list[Dataset]:
    """The observer is a device: TID 1004."""
    observer_uid = derive_uid("", "", "device observer", origin.station_name)
    return [
        code_item(HAS_OBS_CONTEXT, OBSERVER_TYPE, DEVICE),
        uid_item(HAS_OBS_CONTEXT, DEVICE_OBSERVER_UID, observer_uid),
        text_item(HAS_OBS_CONTEXT, DEVICE_OBSERVER_NAME, origin.station_name),
        text_item(HAS_OBS_CONTEXT, DEVICE_OBSERVER_MANUFACTURER, PRODUCT),
        text_item(HAS_OBS_CONTEXT, DEVICE_OBSERVER_MODEL, origin.model.name if origin.model else PRODUCT),
    ]


def evidence(study_instance_uid: str, series: Iterable[tuple[str, Iterable[Dataset]]]) -> Dataset:
    """The instances of one study that a document refers to: PS3.3 C.17.2.1, macro 10.4 (hierarchical references)."""
    return item(
        ReferencedSeriesSequence=[
            item(ReferencedSOPSequence=list(instances), SeriesInstanceUID=series_uid)
            for series_uid, instances in series
        ],
        StudyInstanceUID=study_instance_uid,
    )
