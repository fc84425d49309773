"""What a bundle is worth at a station is counted in a station's mix, and a name has to be earned."""

from collections.abc import Mapping

import pytest

from models import data, worth
from xray_triage.assessment.labels import LabelledFilm
from xray_triage.assessment.predictions import Prediction

pytestmark = pytest.mark.workshop


def row(*, ill: bool, over: tuple[str, ...] = (), grave: float = 0.0, read: bool = True) -> dict:
    return {"has": ["mass", data.ABNORMAL] if ill else [], "over": list(over), "severity": grave, "read": read}


def answer(key: str, ratio: float | None, *, heart: bool, age: float | None = 50, source: str = "nih") -> Prediction:
    film = LabelledFilm(line=1, key=key, labels={"cardiomegaly": heart}, source=source, age_years=age)
    return Prediction(film=film, refused=None, probabilities={"cardiomegaly": 0.9}, cardiothoracic_ratio=ratio)


FILMS = [row(ill=True, over=("mass",))] * 6 + [row(ill=True)] * 4 + [row(ill=False, over=("mass",))] * 1
FILMS += [row(ill=False)] * 9 + [row(ill=True, over=("mass",), read=False)] * 5


def test_marks_are_weighted_to_a_stations_mix_and_films_not_read_have_none() -> None:
    found = worth.of_label("mass", FILMS, 0.8)
    assert (found["films"], found["positives"], found["sensitivity"]) == (20, 10, 0.6)
    assert found["precision"] == pytest.approx(0.15 * 0.6 / (0.15 * 0.6 + 0.85 * 0.1))


def test_a_day_adds_up() -> None:
    day = worth.day(FILMS, ["mass"], [])
    assert day["flagged"] == pytest.approx(50 * (0.15 * 0.6 + 0.85 * 0.1))
    assert day["falsely"] == pytest.approx(50 * 0.85 * 0.1)
    assert day["missed"] == pytest.approx(50 * 0.15 * 0.4)
    assert worth.day(FILMS, [], [])["flagged"] == pytest.approx(day["urgent"])


def test_the_gravest_and_the_named_ring() -> None:
    grave = [row(ill=True, grave=0.9), row(ill=True, over=("edema",)), *[row(ill=False)] * 20]
    day = worth.day(grave, ["edema"], ["edema"])
    assert day["urgent"] == pytest.approx(50 * 0.075)  # the gravest would be 7.5 % of the films, more than 5
    assert (day["rang"], day["rang_healthy"]) == (1, 0)
    some = [row(ill=True, grave=0.9), *[row(ill=True)] * 8, row(ill=False, grave=0.8), *[row(ill=False)] * 49]
    day = worth.day(some, [], [])
    assert (day["rang"], day["rang_healthy"]) == (2, 1)


@pytest.mark.parametrize(
    ("name", "auc", "precision", "is_named"),
    [
        ("mass", 0.81, 0.41, True),
        ("mass", 0.79, 0.9, False),
        ("mass", 0.9, 0.39, False),
        ("mass", None, None, False),
        ("pneumonia", 0.9, 0.9, False),
        ("edema", 0.6, 0.0, True),
    ],
)
def test_a_name_is_earned(name: str, auc: float | None, precision: float | None, *, is_named: bool) -> None:
    found: Mapping = {"auc": auc, "precision": precision}
    assert worth.may_be_named(name, found) is is_named


def test_the_heart_is_marked_above_the_ratio_that_leaves_nine_in_ten_unmarked() -> None:
    healthy = [answer(str(i), 0.40 + i / 100, heart=False) for i in range(20)]
    limit = worth.limit_of_ratio([*healthy, answer("x", 0.7, heart=True), answer("y", None, heart=True)])
    assert limit == 0.57
    assert sum(round(0.40 + i / 100, 2) > limit for i in range(20)) == 2
    assert worth.limit_of_ratio([answer("a", 0.3, heart=False), answer("b", 0.7, heart=True)]) == 0.5
    assert worth.limit_of_ratio([answer("a", 0.6, heart=True)]) is None


def test_the_films_of_a_station_are_upright_adults_of_the_hospital_whose_labels_count() -> None:
    def film(image: str, view: str = "PA", gate: str = "frontal") -> data.Film:
        return data.Film(image=image, source="nih", group=image, fold=0, labels=[], gate=gate, view=view)  # type: ignore[arg-type]

    films = [film("a"), film("b", view="AP"), film("c"), film("d", gate="child"), film("e"), film("f")]
    answers = [
        answer("a", 0.5, heart=False), answer("b", 0.5, heart=False), answer("c", 0.5, heart=False, age=12),
        answer("d", 0.5, heart=False), answer("e", 0.5, heart=False, source="other"),
        answer("f", 0.5, heart=False, age=None),
    ]  # fmt: skip
    assert [one.film.key for one in worth.station_films(answers, films)] == ["a", "f"]


def test_how_steady_it_is_leaves_out_the_films_as_they_are() -> None:
    changed = {"as it is": 0.0, "blurred": 0.3, "noise": 0.1, "gamma": 0.05}
    looks = {name: {"changed": share} for name, share in changed.items()}
    assert worth.steadiness({"limit": 0.1, "looks": looks}) == {
        "limit": 0.1, "looks": 3, "passed": 2, "worst": 0.3, "worst_look": "blurred",
    }  # fmt: skip
