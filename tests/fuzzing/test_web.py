"""Requests by chance: searches of /dicom-web, and everything that the OpenAPI document offers. Never a 500."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.datadict import keyword_dict

from tests.fuzzing import fuzz
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.config.sections import WebSection
from xray_triage.web.security.visitor import Role
from xray_triage.web.server import WebServer

SEARCHES = ("/studies", "/series", "/instances")
UNWELL = 500  # and all above


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A desk with two cases, and an administrator's program on it."""
    with desk_in(tmp_path_factory.mktemp("fuzzed")) as desk:
        desk.add(reading())
        desk.add(reading(), patient_name="Đỗ^Thị^Bình", patient_id="P2")
        server = WebServer(WebSection(port=0), desk.app())  # type: ignore[arg-type]
        server.start()
        with httpx.Client(base_url=server.url, timeout=20, headers=bearer(desk, Role.ADMIN)) as client:
            yield client
        server.stop()


names = st.one_of(
    st.sampled_from(
        ["PatientName", "PatientID", "StudyDate", "StudyTime", "ModalitiesInStudy", "StudyInstanceUID",
         "limit", "offset",
         "includefield", "fuzzymatching", "00100010", "0020000d", "ViewCodeSequence.CodeMeaning", "accept", "orderby"]
    ),
    st.sampled_from(sorted(keyword_dict)),
    st.text(max_size=12),
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        [
            "*",
            "?",
            "-",
            "",
            "\\",
            ",",
            "20250601-",
            "2025-06",
            "99999999",
            "DX\\CR",
            "all",
            "true",
            "-1",
            "1" * 12,
            '""',
        ]
    ),
    st.text(max_size=20),
    st.text("0123456789.-*?\\,", max_size=30),
    st.text("*a?", min_size=200, max_size=300),
)
queries = st.lists(st.tuples(names, values), max_size=5)


@fuzz(60)
@given(
    path=st.sampled_from(SEARCHES),
    query=queries,
    accept=st.one_of(st.just("*/*"), st.text("abc/*;=,q.0+", max_size=30)),
)
@example(path="/studies", query=[("ViewCodeSequence", "x"), ("ViewCodeSequence.CodeValue", "1")], accept="")
def test_any_search_is_answered(page: httpx.Client, path: str, query: list[tuple[str, str]], accept: str) -> None:
    asked = "&".join(f"{quote(name, errors='replace')}={quote(value, errors='replace')}" for name, value in query)
    answer = page.get(f"/dicom-web{path}?{asked}", headers={"Accept": accept.encode()})
    assert answer.status_code in {200, 400, 406}, (asked, answer.text)


def operations(page: httpx.Client) -> list[tuple[str, str, dict[str, Any]]]:
    paths = page.get("/api/openapi.json").json()["paths"]
    return [(verb, path, said) for path, verbs in paths.items() for verb, said in verbs.items()]


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
KEYS = ("question", "priority", "agrees", "note", "reason")
bodies = st.one_of(anything, st.dictionaries(st.sampled_from(KEYS), anything, max_size=3))


@fuzz(60)
@given(data=st.data())
def test_any_request_that_the_openapi_document_offers_is_answered(page: httpx.Client, data: st.DataObject) -> None:
    """Statuses are those that the document states, or those that any route may give."""
    verb, path, said = data.draw(st.sampled_from(operations(page)))
    cases = [case["case_id"] for case in page.get("/api/cases").json()]
    query = {}
    for parameter in said.get("parameters", ()):
        value = data.draw(
            st.one_of(st.sampled_from([*cases, "0", "2025-06-01T00:00:00Z", "urgent"]), st.text(max_size=20))
        )
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(value, safe="", errors="replace"))
        elif data.draw(st.booleans()):
            query[parameter["name"]] = value.encode(errors="replace").decode()
    content = None
    if "requestBody" in said:
        content = data.draw(st.one_of(st.builds(json.dumps, bodies).map(str.encode), st.binary(max_size=30)))
    answer = page.request(
        verb.upper(), path, params=query, content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code < UNWELL or str(answer.status_code) in said["responses"], (verb, path, query, content)
    if answer.headers.get("content-type", "").startswith("application/json"):
        answer.json()
