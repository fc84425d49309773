import io
import unicodedata
from datetime import date

import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from tests.factories import film, film_bytes
from xray_triage.reading.patient import AGE_CONTRADICTS, Age, read_age, read_patient, repair_text
from xray_triage.reading.text import decode, encodings_of
from xray_triage.reading.values.mojibake import meant

VIETNAMESE = "Nguyễn^Thị Hồng Đào"
vietnamese_words = st.text(
    "aăâbcdđeêghiklmnoôơpqrstuưvxyáàảãạắằẳẵặấầẩẫậéèẻẽẹếềểễệóòỏõọốồổỗộờớởỡợúùủũụứừửữự ^", min_size=1
)


def received(name: bytes, character_set: str | None) -> Dataset:
    """A film as it comes from a machine: the bytes of the name as they are, under a charset that may lie."""
    placeholder = "@" * len(name)
    dataset = film(patient_name=placeholder)
    if character_set is None:
        del dataset.SpecificCharacterSet
    label = (character_set or "").ljust(len("ISO_IR 192")).encode()
    raw = film_bytes(dataset).replace(b"ISO_IR 192", label).replace(placeholder.encode(), name)
    return pydicom.dcmread(io.BytesIO(raw))


@pytest.mark.filterwarnings("ignore:.*(encoding|character set|Specific Character Set).*:UserWarning")
@pytest.mark.parametrize(
    "character_set", ["ISO_IR 192", "ISO_IR 100", "ISO_IR 6", "ISO_IR_192", "UTF-8", "KLINGON", "", None]
)
def test_utf_8_is_read_right_whatever_the_file_calls_it(character_set: str | None) -> None:
    dataset = received(VIETNAMESE.encode(), character_set)
    repair_text(dataset)
    assert dataset.PatientName == VIETNAMESE
    assert read_patient(dataset).name == "Nguyễn Thị Hồng Đào"
    assert dataset.SpecificCharacterSet == "ISO_IR 192"


def test_a_decomposed_name_is_composed() -> None:
    dataset = received(unicodedata.normalize("NFD", VIETNAMESE).encode(), "ISO_IR 192")
    repair_text(dataset)
    assert str(dataset.PatientName) == VIETNAMESE


@pytest.mark.parametrize(
    ("text", "codec", "character_set"),
    [
        ("Müller^Jürgen", "latin_1", "ISO_IR 100"),
        ("João^Conceição", "latin_1", "ISO_IR 100"),
        ("Люкceмбypг", "iso8859_5", "ISO_IR 144"),
        ("Wang^XiaoDong=王^小东", "gb18030", "GB18030"),
        ("Wang^XiaoDong=王^小东", "utf_8", "ISO_IR 192"),
        ("Wang^XiaoDong=王^小东", "utf_8", "ISO_IR 100"),
        ("Nguyễn^Văn^Ấn", "utf_8", "GB18030"),
        ("Hong^Gildong=洪^吉洞", "gbk", "GBK"),
    ],
)
def test_every_other_character_set_keeps_working(text: str, codec: str, character_set: str) -> None:
    dataset = received(text.encode(codec), character_set)
    repair_text(dataset)
    assert str(dataset.PatientName) == text


@pytest.mark.parametrize(
    ("value", "character_set", "text"),
    [  # PS3.5 annexes H, I and K
        (
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "\\ISO 2022 IR 87",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "\\ISO 2022 IR 149",
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东="),
    ],
)
def test_code_extensions_are_followed(value: bytes, character_set: str, text: str) -> None:
    assert decode(value, encodings_of(character_set.split("\\"))) == text


def test_old_vietnamese_windows_text_is_recognised_without_a_label() -> None:
    assert decode(b"Tr\xe2\xccn V\xe3n \xd0\xf4\xde", ()) == "Trần Văn Đỗ"


def test_each_value_is_judged_by_itself_when_a_file_mixes_character_sets() -> None:
    dataset = received("Lê^Thị Mỹ".encode(), "ISO_IR 100")
    dataset.add_new("InstitutionName", "LO", "x")
    dataset["InstitutionName"] = pydicom.DataElement("InstitutionName", "LO", "Clínica São João")
    repair_text(dataset)
    assert dataset.PatientName == "Lê^Thị Mỹ"
    assert dataset.InstitutionName == "Clínica São João"


def test_text_inside_sequences_is_repaired_too() -> None:
    dataset = film()
    item = Dataset()
    item.CodeMeaning = "Ngực thẳng".encode().decode("latin_1")
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.RequestAttributesSequence = Sequence([item])
    repair_text(dataset)
    assert dataset.RequestAttributesSequence[0].CodeMeaning == "Ngực thẳng"


def test_an_element_that_cannot_be_parsed_is_left_out() -> None:
    dataset = film()
    for tag, vr, value in ((0x00081140, "SQ", b"rubbish"), (0x00280010, "US", b"1")):
        dataset[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
    repair_text(dataset)
    assert not {"ReferencedImageSequence", "Rows"} & set(dataset.dir())
    assert read_patient(dataset).name == "Nguyễn Văn An"


@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
@pytest.mark.parametrize("vr", ["DS", "IS", "US", "SQ", "OB", "UN", "LO", "AT"])
def test_a_character_set_that_came_as_something_else_is_one_afterwards(vr: str) -> None:
    """A damaged VR: pydicom keeps it, and would make a number of the new value."""
    tag, dataset = Tag("SpecificCharacterSet"), film()
    del dataset.SpecificCharacterSet
    dataset[tag] = RawDataElement(tag, vr, 10, b"ISO_IR 192", 0, False, True)
    repair_text(dataset)
    assert (dataset["SpecificCharacterSet"].VR, dataset.SpecificCharacterSet) == ("CS", "ISO_IR 192")


def test_repairing_twice_changes_nothing() -> None:
    dataset = received(VIETNAMESE.encode(), "ISO_IR 100")
    repair_text(dataset)
    repair_text(dataset)
    assert dataset.PatientName == VIETNAMESE


def test_a_repaired_dataset_can_be_written_and_read_back() -> None:
    dataset = received(VIETNAMESE.encode(), None)
    repair_text(dataset)
    assert pydicom.dcmread(io.BytesIO(film_bytes(dataset))).PatientName == VIETNAMESE


def test_script_in_a_name_stays_text_and_control_characters_go() -> None:
    dataset = received(b"<script>alert(1)</script>^\x00\x07<b>&amp;", "ISO_IR 192")
    repair_text(dataset)
    assert read_patient(dataset).name == "<script>alert(1)</script> <b>&amp;"


def test_a_name_cut_in_the_middle_of_a_letter_keeps_the_rest() -> None:
    assert decode("Nguyễn Thị Hồ".encode()[:-1], ("utf_8",)).startswith("Nguyễn Thị H")


@given(vietnamese_words, st.sampled_from(["ISO_IR 100", "ISO_IR 192", "", "ISO_IR 6", "ISO 2022 IR 6", "?"]))
def test_any_vietnamese_text_in_utf_8_is_read_right_under_any_single_byte_label(text: str, label: str) -> None:
    assert decode(text.encode(), encodings_of([label])) == text


@given(st.text(st.characters(codec="latin_1", min_codepoint=32, exclude_categories=["Cc"])))
@example("\u00cd\u00be")  # the UTF-8 of U+037E, which composes to a semicolon
def test_declared_latin_1_is_read_as_declared_unless_it_is_something_better(text: str) -> None:
    value = text.encode("latin_1")
    found = decode(value, ("latin_1",))
    assert (
        found == unicodedata.normalize("NFC", text)
        or found == unicodedata.normalize("NFC", value.decode("utf-8", "replace"))
        or _explanations(value, found)
    )


def _explanations(value: bytes, found: str) -> list[str]:
    better = {"cp1258": value.decode("cp1258", "replace"), "garbled": meant(value.decode("latin_1"))}
    better["garbled, in UTF-8"] = meant(value.decode("utf-8", "replace"))
    return [why for why, text in better.items() if unicodedata.normalize("NFC", text) == found]


@given(st.binary(max_size=80), st.lists(st.text(max_size=20), max_size=3))
def test_no_bytes_and_no_label_can_make_it_fail(value: bytes, labels: list[str]) -> None:
    text = decode(value, encodings_of(labels))
    assert "\x00" not in text
    text.encode()


def says(**values: str) -> Dataset:
    """A header with these values; under LO, for real files hold what AS and DA forbid."""
    dataset = Dataset()
    for keyword, value in values.items():
        dataset.add(pydicom.DataElement(keyword, "LO", value))
    return dataset


@pytest.mark.parametrize(
    ("age", "born", "taken", "years"),
    [
        ("058Y", "", "", 58), ("006M", "", "", 0.5), ("58", "", "", 58), ("003W", "", "", 0.06), ("010D", "", "", 0.03),
        ("", "20000101", "20100101", 10), ("", "2000.01.01", "20100101", 10), ("abc", "20000101", "20100101", 10),
        ("", "", "20100101", None), ("", "20200101", "20100101", None),
        ("999Y", "", "", None),
        ("000Y", "20000101", "20100101", 10), ("", "20100101", "20100101", None), ("", "20001399", "20100101", 10),
    ],
)  # fmt: skip
def test_age_comes_from_the_age_or_from_the_dates(age: str, born: str, taken: str, years: float | None) -> None:
    found = read_age(says(PatientAge=age, PatientBirthDate=born, StudyDate=taken)).years
    assert found == (None if years is None else pytest.approx(years, abs=0.01))


@pytest.mark.parametrize(
    "dates",
    [
        {},
        {"StudyDate": ""},
        {"StudyDate": "20000101", "SeriesDate": "20000103", "AcquisitionDate": "19700101", "ContentDate": "19800101"},
        {"StudyDate": "20190101"},  # before the birth
        {"StudyDate": "20991231"},
        {"StudyDate": "20260101", "ContentDate": "rubbish"},
        {"StudyDate": "rubbish", "SeriesDate": "2026/01/01"},
        {"StudyDate": "19700101", "AcquisitionDateTime": "20260101083000"},
    ],
)
@pytest.mark.parametrize("born", ["20230301", "2023/03/01", "2023-03-01", "2023", "20230000", "202303", "01/03/2023"])
def test_a_childs_age_is_counted_whatever_the_clock_of_the_console_says(dates: dict[str, str], born: str) -> None:
    age = read_age(says(PatientBirthDate=born, **dates), date(2026, 3, 1))
    assert age.years is not None
    assert 2.7 < age.years < 3.3
    assert not age.flags


@pytest.mark.parametrize("age", ["3 Y", "0003Y", "3Y", "36M", "3 tuổi", "3 years", "003y"])
def test_a_child_whose_age_is_written_as_people_write_is_a_child(age: str) -> None:
    assert read_age(says(PatientAge=age, StudyDate="20260301")).years == 3


@pytest.mark.parametrize(
    ("age", "born", "found"),
    [
        ("045Y", "20230301", Age(3.0, (AGE_CONTRADICTS,))),
        ("003Y", "19700301", Age(3.0, (AGE_CONTRADICTS,))),
        ("056Y", "1970", Age(56.0)),
        ("055Y", "19700302", Age(55.0)),
        ("003Y", "20300101", Age(3.0)),  # nobody was born after the film came
        ("000Y", "20260301", Age(None)),  # what consoles write for a patient nobody registered
        ("", "19000101", Age(None)),  # and databases
    ],
)
def test_of_an_age_and_a_birth_date_that_contradict_each_other_the_younger_counts(
    age: str, born: str, found: Age
) -> None:
    assert read_age(says(PatientAge=age, PatientBirthDate=born, StudyDate="20260301"), date(2026, 3, 1)) == found


def test_an_adult_is_no_child_because_the_station_has_lost_its_clock() -> None:
    film = says(PatientBirthDate="19620415", StudyDate="20260301")
    assert read_age(film, date(1970, 1, 1)).years == pytest.approx(63.9, abs=0.1)
    assert read_age(says(PatientBirthDate="19620415"), date(1970, 1, 1)).years is None


def test_a_birth_date_is_told_as_far_as_it_is_known() -> None:
    born = [read_patient(says(PatientBirthDate=text)).birth_date for text in ("1/3/1970", "197003", "1970", "01/03/70")]
    assert born == ["1970-03-01", "1970-03", "1970", ""]


def test_a_film_that_says_nothing_has_an_empty_patient() -> None:
    patient = read_patient(Dataset())
    assert (patient.id, patient.name, patient.sex, patient.birth_date, patient.age_years) == ("", "", "", "", None)
