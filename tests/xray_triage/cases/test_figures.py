"""The station's own figures against truths counted by hand, over SQLite and PostgreSQL."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import film
from tests.xray_triage.desk import PACS, TestDesk, reading, unread
from xray_triage.cases import tables
from xray_triage.cases.figures.figure_book import FigureBook, Figures
from xray_triage.cases.figures.tally import Agreement, Count, spread
from xray_triage.cases.period import Period, Step, midnight
from xray_triage.reading.findings import Priority


@pytest.fixture
def hanoi(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This computer stands in Vietnam."""
    yield from zone("Asia/Ho_Chi_Minh", monkeypatch)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This computer stands where clocks change twice a year."""
    yield from zone("Europe/Berlin", monkeypatch)


def zone(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


def exposure(at: datetime) -> dict[str, str]:
    return {"TimezoneOffsetFromUTC": "+0000", "AcquisitionDateTime": f"{at:%Y%m%d%H%M%S}"}


def days(desk: TestDesk, count: int = 3) -> Figures:
    book = FigureBook(desk.database, clock=desk.clock)
    return book.figures(Period(Step.DAY, count, desk.clock.now().astimezone().date()))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.usefixtures("hanoi")
def test_films_and_cases_count_on_the_day_they_came_in_the_zone_of_this_computer(desk: TestDesk) -> None:
    desk.clock.time = at(20, 16, 59)  # 23:59 on the 20th in Hanoi
    desk.add(reading(Priority.URGENT), study_instance_uid="1.2.1")
    desk.clock.time = at(20, 17)  # midnight
    desk.add(reading(Priority.NORMAL), study_instance_uid="1.2.2")
    desk.add(reading(Priority.NORMAL), study_instance_uid="1.2.2")
    desk.add(unread("not_a_film"), study_instance_uid="1.2.2")
    desk.clock.time = at(22, 3)
    desk.add(unread(), study_instance_uid="1.2.3")

    found = days(desk)
    assert [(line.start.day, line.films, sum(line.cases.values())) for line in found.lines] == [
        (20, 1, 1), (21, 2, 1), (22, 1, 1),
    ]  # fmt: skip
    assert found.lines[0].cases[Priority.URGENT] == found.lines[2].cases[Priority.NOT_READ] == 1
    assert (found.total.films, sum(found.total.cases.values())) == (4, 3)


@pytest.mark.usefixtures("hanoi")
def test_a_month_holds_its_days(desk: TestDesk) -> None:
    for day in (datetime(2026, 9, 30, 16, 59, tzinfo=UTC), datetime(2026, 9, 30, 17, tzinfo=UTC), at(22, 1)):
        desk.clock.time = day
        desk.add(reading())

    found = FigureBook(desk.database, clock=desk.clock).figures(Period(Step.MONTH, 3, date(2026, 11, 22)))
    assert [(line.start, line.films) for line in found.lines] == [
        (date(2026, 9, 1), 1), (date(2026, 10, 1), 1), (date(2026, 11, 1), 1),
    ]  # fmt: skip


def test_the_way_of_a_film_is_timed_from_its_exposure_and_its_arrival(desk: TestDesk) -> None:
    for seconds in (10, 20, 60):
        desk.clock.time = start = at(22, 3)
        dataset = film(**exposure(start))
        desk.clock.advance(30)
        arrival = desk.receive(dataset)
        desk.clock.advance(seconds)
        desk.record(arrival, dataset, reading())
        desk.clock.advance(5)
        desk.deliver()

    total = days(desk).total
    for found, median, p95 in (
        (total.exposure_to_page, 50, 90),
        (total.arrival_to_page, 20, 60),
        (total.exposure_to_pacs, 55, 95),
        (total.arrival_to_pacs, 25, 65),
    ):
        assert found is not None
        assert (found.n, round(found.median, 2), round(found.p95, 2)) == (3, median, p95)


def test_an_old_film_tells_nothing_of_the_way_from_its_exposure(desk: TestDesk) -> None:
    desk.clock.time = at(22, 3)
    dataset = film(**exposure(at(20, 3)))
    desk.record(desk.receive(dataset), dataset, reading())
    desk.deliver()

    total = days(desk).total
    assert (total.exposure_to_page, total.exposure_to_pacs) == (None, None)
    assert total.arrival_to_page is not None
    assert total.arrival_to_page.n == 1


def test_a_clock_that_jumps_back_gives_no_negative_seconds(desk: TestDesk) -> None:
    desk.clock.time = at(22, 3)
    dataset = film(**exposure(at(22, 4)))
    arrival = desk.receive(dataset)
    desk.clock.advance(-3600)
    desk.record(arrival, dataset, reading())
    desk.deliver()

    total = days(desk).total
    assert total.films == 1
    assert (total.exposure_to_page, total.arrival_to_page, total.arrival_to_pacs) == (None, None, None)


def test_consultations_count_when_asked_and_those_answered_with_their_time(desk: TestDesk) -> None:
    desk.clock.time = at(21, 3)
    for minutes, state in ((10, "answered"), (30, "answered"), (None, "requested"), (None, "cancelled")):
        ask(desk, desk.add(reading()).case_id, state, minutes)

    total = days(desk).total
    assert (total.asked, total.answered) == (3, 2)
    assert total.asked_to_answer is not None
    assert (total.asked_to_answer.n, round(total.asked_to_answer.median)) == (2, 1200)


def ask(desk: TestDesk, case_id: str, state: str, minutes: float | None) -> None:
    asked = desk.consultations.request(case_id, question="?", priority="routine", requested_by="bs")
    mine = tables.consultation.c.request_uid == asked.request_uid
    answered = None if minutes is None else desk.clock.now() + timedelta(minutes=minutes)
    with desk.database.write() as connection:
        connection.execute(tables.consultation.update().where(mine).values(state=state, answered_at=answered))


def test_the_last_verdict_on_each_case_counts_by_its_priority(desk: TestDesk) -> None:
    desk.clock.time = at(22, 3)
    urgent, normal, other, not_read = (
        desk.add(one).case_id
        for one in (reading(Priority.URGENT), reading(Priority.NORMAL), reading(Priority.NORMAL), unread())
    )
    for case_id, agrees in ((urgent, True), (normal, True), (normal, False), (other, True), (not_read, False)):
        desk.casebook.give_verdict(case_id, agrees=agrees, note="")
    desk.casebook.give_verdict(desk.add(reading(Priority.NORMAL)).case_id, agrees=None, note="tràn dịch")

    found = days(desk)
    assert found.agreement[Priority.URGENT] == Agreement(agree=1, disagree=0)
    assert found.agreement[Priority.NORMAL] == Agreement(agree=1, disagree=1)
    assert found.total.agreement == found.lines[-1].agreement == Agreement(agree=2, disagree=1)


def test_the_queue_is_the_most_that_waited_at_once_and_the_link_how_long_it_was_away(desk: TestDesk) -> None:
    desk.clock.time = at(20, 3)
    desk.add(reading())
    desk.deliver()  # nothing waited
    desk.clock.time = at(20, 12)
    desk.add(reading())
    work, _ = desk.outbox.claim(PACS, "light") or pytest.fail("nothing to send")
    desk.outbox.postpone(work, seconds=0, error="no route")
    desk.clock.time = at(22, 12)
    sent = len(desk.deliver())
    desk.add(reading())

    found = days(desk)
    assert [line.waiting for line in found.lines] == [sent, sent, sent]
    assert sum(line.unreachable_seconds for line in found.lines) == pytest.approx(2 * 86_400, abs=1)
    (outage,) = found.outages
    assert (outage.destination, outage.since, outage.until, outage.error) == (PACS, at(20, 12), at(22, 12), "no route")


def test_a_station_that_never_read_a_film_has_figures_of_nothing(desk: TestDesk) -> None:
    found = days(desk, 30)
    assert len(found.lines) == 30
    assert (found.total.films, found.total.arrival_to_page, found.total.agreement.share) == (0, None, None)
    assert list(found.outages) == []


@pytest.mark.usefixtures("berlin")
def test_a_day_of_a_clock_change_is_an_hour_shorter_or_longer() -> None:
    spring, autumn = Period(Step.DAY, 1, date(2026, 3, 29)).edges, Period(Step.DAY, 1, date(2026, 10, 25)).edges
    assert spring[1].timestamp() - spring[0].timestamp() == 23 * 3600
    assert autumn[1].timestamp() - autumn[0].timestamp() == 25 * 3600


@given(st.sampled_from(Step), st.integers(1, 60), st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_a_period_has_no_gap_and_ends_with_its_last_day(step: Step, count: int, until: date) -> None:
    period = Period(step, count, until)
    assert len(period.starts) == count
    assert period.edges[-2] <= midnight(until) < period.edges[-1]
    assert period.edges == sorted(set(period.edges))
    assert period.moved(1).starts[0] == step.after(period.starts[-1])
    assert period.moved(-1).moved(1).starts == period.starts


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_a_spread_lies_among_what_was_measured(seconds: list[float]) -> None:
    found = spread(seconds)
    assert found is not None
    assert min(seconds) <= found.median <= max(seconds)
    assert found.p95 in seconds


@given(st.lists(st.tuples(st.integers(0, 40), st.none() | st.integers(0, 40)), max_size=30))
def test_the_most_that_waited_at_once_is_what_counting_every_moment_gives(spans: list[tuple[int, int | None]]) -> None:
    waited = [(start, end) for start, end in spans if end is None or end > start]
    count = Count([0, 10, 20, 30])
    count.add_waits(waited)
    for number, tally in enumerate(count.tallies):
        moments = range(number * 10, number * 10 + 10)
        levels = [sum(start <= when and (end is None or end > when) for start, end in waited) for when in moments]
        assert tally.waiting == max(levels)


@given(st.lists(st.tuples(st.integers(-5, 35), st.integers(-5, 35)), max_size=8))
def test_two_links_away_at_once_count_once(spans: list[tuple[int, int]]) -> None:
    count = Count([0, 10, 20, 30])
    count.add_outages(spans)
    for number, tally in enumerate(count.tallies):
        moments = range(number * 10, number * 10 + 10)
        assert tally.unreachable_seconds == sum(any(a <= when < b for a, b in spans) for when in moments)
