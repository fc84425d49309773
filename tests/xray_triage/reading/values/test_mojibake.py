import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xray_triage.reading.text import decode, encodings_of
from xray_triage.reading.values.mojibake import TCVN3, is_syllable, meant

NAMES = ["Nguyễn^Thị Hồng", "Trần^Văn Đức", "Dương^Thị Hiền", "Lê^Mỹ Ngọc", "Phạm^Thị Thúy", "Vũ^Quốc Tuấn"]
ONE_BYTE = {ord(letter): chr(byte) for byte, letter in TCVN3.items()}
names = st.lists(
    st.sampled_from(
        ["Quyên", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Võ", "Đặng", "Bùi", "Đỗ", "Thị", "Văn", "Thúy", "Hoà",
         "Hiền", "Người", "Khuê", "Uyên", "Yến", "Oanh", "An", "Đức", "Ấn", "Tuyết", "Thuỷ", "Hữu", "Giang", "Quý"]
    ),
    min_size=1,
    max_size=5,
).map(" ".join)  # fmt: skip


def in_tcvn3(name: str) -> str:
    """As the font is typed: the bytes of TCVN3, taken for Latin-1. Capitals with a tone have none there."""
    return unicodedata.normalize("NFC", name).translate(ONE_BYTE)


def twice(name: str, charset: str) -> str:
    """UTF-8 taken for ``charset``; bytes that this leaves free stay as they are."""
    return "".join(
        one.decode(charset) if _has(one, charset) else one.decode("latin-1") for one in map(bytes, zip(name.encode()))
    )


def _has(one: bytes, charset: str) -> bool:
    try:
        return bool(one.decode(charset))
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("declared", ["ISO_IR 100", "ISO_IR 192", "", "ISO_IR 6"])
@pytest.mark.parametrize("charset", ["cp1252", "latin-1"])
def test_a_name_that_was_encoded_twice_is_read(name: str, declared: str, charset: str) -> None:
    assert decode(twice(name, charset).encode(), encodings_of([declared])) == name
    assert decode(twice(twice(name, charset), charset).encode(), encodings_of([declared])) == name


def test_what_windows_dropped_on_the_way_stays_lost_and_the_rest_is_read() -> None:
    garbled = "Dương Thị Hiền".encode().decode("cp1252", "ignore")
    assert meant(garbled) == "Dương Thị Hi\ufffdn"


@pytest.mark.parametrize("name", [*NAMES, "Lê^Thị Hà", "Lương^Thế Vinh", "X quang ngực thẳng"])
@pytest.mark.parametrize("declared", ["ISO_IR 100", "ISO_IR 192", "", "ISO_IR 6"])
def test_a_name_typed_for_a_tcvn3_font_is_read(name: str, declared: str) -> None:
    typed = in_tcvn3(name)
    assert typed != name
    assert decode(typed.encode("latin-1"), encodings_of([declared])) == name
    assert decode(typed.encode(), encodings_of([declared])) == name  # a gateway made UTF-8 of it


def test_a_name_typed_for_the_font_of_capitals_is_in_capitals() -> None:
    assert meant("NGUYÔN V¨N B×NH") == "NGUYỄN VĂN BÌNH"


@pytest.mark.parametrize(
    "text",
    ["João^Conceição", "Müller^Jürgen", "Núñez", "Siemens®", "37°C ½", "10 µg", "© 2026", "§ 5", "está»", "«Lê»", "Vò",
     "Zoë", "Đặng^Thị Bưởi", "Люкceмбypг", "王^小东", "Straße", "20×30 cm", "Ångström"],
)  # fmt: skip
def test_what_can_be_meant_as_it_stands_stays(text: str) -> None:
    assert meant(text) == text


def test_old_vietnamese_windows_text_is_still_told_from_tcvn3() -> None:
    assert decode(b"Tr\xe2\xccn V\xe3n \xd0\xf4\xde", ()) == "Trần Văn Đỗ"
    assert decode(b"Hi\xd2n", ()) == "Hiền"


@given(names)
def test_every_vietnamese_name_stays_and_comes_back_from_both(name: str) -> None:
    assert meant(name) == name
    assert all(is_syllable(word) for word in name.split())
    assert meant(twice(name, "cp1252")) == name
    assert meant(in_tcvn3(name)) in (name, in_tcvn3(name))  # "Võ" may be another's "Vâ"


@given(st.text(st.characters(codec="utf-8")))
@example("\u00cd\u00be")
def test_no_text_makes_it_fail_and_twice_is_once(text: str) -> None:
    assert meant(meant(text)) == meant(text)
