"""Drift of the model's scores and the doctors' verdicts, counted over SQLite and PostgreSQL."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xray_triage.desk import MODEL, TestDesk, reading, unread
from xray_triage.cases.figures.tally import Agreement
from xray_triage.model.drift import DRIFTED, FEWEST_FILMS, FILMS, drift, verdicts
from xray_triage.model.stability import stability_index
from xray_triage.reading.bundle import Reference
from xray_triage.reading.findings import Priority

TENTHS = Reference(edges=tuple(edge / 10 for edge in range(1, 10)), shares=(0.1,) * 10)
OTHER = replace(MODEL, sha256="cd" * 32)

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=300)
shares = st.lists(st.integers(0, 50), min_size=10, max_size=10).filter(any)


def histogram(counts: list[int]) -> Reference:
    return Reference(edges=TENTHS.edges, shares=tuple(count / sum(counts) for count in counts))


@given(shares, probabilities)
def test_the_index_is_never_below_zero_and_never_without_end(counts: list[int], said: list[float]) -> None:
    assert 0 <= stability_index(histogram(counts), said) <= 2 * log(2 * len(said))


@given(shares)
def test_films_like_those_of_the_measurement_have_an_index_of_zero(counts: list[int]) -> None:
    said = [0.05 + 0.1 * place for place, count in enumerate(counts) for _ in range(count)]
    assert stability_index(histogram(counts), said) == pytest.approx(0, abs=1e-9)


@given(probabilities, st.randoms())
def test_the_order_of_films_means_nothing(said: list[float], chance: object) -> None:
    mixed = said.copy()
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert stability_index(TENTHS, mixed) == stability_index(TENTHS, said)


def test_the_index_is_that_of_the_book() -> None:
    """Half the films in the first two bins, a fifth of them when measured."""
    said = [0.05] * 25 + [0.15] * 25 + [place / 10 + 0.05 for place in range(2, 10) for _ in range(6)] + [0.55, 0.65]
    expected = 2 * (0.25 - 0.1) * log(2.5) + 6 * (0.06 - 0.1) * log(0.6) + 2 * (0.07 - 0.1) * log(0.7)
    assert stability_index(TENTHS, said) == pytest.approx(expected)


def test_a_probability_on_an_edge_belongs_above_it_and_equal_edges_are_borne() -> None:
    step = Reference(edges=(0.5,) * 9, shares=(0.5, *(0.0,) * 8, 0.5))
    assert stability_index(step, [0.2, 0.5]) == 0
    assert stability_index(step, [0.5, 0.5]) > 0


def test_chance_alone_hardly_ever_looks_like_drift() -> None:
    """Of FEWEST_FILMS films like those of the measurement; with 50 it would do so often."""
    chance = np.random.default_rng(0)
    alarms = {
        n: sum(stability_index(TENTHS, chance.random(n).tolist()) > DRIFTED for _ in range(2000))
        for n in (50, FEWEST_FILMS)
    }
    assert alarms[FEWEST_FILMS] <= 2
    assert alarms[50] > 200


def put_films(desk: TestDesk, count: int, probability: float | None = None, sha256: str = MODEL.sha256) -> None:
    """So many films of one model straight into the tables; without ``probability`` spread over all tenths."""
    spread = np.random.default_rng(1).random(count)
    readings = [reading(pneumothorax=float(share) if probability is None else probability) for share in spread]
    readings = [replace(one, model=replace(MODEL, sha256=sha256)) for one in readings]
    desk.put(readings)


def seen(desk: TestDesk) -> tuple[int, float | None]:
    found = drift(desk.gauges, MODEL.sha256, {"pneumothorax": TENTHS, "hernia": TENTHS})
    assert found.index["hernia"] is None  # no film says anything of it
    return found.films, found.index["pneumothorax"]


def test_too_few_films_are_not_known_rather_than_zero(desk: TestDesk) -> None:
    assert seen(desk) == (0, None)
    put_films(desk, FEWEST_FILMS - 1)
    assert seen(desk) == (FEWEST_FILMS - 1, None)
    put_films(desk, 1)
    films, index = seen(desk)
    assert films == FEWEST_FILMS
    assert index is not None
    assert index < 0.25


def test_only_the_newest_films_of_this_model_count(desk: TestDesk) -> None:
    put_films(desk, FILMS, probability=0.95)
    films, index = seen(desk)
    assert (films, index is not None and index > 1) == (FILMS, True)
    put_films(desk, FILMS)
    assert seen(desk)[0] == FILMS
    assert (seen(desk)[1] or 0) < 0.25
    put_films(desk, 40, probability=0.95, sha256=OTHER.sha256)
    desk.put([unread("child")] * 300)
    assert seen(desk)[0] == FILMS - 40


def test_a_film_that_is_not_read_says_nothing(desk: TestDesk) -> None:
    desk.put([unread("child")] * FEWEST_FILMS)
    assert seen(desk) == (0, None)


def test_withheld_labels_are_watched_too(desk: TestDesk) -> None:
    desk.add(reading())
    assert desk.gauges.probabilities(MODEL.sha256, newest=9) == [
        {"pneumothorax": 0.93, "cardiomegaly": 0.12, "abnormal": 0.9, "cardiothoracic_ratio": 0.51}
    ]


def test_the_drifted_labels_come_worst_first(desk: TestDesk) -> None:
    put_films(desk, FILMS, probability=0.95)
    some = Reference(edges=TENTHS.edges, shares=(*(0.06,) * 9, 0.46))
    one = drift(desk.gauges, MODEL.sha256, {"abnormal": some, "pneumothorax": TENTHS})
    assert one.drifted == ("pneumothorax", "abnormal")
    assert drift(desk.gauges, MODEL.sha256, {}).drifted is None


def agreement(desk: TestDesk, newest: int | None = None) -> dict[str, tuple[int, int]]:
    counted = verdicts(desk.gauges, newest=newest)
    return {priority.value: (one.agree, one.disagree) for priority, one in counted.by_priority.items()}


def test_the_last_word_on_a_case_counts_by_the_priority_it_had(desk: TestDesk) -> None:
    ids = [desk.add(reading(priority)).case_id for priority in (Priority.URGENT, Priority.URGENT, Priority.NORMAL)]
    ids.append(desk.add(unread()).case_id)
    assert verdicts(desk.gauges).total.share is None
    for case_id, agrees in ((ids[0], False), (ids[0], True), (ids[1], False), (ids[2], True), (ids[3], True)):
        desk.casebook.give_verdict(case_id, agrees=agrees, note="")
    assert agreement(desk) == {"urgent": (1, 1), "abnormal": (0, 0), "normal": (1, 0)}
    assert verdicts(desk.gauges).total == Agreement(agree=2, disagree=1)
    assert verdicts(desk.gauges).total.share == pytest.approx(2 / 3)
    assert agreement(desk, newest=3) == {"urgent": (0, 1), "abnormal": (0, 0), "normal": (1, 0)}


def test_a_verdict_on_an_old_case_is_a_new_verdict(desk: TestDesk) -> None:
    ids = [desk.add(reading()).case_id for _ in range(3)]
    for case_id in (*ids, ids[0]):
        desk.casebook.give_verdict(case_id, agrees=case_id == ids[0], note="")
    assert agreement(desk, newest=2)["urgent"] == (1, 1)


def test_the_way_back_through_the_films_has_an_end(sqlite_desk: TestDesk) -> None:
    put_films(sqlite_desk, 30)
    sqlite_desk.put([unread("child")] * 30)
    assert len(sqlite_desk.gauges.probabilities(MODEL.sha256, newest=2)) == 2
    assert sqlite_desk.gauges.probabilities(MODEL.sha256, newest=1) == []
