"""Which cases the worklist shows and in which order, over SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dicom_router.dicom.matching import fold
from tests.factories import film
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.cases import rows, tables
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.worklist import CaseFilter, on_day, typed_day, understood
from xray_triage.reading.findings import Acquaintance, MachineState, Priority
from xray_triage.reading.patient import Patient

Mark = Callable[..., None]


@pytest.fixture
def mark(desk: TestDesk) -> Mark:
    """Asks for a consultation on a case and sets what the round trip would set: ``mark(case_id, state="answered")``."""

    def ask(case_id: str, **columns: object) -> None:
        asked = desk.consultations.request(case_id, question="?", priority="routine", requested_by="bs")
        mine = tables.consultation.c.request_uid == asked.request_uid
        with desk.database.write() as connection:
            connection.execute(tables.consultation.update().where(mine).values(**columns or {"state": "requested"}))

    return ask


def ids(desk: TestDesk, **narrowed: object) -> list[str]:
    return [case.case_id for case in desk.casebook.cases(**narrowed)]  # type: ignore[arg-type]


def add(desk: TestDesk, *priorities: Priority, **attributes: object) -> list[str]:
    made = [unread() if each is Priority.NOT_READ else reading(each) for each in priorities]
    return [desk.add(one, **attributes).case_id for one in made]


def test_unread_answers_come_first_then_overdue_questions_then_the_most_urgent_then_the_newest(
    desk: TestDesk, mark: Mark
) -> None:
    normal, urgent, abnormal, newer = add(desk, Priority.NORMAL, Priority.URGENT, Priority.ABNORMAL, Priority.NORMAL)
    mark(normal, overdue_at=desk.clock.now())
    mark(abnormal, overdue_at=desk.clock.now())
    mark(newer)

    assert ids(desk) == [abnormal, normal, urgent, newer]
    assert ids(desk, state="overdue") == [abnormal, normal]
    assert ids(desk, limit=3) == [abnormal, normal, urgent]
    mark(normal, state="answered", overdue_at=desk.clock.now())
    assert ids(desk) == [normal, abnormal, urgent, newer]
    assert ids(desk, limit=2, before=normal) == [abnormal, urgent]
    desk.casebook.see(normal, by="BS. Mai")
    assert ids(desk) == [abnormal, urgent, newer, normal]


def test_cases_that_may_not_be_called_clear_are_counted_and_listed_apart_from_the_normal(desk: TestDesk) -> None:
    learning = Acquaintance(state=MachineState.LEARNING, films=3, needed=200)
    known = replace(learning, state=MachineState.SET)
    normal = reading(Priority.NORMAL)
    clear, by_hand = desk.add(replace(normal, machine=known)).case_id, desk.add(normal).case_id
    new, strange = (
        desk.add(replace(normal, machine=machine)).case_id for machine in (learning, replace(known, strange=True))
    )
    marked = desk.add(replace(reading(Priority.ABNORMAL), machine=learning)).case_id
    assert ids(desk, unproven=True) == [strange, new]
    assert ids(desk, priority="normal", unproven=False) == [by_hand, clear]
    assert ids(desk, unproven=False)[0] == marked
    assert desk.casebook.counts_of().unproven == 2
    assert desk.casebook.counts_of(newest=2).unproven == 1
    assert {case.case_id for case in desk.casebook.cases() if case.unproven} == {new, strange}


def test_a_second_film_of_an_unknown_machine_takes_the_clearance_back_and_a_mark_ends_the_question(
    desk: TestDesk,
) -> None:
    learning = Acquaintance(state=MachineState.LEARNING, films=3, needed=200)
    study = {"study_instance_uid": "1.2.3.77"}
    desk.add(reading(Priority.NORMAL), **study)
    assert desk.casebook.counts_of().unproven == 0
    desk.add(replace(reading(Priority.NORMAL), machine=learning), **study)
    assert desk.casebook.counts_of().unproven == 1
    desk.add(replace(reading(Priority.ABNORMAL), machine=learning), **study)
    assert desk.casebook.counts_of().unproven == 0


def test_urgent_cases_of_old_make_room_for_the_newest_and_what_is_open_or_unread_stays(
    desk: TestDesk, mark: Mark
) -> None:
    overdue, waits, unread, seen, normal, urgent = add(desk, *[Priority.NORMAL, Priority.URGENT] * 3)
    mark(overdue, overdue_at=desk.clock.now())
    mark(waits)
    mark(unread, state="answered")
    mark(seen, state="answered", seen_at=desk.clock.now())
    assert ids(desk, newest=2) == [unread, overdue, urgent, waits, normal]
    assert ids(desk, newest=2, limit=1, before=overdue) == [urgent]
    assert ids(desk, newest=2, priority="urgent") == [urgent, waits]
    counts = desk.casebook.counts_of(newest=2)
    assert (counts.of[Priority.URGENT], counts.of[Priority.NORMAL]) == (2, 3)  # as the list shows them
    gone = sa.select(tables.case.c.sequence).where(tables.case.c.case_id == normal)
    with desk.database.write() as connection:  # a gap, as PostgreSQL leaves one after a power cut
        connection.execute(tables.image.delete().where(tables.image.c.case_sequence.in_(gone)))
        connection.execute(tables.case.delete().where(tables.case.c.case_id == normal))
    assert sum(desk.casebook.counts_of(newest=2).of.values()) == 5  # ``seen`` is near now


def test_the_list_is_narrowed_by_how_far_the_consultation_has_come(desk: TestDesk, mark: Mark) -> None:
    never, waits, answered, cancelled = add(desk, *[Priority.NORMAL] * 4)
    mark(waits)
    mark(answered, state="answered", answered_at=desk.clock.now())
    mark(cancelled, state="cancelled")

    assert ids(desk, state="none") == [never]
    assert ids(desk, state="open") == [waits]
    assert ids(desk, state="unread") == [answered]
    desk.casebook.see(answered, by="BS. Mai")
    desk.casebook.see(answered, by="BS. An")
    desk.casebook.see("0" * 12, by="BS. An")
    assert ids(desk, state="unread") == []
    case = desk.casebook.case(answered)
    assert case is not None
    assert case.consultation is not None
    assert not case.consultation.is_unread
    with pytest.raises(ValueError, match="lost"):
        ids(desk, state="lost")


def test_counts_follow_what_the_list_is_narrowed_to(desk: TestDesk, mark: Mark) -> None:
    add(desk, Priority.URGENT, Priority.NORMAL, patient_name="Lê^Văn^Bình")
    (asked,) = add(desk, Priority.URGENT, patient_name="Trần^Thị^Hoa")
    mark(asked)
    assert desk.casebook.counts_of(search="binh").of[Priority.URGENT] == 1
    assert desk.casebook.counts_of(state="open").of == {**dict.fromkeys(Priority, 0), Priority.URGENT: 1}
    assert desk.casebook.counts_of(search="01/01/1999").unseen == 0
    assert desk.casebook.counts_of(studies=[]).of[Priority.NORMAL] == 0


def test_a_case_is_seen_by_who_opens_it_first_and_done_by_who_says_so(desk: TestDesk) -> None:
    first, other = add(desk, Priority.NORMAL, Priority.NOT_READ)
    assert ids(desk, state="unseen") == [other, first]
    desk.casebook.see(first, by="BS. Mai")
    desk.casebook.see(first, by="BS. An")
    assert ids(desk, state="unseen") == [other]
    assert desk.casebook.counts_of().unseen == 1
    desk.casebook.finish(other, by="BS. An")  # what is done was seen
    known, done = desk.casebook.case(first), desk.casebook.case(other)
    assert known is not None
    assert done is not None
    assert (known.seen_by, known.done_by) == ("BS. Mai", None)
    assert (done.seen_by, done.done_by) == ("BS. An", "BS. An")
    desk.casebook.reopen(other)
    desk.casebook.give_verdict(first, agrees=True, note="", given_by="BS. Mai")
    assert [(case.case_id, case.done_by) for case in desk.casebook.cases()] == [(other, None), (first, "BS. Mai")]
    with pytest.raises(UnknownCase):
        desk.casebook.finish("0" * 12, by="BS. An")


def test_another_film_or_another_reading_wants_to_be_seen_again_a_repeated_one_and_a_dose_report_do_not(
    desk: TestDesk,
) -> None:
    study = {"study_instance_uid": "1.2.3.78"}
    dataset = film(**study)  # type: ignore[arg-type]
    arrival = desk.receive(dataset)
    case_id = desk.record(arrival, dataset, unread()).case_id

    def is_seen() -> bool:
        case = desk.casebook.case(case_id)
        return case is not None and case.done_by is not None and case.seen_by is not None

    for step, stays in (
        (lambda: desk.record(arrival, dataset, unread()), True),
        (lambda: desk.add(unread("not_a_film"), **study), True),
        (lambda: desk.record(arrival, dataset, reading()), False),
        (lambda: desk.add(reading(Priority.NORMAL), **study), False),
    ):
        desk.casebook.finish(case_id, by="BS. Mai")
        step()
        assert is_seen() is stays


def test_pages_follow_each_other_whatever_comes_in_between(desk: TestDesk, mark: Mark) -> None:
    made = add(desk, *[Priority.NORMAL, Priority.URGENT, Priority.NOT_READ] * 4)
    for case_id in made[:3]:
        mark(case_id, overdue_at=desk.clock.now())
    every = ids(desk)
    for size in (1, 3, 5, 12):
        walked: list[str] = []
        while page := ids(desk, limit=size, before=walked[-1] if walked else None):
            walked += page
        assert walked == every
    first = ids(desk, limit=4)
    add(desk, Priority.URGENT, Priority.NORMAL)
    older = [case_id for case_id in every if case_id not in first]
    assert [case_id for case_id in ids(desk, before=first[-1]) if case_id in every] == older
    with pytest.raises(UnknownCase):
        ids(desk, before="0" * 12)


def test_a_day_is_that_of_this_computers_zone_and_can_be_typed(desk: TestDesk) -> None:
    desk.clock.time = datetime(2026, 11, 22, 12).astimezone(UTC)
    (before,) = add(desk, Priority.NORMAL, patient_name="Trần^An")
    desk.clock.time = datetime(2026, 11, 22, 23, 59, 59).astimezone(UTC)
    (late,) = add(desk, Priority.URGENT)
    desk.clock.time = datetime(2026, 11, 23, 0, 0).astimezone(UTC)
    (after,) = add(desk, Priority.NORMAL)

    for typed in ("22/11/2026", "2026-11-22", "22.11.2026", "22/11"):
        assert ids(desk, search=typed) == [late, before], typed
    assert ids(desk, search="tran 22/11") == [before]
    assert ids(desk, search="23/11 22/11") == []
    assert ids(desk, since=desk.clock.now() - timedelta(seconds=1), until=desk.clock.now()) == [late]
    assert ids(desk, search="01/01/0001") == ids(desk, search="31/12/9999") == []
    assert after in ids(desk)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("22/11", date(2026, 11, 22)), ("23/11", date(2025, 11, 23)), ("1/2", date(2026, 2, 1)),
        ("29/02", None), ("31/04/2026", None), ("2026-13-01", None), ("22-11", None), ("22/11/26", None),
        ("1/1/0000", None), ("11/2026", None), ("٢٢/١١", date(2026, 11, 22)), ("P22/11", None), ("", None),
    ],
)  # fmt: skip
def test_what_is_typed_is_a_day_only_when_there_is_such_a_day(typed: str, found: date | None) -> None:
    assert typed_day(typed, date(2026, 11, 22)) == found


@pytest.mark.slow
@given(st.text(max_size=100), st.dates())
@example(typed="¯ a¯b", today=date(2026, 11, 22))
def test_whatever_is_typed_is_understood(typed: str, today: date) -> None:
    wanted = understood(CaseFilter(), typed, today)
    assert all(word and word == word.strip() and " " not in word for word in wanted.words)
    assert on_day(CaseFilter(), today).since is not None


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.sampled_from(["Đặng^Thị^Bưởi", "Nguyễn^Văn^An", "100%^_x_", 'O\'Brien^"Q"', "ĐỖ^ĐỨC", "Ｚ^ﬁ"]),
    st.data(),
)
def test_every_piece_of_a_name_finds_it_with_and_without_accents(
    sqlite_desk: TestDesk, name: str, data: st.DataObject
) -> None:
    case_id = add(sqlite_desk, Priority.NORMAL, patient_name=name)[0]
    word = data.draw(st.sampled_from(name.replace("^", " ").split()))
    start = data.draw(st.integers(0, len(word) - 1))
    piece = word[start : data.draw(st.integers(start + 1, len(word)))][:100]
    for written in (piece, fold(piece), piece.upper()):
        if typed_day(written, sqlite_desk.clock.now().date()) is None:
            assert case_id in ids(sqlite_desk, search=written, limit=1000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text(max_size=100))
def test_no_search_fails_and_none_finds_what_does_not_hold_its_words(sqlite_desk: TestDesk, typed: str) -> None:
    if not ids(sqlite_desk):
        add(sqlite_desk, Priority.NORMAL, patient_name="Nguyễn^Văn^An", patient_id="P_1%")
    text = "nguyen van an p_1% a0001"
    words = [fold(word) for word in typed.split()]
    found = ids(sqlite_desk, search=typed)
    if not any(typed_day(word, sqlite_desk.clock.now().date()) for word in typed.split()):
        assert bool(found) == all(word in text for word in words)


def test_wildcards_and_quotes_are_letters(desk: TestDesk) -> None:
    add(desk, Priority.NORMAL, patient_id="P21")
    (found,) = add(desk, Priority.NORMAL, patient_id="P_1%'\"")
    for typed in ("_", "%", "'", '"', "p_1", "1%'"):
        assert ids(desk, search=typed) == [found], typed


def test_the_earlier_film_is_the_last_one_of_the_same_patient_before(desk: TestDesk) -> None:
    first, _, second, third = (desk.add(reading(), patient_id=patient).case_id for patient in ("P1", "P2", "P1", "P1"))
    (nobody, also_nobody) = add(desk, Priority.NORMAL, Priority.NORMAL, patient_id="")

    def before(case_id: str) -> str | None:
        case = desk.casebook.case(case_id)
        assert case is not None
        earlier = desk.casebook.earlier(case)
        return earlier.case_id if earlier else None

    assert [before(each) for each in (first, second, third)] == [None, first, second]
    assert before(nobody) is before(also_nobody) is None


def test_films_under_a_number_that_stands_for_none_have_no_earlier_film(sqlite_desk: TestDesk) -> None:
    add(sqlite_desk, Priority.NORMAL)
    for number in ("0000", "0000", "-", "-"):
        recorded = sqlite_desk.add(reading(), patient_id=number)
    case = sqlite_desk.casebook.case(recorded.case_id)
    assert case is not None
    assert sqlite_desk.casebook.earlier(case) is None


def test_texts_too_long_for_an_index_are_kept_and_found_by_their_beginning(desk: TestDesk) -> None:
    long = "Ｐ" * 4000
    (case_id,) = add(desk, Priority.NORMAL)
    patient = Patient(id=long, name="Lê Ấn", sex="", birth_date="", age_years=None)
    with desk.database.write() as connection:
        connection.execute(tables.case.update().values(rows.patient_columns(patient, long)))
    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.patient.id == long
    assert ids(desk, search="le an") == [case_id]


def test_a_case_tells_when_it_was_first_exposed(desk: TestDesk) -> None:
    for minute in ("30", "10", "20"):
        stated = {"TimezoneOffsetFromUTC": "+0000", "AcquisitionDateTime": f"202506010{minute[0]}{minute}00"}
        desk.add(reading(), study_instance_uid="1.2.3", **stated)
    desk.add(reading(), study_instance_uid="1.2.3", AcquisitionDateTime="19000101000000", AcquisitionDate=None,
             ContentDate=None, StudyDate=None)  # fmt: skip

    (case,) = desk.casebook.cases()
    assert [image.exposed_at and image.exposed_at.hour for image in case.images] == [3, 1, 2, None]
    assert case.exposed_at == datetime(2025, 6, 1, 1, 10, tzinfo=UTC)
