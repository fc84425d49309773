"""A version of a doctor's result as a document in the study: a Basic Text SR of template TID 2000, verified.

PS3.3 A.35.1, PS3.16 TID 2000. The next hospital reads the doctor's words in it, not only the machine's.
"""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage

from dicom_router.dicom.instance import InstanceRef
from xray_triage.reading.findings import Code
from xray_triage.records.result import Result, ResultState
from xray_triage.results import codes
from xray_triage.results.content import (
    CONTAINS,
    HAS_CONCEPT_MOD,
    HAS_OBS_CONTEXT,
    add_document,
    code_item,
    container_item,
    evidence,
    language_item,
    person_item,
    text_item,
)
from xray_triage.results.items import add, item, reference
from xray_triage.results.origin import Kind, Origin, begin
from xray_triage.results.request import person_name

DOCUMENT = Kind(
    what="result",
    sop_class_uid=BasicTextSRStorage,
    modality="SR",
    series_number=9106,
    description="Kết quả của bác sĩ",
)
REPORT_TITLE = Code("18748-4", "LN", "Diagnostic imaging study")
FINDINGS, FINDING = Code("121070", "DCM", "Findings"), Code("121071", "DCM", "Finding")
CONCLUSIONS, CONCLUSION = Code("121076", "DCM", "Conclusions"), Code("121077", "DCM", "Conclusion")
RECOMMENDATIONS, RECOMMENDATION = Code("121074", "DCM", "Recommendations"), Code("121075", "DCM", "Recommendation")
WITHDRAWN = "KẾT QUẢ ĐÃ HỦY"


def make_document(origin: Origin, result: Result, films: Sequence[InstanceRef], earlier: Sequence[str] = ()) -> Dataset:
    """The document of ``result`` over ``films``; ``earlier``: those of its older versions (Predecessor Documents).

    Made again for the same version it has the same UIDs.
    """
    dataset = begin(origin, DOCUMENT, str(result.version))
    now = origin.local_time
    add(
        dataset,
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
        PreliminaryFlag="FINAL",
        VerifyingObserverSequence=[
            item(
                VerifyingObserverName=person_name(result.author.name),
                VerifyingObserverIdentificationCodeSequence=[],
                VerifyingOrganization=origin.station_name[:64],
                VerificationDateTime=now.strftime("%Y%m%d%H%M%S"),
            )
        ],
        PerformedProcedureCodeSequence=[],
        CurrentRequestedProcedureEvidenceSequence=[_films(films)],
    )
    if earlier:
        study, series = str(dataset.StudyInstanceUID), origin.uid(DOCUMENT.what, "series", str(result.version))
        ones = [reference(DOCUMENT.sop_class_uid, uid) for uid in earlier]
        add(dataset, PredecessorDocumentsSequence=[evidence(study, [(series, ones)])])
    add_document(dataset, title=REPORT_TITLE, template="2000", children=[*_context(result), *_sections(result)])
    return dataset


def _films(films: Sequence[InstanceRef]) -> Dataset:
    return evidence(
        films[0].study_instance_uid,
        [(one.series_instance_uid, [reference(one.sop_class_uid, one.sop_instance_uid)]) for one in films],
    )


def _context(result: Result) -> list[Dataset]:
    author = result.author
    signed = f"{author.name}, số GPHN CCHN {author.licence}" if author.licence else author.name
    return [
        language_item(),
        code_item(HAS_OBS_CONTEXT, codes.OBSERVER_TYPE, codes.PERSON),
        person_item(HAS_OBS_CONTEXT, codes.PERSON_OBSERVER_NAME, person_name(signed)),
        code_item(HAS_CONCEPT_MOD, codes.PROCEDURE_REPORTED, codes.PLAIN_CHEST_XRAY),
    ]


def _sections(result: Result) -> Iterator[Dataset]:
    words = result.words
    conclusion = words.conclusion
    if result.state is ResultState.CANCELLED:
        conclusion = f"{WITHDRAWN}: {result.reason}"
    elif result.state is ResultState.AMENDED:
        conclusion = f"{conclusion}\n(Sửa bản {result.version - 1}: {result.reason})"
    for section, concept, text in (
        (FINDINGS, FINDING, words.description),
        (CONCLUSIONS, CONCLUSION, conclusion),
        (RECOMMENDATIONS, RECOMMENDATION, words.advice),
    ):
        if text:
            yield container_item(section, [text_item(CONTAINS, concept, "\r\n".join(text.splitlines()))])
