"""Does the model still see films like those it was measured on, and do the doctors agree with it?

Counted from the casebook when somebody asks. It must never know a page, a network, or how a model is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xray_triage.cases.figures.gauges import Gauges
from xray_triage.cases.figures.tally import Agreement, agreement_of
from xray_triage.model.site import Card
from xray_triage.model.stability import stability_index
from xray_triage.reading.bundle import Manifest, Reference
from xray_triage.reading.findings import ModelIdentity, Priority

FILMS = 200  # the newest that were read
# By chance alone the index is (1/n + 1/m) times a chi-square of 9 degrees of freedom, for n films here and m measured
# (Yurdakul, "Statistical properties of the population stability index", 2018): with 50 sound films one label in five
# would be over DRIFTED, with 150 one in some thousands.
FEWEST_FILMS = 150
DRIFTED = 0.25  # below 0.1 nothing has changed, above 0.25 much has (Siddiqi, "Credit Risk Scorecards", 2006)
VERDICTS = 200  # the newest


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """How often a label was right at this threshold when the model was measured; all 0..1."""

    threshold: float
    sensitivity: float
    specificity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInUse:
    """The model that reads now, what computes it (for people), and by label what was measured of it.

    ``references``: how its scores lay; ``points``: how often it was right; ``card``: what the site's machines are held
    against; ``manifest``: what it says of itself. Both None where the bundle cannot be read any more.
    """

    identity: ModelIdentity
    runtime: str
    references: Mapping[str, Reference]
    points: Mapping[str, OperatingPoint] = field(default_factory=dict)
    card: Card | None = None
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The population stability index of every label over ``films`` films; None: not known, the films are too few."""

    films: int
    index: Mapping[str, float | None]

    @property
    def drifted(self) -> tuple[str, ...] | None:
        """The labels over DRIFTED, the worst first; None while no index is known."""
        known = {label: index for label, index in self.index.items() if index is not None}
        worst_first = sorted(known, key=known.__getitem__, reverse=True)
        return tuple(label for label in worst_first if known[label] > DRIFTED) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The doctors' last words on the cases that were read, by the priority that the AI gave."""

    total: Agreement
    by_priority: Mapping[Priority, Agreement]


def references_of(manifest: Manifest) -> dict[str, Reference]:
    """The histograms of the labels that have one."""
    return {label.name: label.reference for label in manifest.labels if label.reference}


def points_of(manifest: Manifest) -> dict[str, OperatingPoint]:
    """Sensitivity and specificity of the labels that have both."""
    return {
        label.name: OperatingPoint(label.threshold, label.sensitivity, label.specificity)
        for label in manifest.labels
        if label.sensitivity is not None and label.specificity is not None
    }


def drift(gauges: Gauges, model_sha256: str, references: Mapping[str, Reference]) -> Drift:
    """How far the scores of the newest films lie from those of the model's measurement."""
    films = gauges.probabilities(model_sha256, newest=FILMS)

    def index(label: str, reference: Reference) -> float | None:
        said = [film[label] for film in films if label in film]
        return stability_index(reference, said) if len(said) >= FEWEST_FILMS else None

    return Drift(films=len(films), index={label: index(label, one) for label, one in references.items()})


def verdicts(gauges: Gauges, *, newest: int | None = None) -> Verdicts:
    """Whether the doctors agree: over all cases, or over the ``newest`` verdicts."""
    counts = gauges.verdict_counts(newest=newest)
    judged = [priority for priority in Priority if priority is not Priority.NOT_READ]
    by_priority: dict[Priority, Agreement] = {priority: agreement_of(counts, [priority]) for priority in judged}
    return Verdicts(total=agreement_of(counts, judged), by_priority=by_priority)
