import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.xray_triage.results.making import header
from xray_triage.results.copying import TYPE_2, copy_patient_and_study
from xray_triage.results.items import add, element, item

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def copied(source: Dataset) -> Dataset:
    target = Dataset()
    copy_patient_and_study(source, target)
    return target


def with_raw(**attributes: object) -> Dataset:
    """A source whose values nobody validated."""
    source = header()
    add(source, **attributes)
    return source


def test_patient_and_study_are_copied_letter_by_letter() -> None:
    source = header(OtherPatientNames=["Tý", "Sửu"], PatientComments="sốt\r\nho", PhysiciansOfRecord="Lê^Bình")
    target = copied(source)
    for keyword in (*TYPE_2, "OtherPatientNames", "PatientComments", "PhysiciansOfRecord", "StudyDescription"):
        assert target[keyword].value == source[keyword].value
    assert target.StudyInstanceUID == source.StudyInstanceUID


def test_what_the_machine_left_out_is_empty_and_not_invented() -> None:
    target = copied(item(StudyInstanceUID="1.2.3"))
    assert {element.keyword for element in target} == {*TYPE_2, "StudyInstanceUID"}
    assert all(target[keyword].is_empty for keyword in TYPE_2)


@pytest.mark.parametrize(
    ("keyword", "given_value", "expected"),
    [
        ("StudyDate", "1995.07.20", "19950720"),
        ("StudyDate", "2020-01-25", "20200125"),
        ("StudyDate", "20200231", ""),
        ("PatientBirthDate", "01/03/1970", "19700301"),
        ("PatientBirthDate", "1970", ""),
        ("PatientAge", "62", "062Y"),
        ("PatientAge", "18 m", "018M"),
        ("PatientAge", "3W", "021D"),
        ("StudyTime", "11:22:07", "112207"),
        ("StudyTime", "2561", ""),
        ("PatientSex", "f", "F"),
        ("PatientSex", "Nữ", ""),
        ("PatientName", "<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("PatientName", "Nguyễn\n^An", "Nguyễn ^An"),
        ("PatientID", "0" * 70, "0" * 70),
        ("AccessionNumber", "HIS-2025-0000-000-17", "HIS-2025-0000-000-17"),
    ],
)
def test_a_malformed_value_is_put_into_form_or_left_empty(keyword: str, given_value: str, expected: str) -> None:
    assert str(copied(with_raw(**{keyword: given_value}))[keyword].value) == expected


@pytest.mark.parametrize(
    ("keyword", "given_value"),
    [("PatientAge", "40T"), ("PregnancyStatus", 9), ("SmokingStatus", "SOMETIMES"), ("PatientWeight", "heavy")],
)
def test_an_optional_value_without_certain_meaning_is_left_out(keyword: str, given_value: object) -> None:
    source = header(**{keyword: None})
    source._dict[element(keyword, "").tag] = element(keyword, "")
    with_text = element("PatientName", "")
    with_text._value = given_value
    source._dict[element(keyword, "").tag]._value = given_value
    assert keyword not in copied(source)


def test_a_decimal_string_that_is_too_long_is_shortened() -> None:
    source = header()
    one = element("PatientWeight", "")
    one._value = "65.12345678901234567"
    source[one.tag] = one
    weight = str(copied(source).PatientWeight)
    assert len(weight) <= 16
    assert float(weight) == pytest.approx(65.1234567)


def test_a_backslash_in_a_name_becomes_a_blank() -> None:
    assert str(copied(with_raw(StudyDescription="ngực\\thẳng")).StudyDescription) == "ngực thẳng"


def test_codes_are_copied_whole_or_not_at_all() -> None:
    whole = item(CodeValue="399208008", CodingSchemeDesignator="SCT", CodeMeaning="Plain chest X-ray")
    target = copied(header(ProcedureCodeSequence=Sequence([whole, item(CodeMeaning="ngực")])))
    assert [one.CodeValue for one in target.ProcedureCodeSequence] == ["399208008"]
    assert "ProcedureCodeSequence" not in copied(header(ProcedureCodeSequence=Sequence([item(CodeMeaning="ngực")])))


def test_one_half_of_a_pair_is_not_copied_alone() -> None:
    assert "PatientIdentityRemoved" not in copied(header(PatientIdentityRemoved="YES"))
    both = copied(header(PatientIdentityRemoved="YES", DeidentificationMethod="by hand"))
    assert both.PatientIdentityRemoved == "YES"


def test_private_and_vet_attributes_stay_behind() -> None:
    source = header(PatientSpeciesDescription="Canine")
    source.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "secret")
    target = copied(source)
    assert "PatientSpeciesDescription" not in target
    assert not [one for one in target if one.tag.is_private]


def test_a_film_without_a_study_is_refused() -> None:
    with pytest.raises(KeyError):
        copied(Dataset())


@given(st.text(max_size=80))
def test_any_name_can_be_copied(name: str) -> None:
    source = header()
    one = element("PatientName", "")
    one._value = name
    source[one.tag] = one
    text = str(copied(source).PatientName)
    assert not set(text) & {chr(code) for code in range(32)}
