"""Measure a bundle on films it never saw, and write what came out into it: ``python -m models.evaluate``.

Every film is read by the bundle of its fold, whose networks it did not teach, and its answers held against the cut-offs
of the shipped one: by the code of ``xray-triage model evaluate``, the station's own way from file to answer. Beside the
figures CheXNet on the same films, alarms, what the gate refuses, what becomes of films in the looks of other machines,
what a day at a station is like, and what other steps left in ``work``. Writes evaluation.json and MODEL_CARD.md, and
puts the figures, what is withheld and what is told by name into manifest.json.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models import card, data, pointing, recipes, refusals, robustness, worth
from models.runs import Runs
from xray_triage.assessment import figures
from xray_triage.assessment.accuracy import Accuracy, LabelFigures, measure
from xray_triage.assessment.examiner import Examiner
from xray_triage.assessment.labels import read_labels
from xray_triage.assessment.predictions import Prediction
from xray_triage.config.station import Config
from xray_triage.reading.bundle import load_bundle, load_manifest

FEWEST_POSITIVES = 15
URGENT = ("pneumothorax", "edema")
DEADLY, LEAST_FOUND = ("pneumothorax",), 0.5  # one that misses most of these would be trusted where it is silent
COVID19 = "its films and the films without it come from different hospitals, and a network tells the hospitals apart"
STEPS = {  # what other steps left in the folder ``work``; told on the card where it is there
    "calibration": "all/calibration.json",
    "confounding": "confounding.json",
    "thorax": "thorax.json",
}


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--dicom", type=Path, default=Path("../shared/data/dicom"), help="real files with index.csv")
    parser.add_argument("--bundle", type=Path, default=Path("xray_triage/model/bundles/station-5"))
    parser.add_argument("--work", type=Path, default=Path("work"), help="with the folds' bundles in bundles/")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="only tell anew what other steps left, and write the card")
    options = parser.parse_args()
    path = options.bundle / "evaluation.json"
    measured = json.loads(path.read_text()) if options.again else measure_all(options)
    for name, file in STEPS.items():
        if (options.work / file).exists():
            measured[name] = json.loads((options.work / file).read_text())
    measured["recipes"] = measured.pop("calibration", {}).get("alone", measured.get("recipes"))
    if measured.get("confounding", {}).get("bundle") not in measured["folds"]:
        measured.pop("confounding", None)  # of another bundle
    for row in measured["labels"].values():
        row["withheld"] = withheld(row, measured)
        name_it(row, measured)
    measured["alarms"] = {who: alarms(measured["labels"], said) for who, said in measured["over"].items()}
    measured.pop("worth", None)  # till what it hangs on is in the manifest
    put_into_manifest(options.bundle / "manifest.json", measured)
    if not options.again:  # what is withheld or named decides a priority too
        for folder in folds(options.work):
            put_into_manifest(folder / "manifest.json", measured)
        measured["robustness"] = robustness.measure(folds(options.work), options.films, judging(options.films))
    measured["worth"] = worth.of_bundle(load_manifest(options.bundle), measured)
    put_into_manifest(options.bundle / "manifest.json", measured)
    path.write_text(json.dumps(measured, indent=1) + "\n")
    (options.bundle / "MODEL_CARD.md").write_text(card.write(load_bundle(options.bundle).manifest, measured))
    print((options.bundle / "MODEL_CARD.md").read_text())


def folds(work: Path) -> list[Path]:
    return [work / "bundles" / recipes.fold(number) for number in range(data.FOLDS)]


def judging(folder: Path) -> list[data.Film]:
    return data.judging(data.mask_confounded(data.read_films(folder)))


def measure_all(options: argparse.Namespace) -> dict:
    """All that is measured with bundles; takes minutes."""
    everything, films = data.mask_confounded(data.read_films(options.films)), judging(options.films)
    labels = options.work / "labels.csv"
    data.write_labels(everything, options.films, labels)
    examiner = Examiner.from_config(Config(), str(options.bundle), watch=watch)
    by_fold = folds(options.work)
    answers = [each for number, _ in enumerate(by_fold) for each in answers_of(number, films, options)]
    runs = Runs(load_bundle(options.bundle), threads=options.threads)
    spared = [film for film in films if film.fold == data.SPARED]
    pixels = data.served(options.films, spared, runs.bundle.manifest.input)
    ratio, here = overall(examiner, answers).cardiothoracic, worth.station_films(answers, films)
    limit = worth.limit_of_ratio(here)
    return {
        "model_sha256": examiner.identity.sha256,
        "folds": [load_bundle(folder).identity.sha256 for folder in by_fold],
        "films": counts(everything, films),
        "labels": {name: asdict(table(examiner, name, answers)) for name in data.LABELS},
        "parts": parts(examiner, answers),
        "cardiothoracic": asdict(ratio) | {"marked_above": limit} if ratio else None,
        "station": worth.rows(here, examiner.thresholds, limit),
        "station_auc": worth.aucs(here),
        "chexnet": beside_chexnet(answers, data.read_references(options.films)),
        "over": over(examiner, answers),
        "gate": refusals.measure(Runs(load_bundle(by_fold[data.SPARED]), threads=options.threads), pixels, spared),
        "dicom": refusals.dicom_files(runs, options.dicom),
        "pointing": pointing.measure(by_fold, options.films),
        "milliseconds": runs.milliseconds(pixels[:1]),
        "megabytes": sum(file.stat().st_size for file in options.bundle.glob("*.onnx")) / 1e6,
    }


def answers_of(fold: int, films: Sequence[data.Film], options: argparse.Namespace) -> list[Prediction]:
    """What the networks say of the films of their fold."""
    labels, here = options.work / "labels.csv", {film.image for film in films}
    _, lines = read_labels(labels, where={"fold": str(fold)})
    examiner = Examiner.from_config(Config(), str(folds(options.work)[fold]), watch=watch)
    return examiner.answers(labels, [line for line in lines if line.key in here], options.films / "images")


def watch(answers: Iterator[Prediction], count: int) -> Iterator[Prediction]:
    return iter(tqdm(answers, "read films", total=count, mininterval=5))


def counts(everything: Sequence[data.Film], films: Sequence[data.Film]) -> dict[str, dict[str, int]]:
    """Of each source: all films, and those of them by which the networks are judged."""
    return {
        source: {
            what: sum(film.source == source for film in lot) for what, lot in (("all", everything), ("judging", films))
        }
        for source in sorted({film.source for film in everything})
    }


def overall(examiner: Examiner, answers: Sequence[Prediction]) -> Accuracy:
    labels = examiner.manifest.labels
    return measure(answers, examiner.identity, labels, thresholds=examiner.thresholds, with_refused=True)


def table(examiner: Examiner, name: str, answers: Sequence[Prediction]) -> LabelFigures:
    """One label's figures, on the films of the hospitals that count for it."""
    here = [answer for answer in answers if answer.film.source in data.MEASURED_ON.get(name, ("nih",))]
    return next(row for row in overall(examiner, here).figures if row.label == name)


def parts(examiner: Examiner, answers: Sequence[Prediction]) -> list[dict]:
    """The NIH films by age and sex; all films by hospital."""
    nih = [answer for answer in answers if answer.film.source == "nih"]
    found = [part for part in overall(examiner, answers).parts if part.by == "source"]
    return [asdict(part) for part in [*found, *overall(examiner, nih).parts]]


def withheld(row: Mapping, measured: Mapping) -> str | None:
    """Why the doctor is not told of the label with these figures; None tells."""
    name, positives, films = row["label"], row["positives"], row["films"]
    if name == "tuberculosis":
        return measured.get("confounding", {}).get("withheld", "nobody has looked whether its score reads lungs")
    if name == "covid19":
        over = [name in film for films in measured["over"].values() for film in films]
        return f"{COVID19}; {np.mean(over):.0%} of {len(over)} films of a third, from before it, are over its threshold"
    if positives < FEWEST_POSITIVES:
        return f"only {positives} of {films} films show it: too few to say how good the answer is"
    low, high = row["auc_interval"] or (0.0, 1.0)
    auc = f"AUC {row['auc']:.2f} ({low:.2f} to {high:.2f})"
    if name in DEADLY and row["sensitivity"] < LEAST_FOUND:
        return f"it finds {row['sensitivity']:.0%} of the {positives} of {films} films that show it, {auc}"
    return f"not better than chance: {auc} on {positives} of {films} films" if low <= 0.5 else None


def name_it(row: dict, measured: Mapping) -> None:
    """How good it is on a station's films, and whether the doctor is told of it by its name."""
    name, auc = row["label"], measured["station_auc"]
    row["at_station"] = worth.of_label(name, measured["station"], auc[name]) if name in auc else None
    named = row["at_station"] is not None and worth.may_be_named(name, row["at_station"])
    row["shown"] = named and row["withheld"] is None


def beside_chexnet(answers: Sequence[Prediction], said: Mapping[str, Mapping[str, float]]) -> dict:
    """AUC per label, ours and the published CheXNet reproduction's, on the same films (its own test fold)."""
    same = [answer for answer in answers if answer.film.key in said and answer.probabilities]
    labels = {}
    for name in data.LABELS:
        told = [answer for answer in same if name in answer.film.labels and name in said[answer.film.key]]
        truth = np.array([answer.film.labels[name] for answer in told], np.int64)
        if not 0 < truth.sum() < len(truth):
            continue
        ours = np.array([answer.probabilities[name] for answer in told])
        theirs = np.array([said[answer.film.key][name] for answer in told])
        areas = {"ours": figures.auc(ours, truth), "chexnet": figures.auc(theirs, truth)}
        labels[name] = areas | {"positives": int(truth.sum())}
    enough = [row for row in labels.values() if row["positives"] >= FEWEST_POSITIVES]
    means = {who: float(np.mean([row[who] for row in enough])) for who in ("ours", "chexnet")} if enough else {}
    return {"films": len(same), "labels": labels, "mean": means, "labels_in_mean": len(enough)}


def over(examiner: Examiner, answers: Sequence[Prediction]) -> dict[str, list[list[str]]]:
    """For the NIH films ``without`` and ``with`` a finding: the labels over their thresholds, film by film."""
    nih = [answer for answer in answers if answer.film.source == "nih" and answer.probabilities]
    at = examiner.thresholds
    return {
        who: [
            [name for name, threshold in at.items() if answer.probabilities[name] >= threshold]
            for answer in nih
            if answer.film.labels.get(data.ABNORMAL) is truth
        ]
        for who, truth in (("without", False), ("with", True))
    }


def alarms(labels: Mapping[str, Mapping], films: Sequence[Sequence[str]]) -> dict[str, float]:
    """Which share of the films get any shown finding, an urgent one, the general score."""
    shown = [name for name, row in labels.items() if row["withheld"] is None and name != data.ABNORMAL]
    kinds = {"finding": shown, "urgent": [name for name in URGENT if name in shown], "abnormal_score": [data.ABNORMAL]}
    return {
        what: float(np.mean([any(name in said for name in names) for said in films])) for what, names in kinds.items()
    }


def put_into_manifest(path: Path, measured: dict) -> None:
    manifest = json.loads(path.read_text())
    for label in manifest["labels"]:
        row = measured["labels"][label["name"]]
        for name in ("sensitivity", "specificity", "auc", "calibration_error"):
            label[name] = round(row[name], 4)
        label["auc_interval"] = [round(value, 4) for value in row["auc_interval"]]
        label |= {"withheld": row["withheld"], "shown": row["shown"], "at_station": rounded(row["at_station"])}
    manifest["cardiothoracic"] = rounded(measured["cardiothoracic"])
    manifest["worth"] = measured.get("worth")
    manifest["training"] |= {"films": measured["films"]}
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def rounded(found: Mapping | None) -> dict | None:
    """The same in four digits."""
    return found and {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}


if __name__ == "__main__":
    main()
