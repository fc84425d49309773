"""A site's cut-offs as mathematics: what they flag, how far they go, what counts as strange and as a change."""

from dataclasses import replace
from math import exp, log
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xray_triage.bundles import make_bundle
from xray_triage.model.selection import SHIPPED_DEFAULT, SHIPPED_FOLDER
from xray_triage.model.site import (
    CHANGED,
    DETAILS,
    FARTHEST_DOWN,
    FARTHEST_UP,
    FILMS_TO_LEARN,
    LEAST_PART,
    NEWEST,
    STRANGE,
    Card,
    basis_of,
    bounds,
    card_of,
    change,
    cut_off_for,
    far_off,
    flagged_share,
    has_changed,
    propose,
    strangeness,
    with_prevalence,
)
from xray_triage.reading.bundle import Reference, load_manifest

TENTHS = Reference(edges=tuple(edge / 10 for edge in range(1, 10)), shares=(0.1,) * 10)
CARD = Card(model_sha256="ab", cut_offs={"mass": 0.3, "abnormal": 0.5}, shares={"mass": 0.1, "abnormal": 0.4})
SHIPPED = load_manifest(SHIPPED_FOLDER / SHIPPED_DEFAULT)

scores = st.lists(st.floats(0.01, 0.99), min_size=FILMS_TO_LEARN, max_size=FILMS_TO_LEARN, unique=True)
shares = st.floats(0.0, 1.0)
cut_offs = st.floats(0.001, 0.999)


def logit(probability: float) -> float:
    return log(probability / (1 - probability))


def films_of(
    seed: int, *, shift: float = 0.0, stretch: float = 1.0, films: int = FILMS_TO_LEARN
) -> list[dict[str, float]]:
    """Films of one network: the mass score follows ``abnormal`` loosely. ``shift`` and ``stretch``: another look."""
    chance = np.random.default_rng(seed)
    ill = chance.normal(0, 1, films)
    logits = {"abnormal": ill - 0.5, "mass": 0.6 * ill + chance.normal(0, 0.8, films) - 2}
    return [
        {label: 1 / (1 + exp(-(stretch * value + shift))) for label, value in zip(logits, row, strict=True)}
        for row in zip(*logits.values(), strict=True)
    ]


@given(scores, shares)
def test_a_cut_off_flags_the_share_that_it_is_asked_for(said: list[float], share: float) -> None:
    cut = cut_off_for(said, share)
    assert sum(score >= cut for score in said) == round(share * len(said))


@given(cut_offs)
def test_a_bound_lies_so_many_logits_away(cut: float) -> None:
    low, high = bounds(cut)
    assert logit(high) - logit(cut) == pytest.approx(FARTHEST_UP, abs=1e-6)
    assert logit(cut) - logit(low) == pytest.approx(FARTHEST_DOWN, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), cut_offs)
def test_no_proposal_leaves_its_bounds(said: list[float], cut: float) -> None:
    card = replace(CARD, cut_offs={"abnormal": cut}, shares={"abnormal": 0.4})
    proposal = propose(card, [{"abnormal": score} for score in said])
    low, high = bounds(cut)
    assert low - 1e-6 <= proposal.cut_offs["abnormal"] <= high + 1e-6
    assert not {*proposal.at_lower} & {*proposal.at_upper}


@given(st.integers(0, 50), st.floats(-1.5, 1.5), st.floats(0.7, 1.4))
def test_the_same_films_are_flagged_whatever_look_they_have(seed: int, shift: float, stretch: float) -> None:
    """Any look that keeps the order of the scores, and moves no cut-off beyond its bound."""
    plain, other = films_of(seed), films_of(seed, shift=shift, stretch=stretch)
    card = replace(CARD, cut_offs={"mass": 0.2, "abnormal": 0.45})
    ours, theirs = propose(card, plain), propose(card, other)
    if not (*ours.at_upper, *ours.at_lower, *theirs.at_upper, *theirs.at_lower):
        marked = [[film[label] >= cut for label, cut in ours.cut_offs.items()] for film in plain]
        assert marked == [[film[label] >= cut for label, cut in theirs.cut_offs.items()] for film in other]


def test_films_with_any_mark_are_as_many_as_the_card_promises() -> None:
    films = films_of(1)
    proposal = propose(CARD, films)
    assert flagged_share(films, proposal.cut_offs) == pytest.approx(0.4, abs=0.02)
    alone = propose(replace(CARD, shares={"abnormal": 0.4}), films)
    assert proposal.cut_offs["abnormal"] >= alone.cut_offs["abnormal"]


def test_a_finding_never_gives_up_more_than_half_of_its_share() -> None:
    """Of findings that know nothing of each other many together would mark every film."""
    chance = np.random.default_rng(2)
    labels = ["abnormal", *(f"finding {n}" for n in range(20))]
    films = [dict(zip(labels, row, strict=True)) for row in chance.random((FILMS_TO_LEARN, len(labels))).tolist()]
    card = Card(model_sha256="ab", cut_offs=dict.fromkeys(labels, 0.9), shares=dict.fromkeys(labels, 0.1))
    proposal = propose(card, films)
    for label in labels:
        share = flagged_share(films, {label: proposal.cut_offs[label]})
        assert share == pytest.approx(0.1 * LEAST_PART, abs=0.01)


def test_what_station_toml_sets_is_not_proposed_and_counts_all_the_same() -> None:
    films = films_of(3)
    card = replace(CARD, cut_offs={"mass": 0.05, "abnormal": 0.5}, fixed=frozenset({"mass"}))
    proposal = propose(card, films)
    assert proposal.cut_offs.keys() == {"abnormal"}
    alone = propose(replace(card, cut_offs={"mass": 0.99, "abnormal": 0.5}), films)
    assert proposal.cut_offs["abnormal"] > alone.cut_offs["abnormal"]


def test_absurd_films_are_stopped_at_a_bound_and_said() -> None:
    """A ward where everybody is ill, and a detector that is black."""
    ward = propose(CARD, films_of(4, shift=8))
    black = propose(CARD, films_of(4, shift=-8))
    assert set(ward.at_upper) == {"mass", "abnormal"}
    assert set(black.at_lower) == {"mass", "abnormal"}


def test_an_absurd_threshold_of_station_toml_is_known() -> None:
    cut = next(label.threshold for label in SHIPPED.labels if label.name == "abnormal")
    assert far_off(SHIPPED, {"abnormal": 0.999}) == {"abnormal": (0.999, cut)}
    assert far_off(SHIPPED, {"abnormal": 0.001}) == {"abnormal": (0.001, cut)}
    assert far_off(SHIPPED, {"abnormal": 0.6, "tuberculosis": 0.999}) == {}  # the second is withheld


def test_a_model_that_always_says_the_same_flags_every_film_rather_than_none() -> None:
    films = [{"abnormal": 0.4, "mass": 0.4}] * FILMS_TO_LEARN
    assert flagged_share(films, propose(CARD, films).cut_offs) == 1


def test_the_shares_are_those_of_the_card_at_a_stations_mix() -> None:
    card, measured = (
        card_of(SHIPPED, {}),
        {label.name: (label.sensitivity, label.specificity) for label in SHIPPED.labels},
    )
    for name, prevalence in (("abnormal", 0.15), ("edema", 0.02)):
        sensitivity, specificity = measured[name]
        assert card.shares[name] == pytest.approx(prevalence * sensitivity + (1 - prevalence) * (1 - specificity))
    withheld = {label.name for label in SHIPPED.labels if label.withheld}
    assert withheld
    assert not withheld & card.cut_offs.keys()


@pytest.mark.parametrize(("mix", "used"), [({"abnormal": 0.3}, 0.3), ({"abnormal": 7}, 0.15), ("much", 0.15)])
def test_a_manifest_may_state_the_mix_and_nonsense_in_it_is_passed_over(mix: object, used: float) -> None:
    stated = SHIPPED.model_copy(update={"training": {"station_mix": mix}})
    (said,) = [label for label in SHIPPED.labels if label.name == "abnormal"]
    expected = used * said.sensitivity + (1 - used) * (1 - said.specificity)
    assert card_of(stated, {}).shares["abnormal"] == pytest.approx(expected)


def test_a_label_that_was_never_measured_keeps_its_cut_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    manifest = load_manifest(make_bundle(tmp_path_factory.mktemp("bundle")))
    unmeasured = tuple(label.model_copy(update={"sensitivity": None}) for label in manifest.labels)
    card = card_of(manifest.model_copy(update={"labels": unmeasured}), {})
    assert card.movable == ()
    assert card.reference is None
    assert strangeness(card, films_of(5)) is None


@given(st.lists(st.integers(0, 50), min_size=10, max_size=10).filter(lambda n: sum(n) > 0), st.floats(0.01, 0.99))
def test_another_prevalence_is_still_a_histogram(counts: list[int], prevalence: float) -> None:
    reference = Reference(edges=TENTHS.edges, shares=tuple(n / sum(counts) for n in counts))
    moved = with_prevalence(reference, prevalence)
    middles = [0.05 + place / 10 for place in range(10)]
    assert sum(moved.shares) == pytest.approx(1)
    before = fmean(m for m, n in zip(middles, counts, strict=True) for _ in range(n))
    after = sum(s * m for s, m in zip(moved.shares, middles, strict=True))
    assert (after >= before - 1e-9) == (prevalence >= before - 1e-9) or after == pytest.approx(before)


def test_a_mix_of_its_own_makes_no_station_strange() -> None:
    """Calibrated scores, a model measured where two films of three are abnormal, a station where one of twenty is."""
    chance = np.random.default_rng(6)

    def said(prevalence: float, films: int) -> list[dict[str, float]]:
        ill = chance.random(films) < prevalence
        odds = np.where(ill, 0.75, -0.75) + chance.normal(0, 1.2, films) + logit(0.66)
        return [{"abnormal": score} for score in (1 / (1 + np.exp(-odds))).tolist()]

    measured = basis_of(said(0.66, 20_000), ["abnormal"])["abnormal"]
    card = replace(CARD, reference=with_prevalence(measured, 0.15))
    crude = replace(CARD, reference=measured)
    for prevalence in (0.05, 0.15, 0.3):
        films = said(prevalence, 2000)
        assert (strangeness(card, films) or 0) < min(0.3, strangeness(crude, films) or 0)


def test_too_few_films_are_neither_strange_nor_changed() -> None:
    card = replace(CARD, reference=TENTHS)
    few = films_of(7, shift=9)[: NEWEST - 1]
    assert strangeness(card, few) is None
    assert change(basis_of(films_of(7), card.movable), few) == 0


def test_a_sharpened_film_is_strange_and_a_change() -> None:
    plain, sharpened = films_of(8, films=400), films_of(9, shift=1.8)
    card = replace(CARD, reference=basis_of(plain, ["abnormal"])["abnormal"])
    assert (strangeness(card, plain[:FILMS_TO_LEARN]) or 0) < STRANGE / 2
    assert (strangeness(card, sharpened) or 0) > STRANGE
    basis = basis_of(plain[:FILMS_TO_LEARN], card.movable)
    assert change(basis, sharpened[:NEWEST]) > CHANGED


def test_other_detail_is_a_change_and_chance_is_none() -> None:
    """Energies spread by a fifth, as those of real films; sharpened films hold half as much again in one band."""
    chance = np.random.default_rng(3)

    def films(number: int, *, sharpened: bool = False) -> list[dict[str, float]]:
        energies = chance.lognormal(-4, 0.2, (number, len(DETAILS)))
        energies[:, 1] *= 1.5 if sharpened else 1
        return [dict(zip(DETAILS, row, strict=True)) for row in energies.tolist()]

    basis = basis_of(films(FILMS_TO_LEARN), [])
    assert not any(has_changed(basis, films(NEWEST)) for _ in range(200))
    assert has_changed(basis, films(NEWEST, sharpened=True))
    assert has_changed(basis, [*films(35, sharpened=True), *films(NEWEST - 35)])
    assert not has_changed(basis, films(NEWEST - 1, sharpened=True))


def test_chance_alone_hardly_ever_looks_like_a_change() -> None:
    """A thousand windows of films like those learned; two labels only: the shipped bundle's thirteen err less."""
    alarms = 0
    for seed in range(40):
        films = films_of(seed, films=FILMS_TO_LEARN + NEWEST * 25)
        basis, later = basis_of(films[:FILMS_TO_LEARN], CARD.movable), films[FILMS_TO_LEARN:]
        alarms += sum(change(basis, later[first : first + NEWEST]) > CHANGED for first in range(0, len(later), NEWEST))
    assert alarms <= 4
