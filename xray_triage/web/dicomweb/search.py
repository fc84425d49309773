"""QIDO-RS: searches for studies, series and instances (PS3.18 10.6), newest study first. Never decodes a pixel."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from fastapi import APIRouter, Request
from pydicom.datadict import dictionary_VR
from starlette.responses import Response

from dicom_router.holdings import Holding
from xray_triage.web.desk import Desk
from xray_triage.web.dicomweb.accept import choose
from xray_triage.web.dicomweb.archive import Archive, check_uids
from xray_triage.web.dicomweb.attributes import Attributes, value_of
from xray_triage.web.dicomweb.matching import SERIES_UID, SOP_UID, STUDY_UID, Query, query_of
from xray_triage.web.dicomweb.retrieve import JSON, Accept, json_response, url_of

MOST_IN_VAIN = 500  # studies whose headers one search looks into and does not want
MODALITY, MODALITIES = "00080060", "00080061"
# PS3.18 tables 10.6.3-3 to -5; what only the server knows is added where it is counted.
ALWAYS = ("00080005", "00080056", "00080201", "00081190")
STUDY = (
    "00080020", "00080030", "00080050", MODALITIES, "00080090", "00081030", "00100010", "00100020", "00100030",
    "00100040", STUDY_UID, "00200010", "00201206", "00201208",
)  # fmt: skip
SERIES = (
    "00080021", "00080031", MODALITY, "0008103E", SERIES_UID, "00200011", "00201209", "00400244", "00400245",
    "00400275",
)  # fmt: skip
INSTANCE = ("00080016", SOP_UID, "00200013", "00280008", "00280010", "00280011", "00280100", "00083002")
TAGS = frozenset((*ALWAYS, *STUDY, *SERIES, *INSTANCE))
OF_THE_STUDY = ("00080020", "00080030", "00080050", "00100010", "00100020", "00100030", "00100040", "00200010")
LEVELS = {"studies": STUDY_UID, "series": SERIES_UID, "instances": SOP_UID}
NOT_FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
THERE_IS_MORE = "There are additional results that can be requested"
CUT_SHORT = f"After {MOST_IN_VAIN} studies that do not match the search ended: narrow it"

Match = tuple[Holding, Attributes]


def search_router(desk: Desk, archive: Archive) -> APIRouter:
    """The QIDO-RS routes."""
    search = APIRouter()
    finder = Finder(desk, archive)

    @search.get("/studies")
    def search_studies(request: Request, accept: Accept = "") -> Response:
        return finder.answer(request, accept, "studies", STUDY)

    @search.get("/series")
    def search_series(request: Request, accept: Accept = "") -> Response:
        return finder.answer(request, accept, "series", STUDY + SERIES)

    @search.get("/instances")
    def search_instances(request: Request, accept: Accept = "") -> Response:
        return finder.answer(request, accept, "instances", STUDY + SERIES + INSTANCE)

    @search.get("/studies/{study}/series")
    def search_series_of_study(request: Request, study: str, accept: Accept = "") -> Response:
        return finder.answer(request, accept, "series", SERIES, {STUDY_UID: study})

    @search.get("/studies/{study}/instances")
    def search_instances_of_study(request: Request, study: str, accept: Accept = "") -> Response:
        return finder.answer(request, accept, "instances", SERIES + INSTANCE, {STUDY_UID: study})

    @search.get("/studies/{study}/series/{series}/instances")
    def search_instances_of_series(request: Request, study: str, series: str, accept: Accept = "") -> Response:
        return finder.answer(request, accept, "instances", INSTANCE, {STUDY_UID: study, SERIES_UID: series})

    return search


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search: for studies, series or instances (``level``), which come with the attributes ``returned``."""

    level: str
    returned: Sequence[str]
    query: Query
    request: Request

    @property
    def tags(self) -> frozenset[str]:
        """What has to be read of a header; empty: all."""
        keys = {path[0] for path in self.query.keys}
        return frozenset() if self.query.include_all else TAGS | self.query.include | keys

    def result(self, match: Match) -> Attributes:
        """What is told of a match."""
        holding, attributes = match
        above = len(LEVELS) - list(LEVELS).index(self.level) - 1
        url = "/".join(url_of(self.request, holding).split("/")[: -2 * above or None])
        known = attributes | {"00081190": _value("UR", url)}
        wanted = {*ALWAYS, *self.returned, *self.query.include}
        if self.query.include_all and self.level == "instances":
            wanted |= known.keys()
        return {tag: known.get(tag) or {"vr": dictionary_VR(tag)} for tag in sorted(wanted)}


class Finder:
    """Walks the studies that may match, until there are as many results as were asked for."""

    def __init__(self, desk: Desk, archive: Archive) -> None:
        self._desk = desk
        self._archive = archive

    def answer(
        self, request: Request, accept: str, level: str, returned: Sequence[str], names: Mapping[str, str] | None = None
    ) -> Response:
        """The matches as DICOM JSON, with a Warning where the search was not what was asked, or is not the end."""
        offer = choose(accept, JSON)
        check_uids(*(names or {}).values())
        query = query_of(request.query_params, names)
        in_vain: list[str] = []
        results = self._results(Search(level=level, returned=returned, query=query, request=request), in_vain)
        page = list(islice(results, query.offset, query.offset + query.limit))
        warnings = [NOT_FUZZY] if query.fuzzy else []
        if query.limit and next(results, None) is not None:
            warnings.append(THERE_IS_MORE)
        elif len(in_vain) >= MOST_IN_VAIN:
            warnings.append(CUT_SHORT)
        headers = {"Warning": ", ".join(f'299 xray-triage "{warning}"' for warning in warnings)} if warnings else {}
        return json_response(page, offer, headers)

    def _results(self, search: Search, in_vain: list[str]) -> Iterator[Attributes]:
        for page in self._studies(search.query):
            for study, held in self._archive.of_studies(page).items():
                found = self._in_study(search, held)
                yield from found
                if not found:
                    in_vain.append(study)
                if len(in_vain) >= MOST_IN_VAIN:
                    return

    def _in_study(self, search: Search, held: Sequence[Holding]) -> list[Attributes]:
        """The results that a study gives. Its first instance alone often tells that there are none."""
        query, tags = search.query, search.tags
        if not held or not query.may_match(self._archive.summary(held[0], tags), OF_THE_STUDY):
            return []
        groups = _groups(self._described(held, tags), LEVELS[search.level])
        found = (next((match for match in group if query.matches(match[1])), None) for group in groups)
        return [search.result(match) for match in found if match is not None]

    def _studies(self, query: Query) -> Iterator[list[str]]:
        """Those of a UID straight from what is held, read or not yet; else by the casebook, newest first."""
        studies = query.uids(STUDY_UID)
        for level, tag in (("series_instance_uid", SERIES_UID), ("sop_instance_uid", SOP_UID)):
            uids = query.uids(tag)
            if studies is None and uids is not None:
                studies = self._desk.holdings.studies_with(level, uids)
        if studies is not None:
            return iter([studies])
        return self._desk.studies.like(query.hints())

    def _described(self, held: Sequence[Holding], tags: frozenset[str]) -> list[Match]:
        """Every instance of a study with its attributes, those that are counted over the study or series too."""
        found = [(one, self._archive.summary(one, tags)) for one in held]
        series = [one.instance.series_instance_uid for one in held]
        modalities = dict.fromkeys(value for _, attributes in found if (value := value_of(attributes, MODALITY)))
        counted = {
            "00080005": _value("CS", "ISO_IR 192"),
            "00080056": _value("CS", "ONLINE"),
            MODALITIES: _value("CS", *modalities),
            "00201206": _value("IS", len(set(series))),
            "00201208": _value("IS", len(held)),
        }
        return [
            (one, attributes | counted | _names(one) | {"00201209": _value("IS", series.count(name))})
            for (one, attributes), name in zip(found, series, strict=True)
        ]


def _groups(matches: Sequence[Match], tag: str) -> Iterator[list[Match]]:
    """The instances of each study, series or instance, in order."""
    by_name: dict[str, list[Match]] = {}
    for match in matches:
        by_name.setdefault(value_of(match[1], tag), []).append(match)
    yield from by_name.values()


def _names(one: Holding) -> Attributes:
    names = one.instance
    return {
        "00080016": _value("UI", names.sop_class_uid),
        SOP_UID: _value("UI", names.sop_instance_uid),
        STUDY_UID: _value("UI", names.study_instance_uid),
        SERIES_UID: _value("UI", names.series_instance_uid),
    }


def _value(vr: str, *values: object) -> dict[str, object]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
