"""The book of cases, over SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydicom.uid import generate_uid

from tests.factories import film
from tests.xray_triage.desk import MODEL, TestDesk, reading, unread
from xray_triage.cases import machines, tables
from xray_triage.cases.casebook import UnknownCase
from xray_triage.reading.findings import Box, Priority


def test_a_reading_becomes_a_case_with_everything_the_reader_said(desk: TestDesk) -> None:
    recorded = desk.add(reading(Priority.URGENT, pneumothorax=0.93, mass=0.2), patient_name="Nguyễn^Văn^An")

    case = desk.casebook.case(recorded.case_id)
    assert case is not None
    assert (case.priority, case.reasons, case.model) == (Priority.URGENT, ("pneumothorax",), MODEL)
    assert (case.patient.name, case.patient.id, case.accession_number) == ("Nguyễn Văn An", "P0001", "A0001")
    assert case.received_at == case.read_at == desk.clock.now()
    (image,) = case.images
    assert image.status == "read"
    assert [(f.kind.name, f.probability, f.positive, f.box) for f in image.findings] == [
        ("pneumothorax", 0.93, True, Box(10, 20, 30, 40)),
        ("mass", 0.2, False, None),
    ]
    assert dict(image.scores) == {"abnormal": 0.9, "cardiothoracic_ratio": 0.51}


def test_a_film_that_was_not_read_says_why(desk: TestDesk) -> None:
    desk.add(unread("child"))

    (case,) = desk.casebook.cases()
    assert (case.priority, case.model) == (Priority.NOT_READ, None)
    (image,) = case.images
    assert (image.status, image.reason and image.reason.code, image.findings) == ("not_read", "child", ())


def test_a_film_that_was_exposed_after_it_came_is_seen_while_it_is_new(desk: TestDesk) -> None:
    assert desk.gauges.exposed_ahead_seconds() == 0
    for hours in (7, -7):
        at = desk.clock.now() + timedelta(hours=hours)
        desk.add(reading(), AcquisitionDateTime=f"{at:%Y%m%d%H%M%S}+0000")
    desk.add(reading())
    assert desk.gauges.exposed_ahead_seconds() == timedelta(hours=7).total_seconds()
    assert desk.gauges.exposed_ahead_seconds(newest=2) == 0


def test_recording_a_film_again_changes_nothing(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    first = desk.record(arrival, dataset, reading())
    before = desk.casebook.case(first.case_id)
    second = desk.record(arrival, dataset, reading())

    assert second.case_id == first.case_id
    after = desk.casebook.case(first.case_id)
    assert before is not None
    assert after is not None
    again_kept = after.images[0].picture_key
    assert replace(before, images=(replace(before.images[0], picture_key=again_kept),)) == after


def test_all_films_of_a_study_are_one_case_as_urgent_as_its_worst(desk: TestDesk) -> None:
    study = generate_uid()
    stood = []
    for priority in (Priority.NORMAL, Priority.ABNORMAL, Priority.NORMAL, Priority.URGENT, Priority.ABNORMAL):
        desk.add(reading(priority), study_instance_uid=study)
        (case,) = desk.casebook.cases()
        stood.append(case.priority)

    assert stood == [Priority.NORMAL, *[Priority.ABNORMAL] * 2, *[Priority.URGENT] * 2]
    assert len(case.images) == 5


def test_an_alarm_stays_when_the_same_film_is_read_again_and_found_normal(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    desk.record(arrival, dataset, reading(Priority.URGENT))
    desk.record(arrival, dataset, reading(Priority.NORMAL, pneumothorax=0.1))

    (case,) = desk.casebook.cases()
    assert case.priority is Priority.URGENT


def test_a_film_not_read_for_want_of_a_model_becomes_normal_once_it_is_read(desk: TestDesk) -> None:
    dataset = film()
    arrival = desk.receive(dataset)
    desk.record(arrival, dataset, unread())
    desk.record(arrival, dataset, reading(Priority.NORMAL, pneumothorax=0.1))

    (case,) = desk.casebook.cases()
    assert case.priority is Priority.NORMAL


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_no_film_does_not_make_a_read_study_unread(desk: TestDesk, order: int) -> None:
    made = [reading(Priority.NORMAL, pneumothorax=0.1), unread("not_a_film")]
    for one in made[::order]:
        desk.add(one, study_instance_uid="1.2.3")
    desk.add(unread("not_a_film"), study_instance_uid="1.2.4")

    assert [case.priority for case in desk.casebook.cases()] == [Priority.NOT_READ, Priority.NORMAL]


def test_the_worklist_is_most_urgent_first_then_newest_even_when_the_clock_steps_back(desk: TestDesk) -> None:
    names = []
    for priority in (Priority.NORMAL, Priority.URGENT, Priority.NOT_READ, Priority.ABNORMAL, Priority.URGENT):
        made = unread() if priority is Priority.NOT_READ else reading(priority)
        names.append(desk.add(made).case_id)
        desk.clock.advance(-86_400)

    assert [case.case_id for case in desk.casebook.cases()] == [names[i] for i in (4, 1, 3, 2, 0)]


def test_the_worklist_can_be_narrowed(desk: TestDesk) -> None:
    early = desk.add(reading(Priority.NORMAL), patient_name="Đặng^Thị^Bưởi", patient_id="P_1").case_id
    desk.clock.advance(60)
    late = desk.add(reading(Priority.URGENT), patient_name="Trần^Văn^Cam", patient_id="P21").case_id

    def ids(**narrowed: object) -> list[str]:
        return [case.case_id for case in desk.casebook.cases(**narrowed)]  # type: ignore[arg-type]

    assert ids(priority="normal") == [early]
    assert ids(since=desk.clock.now()) == [late]
    assert ids(since=desk.clock.now() - timedelta(seconds=60)) == [late, early]
    assert ids(since=desk.clock.now(), priority="normal") == []
    assert ids(limit=1) == [late]
    assert ids(search="buoi DANG") == [early]
    assert ids(search="p_1") == [early]  # no wildcard
    assert ids(search="%") == []


def test_two_readers_with_two_films_of_one_study_make_one_case(desk: TestDesk) -> None:
    study = generate_uid()
    datasets = [film(study_instance_uid=study) for _ in range(6)]
    arrivals = [desk.receive(dataset) for dataset in datasets]
    readers = [
        Thread(target=desk.record, args=(arrival, dataset, reading()))
        for arrival, dataset in zip(arrivals, datasets, strict=True)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    (case,) = desk.casebook.cases()
    assert len(case.images) == 6


def test_hostile_text_in_the_header_is_kept_as_text(desk: TestDesk) -> None:
    recorded = desk.add(reading(), patient_name="<script>alert(1)</script>", patient_id='\'; DROP TABLE "case"; --')

    case = desk.casebook.case(recorded.case_id)
    assert case is not None
    assert (case.patient.name, case.patient.id) == ("<script>alert(1)</script>", '\'; DROP TABLE "case"; --')


def test_the_last_verdict_counts(desk: TestDesk) -> None:
    case_id = desk.add(reading()).case_id
    desk.casebook.give_verdict(case_id, agrees=True, note="")
    desk.casebook.give_verdict(case_id, agrees=False, note="nếp da")

    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.verdict is not None
    assert (case.verdict.agrees, case.verdict.note) == (False, "nếp da")


def test_a_verdict_on_no_case_is_an_error(desk: TestDesk) -> None:
    with pytest.raises(UnknownCase):
        desk.casebook.give_verdict("0" * 12, agrees=True, note="")


def test_cases_are_found_by_study(desk: TestDesk) -> None:
    case_id = desk.add(reading(), study_instance_uid="1.2.3").case_id

    found = desk.casebook.case_of_study("1.2.3")
    assert found is not None
    assert found.case_id == case_id
    assert desk.casebook.case_of_study("1.2.4") is None
    assert desk.casebook.case("' OR 1=1") is None


def test_cases_are_counted_by_priority(desk: TestDesk) -> None:
    for priority in (Priority.NORMAL, Priority.URGENT, Priority.NORMAL):
        desk.add(reading(priority))

    counts = desk.gauges.counts()
    assert counts == {Priority.URGENT: 1, Priority.ABNORMAL: 0, Priority.NOT_READ: 0, Priority.NORMAL: 2}


def test_the_migrations_make_the_tables_that_the_program_knows(desk: TestDesk) -> None:
    known = [tables.metadata, machines.metadata]
    ours = {name for each in known for name in each.tables}
    with desk.database.engine.connect() as connection:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in ours}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), known)
        plan = connection.execute(sa.text("SELECT count(*) FROM triage_version")).scalar_one()
    assert differences == []
    assert plan == 1
