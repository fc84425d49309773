"""Hold the recipes beside each other, alone and together: ``python -m models.compare``.

Chosen is by the calibration split; the test split's figures are only told. Both through the station's own preparation.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models import data
from models.calibrate import answers
from models.ensemble import open_ensemble
from models.recipes import RECIPES
from models.sight import open_sight
from xray_triage.assessment.figures import auc

FOURTEEN = [name for name in data.LABELS if name not in (*data.MEASURED_ON, data.ABNORMAL)]


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("together", nargs="*", help="recipes joined by +, as lite0+teacher")
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    films = [film for film in data.mask_confounded(data.read_films(options.films)) if data.origin(film.source) == "nih"]
    films = [film for film in films if film.split != "train" and film.gate == "frontal"]
    path = options.work / "recipes.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    alone = {name: logits_of(name, films, options) for name in RECIPES if (options.work / name / "log.jsonl").exists()}
    for together in [*alone, *options.together]:
        logits = np.mean([alone[name] for name in together.split("+")], axis=0)
        found[together] = figures(logits, films) | effort(options.work, together)
        print(together, json.dumps(found[together]))
    path.write_text(json.dumps(found, indent=1))


def effort(work: Path, together: str) -> dict[str, float]:
    """Minutes of training, and epochs done (of all networks)."""
    texts = [(work / name / "log.jsonl").read_text().splitlines() for name in together.split("+")]
    logs = [[json.loads(line) for line in text] for text in texts]
    seconds = sum(line["seconds"] for log in logs for line in log)
    return {"minutes": round(seconds / 60), "epochs": sum(max(line["epoch"] for line in log) for log in logs)}


def logits_of(name: str, films: Sequence[data.Film], options: argparse.Namespace) -> NDArray[np.float32]:
    """(films, labels), kept beside the checkpoint, for a look costs a minute."""
    kept = options.work / name / "answers.npy"
    checkpoint = options.work / name / "checkpoint.pt"
    if not kept.exists() or kept.stat().st_mtime < checkpoint.stat().st_mtime:
        ensemble, sight = open_ensemble([checkpoint]), open_sight(options.work)
        look = sight if RECIPES[name].steady else sight.plain
        prepared = data.served(options.films, films, data.served_spec(ensemble.side))
        np.save(kept, answers(ensemble, look, torch.from_numpy(prepared))[0])
    return np.load(kept)


def figures(logits: NDArray[np.float32], films: Sequence[data.Film]) -> dict[str, float]:
    """Mean AUC of the fourteen labels: calibration films, test films, and those of the test that CheXNet answered."""
    labels, split = np.stack([film.labels for film in films]), np.array([film.split for film in films])
    same = np.array([film.reference for film in films])
    parts = {"calibration": split == "calibration", "test": split == "test", "same_films": (split == "test") & same}
    return {
        what: round(
            float(np.nanmean([auc(logits[part, i], labels[part, i]) for i in map(data.LABELS.index, FOURTEEN)])), 4
        )
        for what, part in parts.items()
    }


if __name__ == "__main__":
    main()
