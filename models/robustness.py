"""Does a bundle say the same of a film whatever machine it comes from? The gate of ``python -m models.evaluate``.

Films of the test split in each of the looks of looks.py, through the station's own way from pixels to priority. By
itself (``python -m models.robustness BUNDLE``) it prints the table for any bundle. It must not know how one is trained.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models import data, looks
from xray_triage.assessment.figures import auc
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
FLAGGED = (Priority.URGENT, Priority.ABNORMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said of one film: its priority, and each label's probability, none where it was not read."""

    priority: Priority
    probabilities: dict[str, float]


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--split", choices=("calibration", "test"), default="test")
    parser.add_argument("--at-most", type=int, default=FILMS, help="films")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    options = parser.parse_args()
    films = [film for film in data.mask_confounded(data.read_films(options.films)) if film.split == options.split]
    found = measure(options.bundle, options.films, films, at_most=options.at_most)
    print("\n".join(rows(found)))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def measure(bundle: Path, folder: Path, films: Sequence[data.Film], *, at_most: int = FILMS) -> dict:
    """Figures of each look, on upright adults' films of the hospital whose labels count."""
    here = [film for film in films if film.gate == "frontal" and data.origin(film.source) == "nih"]
    here = here[:: max(1, -(-len(here) // at_most))]
    classifier = OnnxClassifier(load_bundle(bundle))
    members = {PLAIN: lambda film, _: film, **looks.MEMBERS}
    said: dict[str, list[Said]] = {name: [] for name in members}
    for number, film in enumerate(tqdm(here, "films in all looks", mininterval=5)):
        image = data.open_film(folder / "images" / film.image)
        for name, look in members.items():
            said[name].append(ask(classifier, look(image, np.random.default_rng(number))))
    labels = np.stack([film.labels for film in here])
    found = {name: figures(answers, said[PLAIN], labels) for name, answers in said.items()}
    worst = max(row["changed"] for row in found.values())
    return {"films": len(here), "limit": LIMIT, "looks": found, "worst": worst, "passed": worst <= LIMIT}


def ask(classifier: OnnxClassifier, image: NDArray[np.float32]) -> Said:
    """What a station would say of this picture, kept in 8 bits."""
    kept = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8).astype(np.float32) / np.float32(255)
    rows, columns = kept.shape
    answer = classifier.classify(Radiograph(image=as_positive(kept)[0], rows=rows, columns=columns))
    if not isinstance(answer, Findings):
        return Said(priority=not_read().priority, probabilities={})
    scores = {name: value for name, value in answer.scores.items() if value is not None and name in data.LABELS}
    shown = {finding.kind.name: finding.probability for finding in answer.findings}
    return Said(priority=decide(answer, Policy()).priority, probabilities=shown | scores)


def figures(answers: Sequence[Said], plain: Sequence[Said], labels: NDArray[np.float32]) -> dict:
    """Shares of films: of another priority than in ``plain``, healthy flagged, abnormal called normal, refused."""
    abnormal = labels[:, data.LABELS.index(data.ABNORMAL)]

    def share(counts: Callable[[Said], bool], truth: float) -> float:
        return float(np.mean([counts(said) for said, label in zip(answers, abnormal, strict=True) if label == truth]))

    areas = {name: area(answers, labels[:, data.LABELS.index(name)], name) for name in data.LABELS}
    known = [found for name, found in areas.items() if found is not None and name != data.ABNORMAL]
    changed = [said.priority is not before.priority for said, before in zip(answers, plain, strict=True)]
    return {
        "changed": float(np.mean(changed)),
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
    shares = ("changed", "healthy_flagged", "abnormal_called_normal", "refused")
    lines = [
        "| look | priority changes | healthy flagged | abnormal called normal | refused | AUC `abnormal` | mean AUC |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in found["looks"].items():
        cells = [f"{row[share]:.0%}" for share in shares]
        cells += ["" if row[key] is None else f"{row[key]:.3f}" for key in ("auc_abnormal", "auc_labels")]
        lines.append(f"| {' | '.join([name, *cells])} |")
    over = [name for name, row in found["looks"].items() if row["changed"] > found["limit"]]
    verdict = f"passed by all but: {', '.join(over)}" if over else "passed"
    return [*lines, "", f"The gate, at most {found['limit']:.0%} of {found['films']} films in any look: {verdict}."]


if __name__ == "__main__":
    main()
