"""The texts in the QR codes of cards: whole, odd, cut, and no cards at all. The people are invented."""

import unicodedata
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.orders.card import Card, CardError, parse_card
from xray_triage.orders.order import Sex

CITIZEN = "012345678901|123456789|Nguyễn Văn A|01021980|Nam|Ấp Thạnh Bình, Thạnh An, Cần Giờ, Hồ Chí Minh|01012021"
NAME, ADDRESS = "Trần Thị Bưởi", "Xã Thạnh An, Huyện Cần Giờ"
TAIL = "79 - 012|01/01/2025|-|02/01/2025|79017912345678|-|4|01/01/2028|15e1a0f2b3c4d5e6-7102"
INSURANCE = f"GD4797912345678|{NAME.encode().hex()}|31/12/1955|2|{ADDRESS.encode().hex()}|{TAIL}|$"


def wrong(text: str) -> str:
    with pytest.raises(CardError) as caught:
        parse_card(text)
    return caught.value.code


def test_a_citizen_card_fills_the_form() -> None:
    assert parse_card(CITIZEN) == Card(
        patient_name="Nguyễn Văn A",
        patient_birth_date=date(1980, 2, 1),
        patient_sex=Sex.MALE,
        address="Ấp Thạnh Bình, Thạnh An, Cần Giờ, Hồ Chí Minh",
        citizen_number="012345678901",
    )


def test_an_insurance_card_fills_the_form() -> None:
    assert parse_card(INSURANCE) == Card(
        patient_name=NAME,
        patient_birth_date=date(1955, 12, 31),
        patient_sex=Sex.FEMALE,
        address=ADDRESS,
        insurance_number="GD4797912345678",
    )


def test_an_insurance_card_of_ten_digits_without_address_and_with_a_year_alone() -> None:
    card = parse_card(f"7912345678|{NAME.encode().hex().upper()}|1955|2|-|01 - C54|01/07/2023|-|$")
    assert (card.insurance_number, card.address, card.patient_birth_date) == ("7912345678", "", date(1955, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        CITIZEN.replace("123456789|", "|", 1).replace("012345678901", "012|", 1).replace("012|", "012345678901", 1),
        CITIZEN + "||||",
        f"\ufeff  {CITIZEN}\r\n",
        CITIZEN.replace("|", "｜"),
        CITIZEN.replace("|", "~"),
        CITIZEN.replace("Nguyễn", "Nguyê\u0303n"),
        CITIZEN.replace("Nguyễn", "Nguyễn\u200b"),
    ],
)
def test_what_scanners_and_phones_do_to_the_text_does_no_harm(text: str) -> None:
    card = parse_card(text)
    assert (card.citizen_number, card.patient_name) == ("012345678901", "Nguyễn Văn A")


def test_upper_case_stays_and_empty_fields_are_no_error() -> None:
    card = parse_card("012345678901||NGUYỄN THỊ Đ||||")
    assert (card.patient_name, card.patient_birth_date, card.patient_sex) == ("NGUYỄN THỊ Đ", None, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \r\n", "empty"),
        ("x" * 10_000, "too_long"),
        ("https://vneid.gov.vn/abc", "unknown"),
        ("' OR 1=1; DROP TABLE film_order; --", "unknown"),
        ("<script>alert(1)</script>", "unknown"),
        ("0123456789012|a|b|c|d|e", "unknown"),
        ("012345678901", "cut_short"),
        ("012345678901|123456789|Nguyễn V", "cut_short"),
        ("GD4797912345678|4e67", "cut_short"),
        (CITIZEN.replace("Nguyễn Văn A", ""), "no_name"),
        (CITIZEN.replace("ễ", "?"), "bad_name"),
        (CITIZEN.replace("Nguyễn Văn A", "123"), "bad_name"),
        (CITIZEN.replace("01021980", "31021980"), "bad_birth_date"),
        (CITIZEN.replace("01021980", "1980-99-01"), "bad_birth_date"),
        (INSURANCE.replace("31/12/1955", "55"), "bad_birth_date"),
    ],
)
def test_what_is_no_card_is_told_apart(text: str, code: str) -> None:
    assert wrong(text) == code


PARENTS = "|||Nguyễn Văn Ba|Trần Thị Tư|012345678902|012345678903|"
TELEX = "012345678901||Nguyeenx Vawn Tuaans|01021980|Nam|Xax Thanhj An, Caanf Giowf|01012021"
VNI = "012345678901||Nguye64n Va8n Tua61n|01021980|Nam|Xa4 Tha5nh An|01012021"


@pytest.mark.parametrize(
    "text",
    [
        CITIZEN + PARENTS,  # the card of 2024, VNeID
        CITIZEN + "\t",
        CITIZEN.encode().decode("latin-1"),
        CITIZEN + CITIZEN,  # scanned twice
        CITIZEN + "\r\n" + CITIZEN + "\r\n",
        CITIZEN.replace("Nguyễn Văn A", "nGUYỄN vĂN a"),  # Caps Lock
        CITIZEN.replace("Nguyễn Văn A", "nguyễn văn a").replace("Nam", "nAM"),
    ],
)
def test_what_a_keyboard_did_is_undone_where_it_is_certain(text: str) -> None:
    card = parse_card(text)
    assert (card.patient_name, card.citizen_number, card.patient_sex) == ("Nguyễn Văn A", "012345678901", Sex.MALE)
    assert card.address == "Ấp Thạnh Bình, Thạnh An, Cần Giờ, Hồ Chí Minh"


@pytest.mark.parametrize("name", ["NGUYỄN VĂN A", "H'Hen Niê", "Ksor H'lơ", "Y-Moan Êban", "Ksor Phước", "Đỗ Ô"])
def test_a_name_stays_as_the_card_has_it(name: str) -> None:
    assert parse_card(CITIZEN.replace("Nguyễn Văn A", name)).patient_name == name


@pytest.mark.parametrize("name", ["Phan Thanh Nam", "Mai Kim Anh", "Ksor Tin", "Huynh Van Hoang"])
def test_a_name_without_accents_is_a_name(name: str) -> None:
    assert parse_card(f"012345678901||{name}|01021980|Nam|Xã Thạnh An|01012021").patient_name == name


@pytest.mark.parametrize(("born", "day"), [("1980", 1980), ("00001980", 1980), ("", None)])
def test_a_birth_year_alone_is_its_first_day(born: str, day: int | None) -> None:
    card = parse_card(CITIZEN.replace("01021980", born))
    assert card.patient_birth_date == (date(day, 1, 1) if day else None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TELEX, "typed_keys"),
        (TELEX.upper(), "typed_keys"),
        (VNI, "typed_keys"),
        (CITIZEN.replace("Nam", "Nuwx"), "typed_keys"),
        (INSURANCE.replace("e1bb", "ebb1â"), "typed_keys"),  # hexadecimal digits are what Telex makes letters of
        (INSURANCE.replace(ADDRESS.encode().hex(), "58c3aà20"), "typed_keys"),
        (CITIZEN + "098765432109||Trần Thị B|01021990|Nữ|Xã Lý Nhơn|01012021", "two_cards"),
        (CITIZEN + INSURANCE, "two_cards"),
        (INSURANCE + CITIZEN, "two_cards"),
        (INSURANCE + INSURANCE.replace("GD4797912345678", "DN4797912345679"), "two_cards"),
        # a field is missing, one after the other
        (CITIZEN.replace("012345678901|", "", 1), "unknown"),
        (CITIZEN.replace("|123456789", "", 1), "cut_short"),
        (CITIZEN.replace("|Nguyễn Văn A", ""), "cut_short"),
        (CITIZEN.replace("|01021980", ""), "cut_short"),
        (CITIZEN.replace("|Nam", ""), "cut_short"),
        (CITIZEN.replace("|Ấp Thạnh Bình, Thạnh An, Cần Giờ, Hồ Chí Minh", ""), "cut_short"),
        (CITIZEN.replace("|Nam", "") + PARENTS, "cut_short"),
        (CITIZEN.replace("|Ấp Thạnh Bình, Thạnh An, Cần Giờ, Hồ Chí Minh", "") + PARENTS, "cut_short"),
        (CITIZEN.replace("|123456789", "", 1) + PARENTS, "cut_short"),
        (CITIZEN[:70], "cut_short"),
        (INSURANCE[:90], "cut_short"),
        (CITIZEN[2:], "bad_name"),  # a page that opened late: ten digits of twelve
        (CITIZEN[3:], "unknown"),
        (CITIZEN.replace("Nguyễn", "Nguyá»…n"), "bad_name"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTIzNDU2Nzg5MDEifQ.abc", "unknown"),
        ("00020101021138540010A00000072701240006970436", "unknown"),  # a bank's VietQR
        ("IDVNM0123456789012345678901<<<", "unknown"),  # the lines for machines on the card's back
    ],
)
def test_a_text_that_is_not_whole_or_not_certain_fills_nothing(text: str, code: str) -> None:
    assert wrong(text) == code


@given(st.integers(1, len(CITIZEN) - 9), st.sampled_from([CITIZEN, CITIZEN + PARENTS]))
def test_no_beginning_of_a_card_fills_half_a_form(length: int, text: str) -> None:
    wrong(text[:length])


@given(st.text(max_size=300))
def test_any_text_is_a_card_or_an_error(text: str) -> None:
    with suppress(CardError):
        parse_card(text)


@given(
    st.lists(st.text(st.characters(exclude_characters="|", exclude_categories=("Cs",)), max_size=40), max_size=12),
    st.sampled_from(["012345678901", "GD4797912345678", "7912345678"]),
)
def test_any_fields_after_a_number_are_a_card_or_an_error(fields: list[str], number: str) -> None:
    with suppress(CardError):
        card = parse_card("|".join([number, *fields]))
        assert number in (card.citizen_number, card.insurance_number)


@given(st.text(st.characters(categories=("L",)), min_size=1, max_size=40))
def test_every_name_survives_its_hexadecimal_digits(name: str) -> None:
    card = parse_card(f"7912345678|{name.encode().hex()}|1955|1|-|$")
    assert card.patient_name == unicodedata.normalize("NFC", name)
