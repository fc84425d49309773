"""The registration page: cards and forms as a browser sends them, also twice, too long, and by the wrong people."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from html import unescape

import httpx
import pytest

from tests.xray_triage.desk import TestDesk, reading
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.orders.order import Order, OrderState, Registration

CARD = "012345678901||NGUYỄN THỊ BƯỞI|31121955|Nữ|Xã Thạnh An, Cần Giờ|01012021"
TYPED = {"patient_name": "Trần Văn Đức", "patient_birth_date": "01/02/1980", "patient_sex": "M", "form_key": "k1"}
FORM = {"csrf_token": "in the header"}
SCRIPT = '"><script>alert(1)</script>'

Enter = Callable[..., httpx.Client]


@pytest.fixture
def technician(enter: Enter) -> httpx.Client:
    return enter(Role.TECHNICIAN)


def today(desk: TestDesk) -> list[Order]:
    return desk.orders.of_day(date(2025, 6, 1))


def value_of(page: httpx.Response, name: str) -> str:
    field = re.search(rf'<input id="{name}"[^>]*?value="([^"]*)"', page.text, re.DOTALL)
    assert field is not None, name
    return field[1]


def test_a_form_makes_an_order_and_shows_its_number(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    sent = technician.post("/orders", data=TYPED)
    assert sent.status_code == 303
    (order,) = today(sqlite_desk)
    assert (order.registration.patient_name, order.registered_by) == (
        "Trần Văn Đức",
        Role.TECHNICIAN.value,
    )
    shown = technician.get(sent.headers["location"])
    assert order.accession_number in shown.text
    (noted,) = sqlite_desk.audit.entries(subject=order.accession_number)
    assert noted.action is Action.PATIENT_REGISTERED


def test_a_form_sent_ten_times_at_once_is_one_order(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    with ThreadPoolExecutor(10) as pool:
        sent = list(pool.map(lambda _: technician.post("/orders", data=TYPED), range(10)))
    assert {answer.status_code for answer in sent} == {303}
    assert len({answer.headers["location"] for answer in sent}) == len(today(sqlite_desk)) == 1


def test_ten_forms_at_once_are_ten_numbers(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    with ThreadPoolExecutor(10) as pool:
        forms = [{**TYPED, "form_key": f"k{number}"} for number in range(10)]
        list(pool.map(lambda form: technician.post("/orders", data=form), forms))
    assert len({order.accession_number for order in today(sqlite_desk)}) == 10


def test_every_page_has_a_form_of_its_own(technician: httpx.Client) -> None:
    keys = [re.search(r'name="form_key" value="([^"]+)"', technician.get("/orders").text) for _ in range(2)]
    assert all(keys)
    assert len({key[1] for key in keys if key}) == 2


def test_a_card_fills_the_form_and_registers_nobody(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    page = technician.post("/orders/card", data={"card": CARD})
    assert page.status_code == 200
    filled = {
        name: value_of(page, name) for name in ("patient_name", "patient_birth_date", "citizen_number", "address")
    }
    assert list(filled.values()) == ["NGUYỄN THỊ BƯỞI", "31/12/1955", "012345678901", "Xã Thạnh An, Cần Giờ"]
    assert re.search(r'value="F" checked', page.text)
    assert today(sqlite_desk) == []


def test_a_card_brings_back_what_the_patient_said_last_time(technician: httpx.Client) -> None:
    known = {"patient_name": "Nguyễn Thị Bưởi", "citizen_number": "012345678901", "insurance_number": "GD4797912345678"}
    technician.post("/orders", data={**known, "patient_id": "P7", "form_key": "a", "reason": "Ho"})
    page = technician.post("/orders/card", data={"card": CARD})
    assert (value_of(page, "insurance_number"), value_of(page, "patient_id")) == ("GD4797912345678", "P7")
    assert "đã từng đăng ký" in page.text
    assert ">Ho<" not in page.text


def test_who_is_registered_already_is_told_before_it_is_done_again_and_may_be(
    technician: httpx.Client, sqlite_desk: TestDesk
) -> None:
    known = {"patient_name": "Nguyễn Thị Bưởi", "citizen_number": "012345678901"}
    technician.post("/orders", data={**known, "form_key": "a"})
    (first,) = today(sqlite_desk)
    scanned = technician.post("/orders/card", data={"card": CARD})
    for page in (scanned, technician.post("/orders", data={**known, "form_key": "b", "reason": "Ho"})):
        assert f"Nguyễn Thị Bưởi, lúc 08:15, số phiếu {first.accession_number} (chờ chụp)" in unescape(page.text)
        assert len(today(sqlite_desk)) == 1
    assert page.status_code == 409
    assert ">Ho</textarea>" in page.text  # nothing typed is lost
    again = value_of_hidden(page, "again")
    sent = technician.post("/orders", data={**known, "form_key": "b", "reason": "Ho", "again": again})
    assert sent.status_code == 303
    assert len(today(sqlite_desk)) == 2
    other = {"patient_name": "Lê An", "insurance_number": "GD4797912345678", "form_key": "c"}
    assert technician.post("/orders", data=other).status_code == 303
    same = technician.post("/orders", data={**other, "insurance_number": "7912345678", "form_key": "d"})
    assert same.status_code == 409


def value_of_hidden(page: httpx.Response, name: str) -> str:
    field = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page.text)
    assert field is not None, name
    return field[1]


def test_a_number_within_somebody_elses_brings_back_nobody(technician: httpx.Client) -> None:
    technician.post("/orders", data={**TYPED, "citizen_number": "079123456781", "patient_id": "P7"})
    insurance = f"7912345678|{'Lê Thị Hoa'.encode().hex()}|1955|2|-|01 - C54|$"
    page = technician.post("/orders/card", data={"card": insurance})
    assert {value_of(page, name) for name in ("citizen_number", "patient_id", "address")} == {""}
    technician.post(
        "/orders", data={**TYPED, "insurance_number": "GD4797912345678", "form_key": "k2", "address": "Ấp 1"}
    )
    assert value_of(technician.post("/orders/card", data={"card": insurance}), "address") == "Ấp 1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Chưa có gì trong ô"),
        ("012345678901|1", "bị cắt giữa chừng"),
        ("' OR 1=1; DROP TABLE film_order; --", "không phải mã QR"),
        (SCRIPT, "không phải mã QR"),
        ("x" * 10_240, "quá dài"),
        (CARD.replace("31121955", "31021955"), "không phải là một ngày có thật"),
        (CARD.replace("NGUYỄN", "NGUY?N"), "mất dấu"),
        (CARD.replace("NGUYỄN THỊ BƯỞI", ""), "không có họ tên"),
        ("012345678901||Nguyeenx Thij Buowri|31121955|Nuwx|Xax Thanhj An|01012021", "tắt bộ gõ"),
        (CARD + CARD.replace("012345678901", "012345678902"), "hai thẻ"),
    ],
)
def test_a_text_that_is_no_card_is_answered_in_words(technician: httpx.Client, text: str, told: str) -> None:
    page = technician.post("/orders/card", data={"card": text})
    assert page.status_code == 422
    assert told in page.text
    assert {value_of(page, name) for name in ("patient_name", "citizen_number", "address")} == {""}
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("patient_name", "", "Cần điền ô này"),
        ("patient_name", "A" * 65, "Dài quá"),
        ("patient_name", "A\x00B", "ký tự"),
        ("patient_name", "A^B", "ký tự"),
        ("patient_birth_date", "31/02/1980", "không có thật"),
        ("patient_birth_date", "01/01/2100", "sau hôm nay"),
        ("citizen_number", "123", "Số này không đúng"),
        ("procedure", "hip", "các mục có sẵn"),
        ("reason", "x" * 5000, "Dài quá"),
        ("reason", CARD, "quét vào ô trên cùng"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(
    technician: httpx.Client, sqlite_desk: TestDesk, field: str, value: str, told: str
) -> None:
    page = technician.post("/orders", data={**TYPED, "address": "Thạnh An", field: value})
    assert page.status_code == 422
    assert re.search(rf'class="error" id="{field}-told">[^<]*{told}', page.text) or field == "reason"
    assert told in page.text
    assert value_of(page, "address") == "Thạnh An"
    assert today(sqlite_desk) == []


def test_script_in_every_field_is_inert(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    names = ("patient_name", "patient_id", "address", "referring_physician", "reason")
    script = SCRIPT.replace("=", "")
    sent = technician.post("/orders", data=dict.fromkeys(names, script) | {"form_key": SCRIPT})
    assert sent.status_code == 303
    (order,) = today(sqlite_desk)
    for path in (
        "/orders",
        "/fragments/orders",
        f"/orders?edit={order.accession_number}",
        f"/orders?q={script}&done={script}",
    ):
        page = technician.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
    assert (
        "<script>alert" not in technician.post("/orders", data=dict.fromkeys((*names, "citizen_number"), SCRIPT)).text
    )


def test_an_earlier_patient_fills_the_form_without_the_reason(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    technician.post("/orders", data={**TYPED, "citizen_number": "079080012345", "reason": "Sốt cao"})
    found = technician.get("/orders", params={"q": "duc tran"})
    (link,) = re.findall(r'href="(/orders\?like=\w+)"', found.text)
    page = technician.get(link)
    assert (value_of(page, "patient_name"), value_of(page, "patient_birth_date")) == ("Trần Văn Đức", "01/02/1980")
    assert "Sốt cao" not in page.text
    assert (value_of(page, "citizen_number"), value_of(page, "patient_id")) == ("079080012345", "")
    assert "079080012345" in found.text


def test_a_patient_who_was_filmed_but_never_registered_is_found_too(
    technician: httpx.Client, sqlite_desk: TestDesk
) -> None:
    sqlite_desk.add(reading(), patient_name="Lê^Thị^Hoa", patient_id="BN-9")
    found = technician.get("/orders", params={"q": "hoa"})
    (link,) = re.findall(r'href="(/orders\?case=\w+)"', found.text)
    page = technician.get(link)
    assert (value_of(page, "patient_name"), value_of(page, "patient_id")) == ("Lê Thị Hoa", "BN-9")
    assert value_of(page, "patient_birth_date") == "31/01/1970"
    assert "Không tìm thấy" in technician.get("/orders", params={"q": "không ai"}).text


def test_an_order_is_corrected_and_cancelled_while_it_waits(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    technician.post("/orders", data=TYPED)
    (order,) = today(sqlite_desk)
    number = order.accession_number
    edited = technician.get("/orders", params={"edit": number})
    assert value_of(edited, "patient_name") == "Trần Văn Đức"
    changed = {**TYPED, "patient_name": "Trần Văn Đạt", "accession_number": number}
    assert technician.post("/orders", data=changed).status_code == 303
    assert [each.registration.patient_name for each in today(sqlite_desk)] == ["Trần Văn Đạt"]
    assert technician.post(f"/orders/{number}/cancel", data=FORM).status_code == 303
    assert [each.state for each in today(sqlite_desk)] == [OrderState.CANCELLED]
    for late in (technician.post("/orders", data=changed), technician.post(f"/orders/{number}/cancel", data=FORM)):
        assert late.status_code == 409
        assert "không còn ở trạng thái chờ chụp" in late.text
    assert technician.post("/orders/TA0000000000/cancel", data=FORM).status_code == 404
    noted = [entry.action for entry in sqlite_desk.audit.entries(subject=number)]
    assert noted == [Action.ORDER_CANCELLED, Action.ORDER_CHANGED, Action.PATIENT_REGISTERED]


def test_a_cancellation_is_taken_back(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    technician.post("/orders", data=TYPED)
    (order,) = today(sqlite_desk)
    page = f"/orders/{order.accession_number}"
    assert f"{page}/reopen" not in technician.get("/orders").text
    technician.post(f"{page}/cancel", data=FORM)
    assert f'action="{page}/reopen"' in technician.get("/orders").text
    for _ in range(2):
        assert technician.post(f"{page}/reopen", data=FORM).status_code == 303
        assert [each.state for each in today(sqlite_desk)] == [OrderState.WAITING]
    assert sqlite_desk.audit.entries(subject=order.accession_number)[0].action is Action.ORDER_REOPENED
    assert technician.post("/orders/TA0000000000/reopen", data=FORM).status_code == 404
    assert technician.post(f"{page}/delete", data=FORM).status_code == 422


def test_a_film_that_fits_by_half_is_shown_to_the_technician_and_the_doctor(
    technician: httpx.Client, sqlite_desk: TestDesk
) -> None:
    technician.post("/orders", data={**TYPED, "citizen_number": "079080012345", "reason": "Ho ra máu"})
    (order,) = today(sqlite_desk)
    number = order.accession_number
    stranger = sqlite_desk.add(reading(), patient_name="LE THI HOA", patient_id="P9", AccessionNumber=number)
    unnumbered = sqlite_desk.add(reading(), patient_name="TRAN VAN DUC", patient_id="079080012345", AccessionNumber="")
    page = technician.get("/orders").text
    assert {f'href="/cases/{case.case_id}"' in page for case in (stranger, unnumbered)} == {True}
    assert "không có số phiếu" in page
    film = technician.get(f"/cases/{stranger.case_id}").text
    assert "là của Trần Văn Đức" in film
    assert "Ho ra máu" not in film
    assert technician.post(f"/orders/{number}/finish", data=FORM).status_code == 303
    assert [each.state for each in today(sqlite_desk)] == [OrderState.DONE]
    assert technician.post(f"/orders/{number}/finish", data=FORM).status_code == 409
    page = technician.get("/orders").text
    assert "Chưa thấy phim" in page
    assert "có thể của người này" not in page
    own = sqlite_desk.add(reading(), patient_name="TRAN VAN DUC", patient_id="079080012345", AccessionNumber=number)
    assert "Ho ra máu" in technician.get(f"/cases/{own.case_id}").text
    assert f'href="/cases/{own.case_id}"' in technician.get("/orders").text


def test_a_corrected_citizen_number_corrects_the_patient_id(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    for number in ("079080012345", ""):
        technician.post("/orders", data={**TYPED, "citizen_number": number, "form_key": number})
        order = today(sqlite_desk)[0]
        page = technician.get("/orders", params={"edit": order.accession_number})
        assert value_of(page, "patient_id") == ""
        changed = {**TYPED, "citizen_number": "079080054321", "accession_number": order.accession_number}
        assert technician.post("/orders", data=changed).status_code == 303
        assert today(sqlite_desk)[0].patient_id == "079080054321"


def test_a_patient_without_papers_keeps_the_first_number(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    technician.post("/orders", data=TYPED)
    (first,) = today(sqlite_desk)
    page = technician.get("/orders", params={"like": first.accession_number})
    assert value_of(page, "patient_id") == first.patient_id == first.accession_number


def test_the_list_is_renewed_only_when_it_changed(technician: httpx.Client, sqlite_desk: TestDesk) -> None:
    first = technician.get("/fragments/orders")
    tag = {"If-None-Match": first.headers["etag"]}
    assert technician.get("/fragments/orders", headers=tag).status_code == 304
    typed = Registration(patient_name="A", patient_birth_date=None, patient_sex=None)
    sqlite_desk.orders.register(typed, form_key="a", registered_by="x")
    assert technician.get("/fragments/orders", headers=tag).status_code == 200


@pytest.mark.parametrize("path", ["/orders", "/fragments/orders"])
def test_a_stranger_registers_nobody(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code in (303, 401)
    assert stranger.post("/orders", data=TYPED).status_code == 303


def test_a_form_of_another_site_is_refused(url: str, sqlite_desk: TestDesk) -> None:
    with httpx.Client(base_url=url, cookies={"session": sqlite_desk.session(Role.DOCTOR)}) as browser:
        assert browser.post("/orders", data=TYPED).status_code == 403
        assert browser.post("/orders/card", data={"card": CARD}).status_code == 403
    assert today(sqlite_desk) == []


@pytest.mark.parametrize("name", ["edit", "like", "case", "done", "q"])
def test_nonsense_in_the_address_is_no_error(technician: httpx.Client, name: str) -> None:
    for value in ("%00", "' or 1=1", "%ff", "../../etc"):
        assert technician.get(f"/orders?{name}={value}").status_code == 200
