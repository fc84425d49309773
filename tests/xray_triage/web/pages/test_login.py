"""Coming in and going out, as a browser without scripts does it, against the real server."""

import re
from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp

from tests.xray_triage.desk import PASSWORD, TestDesk
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.web.pages.login import local
from xray_triage.web.security.visitor import CSRF_HEADER, csrf_token_of

DOCTOR = {"name": "doctor", "password": PASSWORD}
NEW = "một mật khẩu mới"


def csrf_of(page: httpx.Response) -> dict[str, str]:
    """The field that every form of ``page`` has."""
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return {"csrf_token": found[1]}


def test_a_doctor_signs_in_works_and_signs_out(stranger: httpx.Client, sqlite_desk: TestDesk) -> None:
    answer = stranger.post("/login", data=DOCTOR | {"next": "/cases/0?x=1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/cases/0?x=1")
    page = stranger.get("/")
    assert "BS. Trần Thị Mai" in page.text
    out = stranger.post("/sign-out", data=csrf_of(page))
    assert (out.status_code, out.headers["Location"]) == (303, "/login")
    assert stranger.get("/").headers["Location"] == "/login"
    actions = [(entry.action, entry.actor, entry.address) for entry in sqlite_desk.audit.entries()]
    assert actions == [(Action.SIGNED_OUT, "doctor", "127.0.0.1"), (Action.SIGNED_IN, "doctor", "127.0.0.1")]


def test_the_sessions_cookie_is_for_this_site_and_no_script(stranger: httpx.Client) -> None:
    session, browser = stranger.post("/login", data=DOCTOR).headers.get_list("Set-Cookie")
    flags = {"HttpOnly", "SameSite=strict", "Path=/"}
    assert session.startswith("session=")
    assert {part.strip() for part in session.split(";")[1:]} == flags  # it ends with the browser
    assert re.match("browser-[0-9a-f]{16}=", browser)
    assert {part.strip() for part in browser.split(";")[1:]} - flags == {f"Max-Age={365 * 86_400}"}


def test_with_tls_the_cookie_never_travels_in_the_clear(sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]) -> None:
    with httpx.Client(base_url=serve(sqlite_desk.app(is_tls=True))) as browser:
        cookies = browser.post("/login", data=DOCTOR).headers.get_list("Set-Cookie")
    assert [cookie[:14] for cookie in cookies] == ["__Host-session", "__Host-browser"]
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}


def test_behind_a_proxy_with_tls_the_cookies_never_travel_in_the_clear_either(
    stranger: httpx.Client, sqlite_desk: TestDesk
) -> None:
    origin = str(stranger.base_url).rstrip("/").replace("http:", "https:")
    for cookie in stranger.post("/login", data=DOCTOR, headers={"Origin": origin}).headers.get_list("Set-Cookie"):
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}


def test_a_stranger_on_the_network_keeps_no_doctor_out_of_the_own_browser(
    stranger: httpx.Client, sqlite_desk: TestDesk, url: str
) -> None:
    stranger.post("/login", data=DOCTOR)
    stranger.post("/sign-out", data=csrf_of(stranger.get("/")))
    guesses = [httpx.post(f"{url}/login", data=DOCTOR | {"password": f"guess {n}"}) for n in range(7)]
    assert guesses[-1].status_code == 429
    assert stranger.post("/login", data={"name": "technician", "password": PASSWORD}).status_code == 303
    assert stranger.post("/login", data=DOCTOR | {"name": "Doctor"}).status_code == 303
    assert httpx.post(f"{url}/login", data=DOCTOR).status_code == 429


def test_a_copied_browser_cookie_is_no_way_to_guess(stranger: httpx.Client, url: str) -> None:
    stranger.post("/login", data=DOCTOR)
    copied = "; ".join(f"{cookie.name}={cookie.value}" for cookie in stranger.cookies.jar if cookie.name != "session")
    assert httpx.get(url, headers={"Cookie": copied}).headers["Location"] == "/login"  # it opens nothing
    guesses = [
        httpx.post(f"{url}/login", data=DOCTOR | {"password": f"guess {n}"}, headers={"Cookie": copied})
        for n in range(7)
    ]
    assert [guess.status_code for guess in guesses] == [403] * 5 + [429] * 2


def test_signing_in_makes_a_new_session_and_ends_the_one_before(
    stranger: httpx.Client, enter: Callable[..., httpx.Client]
) -> None:
    stranger.cookies.set("session", "an-id-that-an-attacker-knows", domain="127.0.0.1", path="/")
    stranger.post("/login", data=DOCTOR)
    fixed = {"Cookie": "session=an-id-that-an-attacker-knows"}
    assert httpx.get(f"{stranger.base_url}", headers=fixed).status_code == 303
    other = enter(Role.TECHNICIAN)
    before = other.cookies["session"]
    other.cookies.clear()
    other.post("/login", data=DOCTOR, headers={"Cookie": f"session={before}"})
    assert httpx.get(f"{stranger.base_url}", headers={"Cookie": f"session={before}"}).status_code == 303


def test_a_wrong_name_and_a_wrong_password_look_the_same(stranger: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.accounts.users.disable("technician")
    said = []
    for name, password in (("doctor", "wrong"), ("nobody", "wrong"), ("technician", PASSWORD)):
        answer = stranger.post("/login", data={"name": name, "password": password})
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
        said.append(answer.text.replace(name, "…"))
    assert len(set(said)) == 1
    assert "Tên đăng nhập hoặc mật khẩu không đúng." in said[0]


def test_guessing_is_answered_with_429_and_when_to_come_again(stranger: httpx.Client, sqlite_desk: TestDesk) -> None:
    answers = [stranger.post("/login", data={"name": "doctor", "password": f"guess {n}"}) for n in range(7)]
    assert [answer.status_code for answer in answers] == [403] * 5 + [429] * 2
    wait = int(answers[-1].headers["Retry-After"])
    assert f"Hãy thử lại sau {wait} giây." in answers[-1].text
    assert stranger.post("/login", data=DOCTOR).status_code == 429  # the right one too
    sqlite_desk.clock.advance(wait)
    assert stranger.post("/login", data=DOCTOR).status_code == 303


def test_another_sites_page_cannot_sign_anybody_in(stranger: httpx.Client) -> None:
    answer = stranger.post("/login", data=DOCTOR, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


def test_a_browser_is_told_to_send_our_own_forms_with_their_origin(stranger: httpx.Client) -> None:
    assert stranger.get("/login").headers["Referrer-Policy"] == "same-origin"  # "no-referrer" makes it null


@pytest.mark.parametrize(
    "away",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/\t/evil.example",
        "evil.example",
        "/login?next=/login",
        "",
    ],
)
def test_nobody_is_sent_away_after_signing_in(stranger: httpx.Client, away: str) -> None:
    assert local(away) == "/"
    assert 'name="next" value="/"' in stranger.get("/login", params={"next": away}).text
    answer = stranger.post("/login", data=DOCTOR | {"next": away})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_script_in_what_was_typed_is_inert(stranger: httpx.Client) -> None:
    script = '"><script>alert(1)</script>{{ 7*7 }}'
    answer = stranger.post("/login", data={"name": script, "password": script, "next": f"/{script}"})
    assert "<script>alert" not in answer.text
    assert "{{ 7*7 }}" in answer.text


@pytest.mark.parametrize(
    ("body", "status"), [(b"%ff=%ff&name=%e1", 400), (b"\xff", 400), (b"&".join([b"a=1"] * 200), 400), (b"", 403)]
)
def test_a_form_that_is_none_is_said(stranger: httpx.Client, body: bytes, status: int) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert stranger.post("/login", content=body, headers=kind).status_code == status


def test_a_one_time_password_leads_to_the_password_page_and_nowhere_else(
    stranger: httpx.Client, sqlite_desk: TestDesk
) -> None:
    password = sqlite_desk.accounts.users.add("hoa", role=Role.DOCTOR)
    stranger.post("/login", data={"name": "hoa", "password": password})
    assert stranger.get("/").headers["Location"] == "/password"
    assert stranger.get("/api/cases").status_code == 403
    page = stranger.get("/password")
    assert "chỉ dùng một lần" in page.text
    assert "<nav" not in page.text
    form = csrf_of(page) | {"old": password, "new": NEW, "again": NEW}
    assert stranger.post("/password", data=form).headers["Location"] == "/"
    assert stranger.get("/").status_code == 200
    assert [entry.action for entry in sqlite_desk.audit.entries(subject="hoa")] == [Action.PASSWORD_CHANGED]


def test_changing_the_password_signs_out_everywhere_else(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    here, there = enter(), enter()
    before = here.cookies["session"]
    answer = here.post("/password", data={"old": PASSWORD, "new": NEW, "again": NEW})
    assert answer.status_code == 303
    assert here.cookies["session"] != before
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 303
    here.headers[CSRF_HEADER] = csrf_token_of(here.cookies["session"])
    assert here.post("/sign-out", json={}).headers["Location"] == "/login"


@pytest.mark.parametrize(
    ("old", "new", "again", "said"),
    [
        ("wrong", NEW, NEW, "Mật khẩu hiện tại không đúng."),
        (PASSWORD, NEW, NEW + "x", "Hai lần nhập mật khẩu mới không giống nhau."),
        (PASSWORD, "ngắn", "ngắn", "Mật khẩu cần có từ 10 đến 200 ký tự."),
        (PASSWORD, "1234567890", "1234567890", "Mật khẩu này quá dễ đoán."),
        (PASSWORD, PASSWORD, PASSWORD, "Mật khẩu mới phải khác mật khẩu cũ."),
    ],
)
def test_a_password_that_cannot_be_is_said_in_words(
    enter: Callable[..., httpx.Client], old: str, new: str, again: str, said: str
) -> None:
    answer = enter().post("/password", data={"old": old, "new": new, "again": again})
    assert (answer.status_code, said in answer.text) == (422, True)


def test_an_unlocked_computer_is_no_way_to_guess_the_password(enter: Callable[..., httpx.Client]) -> None:
    browser = enter()
    guesses = [browser.post("/password", data={"old": f"{n}", "new": NEW, "again": NEW}) for n in range(6)]
    assert [guess.status_code for guess in guesses] == [422] * 5 + [429]


def test_new_passwords_that_are_too_weak_are_no_failed_attempts(enter: Callable[..., httpx.Client]) -> None:
    browser = enter()
    for new in ["ngắn", "1234567890", PASSWORD] * 3:
        assert browser.post("/password", data={"old": PASSWORD, "new": new, "again": new}).status_code == 422
    assert browser.post("/password", data={"old": PASSWORD, "new": NEW, "again": NEW}).status_code == 303


def test_the_language_is_a_cookie_before_signing_in_and_the_users_own_after(
    stranger: httpx.Client, sqlite_desk: TestDesk
) -> None:
    assert 'lang="vi"' in stranger.get("/login").text
    here = {"Referer": f"{stranger.base_url}/login"}
    assert stranger.post("/language", data={"language": "en"}, headers=here).headers["Location"] == "/login"
    for away in ("http://[", "https://evil.example//evil.example", "x"):
        answer = stranger.post("/language", data={"language": "en"}, headers={"Referer": away})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = stranger.get("/login").text
    assert '<html lang="en">' in page
    assert "Sign in" in page
    stranger.post("/login", data=DOCTOR)
    page = stranger.get("/")
    assert "Sign out" in page.text
    switch = stranger.post("/language", data=csrf_of(page) | {"language": "vi"})
    assert switch.headers["Location"] == "/"
    assert "Đăng xuất" in stranger.get("/").text
    assert sqlite_desk.accounts.users.find("doctor").language == "vi"


def test_the_language_cannot_be_changed_by_another_session_or_to_nonsense(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    browser = enter()
    assert browser.post("/language", data={"language": "../../etc"}).status_code == 303
    del browser.headers[CSRF_HEADER]
    assert browser.post("/language", data={"language": "en"}).status_code == 403
    browser.cookies.set("language", "xx")
    assert 'lang="vi"' in browser.get("/").text
    assert sqlite_desk.accounts.users.find("doctor").language == ""
