"""What a bundle is worth at a health station, and what it may name: out of the PA films of adults that judge it.

A station films upright adults, few of whom have anything. So every share is weighted to a station's mix: as many films
abnormal as site.STATION_MIX says. Part of evaluate.py; the sentences are xray_triage/model/worth.py's.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models import data
from models.robustness import PLAIN
from xray_triage.assessment import figures
from xray_triage.assessment.predictions import Prediction
from xray_triage.config.station import Config
from xray_triage.model.site import STATION_MIX
from xray_triage.reading.bundle import Manifest
from xray_triage.reading.naming import ALWAYS_NAMED, OPACITIES
from xray_triage.reading.thorax import ADULT_YEARS
from xray_triage.reading.triage import severity

FILMS_A_DAY = 50
NAMED_AUC, NAMED_PRECISION = 0.80, 0.40
HEART, LEAST_RATIO, SPECIFICITY = "cardiomegaly", 0.50, 0.90  # of its mark by the ratio, as of other findings
Rows = Sequence[Mapping]


def station_films(answers: Sequence[Prediction], films: Sequence[data.Film]) -> list[Prediction]:
    """The PA films of adults of the hospital whose labels count, whatever the gate said of them."""
    views = {film.image: film.view for film in films if film.gate == "frontal"}
    return [
        answer
        for answer in answers
        if answer.film.source == "nih" and views.get(answer.film.key) == "PA" and answer.probabilities is not None
        if answer.film.age_years is None or answer.film.age_years >= ADULT_YEARS
    ]


def limit_of_ratio(answers: Sequence[Prediction]) -> float | None:
    """The ratio above which a heart is marked, out of calibration films; None without films that have it and not."""
    known = [(a.cardiothoracic_ratio, a.film.labels[HEART]) for a in answers if a.cardiothoracic_ratio is not None]
    ratios, truth = np.array([ratio for ratio, _ in known]), np.array([heart for _, heart in known], np.int64)
    if not 0 < truth.sum() < len(truth):
        return None
    at = figures.threshold_at_specificity(ratios, truth, SPECIFICITY)
    return round(max(LEAST_RATIO, float(np.floor(at * 100) / 100)), 2)


def rows(answers: Sequence[Prediction], at: Mapping[str, float], limit: float | None) -> list[dict]:
    """Film by film what it has, which labels are over their thresholds, how grave it is, and whether it is read."""
    return [
        {
            "has": [name for name, there in answer.film.labels.items() if there],
            "over": [name for name, cut in at.items() if _is_over(answer, name, cut, limit)],
            "severity": round(severity(answer.probabilities or {}), 4),
            "read": answer.refused is None,
        }
        for answer in answers
    ]


def _is_over(answer: Prediction, name: str, cut: float, limit: float | None) -> bool:
    ratio = answer.cardiothoracic_ratio
    if name == HEART and ratio is not None and limit is not None:
        return round(ratio, 2) > limit
    return (answer.probabilities or {})[name] >= cut


def weights(films: Rows) -> NDArray[np.float64]:
    """What each film counts, so that as many are abnormal as at a station; the sum is 1."""
    abnormal = np.array([data.ABNORMAL in film["has"] for film in films])
    share = STATION_MIX[data.ABNORMAL]
    return np.where(abnormal, share / max(1, abnormal.sum()), (1 - share) / max(1, (~abnormal).sum()))


def of_label(name: str, films: Rows, auc: float | None) -> dict:
    """A label among these films; ``auc`` is measured before, where the probabilities are."""
    films = [film for film in films if film["read"]]
    has, over = (np.array([name in film[key] for film in films], bool) for key in ("has", "over"))
    each = weights(films)
    marked = float(each[over].sum())
    return {
        "films": len(films),
        "positives": int(has.sum()),
        "auc": auc,
        "sensitivity": float(over[has].mean()) if has.any() else None,
        "precision": float(each[over & has].sum()) / marked if marked else None,
    }


def may_be_named(name: str, at_station: Mapping) -> bool:
    """Whether a doctor is told of it by its name."""
    if name in ALWAYS_NAMED:
        return True
    good = (at_station["auc"] or 0) >= NAMED_AUC and (at_station["precision"] or 0) >= NAMED_PRECISION
    return good and name not in OPACITIES


def aucs(answers: Sequence[Prediction]) -> dict[str, float | None]:
    """Of each label that these films speak of."""
    found: dict[str, float | None] = {}
    for name in data.LABELS:
        told = [a for a in answers if name in a.film.labels and a.probabilities is not None]
        truth = np.array([a.film.labels[name] for a in told], np.int64)
        said = np.array([(a.probabilities or {})[name] for a in told])
        if told:
            found[name] = figures.auc(said, truth) if 0 < truth.sum() < len(truth) else None
    return found


def day(films: Rows, told: Collection[str], urgent: Collection[str]) -> dict:
    """A station's day. ``told``: the labels that mark a film; ``urgent``: those of them that ring by themselves."""
    read = [film for film in films if film["read"]]
    each, abnormal = weights(read), np.array([data.ABNORMAL in film["has"] for film in read], bool)
    marked = np.array([bool({*told} & {*film["over"]}) for film in read], bool)
    rings = np.array([bool({*told} & {*urgent} & {*film["over"]}) for film in read], bool) | _gravest(read, each)
    return {
        "healthy": int((~abnormal).sum()),
        "abnormal": int(abnormal.sum()),
        "films": FILMS_A_DAY,
        "share": STATION_MIX[data.ABNORMAL],
        "flagged": FILMS_A_DAY * float(each[marked | rings].sum()),
        "falsely": FILMS_A_DAY * float(each[(marked | rings) & ~abnormal].sum()),
        "missed": FILMS_A_DAY * float(each[~(marked | rings) & abnormal].sum()),
        "urgent": FILMS_A_DAY * float(each[rings].sum()),
        "rang": int(rings.sum()),
        "rang_healthy": int((rings & ~abnormal).sum()),
    }


def _gravest(films: Rows, each: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The films whose severity is among a site's highest, as the policy wants it where it says nothing else."""
    grave = np.array([film["severity"] for film in films])
    order = np.argsort(-grave)
    inside = np.cumsum(each[order]) <= Config().policy.urgent_share
    found = np.zeros(len(films), bool)
    found[order[inside]] = True
    return found


def steadiness(robustness: Mapping) -> dict:
    """The looks of other machines in which few films change their priority, and the worst."""
    changed = {name: row["changed"] for name, row in robustness["looks"].items() if name != PLAIN}
    worst = max(changed, key=changed.__getitem__)
    limit, passed = robustness["limit"], sum(share <= robustness["limit"] for share in changed.values())
    return {
        "limit": limit, "looks": len(changed), "passed": passed, "worst": round(changed[worst], 4), "worst_look": worst,
    }  # fmt: skip


def of_bundle(manifest: Manifest, measured: Mapping) -> dict:
    """Worth as the manifest keeps it, out of evaluation.json."""
    told = [label.name for label in manifest.labels if label.withheld is None]
    gate = measured["gate"]
    found = day(measured["station"], told, Config().policy.urgent)
    found |= {
        "refused": gate["adult_frontal"]["share"],
        "laterals": gate["lateral"]["films"],
        "laterals_read": gate["lateral"]["films"] - gate["lateral"]["refused"],
    }
    found["steadiness"] = steadiness(measured["robustness"]) if "robustness" in measured else None
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}
