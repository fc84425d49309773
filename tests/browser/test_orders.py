"""The registration page in a real Chromium, by mouse, by keyboard, and by a scanner that types."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.orders.conftest import filmed
from xray_triage.accounts.roles import Role
from xray_triage.orders.order import OrderState, Registration

CARD = "012345678901||NGUYỄN THỊ BƯỞI|31121955|Nữ|Xã Thạnh An, Cần Giờ|01012021"


@pytest.fixture(params=[LAPTOP, PHONE], ids=["laptop", "phone"])
def technician(request: pytest.FixtureRequest, enter: Window) -> Page:
    return enter(Role.TECHNICIAN, viewport=request.param)


def scan(page: Page, card: str, ending: str = "Enter") -> None:
    """Type the card into the field that has the cursor, once the page is drawn: Chromium drops keys before that."""
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.keyboard.insert_text(card)
    page.keyboard.press(ending)


def orders(desk: TestDesk) -> list[str]:
    return [order.registration.patient_name for order in desk.orders.offered()]


def test_a_scanned_card_is_looked_over_and_registered(technician: Page, sqlite_desk: TestDesk) -> None:
    technician.goto("/orders")
    expect(technician.get_by_label("Quét hoặc dán mã QR")).to_be_focused()
    scan(technician, CARD)
    expect(technician.get_by_label("Họ và tên")).to_have_value("NGUYỄN THỊ BƯỞI")
    expect(technician.get_by_label("nữ")).to_be_checked()
    technician.keyboard.press("Enter")  # scanners may send two
    technician.get_by_label("Họ và tên").press("Enter")
    assert orders(sqlite_desk) == []

    technician.get_by_role("button", name="Đăng ký", exact=True).click()
    expect(technician.get_by_text("Đã đăng ký NGUYỄN THỊ BƯỞI")).to_be_visible()
    assert orders(sqlite_desk) == ["NGUYỄN THỊ BƯỞI"]
    technician.reload()
    assert len(orders(sqlite_desk)) == 1


@pytest.mark.parametrize(("place", "ending"), [("Quét hoặc dán mã QR", "Tab"), ("Lý do chụp", "Enter")])
def test_a_card_scanned_into_any_field_fills_the_form(enter: Window, place: str, ending: str) -> None:
    technician = enter(Role.TECHNICIAN, viewport=LAPTOP)
    technician.goto("/orders")
    technician.get_by_label(place).focus()
    scan(technician, CARD, ending)
    expect(technician.get_by_label("Họ và tên")).to_have_value("NGUYỄN THỊ BƯỞI")
    expect(technician.get_by_label("Lý do chụp")).to_have_value("")


def test_two_cards_in_a_row_leave_the_second_ones_form(technician: Page, sqlite_desk: TestDesk) -> None:
    """The first fills the form, whose cursor is in the reason when the second one comes."""
    technician.goto("/orders")
    for card in (CARD, CARD.replace("BƯỞI", "CAM").replace("012345678901", "012345678902")):
        with technician.expect_response(re.compile("/orders/card")):
            scan(technician, card)
        expect(technician.get_by_label("Lý do chụp")).to_be_focused()
    expect(technician.get_by_label("Họ và tên")).to_have_value("NGUYỄN THỊ CAM")
    expect(technician.get_by_label("Số căn cước")).to_have_value("012345678902")
    expect(technician.get_by_label("Lý do chụp")).to_have_value("")
    assert orders(sqlite_desk) == []


def test_two_quick_clicks_are_one_order(technician: Page, sqlite_desk: TestDesk) -> None:
    technician.goto("/orders")
    technician.get_by_label("Họ và tên").fill("Trần Văn Đức")
    technician.get_by_role("button", name="Đăng ký", exact=True).dblclick()
    expect(technician.get_by_text("Đã đăng ký Trần Văn Đức")).to_be_visible()
    assert orders(sqlite_desk) == ["Trần Văn Đức"]


def test_a_mistake_is_shown_at_its_field_and_mended(
    technician: Page, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    technician.goto("/orders")
    technician.get_by_label("Họ và tên").fill("Trần Văn Đức")
    technician.get_by_label("Ngày sinh").fill("31/02/1980")
    technician.get_by_role("button", name="Đăng ký", exact=True).click()
    expect(technician.get_by_label("Ngày sinh")).to_have_accessible_description(re.compile("Ngày này không có thật"))
    technician.get_by_label("Ngày sinh").fill("28/02/1980")
    technician.get_by_role("button", name="Đăng ký", exact=True).click()
    expect(technician.get_by_text("Đã đăng ký Trần Văn Đức")).to_be_visible()
    complaints[:] = [each for each in complaints if "422" not in each]


def test_a_text_that_is_no_card_is_told(technician: Page, complaints: list[str]) -> None:
    technician.goto("/orders")
    technician.get_by_label("Quét hoặc dán mã QR").fill("<script>alert(1)</script>")
    technician.keyboard.press("Enter")
    expect(technician.get_by_role("alert").filter(has_text="không phải mã QR")).to_be_visible()
    complaints[:] = [each for each in complaints if "422" not in each]


def test_the_list_follows_the_machine_by_itself(technician: Page, sqlite_desk: TestDesk) -> None:
    typed = Registration(patient_name="Lê Thị Hoa", patient_birth_date=None, patient_sex=None)
    order = sqlite_desk.orders.register(typed, form_key="a", registered_by="lan")
    technician.goto("/orders")
    line = technician.locator(f"#order-{order.accession_number}")
    expect(line).to_contain_text("chờ chụp")
    film = {"StudyInstanceUID": order.study_instance_uid, "AccessionNumber": order.accession_number}
    sqlite_desk.add(reading(), patient_name="LE THI HOA", patient_id=order.patient_id, **film)
    with sqlite_desk.database.write() as connection:
        sqlite_desk.orders.close(connection, filmed(order))
    expect(line).to_contain_text("đã chụp")
    expect(line.get_by_role("link", name="Xem ca")).to_be_visible()
    found = sqlite_desk.orders.find(order.accession_number)
    assert found is not None
    assert found.state is OrderState.DONE


def test_a_cancellation_is_taken_back_with_one_click(technician: Page, sqlite_desk: TestDesk) -> None:
    typed = Registration(patient_name="Lê Thị Hoa", patient_birth_date=None, patient_sex=None)
    order = sqlite_desk.orders.register(typed, form_key="a", registered_by="lan")
    technician.goto("/orders")
    line = technician.locator(f"#order-{order.accession_number}")
    line.get_by_role("button", name="Hủy").click()
    expect(line).to_contain_text("đã hủy")
    assert orders(sqlite_desk) == []
    line.get_by_role("button", name="Mở lại").click()
    expect(line).to_contain_text("chờ chụp")
    assert orders(sqlite_desk) == ["Lê Thị Hoa"]


def test_whose_number_a_film_bears_stands_above_it(enter: Window, sqlite_desk: TestDesk) -> None:
    typed = Registration(patient_name="Lê Thị Hoa", patient_birth_date=None, patient_sex=None)
    order = sqlite_desk.orders.register(typed, form_key="a", registered_by="lan")
    case = sqlite_desk.add(reading(), patient_name="TRAN VAN KHAC", AccessionNumber=order.accession_number)
    doctor = enter(Role.DOCTOR, viewport=LAPTOP)
    doctor.goto(f"/cases/{case.case_id}")
    told, film = doctor.get_by_text("là của Lê Thị Hoa"), doctor.get_by_label("Phim", exact=True)
    expect(told).to_be_in_viewport()
    expect(film).to_be_in_viewport(ratio=0.9)


def test_the_page_is_accessible_and_fits_the_window(
    technician: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None], complaints: list[str]
) -> None:
    for number, name in enumerate(("NGUYỄN THỊ BƯỞI", "A" * 64)):
        typed = Registration(patient_name=name, patient_birth_date=None, patient_sex=None)
        sqlite_desk.orders.register(typed, form_key=str(number), registered_by="lan")
    cancelled, doubtful = sqlite_desk.orders.offered()
    sqlite_desk.orders.cancel(cancelled.accession_number)
    sqlite_desk.add(reading(), patient_name="LE THI HOA", AccessionNumber=doubtful.accession_number)
    technician.goto("/orders?q=nguyen")
    axe(technician)
    assert technician.evaluate("document.documentElement.scrollWidth <= innerWidth")
    technician.get_by_role("button", name="Đăng ký", exact=True).click()
    expect(technician.get_by_text("Cần điền ô này")).to_be_visible()
    axe(technician)
    complaints[:] = [each for each in complaints if "422" not in each]


def test_after_a_bad_scan_the_next_one_goes_where_it_belongs(enter: Window, complaints: list[str]) -> None:
    technician = enter(Role.TECHNICIAN, viewport=LAPTOP)
    technician.goto("/orders")
    scan(technician, CARD[:30])  # cut short
    expect(technician.locator("#card-told")).to_be_visible()
    expect(technician.get_by_label("Quét hoặc dán mã QR")).to_be_focused()
    technician.locator("h2").first.click()  # the cursor is nowhere
    technician.keyboard.type(CARD[:3])
    expect(technician.get_by_label("Quét hoặc dán mã QR")).to_be_focused()
    expect(technician.get_by_label("Quét hoặc dán mã QR")).to_have_value(CARD[:3])
    assert all("422" in said for said in complaints), complaints
    complaints.clear()
