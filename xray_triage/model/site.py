"""Cut-offs out of a site's own films, without labels: what to propose, how far it may go, when it holds no longer.

Another machine's post-processing moves all scores of a network and leaves their order nearly as it was. So cut-offs are
put where the share of films flagged is the one that the model's card promises for the films of a health station: its
sensitivity on those that have the finding and its false alarms on the others (the apparent prevalence of Rogan and
Gladen, "Estimating prevalence from the results of a screening test", Am J Epidemiol 107:71, 1978). That a site needs
cut-offs of its own is the WHO's advice ("Determining the local calibration of computer-assisted detection (CAD)
thresholds and other parameters", WHO/TDR 2021). Pure; it must never know a database, a page, or how a model is run.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from statistics import fmean

from xray_triage.model.stability import stability_index
from xray_triage.reading.bundle import Label, Manifest, Reference
from xray_triage.reading.findings import ABNORMAL, DETAIL

# Of so many films a share of one half is known within 7 percent of them, one of a tenth within 4 (95 %).
FILMS_TO_LEARN = 200
NEWEST = 50  # films in which a change must show; fewer tell no index
STRANGE = 1.0
# The mean index of 13 labels, newest 50 films against 200. Simulated out of 676 films (NIH ChestX-ray14, mixed as a
# station's) through a bundle that reads films as they come: in 3,000 films of one look a false alarm in 1 station of
# 20; sharpening, local equalisation, a sigmoid window, coarse JPEG are noticed after 34 to 39 films. A bundle that
# brings films to one look first is moved less and tells less: 250 films sharpened (flagged 46 -> 60 %) have an index of
# .36, films of one look .24. So its films are known by the energies that they come with, too.
CHANGED = 0.6
# The largest index of one energy, newest 50 films against 200. Simulated out of 967 films of NIH ChestX-ray14 in
# fifteen looks: in 60 stations of 767 films of one look no false alarm (at most .94); edges enhanced or local contrast
# equalised are noticed after some 25 films, a sigmoid window, a logarithm, blur after some 40, a gamma of .6 or 1.6
# after 50 (96 %); noise and half the size seldom; letters, a cut rim and JPEG never. Coarse JPEG is the gap: it moves a
# quarter of the priorities, and neither energies nor scores tell it.
OTHER_DETAIL = 1.1
DETAILS = tuple(f"{DETAIL}{number}" for number in range(7))  # as machines.py names a film's energies
# What a health station films: upright adults, one in seven of them with anything to find. A manifest may say it better
# (``training.station_mix``: label -> share). The share flagged hangs little on it: at a sensitivity of a half and a
# specificity of .92, 1 or 5 % with the finding are 8 or 10 % flagged.
STATION_MIX: Mapping[str, float] = {ABNORMAL: 0.15}
OTHER_SHARE = 0.02
# How far a cut-off may leave the bundle's, in logits. Sharpened films wanted up to 2.0, blurred ones 2.2 down. Too far
# up costs sensitivity where the site's people are sicker than thought; down it costs false alarms.
FARTHEST_UP, FARTHEST_DOWN = 2.5, 3.0
LEAST_PART = 0.5  # of a finding's own share, where the findings together would mark too many films
STEP = 0.02
Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is needed of a model's manifest. ``cut_offs``: of the labels shown and of ``abnormal``, before any site's.

    ``fixed``: those that station.toml sets; no site step moves them. ``shares``: of a station's films that each
    cut-off should flag; a label that was never measured has none, and where ``abnormal`` was not, no label has.
    ``reference``: how the scores of ``abnormal`` should lie on a station's films.
    """

    model_sha256: str
    cut_offs: Mapping[str, float]
    shares: Mapping[str, float]
    fixed: frozenset[str] = frozenset()
    reference: Reference | None = None

    @property
    def movable(self) -> tuple[str, ...]:
        """The labels whose cut-off a site may have of its own."""
        return tuple(label for label in self.shares if label not in self.fixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Cut-offs for one machine, and the labels whose cut-off would have had to go beyond a bound.

    At the upper bound more films are flagged than the card says, at the lower one fewer: there something may be missed.
    """

    cut_offs: Mapping[str, float]
    at_upper: tuple[str, ...] = ()
    at_lower: tuple[str, ...] = ()


def card_of(manifest: Manifest, own: Mapping[str, float]) -> Card:
    """``own`` are the thresholds of station.toml, which go before all others."""
    shown = {label.name: label for label in manifest.labels if label.withheld is None}
    mix = _mix(manifest)
    measured = shown[ABNORMAL].reference if ABNORMAL in shown else None
    return Card(
        model_sha256=manifest.model_sha256,
        cut_offs={name: own.get(name, label.threshold) for name, label in shown.items()},
        shares=_shares(shown, mix) if manifest.proven else {},
        fixed=frozenset(name for name in shown if name in own),
        reference=with_prevalence(measured, mix[ABNORMAL]) if measured else None,
    )


def _mix(manifest: Manifest) -> dict[str, float]:
    stated = manifest.training.get("station_mix")
    pairs = stated.items() if isinstance(stated, Mapping) else ()
    sane = {name: float(share) for name, share in pairs if isinstance(share, int | float) and 0 < share < 1}
    return {**STATION_MIX, **sane}


def _shares(shown: Mapping[str, Label], mix: Mapping[str, float]) -> dict[str, float]:
    expected = ((name, _expected(label, mix)) for name, label in shown.items())
    return {name: share for name, share in expected if share is not None}


def _expected(label: Label, mix: Mapping[str, float]) -> float | None:
    """The share of a station's films that the card says are flagged, or None for a label that was not measured."""
    if label.sensitivity is None or label.specificity is None:
        return None
    prevalence = mix.get(label.name, OTHER_SHARE)
    return prevalence * label.sensitivity + (1 - prevalence) * (1 - label.specificity)


def with_prevalence(reference: Reference, prevalence: float) -> Reference:
    """How calibrated scores would lie if this share of films had the finding, instead of as many as when measured.

    A calibrated score says itself how many of the films in its bin have it (Saerens, Latinne and Decaestecker,
    "Adjusting the outputs of a classifier to new a priori probabilities", Neural Computation 14:21, 2002). Without this
    every station would look strange to a model measured in a hospital.
    """
    middles = [(low + high) / 2 for low, high in pairwise((0.0, *reference.edges, 1.0))]
    then = sum(share * middle for share, middle in zip(reference.shares, middles, strict=True))
    if not 0 < then < 1:
        return reference
    with_it, without = prevalence / then, (1 - prevalence) / (1 - then)
    shares = [s * (m * with_it + (1 - m) * without) for s, m in zip(reference.shares, middles, strict=True)]
    return Reference(edges=reference.edges, shares=tuple(share / sum(shares) for share in shares))


def propose(card: Card, films: Sequence[Scores]) -> Proposal:
    """What the scores of a machine's newest films say.

    Every finding would flag the share that is its own; where the films with any mark are then more than the card
    promises for ``abnormal``, every finding gives up the same part of its share. (Measured on 676 films of NIH
    ChestX-ray14 mixed as a station's, in eight looks: of the healthy 39 to 47 % are flagged where it were 9 to 87 %,
    of the abnormal 11 to 24 % missed where it were 1 to 52 %.)
    """
    promised, part = card.shares.get(ABNORMAL, 1.0), 1.0
    cut_offs = _cut_offs(card, films, part)
    while part - STEP >= LEAST_PART and (flagged_share(films, {**card.cut_offs, **cut_offs}) or 0) > promised:
        part -= STEP
        cut_offs = _cut_offs(card, films, part)
    limits = {label: bounds(card.cut_offs[label]) for label in cut_offs}
    return Proposal(
        cut_offs={
            label: round(min(max(cut, limits[label][0]), limits[label][1]), 6) for label, cut in cut_offs.items()
        },
        at_upper=tuple(label for label, cut in cut_offs.items() if cut > limits[label][1]),
        at_lower=tuple(label for label, cut in cut_offs.items() if cut < limits[label][0]),
    )


def _cut_offs(card: Card, films: Sequence[Scores], part: float) -> dict[str, float]:
    said = {label: [film[label] for film in films if label in film] for label in card.movable}
    return {label: cut_off_for(scores, part * card.shares[label]) for label, scores in said.items() if scores}


def cut_off_for(scores: Sequence[float], share: float) -> float:
    """Half way between the lowest score of the ``share`` that is to be flagged and the next one below."""
    ordered = [1.0, *sorted(scores, reverse=True), 0.0]
    flagged = round(share * len(scores))
    return (ordered[flagged] + ordered[flagged + 1]) / 2


def bounds(cut_off: float) -> tuple[float, float]:
    """Between which a site's cut-off may lie, where the bundle's is ``cut_off``."""
    inside = min(max(cut_off, 1e-4), 1 - 1e-4)
    centre = log(inside / (1 - inside))
    return 1 / (1 + exp(FARTHEST_DOWN - centre)), 1 / (1 + exp(-FARTHEST_UP - centre))


def far_off(manifest: Manifest, own: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """The thresholds of station.toml, each with the bundle's, that lie where no site's cut-off may."""
    shown = {label.name: label.threshold for label in manifest.labels if label.withheld is None}
    limits = {name: (cut, *bounds(cut)) for name, cut in shown.items() if name in own}
    return {name: (own[name], cut) for name, (cut, low, high) in limits.items() if not low <= own[name] <= high}


def spread_of(films: Sequence[Scores], label: str, bins: int = 20) -> list[int]:
    """How many films score how high: a histogram of so many bins over 0..1."""
    places = [min(int(film[label] * bins), bins - 1) for film in films if label in film]
    return [places.count(place) for place in range(bins)]


def flagged_share(films: Sequence[Scores], cut_offs: Mapping[str, float]) -> float | None:
    """The share of these films with any mark; None without films."""
    marked = [any(film.get(label, 0.0) >= cut for label, cut in cut_offs.items()) for film in films]
    return fmean(marked) if marked else None


def strangeness(card: Card, films: Sequence[Scores]) -> float | None:
    """How far the scores lie from what the model should say of a station's films (PSI); None: unknown, or too few.

    On films of its own kind it is below .4, whether 5 or 60 % of them are abnormal; sharpened ones are near 1, coarse
    JPEG above.
    """
    known = _indices({ABNORMAL: card.reference}, films) if card.reference else []
    return known[0] if known else None


def basis_of(films: Sequence[Scores], labels: Iterable[str]) -> dict[str, Reference]:
    """How the scores and the energies of these films lie: the tenths of each, to hold later films against."""
    said = {label: [film[label] for film in films if label in film] for label in (*labels, *DETAILS)}
    return {label: _tenths(scores) for label, scores in said.items() if scores}


def has_changed(basis: Mapping[str, Reference], newest: Sequence[Scores]) -> bool:
    """Whether the newest films lie otherwise than the ``basis``, by their scores or by their detail."""
    return change(basis, newest) > CHANGED or change_of_detail(basis, newest) > OTHER_DETAIL


def change(basis: Mapping[str, Reference], newest: Sequence[Scores]) -> float:
    """How far the newest films' scores lie from the ``basis``: the mean index of its labels; 0 while they are few."""
    labels = {name: one for name, one in basis.items() if name not in DETAILS}
    return fmean(_indices(labels, newest) or [0.0])


def change_of_detail(basis: Mapping[str, Reference], newest: Sequence[Scores]) -> float:
    """How far the newest films' energies lie from the ``basis``: the largest index of one; 0 while they are few."""
    energies = {name: one for name, one in basis.items() if name in DETAILS}
    return max(_indices(energies, newest), default=0.0)


def _tenths(scores: Sequence[float]) -> Reference:
    ordered = sorted(scores)
    edges = tuple(ordered[len(ordered) * tenth // 10] for tenth in range(1, 10))
    places = [bisect_right(edges, score) for score in scores]
    return Reference(edges=edges, shares=tuple(places.count(place) / len(scores) for place in range(10)))


def _indices(references: Mapping[str, Reference], films: Sequence[Scores]) -> list[float]:
    """The index of each of ``references`` that enough films have."""
    said = {label: [film[label] for film in films if label in film] for label in references}
    return [stability_index(one, said[label]) for label, one in references.items() if len(said[label]) >= NEWEST]
