"""QIDO-RS: searches for studies, series and instances (PS3.18 10.6), newest study first. Never decodes a pixel."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from fastapi import APIRouter, Request
from pydicom.datadict import dictionary_VR
from starlette.responses import Response

from dicom_router.store.holdings import Holding
from xray_triage.cases.studies import Hints
from xray_triage.stores import Stores
from xray_triage.web.dicomweb.accept import choose
from xray_triage.web.dicomweb.attributes import Attributes, value_of
from xray_triage.web.dicomweb.instances import Instances, check_uids
from xray_triage.web.dicomweb.matching import SERIES_UID, SOP_UID, STUDY_UID, Query, query_of
from xray_triage.web.dicomweb.retrieve import JSON, Accept, json_response, url_of

SECONDS_IN_VAIN = 2.0
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
LEAST_AVAILABLE = ("OFFLINE", "NEARLINE", "ONLINE")
LEVELS = {"studies": STUDY_UID, "series": SERIES_UID, "instances": SOP_UID}
NOT_FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
IGNORED = "These parameters are not supported and were ignored"
THERE_IS_MORE = "There are additional results that can be requested"
CUT_SHORT = f"The search ended after {SECONDS_IN_VAIN:g} s in vain, older studies were not looked into: narrow it"

Match = tuple[Holding, Attributes]


def search_router(stores: Stores, instances: Instances) -> APIRouter:
    """The QIDO-RS routes."""
    search = APIRouter()

    def answer(
        request: Request, accept: str, level: str, returned: Sequence[str], names: Mapping[str, str] | None = None
    ) -> Response:
        """The matches as DICOM JSON, with a Warning where the search was not what was asked, or is not the end."""
        offer = choose(accept, JSON)
        check_uids(*(names or {}).values())
        query = query_of(request.query_params, names)
        search = Search(stores, instances, request, level, returned, query)
        found, is_more = search.page()
        said = (
            (NOT_FUZZY, query.fuzzy),
            (f"{IGNORED}: {', '.join(query.ignored)}", bool(query.ignored)),
            (THERE_IS_MORE, is_more),
            (CUT_SHORT, search.is_cut_short),
        )
        warnings = [f'299 xray-triage "{warning}"' for warning, is_so in said if is_so]
        return json_response(found, offer, {"Warning": ", ".join(warnings)} if warnings else {})

    @search.get("/studies")
    def search_studies(request: Request, accept: Accept = "") -> Response:
        return answer(request, accept, "studies", STUDY)

    @search.get("/series")
    def search_series(request: Request, accept: Accept = "") -> Response:
        return answer(request, accept, "series", STUDY + SERIES)

    @search.get("/instances")
    def search_instances(request: Request, accept: Accept = "") -> Response:
        return answer(request, accept, "instances", STUDY + SERIES + INSTANCE)

    @search.get("/studies/{study}/series")
    def search_series_of_study(request: Request, study: str, accept: Accept = "") -> Response:
        return answer(request, accept, "series", SERIES, {STUDY_UID: study})

    @search.get("/studies/{study}/instances")
    def search_instances_of_study(request: Request, study: str, accept: Accept = "") -> Response:
        return answer(request, accept, "instances", SERIES + INSTANCE, {STUDY_UID: study})

    @search.get("/studies/{study}/series/{series}/instances")
    def search_instances_of_series(request: Request, study: str, series: str, accept: Accept = "") -> Response:
        return answer(request, accept, "instances", INSTANCE, {STUDY_UID: study, SERIES_UID: series})

    return search


class Search:
    """One search: for studies, series or instances (``level``), which come with the attributes ``returned``."""

    def __init__(
        self, stores: Stores, instances: Instances, request: Request, level: str, returned: Sequence[str], query: Query
    ) -> None:
        self._stores = stores
        self._instances = instances
        self._request = request
        self._level = level
        self._returned = returned
        self._query = query
        self._tags = frozenset() if query.include_all else TAGS | query.include | query.tags  # empty: the whole header
        self.is_cut_short = False

    def page(self) -> tuple[list[Attributes], bool]:
        """The results asked for, and whether there are more."""
        offset = self._query.offset
        if self._level == "studies" and not self._query.keys:  # then the casebook skips as well
            results = self._results(self._stores.studies.like(Hints(), skip=offset), 0)
        else:
            results = self._results(self._studies(), offset)
        found = list(islice(results, self._query.limit))
        return found, bool(self._query.limit) and next(results, None) is not None

    def _results(self, pages: Iterator[list[str]], skip: int) -> Iterator[Attributes]:
        """Of one study after the other but for the first ``skip``, until SECONDS_IN_VAIN went by that gave nothing."""
        clock = self._stores.clock
        ends_at = clock.monotonic() + SECONDS_IN_VAIN
        for page in pages:
            for held in self._instances.of_studies(page).values():
                begun_at = clock.monotonic()
                if begun_at >= ends_at:
                    self.is_cut_short = True
                    return
                found = self._in_study(held)
                yield from found[skip:]
                if len(found) > skip:
                    ends_at += clock.monotonic() - begun_at
                skip = max(0, skip - len(found))

    def _in_study(self, held: Sequence[Holding]) -> list[Attributes]:
        """The results that a study gives. Its first instance alone often tells that there are none."""
        query = self._query
        if not held or not query.may_match(self._instances.summary(held[0], self._tags), OF_THE_STUDY):
            return []
        groups = _groups(self._described(held), LEVELS[self._level])
        found = (next((match for match in group if query.matches(match[1])), None) for group in groups)
        return [self._result(match) for match in found if match is not None]

    def _result(self, match: Match) -> Attributes:
        """What is told of a match."""
        holding, attributes = match
        above = len(LEVELS) - list(LEVELS).index(self._level) - 1
        url = "/".join(url_of(self._request, holding).split("/")[: -2 * above or None])
        known = attributes | {"00081190": _value("UR", url)}
        wanted = {*ALWAYS, *self._returned, *self._query.include}
        if self._query.include_all and self._level == "instances":
            wanted |= known.keys()
        return {tag: known.get(tag) or {"vr": dictionary_VR(tag)} for tag in sorted(wanted)}

    def _studies(self) -> Iterator[list[str]]:
        """Those of a UID straight from what is held, read or not yet; else by the casebook, newest first."""
        studies = self._query.uids(STUDY_UID)
        for level, tag in (("series_instance_uid", SERIES_UID), ("sop_instance_uid", SOP_UID)):
            uids = self._query.uids(tag)
            if studies is None and uids is not None:
                studies = self._stores.holdings.studies_with(level, uids)
        return iter([studies]) if studies is not None else self._stores.studies.like(self._query.hints())

    def _described(self, held: Sequence[Holding]) -> list[Match]:
        """Every instance of a study with its attributes, those that are counted over the study or series too."""
        found = [(one, self._instances.summary(one, self._tags)) for one in held]
        series = [one.instance.series_instance_uid for one in held]
        modalities = dict.fromkeys(value for _, attributes in found if (value := value_of(attributes, MODALITY)))
        counted = {
            "00080005": _value("CS", "ISO_IR 192"),
            "00080056": _value("CS", min(map(self._instances.availability, held), key=LEAST_AVAILABLE.index)),
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
