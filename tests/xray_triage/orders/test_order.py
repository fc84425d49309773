"""What may be typed into the form."""

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.orders.order import Mistakes, Procedure, Registration, Sex, check, parse_day

NOW = datetime(2025, 6, 1, 8, tzinfo=UTC)
FIELDS = ("patient_name", "patient_birth_date", "patient_sex", "patient_id", "address", "citizen_number",
          "insurance_number", "referring_physician", "procedure", "reason", "scheduled_at")  # fmt: skip


def mistakes(**fields: str) -> dict[str, str]:
    with pytest.raises(Mistakes) as caught:
        check({"patient_name": "Nguyễn Văn A", **fields}, now=NOW)
    return dict(caught.value.of_fields)


def test_a_name_is_enough() -> None:
    made = check({"patient_name": "  Nguyễn  Văn A\u200b "}, now=NOW)
    assert made == Registration(patient_name="Nguyễn Văn A", patient_birth_date=None, patient_sex=None)


def test_a_whole_form_is_understood() -> None:
    made = check(
        {
            "patient_name": "NGUYỄN VĂN A", "patient_birth_date": "01/02/1980", "patient_sex": "F",
            "citizen_number": "079 080 012 345", "insurance_number": "gd4 7979 1234 5678", "procedure": "chest_ap",
            "scheduled_at": "2025-06-02T09:30", "reason": "Ho\nsốt",
        },
        now=NOW,
    )  # fmt: skip
    assert (made.patient_birth_date, made.patient_sex, made.procedure) == (
        date(1980, 2, 1),
        Sex.FEMALE,
        Procedure.CHEST_AP,
    )
    assert (made.citizen_number, made.insurance_number) == ("079080012345", "GD4797912345678")
    assert made.reason == "Ho sốt"
    assert made.scheduled_at == datetime(2025, 6, 2, 9, 30).astimezone()


def test_a_decomposed_name_is_composed() -> None:
    assert check({"patient_name": "Nguyê\u0303n"}, now=NOW).patient_name == "Nguyễn"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("patient_name", "", "required"),
        ("patient_name", "012345678901||NGUYỄN THỊ BƯỞI|31121955|Nữ|Xã Thạnh An, Cần G", "card_text"),
        ("reason", "012345678901||NGUYỄN THỊ BƯỞI|31121955|Nữ|Xã Thạnh An|01012021" * 9, "card_text"),
        ("patient_name", " \u200b ", "required"),
        ("patient_name", "A" * 65, "too_long"),
        ("patient_name", "123", "no_letter"),
        ("patient_name", "Nguyễn^Văn", "bad_character"),
        ("patient_name", "A\\B", "bad_character"),
        ("patient_name", "A=B", "bad_character"),
        ("patient_name", "A\x1bB", "bad_character"),
        ("patient_name", "A\x00B", "bad_character"),
        ("patient_id", "a\\b", "bad_character"),
        ("patient_id", "1" * 65, "too_long"),
        ("reason", "x" * 501, "too_long"),
        ("address", "x" * 201, "too_long"),
        ("referring_physician", "B" * 65, "too_long"),
        ("patient_birth_date", "31/02/1980", "bad_date"),
        ("patient_birth_date", "1850", "bad_date"),
        ("patient_birth_date", "hôm qua", "bad_date"),
        ("patient_birth_date", "02/06/2025", "future_date"),
        ("patient_sex", "X", "bad_choice"),
        ("procedure", "' or 1=1", "bad_choice"),
        ("citizen_number", "12345", "bad_number"),
        ("citizen_number", "٠٧٩٠٨٠٠١٢٣٤٥", "bad_number"),
        ("insurance_number", "GD47979123456", "bad_number"),
        ("scheduled_at", "2030-01-01T00:00", "bad_date"),
        ("scheduled_at", "soon", "bad_date"),
        ("scheduled_at", "0001-01-01T00:00", "bad_date"),
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_dicom_attribute_is_refused_by_field(field: str, value: str, code: str) -> None:
    assert mistakes(**{field: value}) == {field: code}


def test_every_mistake_is_told_at_once() -> None:
    assert mistakes(patient_name="", patient_birth_date="x", citizen_number="1").keys() == {
        "patient_name", "patient_birth_date", "citizen_number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("01/02/1980", date(1980, 2, 1)),
        ("1/2/1980", date(1980, 2, 1)),
        ("01021980", date(1980, 2, 1)),
        ("1980-02-01", date(1980, 2, 1)),
        ("1980", date(1980, 1, 1)),
        ("30/02/1980", None),
        ("00000000", None),
        ("", None),
    ],
)
def test_dates_are_read_as_people_write_them(text: str, day: date | None) -> None:
    assert parse_day(text) == day


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=700)))
def test_any_text_is_either_registered_or_a_mistake(fields: dict[str, str]) -> None:
    with suppress(Mistakes):
        made = check(fields, now=NOW)
        assert made.patient_name
        assert not {"\\", "^", "="} & set(made.patient_name + made.patient_id)
