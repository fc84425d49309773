"""Orders of the HIS as messages: the manners of several vendors, and every field that may be wrong."""

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.ordering import MANNERS, placed
from xray_triage.hl7.message import BadField, NotHl7, read
from xray_triage.orders.order import REASON_LENGTH, Procedure, Registration, Sex
from xray_triage.orders.orm import Control, Instruction, NotSpoken, instructions, require_spoken

PLAIN = placed()
NOW = datetime(2025, 6, 1, 8, 15, tzinfo=UTC)


def asked(message: bytes, **services: Procedure) -> list[Instruction]:
    return instructions(read(message), now=NOW, services=services)


def registered(message: bytes) -> Registration:
    (one,) = asked(message)
    assert one.registration is not None
    return one.registration


@pytest.mark.parametrize("manner", MANNERS)
def test_vendors_write_the_same_order_in_many_manners(manner: str) -> None:
    require_spoken(read(MANNERS[manner]))
    (one,) = asked(MANNERS[manner])
    typed, placing = one.registration, one.placing
    assert typed is not None
    assert (typed.patient_name, typed.patient_sex, typed.patient_id) == ("NGUYỄN VĂN AN", Sex.MALE, "BN-1")
    assert typed.patient_birth_date in (date(1970, 1, 1), date(1970, 1, 31))
    assert (typed.citizen_number, typed.insurance_number) == ("079170012345", "DN4797912345678")
    assert (typed.address, typed.referring_physician) == ("12 Lê Lợi, Thạnh An, Cần Giờ", "TRẦN THỊ MAI")
    assert typed.reason == "J18.9 Viêm phổi; Ho 3 tuần"
    assert (placing.placer_number, placing.treatment_code, placing.diagnosis_code) == ("CD-1", "LK-1", "J18.9")
    assert (placing.service_code, placing.service_name) == ("18.0119", "Chụp X-quang ngực thẳng")
    assert one.control is Control.NEW


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("orc_1", "DC", "ORC-1"), ("orc_1", "", "ORC-1"), ("orc_2", "n" * 65, "ORC-2"), ("obr_2", "other", "OBR-2"),
        ("obr_4", "", "OBR-4"), ("pid_5", "", "PID-5"), ("pid_5", "123", "PID-5"), ("pid_5", "A=B", "PID-5"),
        ("pid_5", "N" * 65, "PID-5"), ("pid_7", "19701301", "PID-7"), ("pid_7", "31011970", "PID-7"),
        ("pid_7", "1970-31-01", "PID-7"), ("pid_7", "18991231", "PID-7"), ("pid_7", "20250603", "PID-7"),
        ("pid_8", "X", "PID-8"), ("pid_3", "079^^^CCCD", "PID-3"), ("pid_3", "123^^^^BHYT", "PID-3"),
        ("pid_3", "a=b", "PID-3"), ("obr_36", "tomorrow", "OBR-36"), ("obr_36", "20290101", "OBR-36"),
        ("obr_36", "99991231235959+0000", "OBR-36"), ("tq1_7", "20250631", "TQ1-7"),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_done_names_the_field(field: str, value: str, place: str) -> None:
    with pytest.raises(BadField) as told:
        asked(placed(**{"obr_2": "", field: value} if field == "orc_2" else {field: value}))
    assert told.value.place == place


@pytest.mark.parametrize(
    ("cut", "place"),
    [("PID", "PID"), ("ORC", "ORC"), ("OBR", "OBR")],
)
def test_an_order_without_a_segment_names_it(cut: str, place: str) -> None:
    lines = [line for line in placed().split(b"\r") if not line.startswith(cut.encode())]
    with pytest.raises(BadField, match=place):
        asked(b"\r".join(lines))


def test_two_patients_or_two_films_of_one_number_are_told_apart_by_nobody() -> None:
    lines = placed().split(b"\r")
    with pytest.raises(BadField, match="PID"):
        asked(b"\r".join([*lines, lines[1]]))
    with pytest.raises(BadField, match="OBR"):
        asked(b"\r".join([*lines, lines[-1]]))
    with pytest.raises(BadField, match="ORC"):
        asked(b"\r".join([*lines, *[b"ORC|CA|1"] * 50]))


def test_one_message_may_place_several_orders() -> None:
    message = placed("1") + b"\rORC|NW|2\rOBR|1|2||Y^Nghi\xc3\xaang\rDG1|1||A15\rORC|CA|3"
    first, second, third = asked(message)
    assert [one.placing.placer_number for one in (first, second, third)] == ["1", "2", "3"]
    assert (first.placing.diagnosis_code, second.placing.diagnosis_code) == ("", "A15")
    assert third.control is Control.CANCEL
    assert third.registration is None


@pytest.mark.parametrize(
    ("kind", "version"), [("ADT^A01", "2.5"), ("OMI^O23", "2.5"), ("ORM^O02", "2.5"), ("ORM^O01", "2.8")]
)
def test_another_kind_or_version_is_not_spoken(kind: str, version: str) -> None:
    with pytest.raises(NotSpoken, match="MSH"):
        require_spoken(read(f"MSH|^~\\&|A|B|||20250601||{kind}|1|P|{version}\rPID|1".encode()))


def test_two_messages_in_one_block_lose_none_in_silence() -> None:
    with pytest.raises(NotSpoken, match="two messages"):
        require_spoken(read(placed() + b"\r" + placed("2")))


@pytest.mark.parametrize(
    ("name", "procedure"),
    [
        ("Chụp X-quang ngực thẳng", "chest_pa"), ("Chụp Xquang tim phổi thẳng", "chest_pa"), ("CHEST PA", "chest_pa"),
        ("Chụp ngực thẳng, nghiêng", "chest_pa_lateral"), ("Chụp X-quang ngực nghiêng", "chest_lateral"),
        ("Chụp ngực tại giường", "chest_ap"), ("Chụp X-quang khớp gối", "other"), ("", "other"),
    ],
)  # fmt: skip
def test_the_procedure_is_read_from_the_words_where_the_code_is_not_configured(name: str, procedure: str) -> None:
    assert registered(placed(obr_4=f"1^{name}")).procedure == procedure
    (one,) = asked(placed(obr_4=f"A^{name}"), A=Procedure.CHEST_AP)
    assert one.registration is not None
    assert one.registration.procedure is Procedure.CHEST_AP


def test_a_film_wanted_later_is_for_then_and_one_wanted_before_is_for_now() -> None:
    later = registered(placed(obr_36="202506031430+0700"))
    assert later.scheduled_at == datetime(2025, 6, 3, 7, 30, tzinfo=UTC)
    assert registered(placed(obr_36="20250531")).scheduled_at is None
    assert registered(placed(orc_7="1^^^20250603")).scheduled_at == datetime(2025, 6, 3).astimezone()


def test_free_text_is_fitted_for_machines_and_never_refused() -> None:
    typed = registered(placed(dg1_3="^" + "ho \\R\\ x\\E\\y = " * 90, orc_12="^" + "N" * 99, pid_11="A\\S\\B" * 90))
    assert len(typed.reason) == REASON_LENGTH
    assert typed.reason.startswith("ho x y ho")
    assert (typed.referring_physician[-1], len(typed.referring_physician)) == ("…", 64)
    assert not set("\\^=~|") & set(typed.reason + typed.address)


def test_numbers_of_the_insurance_are_taken_from_its_segment_where_they_are_such() -> None:
    assert registered(placed(in1_36="DN4797912345678")).insurance_number == "DN4797912345678"
    assert registered(placed(in1_36="PVI/2025/7")).insurance_number == ""
    assert registered(placed(pid_19="079170012345")).citizen_number == "079170012345"


@pytest.mark.parametrize(
    ("given", "taken"),
    [("ACC-1", ("ACC-1",)), ("n" * 17, ()), ("Đ1", ()), ("a\\E\\b", ())],
)
def test_an_accession_number_is_taken_where_machines_can_carry_it(given: str, taken: tuple[str, ...]) -> None:
    (one,) = asked(placed(obr_18=given))
    assert one.accession_numbers == taken


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 40))
def test_a_message_with_anything_in_it_is_read_or_refused(junk: bytes, at: int, cut: int) -> None:
    for manner in (PLAIN, *MANNERS.values()):
        content = manner[:at] + junk + manner[at + cut :]
        with suppress(NotHl7, NotSpoken, BadField):
            require_spoken(read(content))
            assert all(one.placing.placer_number for one in asked(content))
