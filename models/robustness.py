"""Does a bundle say the same of a film whatever machine it comes from? The gate of ``python -m models.evaluate``.

Films in each of the looks of looks.py, through the station's own way from pixels to priority. By itself (``python -m
models.robustness BUNDLE``) it prints the table for any bundle. It must not know how one is trained.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models import data, looks
from xray_triage.assessment.figures import auc
from xray_triage.model.site import bounds, cut_off_for
from xray_triage.reading.bundle import load_bundle
from xray_triage.reading.findings import Findings, Priority
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.reading.polarity import as_positive
from xray_triage.reading.radiograph import Radiograph
from xray_triage.reading.triage import Policy, decide, not_read

LIMIT = 0.10  # of the films may change their priority in one look
FILMS = 120
FEWEST = 15  # films with a label, and without it, that make an AUC
PLAIN = "as it is"
HEADS = (
    "after the site step", "healthy flagged", "abnormal called normal", "refused", "AUC `abnormal`", "mean AUC",
)  # fmt: skip
FLAGGED = (Priority.URGENT, Priority.ABNORMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said of one film: its priority, and each label's probability, none where it was not read."""

    priority: Priority
    probabilities: dict[str, float]
    findings: Findings | None = None


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="+", help="one, or one for each fold")
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--at-most", type=int, default=FILMS, help="films")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    options = parser.parse_args()
    films = data.mask_confounded(data.read_films(options.films))
    found = measure(options.bundles, options.films, films, at_most=options.at_most)
    print("\n".join(rows(found)))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def measure(bundles: Sequence[Path], folder: Path, films: Sequence[data.Film], *, at_most: int = FILMS) -> dict:
    """Figures of each look, on upright adults' films of the hospital whose labels count.

    Of several ``bundles`` each is asked about the films of its fold.
    """
    here = [film for film in films if film.gate == "frontal" and data.origin(film.source) == "nih"]
    here = here[:: max(1, -(-len(here) // at_most))]
    classifiers = [OnnxClassifier(load_bundle(bundle)) for bundle in bundles]
    members = {PLAIN: lambda film, _: film, **looks.MEMBERS}
    said: dict[str, list[Said]] = {name: [] for name in members}
    for number, film in enumerate(tqdm(here, "films in all looks", mininterval=5)):
        classifier = classifiers[film.fold % len(classifiers)]
        image = data.open_film(folder / "images" / film.image)
        for name, look in members.items():
            said[name].append(ask(classifier, look(image, np.random.default_rng(number))))
    labels = np.stack([film.labels for film in here])
    found = {name: figures(answers, said[PLAIN], labels) for name, answers in said.items()}
    for name, answers in said.items():
        found[name]["changed_after_site_step"] = changed(after_site_step(answers, said[PLAIN]), said[PLAIN])
    worst, then = (max(row[key] for row in found.values()) for key in ("changed", "changed_after_site_step"))
    return {
        "films": len(here),
        "limit": LIMIT,
        "looks": found,
        "worst": worst,
        "passed": worst <= LIMIT,
        "worst_after_site_step": then,
        "passed_after_site_step": then <= LIMIT,
    }


def ask(classifier: OnnxClassifier, image: NDArray[np.float32]) -> Said:
    """What a station would say of this picture, kept in 8 bits."""
    kept = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8).astype(np.float32) / np.float32(255)
    rows, columns = kept.shape
    answer = classifier.classify(Radiograph(image=as_positive(kept)[0], rows=rows, columns=columns))
    if not isinstance(answer, Findings):
        return Said(priority=not_read().priority, probabilities={})
    scores = {name: value for name, value in answer.scores.items() if value is not None and name in data.LABELS}
    shown = {finding.kind.name: finding.probability for finding in answer.findings}
    return Said(priority=decide(answer, Policy()).priority, probabilities=shown | scores, findings=answer)


def changed(answers: Sequence[Said], plain: Sequence[Said]) -> float:
    """The share of films that have another priority than in ``plain``."""
    return float(np.mean([said.priority is not before.priority for said, before in zip(answers, plain, strict=True)]))


def after_site_step(answers: Sequence[Said], plain: Sequence[Said]) -> list[Said]:
    """What would be said by cut-offs that this look's films set for their machine: as many flagged as in ``plain``."""
    cut_offs = {}
    for label, cut_off in cut_offs_of(next(said.findings for said in plain if said.findings)).items():
        before, now = ([each.probabilities[label] for each in said if each.probabilities] for said in (plain, answers))
        if before and now:
            lowest, highest = bounds(cut_off)
            share = float(np.mean(np.array(before) >= cut_off))
            cut_offs[label] = min(max(cut_off_for(now, share), lowest), highest)
    return [with_cut_offs(said, cut_offs) for said in answers]


def cut_offs_of(findings: Findings) -> dict[str, float]:
    shown = {finding.kind.name: finding.threshold for finding in findings.findings}
    general = findings.abnormal_threshold
    return shown if general is None else {**shown, data.ABNORMAL: general}


def with_cut_offs(said: Said, cut_offs: dict[str, float]) -> Said:
    """The same answer held against other cut-offs."""
    if said.findings is None:
        return said
    shown = [replace(each, threshold=cut_offs.get(each.kind.name, each.threshold)) for each in said.findings.findings]
    general = cut_offs.get(data.ABNORMAL, said.findings.abnormal_threshold)
    moved = replace(said.findings, findings=tuple(shown), abnormal_threshold=general)
    return replace(said, priority=decide(moved, Policy()).priority, findings=moved)


def figures(answers: Sequence[Said], plain: Sequence[Said], labels: NDArray[np.float32]) -> dict:
    """Shares of films: of another priority than in ``plain``, healthy flagged, abnormal called normal, refused."""
    abnormal = labels[:, data.LABELS.index(data.ABNORMAL)]

    def share(counts: Callable[[Said], bool], truth: float) -> float:
        return float(np.mean([counts(said) for said, label in zip(answers, abnormal, strict=True) if label == truth]))

    areas = {name: area(answers, labels[:, data.LABELS.index(name)], name) for name in data.LABELS}
    known = [found for name, found in areas.items() if found is not None and name != data.ABNORMAL]
    return {
        "changed": changed(answers, plain),
        "healthy_flagged": share(lambda said: said.priority in FLAGGED, 0),
        "abnormal_called_normal": share(lambda said: said.priority is Priority.NORMAL, 1),
        "refused": float(np.mean([not said.probabilities for said in answers])),
        "auc_abnormal": areas[data.ABNORMAL],
        "auc_labels": float(np.mean(known)) if known else None,
        "labels": len(known),
    }


def area(answers: Sequence[Said], truth: NDArray[np.float32], name: str) -> float | None:
    """AUC of one label over the films that were read; None where too few have it, or have it not."""
    told = [(said.probabilities[name], t) for said, t in zip(answers, truth, strict=True) if name in said.probabilities]
    scores, known = np.array([score for score, t in told if t in (0, 1)]), np.array([t for _, t in told if t in (0, 1)])
    if min((known == 1).sum(), (known == 0).sum()) < FEWEST:
        return None
    return auc(scores, known)


def rows(found: dict) -> list[str]:
    """The table, a look a line, and what it comes to."""
    shares = ("changed", "changed_after_site_step", "healthy_flagged", "abnormal_called_normal", "refused")
    lines = [
        f"| look | priority changes | {' | '.join(HEADS)} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found["looks"].items():
        cells = [f"{row[share]:.0%}" if share in row else "" for share in shares]
        cells += ["" if row[key] is None else f"{row[key]:.3f}" for key in ("auc_abnormal", "auc_labels")]
        lines.append(f"| {' | '.join([name, *cells])} |")
    gate = f"The gate, at most {found['limit']:.0%} of {found['films']} films in any look: {verdict(found, 'changed')}"
    return [*lines, "", f"{gate}; after the site step: {verdict(found, 'changed_after_site_step')}."]


def verdict(found: dict, share: str) -> str:
    over = [name for name, row in found["looks"].items() if row.get(share, 0) > found["limit"]]
    return f"passed by all but: {', '.join(over)}" if over else "passed"


if __name__ == "__main__":
    main()
