"""Films for the workshop: which film teaches which label, which fold it is in, and one cache of prepared films.

Reads labels.csv and the JPEG beside it; ``python -m models.data`` writes it again with the fold of every film, for
``xray-triage model evaluate``. It must never know a network. Three rules keep it honest:
an empty label is unknown, not 0; a fold goes by ``group`` (a patient and all near-duplicates); and a label learns from
a source only where that source shows both films with it and without it, so that it cannot be told by the source.
"""

import argparse
import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from models import negatives
from xray_triage.reading.findings import ABNORMAL, KINDS
from xray_triage.reading.pixels import InputSpec, prepare, resize, shrink
from xray_triage.reading.polarity import as_positive

LABELS = (*KINDS, ABNORMAL)
MEASURED_ON = {"tuberculosis": ("tb_lundis",), "covid19": ("covid_radiography_lundis", "covid_chestxray_ieee8023")}
FOURTEEN = [name for name in LABELS if name not in (*MEASURED_ON, ABNORMAL)]  # the NIH's
GATE_CLASSES = ("frontal", "not_frontal", "rotated", "not_a_chest", "child")
CHILDREN = "kermany_paediatric"  # 1 to 5 years: they teach the gate, never an adult's pneumonia
CHILD_YEARS = 8.0
FOLDS = 5
SPARED = 0  # the fold that teaches neither the outlines nor the drawn pictures
CACHE_SPEC = InputSpec(size=320, mean=0.0, std=1.0, fit="squash")
MEAN, STD = 0.5, 0.5  # the network eats -1..1
COMMON_SIDE, COMMON_QUALITY = 320, 80  # every source through one resolution and one JPEG quality
UNKNOWN = np.float32(np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One line of labels.csv. ``labels`` is float32 (len(LABELS),): 1, 0 or NaN = unknown; ``gate`` a GATE_CLASSES."""

    image: str
    source: str
    group: str
    fold: int
    labels: NDArray[np.float32]
    gate: str
    view: str = ""
    reference: bool = False


def read_films(folder: Path) -> list[Film]:
    """All films of ``folder``/labels.csv, in its order, with fold and gate class; labels as the file gives them."""
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    references = set(read_references(folder))
    return [_film(row, reference=row["image"] in references) for row in rows]


def read_references(folder: Path, who: str = "chexnet") -> dict[str, dict[str, float]]:
    """What the published CheXNet reproduction said: image -> label -> probability (its own test fold only).

    ``who`` may be ``ensemble`` for the ensemble of three that the same authors published.
    """
    path = folder / "nih_reference_predictions.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["image"]: _reference(row, who) for row in csv.DictReader(file)}


def _reference(row: Mapping[str, str], who: str) -> dict[str, float]:
    names = {f"{who}_{name}": name for name in LABELS} | {f"{who}_effusion": "pleural_effusion"}
    return {name: float(row[column]) for column, name in names.items() if column in row}


def _film(row: Mapping[str, str], *, reference: bool) -> Film:
    return Film(
        image=row["image"],
        source=row["source"],
        group=row["group"],
        fold=fold_of(row["group"]),
        labels=_labels(row),
        gate=_gate(row),
        view=row["view"].upper(),
        reference=reference,
    )


def fold_of(group: str) -> int:
    """0 to FOLDS - 1, by the group's name alone, so that it never changes."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) * FOLDS >> 32


def _labels(row: Mapping[str, str]) -> NDArray[np.float32]:
    known = {"1": np.float32(1), "0": np.float32(0)}
    values = [known.get(row.get(name, ""), UNKNOWN) for name in KINDS]
    abnormal = {"1": np.float32(0), "0": np.float32(1)}.get(row["no_finding"], UNKNOWN)
    return np.array([*values, abnormal], np.float32)


def _gate(row: Mapping[str, str]) -> str:
    if row["view"].upper() == "L":
        return "not_frontal"
    child = row["source"] == CHILDREN or _years(row["age"]) < CHILD_YEARS
    return "child" if child else "frontal"


def _years(age: str) -> float:
    """``58``, ``47.0``, ``047Y`` or ``006M`` as years; unknown is adult here (infinite)."""
    units = {"Y": 1.0, "M": 12.0, "W": 52.0, "D": 365.0}
    number = age.rstrip("YMWD")
    return float(number) / units.get(age[-1:], 1.0) if number else np.inf


def mask_confounded(films: Sequence[Film]) -> list[Film]:
    """Labels that may teach: of upright adults, from origins that show both 1 and 0 of it; all else becomes unknown."""
    origins = np.array([origin(film.source) for film in films])
    adults = np.array([film.gate == "frontal" for film in films])
    labels = np.stack([film.labels for film in films])
    labels[~adults] = UNKNOWN
    for name in set(origins):
        here = origins == name
        both = (labels[here] == 1).any(axis=0) & (labels[here] == 0).any(axis=0)
        labels[np.ix_(here, ~both)] = UNKNOWN
    return [replace(film, labels=row) for film, row in zip(films, labels, strict=True)]


def origin(source: str) -> str:
    """Where the films were taken: the three NIH selections are one hospital."""
    return "nih" if source.startswith("nih") else source


def measures(name: str, film: Film) -> bool:
    """Whether this film counts in figures of label ``name``: one hospital's films only, where a label has that."""
    return origin(film.source) in MEASURED_ON.get(name, ("nih",))


def judging(films: Sequence[Film]) -> list[Film]:
    """The films by which networks are judged: all of the hospital whose labels count, of others the spared fold's."""
    return [film for film in films if origin(film.source) == "nih" or film.fold == SPARED]


def open_film(path: Path) -> NDArray[np.float32]:
    """An 8-bit gray picture as (h, w) float32 0..1, dense bright, as the station's ``open_picture`` hands it on."""
    with Image.open(path) as picture:
        return as_positive(shrink(np.asarray(picture.convert("L"), np.float32) / np.float32(255), 1024))[0]


def equalise(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """One resolution and one JPEG quality for every source, so that neither tells the source."""
    scale = COMMON_SIDE / max(image.shape)
    small = resize(image, max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    buffer = io.BytesIO()
    Image.fromarray((small * 255 + 0.5).astype(np.uint8)).save(buffer, "JPEG", quality=COMMON_QUALITY)
    return np.asarray(Image.open(buffer), np.float32) / np.float32(255)


def cache(folder: Path, films: Sequence[Film], *, n_negatives: int, path: Path, seed: int = 1) -> NDArray[np.uint8]:
    """Memory map (films + negatives, side, side) uint8: each film through equalise and prepare; made once."""
    shape = (len(films) + n_negatives, CACHE_SPEC.size, CACHE_SPEC.size)
    if path.exists():
        return np.memmap(path, np.uint8, "r", shape=shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    written = np.memmap(half, np.uint8, "w+", shape=shape)
    for index, film in enumerate(tqdm(films, "prepare films", mininterval=5)):
        written[index] = _prepared(equalise(open_film(folder / "images" / film.image)))
    train = [i for i, film in enumerate(films) if film.fold != SPARED and film.gate == "frontal"]
    torn_up = written[np.sort(np.random.default_rng(seed).choice(train, 400, replace=len(train) < 400))]
    for index in tqdm(range(n_negatives), "draw negatives", mininterval=5):
        drawn = negatives.draw(torn_up, np.random.default_rng((seed, index)))
        written[len(films) + index] = _prepared(equalise(drawn))
    written.flush()
    half.rename(path)
    return np.memmap(path, np.uint8, "r", shape=shape)


def served(folder: Path, films: Sequence[Film], spec: InputSpec) -> NDArray[np.float32]:
    """(n, 1, size, size): films through the station's own preparation, nothing equalised."""
    shown = tqdm(films, "prepare films", mininterval=5)
    return np.concatenate([prepare(open_film(folder / "images" / film.image), spec) for film in shown])


def served_spec(size: int) -> InputSpec:
    """What the manifest says of the input: as in the cache, at the network's size and range."""
    return replace(CACHE_SPEC, size=size, mean=MEAN, std=STD)


def _prepared(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (prepare(image, CACHE_SPEC)[0, 0] * 255 + 0.5).astype(np.uint8)


def write_labels(films: Sequence[Film], folder: Path, path: Path) -> None:
    """labels.csv as the workshop measures by it: with ``fold``, ``source`` a hospital, only labels that count."""
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        columns = ("image", "source", "group", "age", "sex", "fold", "ctr", *LABELS)
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for film, row in zip(films, rows, strict=True):
            said = zip(LABELS, film.labels, strict=True)
            known = {name: "" if np.isnan(value) else str(int(value)) for name, value in said}
            told = {name: row[name] for name in ("image", "group", "age", "sex", "ctr")}
            writer.writerow(told | known | {"source": origin(film.source), "fold": film.fold})


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"), help="folder with labels.csv")
    parser.add_argument("--out", type=Path, default=Path("work/labels.csv"))
    options = parser.parse_args()
    write_labels(mask_confounded(read_films(options.films)), options.films, options.out)


if __name__ == "__main__":
    main()
