"""What stands beside the graph of an imported bundle: manifest, golden film, card. It must never know a checkpoint."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.card import row
from models.export import TOLERANCE, golden_film
from models.fitting import FOLDS, Fitted
from xray_triage.model.limits import told
from xray_triage.reading.bundle import (
    COMPANION_FOLDER,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    Manifest,
    load_bundle,
    load_manifest,
    sha256_of,
)
from xray_triage.reading.findings import ABNORMAL
from xray_triage.reading.normalisation import Energies
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.reading.pixels import InputSpec

TEMPLATE = Path(__file__).with_name("import.template.md")
OUTPUTS = {"logits": "logits", "activation_maps": "cams"}
NOT_MEASURED = """**Nothing was measured.** The cut-offs are the checkpoint's own, the probabilities plain sigmoids of
its outputs, `abnormal` is the mean of how far its labels lie over their cut-offs. To have it measured, import it again
with `--labels` and `--films`."""
MEASURED = """Measured on {read} of {films} labelled films (not read: {refused}), in {folds} folds by patient: each film
is judged by cut-offs that were put without it. It is as good as this on films like these, not on others; films that the
checkpoint was trained on flatter it.
* Of 100 abnormal films `abnormal` finds {found:.0f}; of 100 others it flags {falsely:.0f} falsely. AUC {auc}.
* Mean AUC of the labels measured: {as_they_come:.3f} on films as they come, {in_one_look:.3f} on films brought to one
  look (that of the median labelled film). It reads films {taken}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the weights come from, as far as anybody knows."""

    checkpoint: str
    checkpoint_sha256: str
    architecture: str
    release: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What becomes of a network's answers: the ``rows`` of the manifest; ``energies`` that films are brought to.

    ``told`` of the labelled films goes into the manifest; empty where there were none.
    """

    rows: Sequence[Fitted]
    energies: Energies | None = None
    told: Mapping[str, Any] | None = None


def write_beside(folder: Path, name: str, origin: Origin, spec: InputSpec, learned: Learned) -> None:
    """The graph and the companion are there already; the golden film's answers are asked as a station would ask."""
    film, golden = golden_film(), folder / GOLDEN_FILE
    Image.fromarray(np.round(film * 255).astype(np.uint8)).save(golden)
    companion, said = load_manifest(folder / COMPANION_FOLDER), learned.told
    films = f"-{said['labels_sha256'][:6]}" if said else ""
    ratio, energies = companion.cardiothoracic, learned.energies
    manifest = {
        "format": 1,
        "name": name,
        "version": origin.checkpoint_sha256[:12] + films,
        "licence": origin.licence,
        "model_sha256": sha256_of(folder / MODEL_FILE),
        "input": asdict(spec),
        "outputs": OUTPUTS,
        "companion": {"model_sha256": companion.model_sha256, "energies": asdict(energies) if energies else None},
        "labels": [_label(each) for each in learned.rows],
        "cardiothoracic": ratio.model_dump() if ratio else None,
        "golden": {
            "file": golden.name, "sha256": sha256_of(golden), "tolerance": TOLERANCE,
            "probabilities": {each.name: 0.5 for each in learned.rows},
        },
        "training": {
            "origin": {name: words for name, words in asdict(origin).items() if name != "licence"},
            "labelled_films": said,
        },
    }  # fmt: skip
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    found = OnnxClassifier(load_bundle(folder)).probabilities(film)
    manifest["golden"]["probabilities"] = {label: round(value, 6) for label, value in found.items()}
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = card(load_manifest(folder), companion, origin, learned)
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def _label(fitted: Fitted) -> dict[str, Any]:
    named = {"name": fitted.name, "calibration": {"scale": fitted.scale, "offset": fitted.offset}}
    return named | {"threshold": fitted.threshold, "withheld": fitted.withheld} | fitted.figures


def card(manifest: Manifest, companion: Manifest, origin: Origin, learned: Learned) -> str:
    """MODEL_CARD.md; every figure on it was computed."""
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=manifest.name,
        size=manifest.input.size,
        worth=_worth(learned),
        lacks="\n".join(f"* {sentence}" for sentence in told(manifest).values()) or "* Nothing of it.",
        rows="\n".join(_row(each) for each in learned.rows),
        companion=f"{companion.name} {companion.version}",
        **asdict(origin),
    )


def _worth(learned: Learned) -> str:
    if not learned.told:
        return NOT_MEASURED
    said, found = learned.told, next(each for each in learned.rows if each.name == ABNORMAL)
    figures, aucs = found.figures, said["mean_auc"]
    low, high = figures["auc_interval"]
    return MEASURED.format(
        read=said["read"],
        films=said["films"],
        refused=", ".join(f"{reason} {count}" for reason, count in said["refused"].items()) or "none",
        folds=FOLDS,
        found=100 * figures["sensitivity"],
        falsely=100 * (1 - figures["specificity"]),
        auc=f"{figures['auc']:.2f} ({low:.2f}–{high:.2f})",
        **aucs,
        taken="in one look" if said["is_in_one_look"] else "as they come, for the other costs too much",
    )


def _row(fitted: Fitted) -> str:
    found, counts = fitted.figures, f"{fitted.positives} / {fitted.films}"
    shown = f"no: {fitted.withheld}" if fitted.withheld else "yes"
    if not found:
        return row(fitted.name, counts, "–", f"{fitted.threshold:.4g}", "–", "–", "–", shown)
    low, high = found["auc_interval"]
    area, shares = (
        f"{found['auc']:.2f} ({low:.2f}–{high:.2f})",
        (f"{found[n]:.2f}" for n in ("sensitivity", "specificity")),
    )
    return row(
        fitted.name, counts, area, f"{fitted.threshold:.3f}", *shares, f"{found['calibration_error']:.3f}", shown
    )
