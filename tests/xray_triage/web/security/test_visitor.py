"""Who may do what: every route for every role, sessions, tokens and the CSRF token, against the real server."""

import json
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp

from tests.xray_triage.desk import FULL_NAMES, TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Right, Role
from xray_triage.web.security.visitor import CSRF_HEADER

OPEN = {"/healthz", "/readyz", "/metrics", "/login", "/language"}
OWN = {"/password", "/sign-out", "/present"}  # whoever has signed in
# What needs more than to see; a route that is not here is for everybody who has signed in.
NEEDS = {
    Right.ASK: r"POST .*/consultation.*",
    Right.JUDGE: r"POST .*/(verdict|seen|done|reread|result/sign).*",
    Right.REGISTER: r"\w+ (/api)?/orders.*",
    Right.COUNT: r"\w+ (/api)?/figures.*",
    Right.ADMINISTER: r"\w+ /(users|audit).*|POST /model/.*",
}
NO_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def routes(desk: TestDesk) -> Iterator[tuple[str, str]]:
    """Method and path of every route of the application, for the parts of a path a 0."""
    for route in iter_route_contexts(desk.app().routes):
        if route.path is not None and not route.path.startswith("/static"):
            for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                yield method, re.sub(r"\{[^}]*\}", "0", route.path)


def answered(client: httpx.Client, method: str, path: str, **headers: str) -> tuple[int, str]:
    """The answer's status and where it leads; of a stream only its beginning is read."""
    with client.stream(method, path, headers=headers if method == "GET" else NO_FORM | headers) as answer:
        return answer.status_code, answer.headers.get("Location", "")


def is_refusal(status: int, leads_to: str) -> bool:
    return status in (401, 403) or leads_to.startswith("/login")


def right_of(method: str, path: str) -> Right:
    return next((right for right, pattern in NEEDS.items() if re.fullmatch(pattern, f"{method} {path}")), Right.SEE)


def test_every_route_is_closed_to_strangers_but_the_few_that_are_open(
    stranger: httpx.Client, sqlite_desk: TestDesk
) -> None:
    asked = list(routes(sqlite_desk))
    assert len(asked) > 20
    for method, path in asked:
        answer = answered(stranger, method, path)
        is_open = path in OPEN and (method, path) != ("POST", "/login")  # which says no in its own way
        assert is_refusal(*answer) != is_open, f"{method} {path} has no right: {answer}"


@pytest.mark.parametrize("role", list(Role))
def test_every_route_asks_for_its_right(stranger: httpx.Client, sqlite_desk: TestDesk, role: Role) -> None:
    token = bearer(sqlite_desk, role)
    for method, path in routes(sqlite_desk):
        if path not in OPEN | OWN:
            answer = answered(stranger, method, path, **token)
            assert is_refusal(*answer) != (right_of(method, path) in role.rights), f"{method} {path}: {answer}"


def test_a_foreign_case_id_is_not_found(client: httpx.Client, enter: Callable[..., httpx.Client]) -> None:
    for case_id in ("000000000000", "1' OR '1'='1", "..%2f..%2fetc", "%00", "ô"):
        assert client.get(f"/api/cases/{case_id}").status_code == 404
        assert enter().get(f"/cases/{case_id}").status_code == 404
        assert client.post(f"/api/cases/{case_id}/verdict", json={"agrees": True}).status_code == 404


def test_strangers_are_told_as_who_they_are(stranger: httpx.Client) -> None:
    page, program = stranger.get("/cases/0", params={"x": "1"}), stranger.get("/api/cases")
    assert (page.status_code, page.headers["Location"]) == (303, "/login?next=/cases/0%3Fx%3D1")
    assert (program.status_code, program.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert stranger.get("/").headers["Location"] == "/login"
    assert stranger.get("/fragments/worklist").status_code == 401  # upon which an open page goes to sign in


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "bearer xrt_", "Basic YTpi", "Bearer \u00f4", "Bearer a b"])
def test_what_is_no_token_opens_nothing(stranger: httpx.Client, header: str) -> None:
    answer = stranger.get("/api/cases", headers={"Authorization": header.encode()})
    assert answer.status_code == 401


def test_a_revoked_token_opens_nothing_from_now_on(stranger: httpx.Client, sqlite_desk: TestDesk) -> None:
    token = bearer(sqlite_desk)
    assert stranger.get("/api/cases", headers=token).status_code == 200
    sqlite_desk.accounts.tokens.revoke(sqlite_desk.accounts.users.find("doctor"))
    assert stranger.get("/api/cases", headers=token).status_code == 401


@pytest.mark.parametrize("given", [None, "", "0" * 64, "\u00f4"])
def test_a_browser_without_the_csrf_token_changes_nothing(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk, given: str | None
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    browser = enter()
    del browser.headers[CSRF_HEADER]
    headers = {} if given is None else {CSRF_HEADER: given.encode()}
    for path, body in ((f"/api/cases/{case_id}/verdict", {"agrees": True}), ("/sign-out", {}), ("/password", {})):
        assert browser.post(path, json=body, headers=headers).status_code == 403, path
    form = {"csrf_token": given or ""}
    refused = browser.post("/sign-out", data=form)
    assert refused.status_code == 403
    assert "Hãy tải lại trang" in refused.text
    assert "không có quyền làm việc này" in browser.get("/users").text  # the other cause
    assert browser.get("/").status_code == 200
    case = sqlite_desk.casebook.case(case_id)
    assert case is not None
    assert case.verdict is None


def test_one_sessions_csrf_token_is_no_good_in_another(enter: Callable[..., httpx.Client]) -> None:
    one, other = enter(), enter()
    assert one.post("/sign-out", json={}, headers={CSRF_HEADER: other.headers[CSRF_HEADER]}).status_code == 403


def test_the_csrf_token_stands_in_every_page_and_does_not_give_the_session_away(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    browser = enter()
    page = browser.get("/").text
    token = browser.headers[CSRF_HEADER]
    assert f'<meta name="csrf-token" content="{token}">' in page
    assert browser.cookies["session"] not in page
    del browser.headers[CSRF_HEADER]
    assert browser.post("/sign-out", data={"csrf_token": token}).headers["Location"] == "/login"


def test_two_people_on_one_case_are_told_apart(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk, client: httpx.Client
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    doctor, admin = enter(), enter(Role.ADMIN)
    assert admin.post(f"/api/cases/{case_id}/consultation", json={"question": "Có cần chuyển viện?"}).status_code == 200
    assert doctor.post(f"/api/cases/{case_id}/verdict", json={"agrees": False}).status_code == 200
    case = client.get(f"/api/cases/{case_id}").json()
    assert case["verdict"]["given_by"] == FULL_NAMES[Role.DOCTOR]
    asked = sqlite_desk.casebook.case(case_id)
    assert asked is not None
    assert asked.consultation is not None
    assert asked.consultation.requested_by == FULL_NAMES[Role.ADMIN]
    noted = {(entry.action, entry.actor) for entry in sqlite_desk.audit.entries(subject=case_id)}
    assert {(Action.CONSULTATION_ASKED, "admin"), (Action.VERDICT_GIVEN, "doctor")} <= noted


def test_looking_at_a_case_is_noted_once_and_its_live_parts_are_not(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    browser = enter(Role.TECHNICIAN)
    browser.get(f"/cases/{case_id}")
    for method, path in routes(sqlite_desk):
        if method == "GET" and path.startswith("/fragments/cases"):
            browser.get(path.replace("/0", f"/{case_id}", 1))
    seen = [(entry.actor, entry.action) for entry in sqlite_desk.audit.entries(subject=case_id)]
    assert seen == [("technician", Action.CASE_SEEN)]


def test_an_idle_session_ends_though_its_page_renews_itself(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    browser = enter()
    for _ in range(29):
        sqlite_desk.clock.advance(60)
        assert browser.get("/fragments/worklist").status_code == 200
    sqlite_desk.clock.advance(60)
    assert browser.get("/fragments/worklist").status_code == 401
    assert browser.get("/").headers["Location"] == "/login"


def test_a_disabled_users_open_browser_is_out_at_once(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    browser, other = enter(), enter(Role.TECHNICIAN)
    assert browser.get("/api/cases").status_code == 200
    sqlite_desk.accounts.users.disable("doctor")
    assert browser.get("/api/cases").status_code == 401
    assert other.get("/api/cases").status_code == 200


def test_a_role_taken_away_counts_at_once(enter: Callable[..., httpx.Client], sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    browser = enter()
    sqlite_desk.accounts.users.change_role("doctor", Role.TECHNICIAN)
    assert browser.post(f"/api/cases/{case_id}/verdict", json={"agrees": True}).status_code == 403


def test_a_page_shows_only_the_ways_that_are_open_to_its_reader(enter: Callable[..., httpx.Client]) -> None:
    def ways(role: Role) -> set[str]:
        bar = enter(role).get("/").text.partition("<nav")[2].partition("</nav>")[0]
        return set(re.findall(r'href="([^"]+)"', bar))

    assert ways(Role.TECHNICIAN) == ways(Role.DOCTOR) == {"/", "/orders", "/figures", "/health"}
    assert ways(Role.ADMIN) == {"/", "/orders", "/figures", "/health", "/model", "/users", "/audit"}


def test_the_api_describes_itself_only_to_those_who_may_see(stranger: httpx.Client, client: httpx.Client) -> None:
    assert stranger.get("/api/openapi.json").status_code == 401
    assert "paths" in json.loads(client.get("/api/openapi.json").text)


def test_who_asks_from_behind_a_made_up_address_is_noted_with_the_real_one(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]
) -> None:
    with httpx.Client(base_url=serve(sqlite_desk.app())) as browser:
        for number in range(21):
            form = {"name": f"x{number}", "password": "guess"}
            answer = browser.post("/login", data=form, headers={"X-Forwarded-For": f"10.0.0.{number}"})
    assert answer.status_code == 429
    assert {entry.address for entry in sqlite_desk.audit.entries()} == {"127.0.0.1"}
