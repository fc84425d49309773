"""Gathers what leaves of a case at a version of its result. Knows no form and no network."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dicom_router.store.outbox import Outbox
from xray_triage.cases.case import Case, Image
from xray_triage.cases.casebook import Casebook, UnknownCase
from xray_triage.cases.consultation import Consultation, ConsultationState
from xray_triage.cases.identity import plain_id
from xray_triage.config.station import Config
from xray_triage.reading.findings import Reason
from xray_triage.records.book import ResultBook
from xray_triage.records.outbox import PRELIMINARY
from xray_triage.records.record import Asked, Facility, FilmRead, Ordered, Record

NO_FILM = "not_a_film"  # a dose report beside the films, for example
NO_CHEST = {"not_a_chest"}
NO_PA = NO_CHEST | {"not_a_projection", "not_an_original", "not_frontal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What station.toml says: the facility, its codes for a chest film PA, where others find the films."""

    facility: Facility
    service: str = ""
    indicator: str = ""
    dicomweb_url: str = ""


def site_of(config: Config) -> Site:
    """What station.toml says of it."""
    facility, codes = config.facility, config.codes.chest_pa
    kept = [each.url for each in config.destination if each.kind != "folder" and each.takes("originals")]
    return Site(
        facility=Facility(
            name=facility.name or config.station.name, code=facility.code, national_id=facility.national_id
        ),
        service=codes.service,
        indicator=codes.indicator,
        dicomweb_url=next(filter(None, kept), ""),
    )


class Gatherer:
    """``ordered``: what the order of a case says. ``paper``: the PDF of a version, empty where there is none."""

    def __init__(
        self,
        site: Site,
        *,
        casebook: Casebook,
        results: ResultBook,
        outbox: Outbox,
        ordered: Callable[[Case], Ordered],
        paper: Callable[[str, int], bytes | None] = lambda _case_id, _version: None,
    ) -> None:
        self._site = site
        self._casebook, self._results, self._outbox = casebook, results, outbox
        self._ordered, self._paper = ordered, paper

    def newest(self, case_id: str) -> Record:
        """What stands of a case now. Raises UnknownCase."""
        return self.gather(case_id, max((each.version for each in self._results.versions(case_id)), default=0))

    def gather(self, case_id: str, version: int) -> Record:
        """A version, or what the AI alone said (PRELIMINARY); all beside it as it is known now. Raises UnknownCase."""
        case = self._casebook.case(case_id)
        if case is None:
            raise UnknownCase(case_id)
        result = None if version == PRELIMINARY else self._results.versions(case_id)[version - 1]
        site, ordered = self._site, self._ordered(case)
        is_pa = not _reasons(case) & NO_PA and all(image.view != "AP" for image in case.images)
        return Record(
            facility=site.facility,
            case_id=case.case_id,
            study_instance_uid=case.study_instance_uid,
            # "-" and "0" are what people type for none: such a number would make many orders, or patients, one.
            accession_number=case.accession_number if plain_id(case.accession_number) else "",
            patient=case.patient if plain_id(case.patient.id) else replace(case.patient, id=""),
            exposed_at=case.exposed_at,
            received_at=case.received_at,
            films=[_film(image) for image in case.images if not (image.reason and image.reason.code == NO_FILM)],
            result=result,
            ordered=ordered,
            asked=self._asked(case),
            service=ordered.service_code or (site.service if is_pa else ""),
            indicator=site.indicator if is_pa else "",
            is_chest=not _reasons(case) & NO_CHEST,
            dicomweb_url=site.dicomweb_url,
            pdf=(self._paper(case_id, version) if result else None) or b"",
        )

    def _asked(self, case: Case) -> Asked | None:
        if case.consultation is None:
            return None
        asked: Consultation = case.consultation.with_delivery(self._outbox.of_study(case.study_instance_uid))
        answer = asked.answer if asked.state is ConsultationState.ANSWERED else None
        return Asked(
            uid=asked.request_uid,
            state=asked.state,
            question=asked.question,
            priority=asked.priority,
            requested_at=asked.requested_at,
            requested_by=asked.requested_by,
            answer=answer.text if answer else "",
            answered_by=answer.author if answer else "",
            answered_at=asked.answered_at if answer else None,
        )


def _reasons(case: Case) -> set[str]:
    return {image.reason.code for image in case.images if image.reason}


def _film(image: Image) -> FilmRead:
    reason: Reason | None = image.reason
    told = () if reason else tuple(one for one in image.listed if one.shown)
    return FilmRead(
        sop_instance_uid=image.sop_instance_uid,
        reason=reason,
        findings=told,
        model=image.model if reason is None else None,
    )
