"""The pages of those who administer: users and the audit trail."""

import csv
import io
import re
from collections.abc import Callable

import httpx
import pytest

from tests.xray_triage.desk import TestDesk, reading
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role

SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture
def admin(enter: Callable[..., httpx.Client]) -> httpx.Client:
    """The administrator's browser."""
    return enter(Role.ADMIN)


def secret_in(page: httpx.Response) -> str:
    found = re.search(r'<code class="secret">([^<]+)</code>', page.text)
    assert found, page.text
    return found[1]


def test_a_user_is_added_with_a_password_that_is_shown_once(
    admin: httpx.Client, stranger: httpx.Client, sqlite_desk: TestDesk
) -> None:
    form = {"name": "bs.hoa", "full_name": "BS. Phạm Thị Hoa", "role": "doctor"}
    page = admin.post("/users/add", data=form)
    password = secret_in(page)
    assert password not in admin.get("/users").text
    assert "BS. Phạm Thị Hoa" in admin.get("/users").text
    answer = stranger.post("/login", data={"name": "BS.Hoa", "password": password})
    assert answer.status_code == 303
    (added,) = sqlite_desk.audit.entries(subject="bs.hoa")
    assert (added.action, added.actor, added.detail) == (Action.USER_ADDED, "admin", "doctor")


@pytest.mark.parametrize(
    ("act", "form", "said"),
    [
        ("add", {"name": "Doctor", "role": "doctor"}, "Đã có người dùng tên này."),
        ("add", {"name": SCRIPT, "role": "doctor"}, "Tên đăng nhập gồm 1 đến 40"),
        ("add", {"name": "an", "role": "king"}, "Không có vai trò này."),
        ("add", {"name": "an", "full_name": "AI", "role": "doctor"}, "“AI” là tên của chương trình"),
        ("disable", {"name": "admin"}, "người quản trị cuối cùng"),
        ("role", {"name": "admin", "role": "doctor"}, "người quản trị cuối cùng"),
        ("licence", {"name": "doctor", "licence": "1" * 41}, "nhiều nhất 40 chữ"),
        ("reset", {"name": SCRIPT}, "Không có người dùng này."),
        ("token", {"label": "x"}, "Không có người dùng này."),
    ],
)
def test_what_cannot_be_is_said_in_words(admin: httpx.Client, act: str, form: dict[str, str], said: str) -> None:
    answer = admin.post(f"/users/{act}", data=form)
    assert (answer.status_code, said in answer.text, SCRIPT in answer.text) == (422, True, False)


def test_an_admin_disables_enables_resets_and_promotes(admin: httpx.Client, sqlite_desk: TestDesk) -> None:
    find = sqlite_desk.accounts.users.find
    assert admin.post("/users/disable", data={"name": "doctor"}).status_code == 200
    assert not find("doctor").is_active
    admin.post("/users/enable", data={"name": "doctor"})
    assert find("doctor").is_active
    password = secret_in(admin.post("/users/reset", data={"name": "doctor"}))
    user = sqlite_desk.accounts.users.check("doctor", password)
    assert user is not None
    assert user.must_change
    admin.post("/users/role", data={"name": "doctor", "role": "admin"})
    assert find("doctor").role is Role.ADMIN
    assert (
        'value="000123/HCM-CCHN"'
        in admin.post("/users/licence", data={"name": "doctor", "licence": " 000123/HCM-CCHN "}).text
    )
    assert find("doctor").licence == "000123/HCM-CCHN"
    noted = [entry.action for entry in sqlite_desk.audit.entries(subject="doctor")]
    assert noted == [
        Action.USER_CHANGED,
        Action.USER_CHANGED,
        Action.PASSWORD_RESET,
        Action.USER_ENABLED,
        Action.USER_DISABLED,
    ]


def test_a_token_is_made_shown_once_used_and_revoked(
    admin: httpx.Client, stranger: httpx.Client, sqlite_desk: TestDesk
) -> None:
    page = admin.post("/users/token", data={"name": "technician", "label": f"báo cáo {SCRIPT}"})
    bearer = {"Authorization": f"Bearer {secret_in(page)}"}
    assert SCRIPT not in page.text
    assert stranger.get("/api/cases", headers=bearer).status_code == 200
    page = admin.get("/users")
    assert bearer["Authorization"][7:] not in page.text
    number = re.search(r'name="token" value="(\d+)"', page.text)
    assert number
    for wrong in ("0", "x", "-1", "²", ""):
        admin.post("/users/revoke", data={"name": "technician", "token": wrong})
    assert stranger.get("/api/cases", headers=bearer).status_code == 200
    admin.post("/users/revoke", data={"name": "technician", "token": number[1]})
    assert stranger.get("/api/cases", headers=bearer).status_code == 401


def test_a_full_name_with_script_is_inert_on_every_page(
    admin: httpx.Client, enter: Callable[..., httpx.Client]
) -> None:
    form = {"name": "hacker", "full_name": SCRIPT, "role": "doctor"}
    assert admin.post("/users/add", data=form).status_code == 200
    for path in ("/users", "/audit"):
        assert SCRIPT not in admin.get(path).text
    assert "&lt;img src=x" in admin.get("/users").text


def test_nobody_else_sees_the_users_or_the_trail(enter: Callable[..., httpx.Client]) -> None:
    for role in (Role.DOCTOR, Role.TECHNICIAN):
        browser = enter(role)
        for path in ("/users", "/audit", "/audit.csv"):
            answer = browser.get(path)
            assert (answer.status_code, "quản trị cuối" in answer.text) == (403, False)
        assert "không có quyền làm việc này" in browser.get("/users").text
        assert browser.post("/users/role", data={"name": role.value, "role": "admin"}).status_code == 403


def test_the_trail_is_read_by_user_case_and_day(admin: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.clock.advance(-86_400)
    sqlite_desk.audit.note(Action.CASE_SEEN, actor="doctor", subject=case_id)
    sqlite_desk.clock.advance(86_400)
    sqlite_desk.audit.note(Action.VERDICT_GIVEN, actor="technician", subject=case_id, detail=SCRIPT)

    def rows(**wanted: str) -> int:
        page = admin.get("/audit", params=wanted)
        assert (page.status_code, SCRIPT in page.text) == (200, False)
        return page.text.count("<tr>") - page.text.count("<thead>")

    today = f"{sqlite_desk.clock.now().astimezone():%d/%m/%Y}"
    assert rows() == 2
    assert rows(actor="doctor", subject="", day="") == 1
    assert rows(day=today) == rows(day=today[:5]) == 2  # that the trail was read, too
    for none in ("yesterday", "31/02/2026", "1/1/0001"):
        assert rows(day=none) == 0
        assert "Không hiểu ngày này" in admin.get("/audit", params={"day": none}).text
        answer = admin.get("/audit.csv", params={"day": none})
        assert (answer.status_code, "Không hiểu ngày này" in answer.text) == (422, True)
    assert rows(subject=case_id) == 2
    assert rows(actor="nobody") == 0


def test_every_line_about_a_case_leads_to_it_whatever_was_done(admin: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    about = (Action.CASE_SEEN, Action.RESULT_CANCELLED, Action.REREAD, Action.FILM_PURGED, Action.EXPORTED)
    for action in about:
        sqlite_desk.audit.note(action, actor="doctor", subject=case_id)
    sqlite_desk.audit.note(Action.EXPORTED, actor="doctor", subject="audit")
    page = admin.get("/audit").text
    assert page.count(f'href="/cases/{case_id}"') == len(about)
    assert "/cases/audit" not in page


def test_who_looked_for_whom_is_on_the_trail_and_what_a_page_does_by_itself_is_not(
    admin: httpx.Client, enter: Callable[..., httpx.Client], client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    sqlite_desk.add(reading())
    doctor = enter()
    for path in ("/", "/?q=&state=open", "/?priority=urgent", "/orders", "/orders?q=%20", "/fragments/worklist?q=an"):
        assert doctor.get(path).status_code == 200
    assert sqlite_desk.audit.entries() == []
    for path in (
        "/?q=b%C6%B0%E1%BB%9Fi&before=x",
        "/?q=b%C6%B0%E1%BB%9Fi",
        f"/?q={SCRIPT} 01/03/2025",
        "/orders?q=lan",
    ):
        assert doctor.get(path).status_code == 200
    for path in ("cases", "cases?since=2025-01-01T00:00:00Z&limit=3"):
        assert client.get(f"/api/{path}").status_code == 200
    for path in ("studies", "studies?limit=1", "studies?PatientName=AN*&offset=0", "instances?includefield=all"):
        assert client.get(f"/dicom-web/{path}").status_code == 200
    assert admin.get("/dicom-web/studies").status_code == 200
    noted = [(entry.actor, str(entry.action), entry.subject, entry.detail) for entry in sqlite_desk.audit.entries()]
    assert noted[::-1] == [
        ("doctor", "searched", "cases", "bưởi"),
        ("doctor", "searched", "cases", f"{SCRIPT} 01/03/2025"),
        ("doctor", "searched", "orders", "lan"),
        ("doctor", "listed", "api/cases", ""),
        ("doctor", "listed", "dicom-web/studies", ""),
        ("doctor", "searched", "dicom-web/studies", "PatientName=AN*"),
        ("doctor", "listed", "dicom-web/instances", ""),
        ("admin", "listed", "dicom-web/studies", ""),
    ]
    page = admin.get("/audit").text
    assert "tìm người bệnh" in page
    assert "lấy danh sách ca" in page
    assert SCRIPT not in page
    assert {entry.address for entry in sqlite_desk.audit.entries()} == {"127.0.0.1"}


def test_who_may_not_search_is_not_said_to_have_searched(stranger: httpx.Client, sqlite_desk: TestDesk) -> None:
    for path in ("/?q=an", "/orders?q=an", "/api/cases", "/dicom-web/studies"):
        assert stranger.get(path).status_code in (303, 401)
    assert sqlite_desk.audit.entries() == []


@pytest.mark.parametrize("query", [{"day": "1" * 101}, {"before": "x"}, {"before": "9" * 30}])
def test_what_the_trail_cannot_be_asked_is_said(admin: httpx.Client, query: dict[str, str]) -> None:
    assert admin.get("/audit", params=query).status_code == 422


def test_a_long_trail_comes_in_pages(admin: httpx.Client, sqlite_desk: TestDesk) -> None:
    for number in range(230):
        sqlite_desk.audit.note(Action.CASE_SEEN, actor="doctor", subject=f"case{number:03d}")
    path, seen = "/audit?actor=doctor", []
    while path:
        page = admin.get(path).text
        seen += re.findall(r">(case\d{3})<", page)
        older = re.search(r'href="(/audit[^"]*before=\d+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"case{number:03d}" for number in reversed(range(230))]


def test_the_trail_as_csv_is_whole_and_computes_nothing(admin: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.audit.note(Action.CASE_SEEN, actor="doctor", subject="=1+1", detail='a "b", c\nd')
    answer = admin.get("/audit.csv", params={"actor": "doctor"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, row = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert head == ["at", "actor", "action", "subject", "detail", "address"]
    assert row[1:] == ["doctor", "case_seen", "'=1+1", 'a "b", c\nd', ""]
    assert sqlite_desk.audit.entries()[0].action is Action.EXPORTED
