"""A TorchXRayVision checkpoint -> a bundle: ``python -m models.torchxrayvision CHECKPOINT FOLDER``.

The network names findings; input gate, outlines and cardiothoracic ratio are lent by a bundle of ours, its companion.
With labelled films the answers are calibrated and measured, and ``abnormal`` is fitted; without, the card says that
nothing of it is known.
"""

import argparse
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from models import foreign
from models.checkpoint import CheckpointError, open_checkpoint
from models.export import PARITY, golden_film, raw_threshold, write_graph
from models.fitting import Answers, Fitted, check_films, mean_auc, measured, unmeasured
from models.foreign import Output, Served
from models.imported import Learned, Origin, write_beside
from models.labelled import Asker, Lot
from models.releases import LICENCE, RELEASES, published, recognised
from xray_triage.assessment.labels import AssessmentError, find_pictures, read_labels
from xray_triage.model.limits import UNKNOWN, told
from xray_triage.model.selection import SHIPPED_DEFAULT, SHIPPED_FOLDER
from xray_triage.reading.bundle import COMPANION_FOLDER, MODEL_FILE, Bundle, BundleError, load_bundle, sha256_of
from xray_triage.reading.classifier import ModelFailed
from xray_triage.reading.normalisation import typical
from xray_triage.reading.onnx_classifier import OnnxClassifier, verify
from xray_triage.reading.pixels import InputSpec, prepare

ROOM, COMPANION_BYTES = 2.5, 20e6  # what it takes beside the checkpoint: its graph, and that as float16
LEFT_BEHIND = 86_400  # seconds after which an unfinished folder is nobody's any more
LEAST = 1e-6  # by which an answer changes from film to film, of its size
WORTH = 0.01  # of mean AUC: what it may cost on films of one kind to be steady on those of other machines


def main() -> None:
    """Read the command line and do the step; whatever is wrong is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bundle", type=Path, help="folder to make; its name is the bundle's")
    parser.add_argument("--arch", choices=sorted(foreign.SIZES), help="default: as the names in the checkpoint say")
    parser.add_argument("--size", type=int, default=0, help="pixels of its square input; default: as the releases")
    parser.add_argument("--outputs", default="", help="names of the outputs in their order, comma between")
    parser.add_argument("--weights", default="", help="the release it is; default: by its file name")
    parser.add_argument("--licence", default="", help="of the weights; default: that of the release, or unknown")
    parser.add_argument("--labels", type=Path, help="CSV of what is known of films, as for xray-triage model evaluate")
    parser.add_argument("--films", type=Path, help="folder of these films; default: the CSV's own, and images/ in it")
    parser.add_argument("--where", action="append", default=[], help="COLUMN=VALUE: only lines with this; repeatable")
    parser.add_argument("--ignore", action="append", default=[], help="pass over an unknown column; repeatable")
    options = parser.parse_args()
    try:
        make_bundle(options)
    except (CheckpointError, BundleError, AssessmentError, ModelFailed, OSError) as error:
        raise SystemExit(" ".join(str(error).split())) from error


def make_bundle(options: argparse.Namespace) -> None:
    """Write the bundle beside its place and rename it there when all is right, so that there is never half of it."""
    if options.bundle.exists():
        raise CheckpointError(f"{options.bundle} is there already; choose another name by --name, or remove it")
    lot = labelled_films(options)
    given = open_given(options)
    companion = load_bundle(SHIPPED_FOLDER / SHIPPED_DEFAULT)
    with folder_beside(options.bundle, options.checkpoint.stat().st_size) as beside:
        learned = Learned(rows=unmeasured(given.outputs, given.count))
        if lot:
            asker = Asker(network=given.network, spec=given.spec, companion=OnnxClassifier(companion))
            learned = learn(asker, lot, given.outputs, sha256_of(options.labels))
        say(0, 1, "writing the graph")
        worst = write_model(given, learned.rows, beside / MODEL_FILE)
        shutil.copytree(companion.folder, beside / COMPANION_FOLDER, ignore=shutil.ignore_patterns("evaluation.json"))
        write_beside(beside, options.bundle.name, given.origin, given.spec, learned)
        bundle = load_bundle(beside)
        verify(bundle, OnnxClassifier(bundle))
        beside.chmod(0o755)
        beside.rename(options.bundle)
    tell(load_bundle(options.bundle), worst)
    if not lot and not given.has_thresholds:
        print(f"No operating thresholds are known: all stand at {foreign.UNKNOWN_THRESHOLD}. Give films by --labels.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The network of a checkpoint, and what is known of it. ``count`` outputs, some of them are ``outputs``."""

    network: nn.Module
    spec: InputSpec
    count: int
    outputs: list[Output]
    has_thresholds: bool
    origin: Origin


def open_given(options: argparse.Namespace) -> Given:
    """What the command line names. Raises CheckpointError."""
    checkpoint = open_checkpoint(options.checkpoint)
    release = options.weights or recognised(options.checkpoint.name) or published(checkpoint.op_threshs or []) or ""
    if release and release not in RELEASES:
        raise CheckpointError(f"unknown release {release!r}; known: {', '.join(RELEASES)}")
    arch = foreign.architecture(checkpoint, options.arch)
    network = foreign.load_network(checkpoint, arch)
    count, spec = getattr(network, foreign.LAST[arch]).out_features, foreign.input_of(arch, options.size)
    outputs = foreign.kept_outputs(checkpoint, count, options.outputs, release)
    check_answers(network, spec)
    origin = Origin(
        checkpoint=options.checkpoint.name,
        checkpoint_sha256=sha256_of(options.checkpoint),
        architecture=arch,
        release=f"TorchXRayVision {release}" if release else UNKNOWN,
        licence=options.licence or (LICENCE if release else UNKNOWN),
    )
    return Given(
        network=network,
        spec=spec,
        count=count,
        outputs=outputs,
        has_thresholds=bool(foreign.known_thresholds(checkpoint, release)),
        origin=origin,
    )


@contextmanager
def folder_beside(bundle: Path, checkpoint_bytes: int) -> Iterator[Path]:
    """An empty folder beside the place of ``bundle``, gone afterwards; those that a power cut left there go too.

    Made before any film is read, so that a place without room or right is told at once. Raises CheckpointError.
    """
    try:
        bundle.parent.mkdir(parents=True, exist_ok=True)
        for old in bundle.parent.glob(".importing-*"):
            if time.time() - old.stat().st_mtime > LEFT_BEHIND:
                shutil.rmtree(old, ignore_errors=True)
        beside = Path(tempfile.mkdtemp(prefix=f".importing-{os.getpid()}-", dir=bundle.parent))
    except OSError as error:
        raise CheckpointError(f"no bundle can be made in {bundle.parent}: {error.strerror}; see --to") from error
    try:
        free, needed = shutil.disk_usage(beside).free, ROOM * checkpoint_bytes + COMPANION_BYTES
        if free < needed:
            said = f"{free / 1e6:.0f} MB are free in {bundle.parent}, it takes some {needed / 1e6:.0f}"
            raise CheckpointError(f"{said}: make room, or see --to")
        yield beside
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CheckpointError(f"no room is left in {bundle.parent}: make some and import again, or see --to") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_model(given: Given, rows: Sequence[Fitted], path: Path) -> float:
    """The graph as a station runs it, and how far it is from PyTorch. Raises CheckpointError."""
    served = Served(
        given.network, given.origin.architecture, [row.head for row in rows], [zero_of(row) for row in rows]
    )
    write_graph(served.eval(), path, {"films": noise(given.spec)}, ["logits", "cams"])
    return check_parity(given.network, rows, path, given.spec)


def labelled_films(options: argparse.Namespace) -> Lot:
    """The films of the CSV and their files; none where no CSV was given. Raises AssessmentError."""
    if options.labels is None:
        return []
    where = dict(condition.split("=", 1) for condition in options.where)
    _, films = read_labels(options.labels, where=where, ignore=options.ignore)
    check_films(films, "labelled films")
    return list(zip(films, find_pictures(options.labels, films, options.films), strict=True))


def learn(asker: Asker, lot: Lot, outputs: list[Output], labels_sha256: str) -> Learned:
    """Calibrate and measure on films as they come, and in one look, which is taken unless it costs too much."""
    plain = asker.ask(lot, say)
    check_films(plain.films, f"of {len(lot)} labelled films were read ({counted(plain.refused)})")
    wanted = typical(plain.energies)
    in_one_look = asker.ask(lot, say, wanted=wanted)
    rows, steady = (measured(outputs, each.answers, each.films) for each in (plain, in_one_look))
    before, after = mean_auc(rows), mean_auc(steady)
    is_taken = after >= before - WORTH
    said = {
        "labels_sha256": labels_sha256,
        "films": len(lot),
        "read": len(plain.films),
        "refused": dict(plain.refused),
        "mean_auc": {"as_they_come": round(before, 4), "in_one_look": round(after, 4)},
        "is_in_one_look": is_taken,
    }
    return Learned(rows=steady if is_taken else rows, energies=wanted if is_taken else None, told=said)


def tell(bundle: Bundle, worst: float) -> None:
    """What was made, for a person."""
    manifest = bundle.manifest
    shown = ", ".join(label.name for label in manifest.labels if not label.withheld) or "nothing"
    architecture = manifest.training["origin"]["architecture"]
    print(f"{manifest.name}: {architecture}; shows {shown}. ONNX and PyTorch differ by {worst:.0e}.")
    for sentence in told(manifest).values():
        print(sentence)
    if shown == "nothing":
        print("It tells nothing better than chance: a station gains nothing by it.")


def counted(refused: Mapping[str, int]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in refused.items()) or "none refused"


def zero_of(row: Fitted) -> float:
    """The logit of a label at its threshold."""
    return raw_threshold({"threshold": row.threshold, "scale": row.scale, "offset": row.offset})


def noise(spec: InputSpec) -> Tensor:
    """Two films of noise as the network eats them."""
    chance = torch.Generator().manual_seed(0)
    return (torch.rand(2, 1, spec.size, spec.size, generator=chance) - spec.mean) / spec.std


def asked(network: nn.Module, spec: InputSpec) -> tuple[Tensor, Answers]:
    """Noise and the golden film, and what PyTorch answers."""
    films = torch.cat([noise(spec), torch.from_numpy(prepare(golden_film(), spec))])
    with torch.inference_mode():
        return films, network(films).numpy()


def check_answers(network: nn.Module, spec: InputSpec) -> None:
    """Raise CheckpointError where its answers are no numbers, or the same whatever it sees."""
    _, answers = asked(network, spec)
    if not np.isfinite(answers).all():
        raise CheckpointError("the network answers something that is no number: its weights are spoilt; fetch it again")
    if not (np.ptp(answers, axis=0) > LEAST * np.abs(answers).max(axis=0)).any():
        raise CheckpointError("the network answers the same to every film: it was never trained, or its file is spoilt")


def check_parity(network: nn.Module, rows: Sequence[Fitted], path: Path, spec: InputSpec) -> float:
    """The largest difference of ONNX Runtime's logits from PyTorch's own, by the size of the logits (at least 1).

    On noise and on the golden film. Raises CheckpointError when it is over PARITY.
    """
    films, answers = asked(network, spec)
    expected = np.stack([row.head(answers) for row in rows], axis=1)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(["logits"], {"films": films.numpy()})[0]
    worst = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not worst <= PARITY:
        raise CheckpointError(f"ONNX and PyTorch differ by {worst:.1e}, more than {PARITY}: no bundle was made")
    return worst


def say(done: int, total: int, what: str) -> None:
    """How far it is, for the program that started this one."""
    print(f"@ {done}/{total} {what}", flush=True)


if __name__ == "__main__":
    main()
