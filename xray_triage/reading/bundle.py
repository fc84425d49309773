"""A model in a folder: manifest, weights, golden film; nothing of it is used before its hashes are right.

It must never know how the weights are run (onnx_classifier.py does).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from xray_triage.reading.findings import ABNORMAL, KINDS, REASONS, ModelIdentity
from xray_triage.reading.normalisation import EDGES, Energies
from xray_triage.reading.pixels import InputSpec

MODEL_FILE = "model.onnx"
OUTLINES_FILE = "outlines.onnx"
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.png"
COMPANION_FOLDER = "companion"

Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class BundleError(Exception):
    """This bundle cannot be used; the message is one line that says why and where."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Calibration(_Strict):
    """probability = sigmoid(scale * logit + offset)."""

    scale: float = 1.0
    offset: float = 0.0


class Reference(_Strict):
    """How one label's probabilities lay on the films of calibration: ten shares between nine rising ``edges``.

    What a station sees later is held against it (drift.py).
    """

    edges: Annotated[tuple[Fraction, ...], Field(min_length=9, max_length=9)]
    shares: Annotated[tuple[Fraction, ...], Field(min_length=10, max_length=10)]

    @model_validator(mode="after")
    def _is_a_histogram(self) -> Self:
        if any(low > high for low, high in pairwise(self.edges)) or abs(sum(self.shares) - 1) > 0.01:
            raise ValueError("edges must not fall, shares must sum to 1")
        return self


class AtStation(_Strict):
    """One label on ``films`` PA films of adults, ``positives`` of them with it.

    ``precision``: which share of its marks are right where as many films are abnormal as at a station; None without
    a mark.
    """

    films: int
    positives: int
    auc: Fraction | None
    sensitivity: Fraction | None
    precision: Fraction | None


class Label(_Strict):
    """One output of the network; what is said of it was measured on films the network never saw.

    ``name`` is one of findings.KINDS or ``abnormal``. ``withheld`` says why the label is not shown to the doctor (it
    then goes into the scores only). ``shown``: it is told by its name, else in a group (naming.py); None: the bundle
    is of the old kind, which did not say.
    """

    name: str
    calibration: Calibration = Calibration()
    threshold: Fraction
    sensitivity: Fraction | None = None
    specificity: Fraction | None = None
    auc: Fraction | None = None
    auc_interval: tuple[Fraction, Fraction] | None = None
    calibration_error: Fraction | None = None
    reference: Reference | None = None
    withheld: str | None = None
    shown: bool | None = None
    at_station: AtStation | None = None


class Outputs(_Strict):
    """Names in the graph: logits (1, labels), activation maps (1, labels, h, w) or none, gate logits or none.

    ``masks`` (1, 3, h, w) or none: probability 0..1, over the network's input, of the lung on the picture's left (the
    patient's right), the other lung, the heart. Where the manifest has ``outlines``, it is their graph's output.
    """

    logits: str = "logits"
    activation_maps: str | None = None
    gate: str | None = None
    masks: str | None = None


def _can_be_reached(energies: Energies) -> Energies:
    if len(energies.bands) != len(EDGES) - 1 or min(*energies.bands, energies.spread) <= 0:
        raise ValueError(f"energies must have {len(EDGES) - 1} bands, all of them and the spread above 0")
    if not 0 <= energies.level <= 1:
        raise ValueError("energies: level must be 0 to 1")
    if not 0 < energies.share <= 1:
        raise ValueError("energies: share must be above 0, at most 1")
    return energies


WantedEnergies = Annotated[Energies, AfterValidator(_can_be_reached)]


class Outlines(_Strict):
    """A graph of its own, outlines.onnx, that draws the masks before the other one reads.

    The film is then brought to ``energies`` within the lungs (normalisation.py), and model.onnx has two inputs: the
    film so normalised, and the masks, by the name they have in Outputs. A bundle without outlines reads films as they
    are prepared.
    """

    sha256: Sha256
    energies: WantedEnergies


class Companion(_Strict):
    """A whole bundle of ours within this one, in the folder ``companion``, for a network that only names findings.

    Its gate says what the film is, its masks where lungs and heart are; it prepares the film for itself. The film that
    this bundle's network reads is brought to ``energies`` within those lungs (normalisation.py); None: it is not.
    """

    model_sha256: Sha256
    energies: WantedEnergies | None = None


class CardiothoracicError(_Strict):
    """How far the ratio out of ``masks`` lay from the drawn one, on ``films`` films the network never saw.

    Cardiomegaly is marked where the ratio is above ``marked_above``, whatever its score; None: the score decides.
    """

    mean_absolute_error: Fraction
    films: Annotated[int, Field(ge=1)]
    marked_above: Fraction | None = None


class Gate(_Strict):
    """What the film itself is: softmax over ``classes`` in the order of the gate logits.

    A class is ``frontal`` or one of findings.REASONS; below ``minimum_frontal`` the film is not read, and the
    reason is the most probable other class.
    """

    classes: tuple[str, ...]
    minimum_frontal: Fraction

    @model_validator(mode="after")
    def _has_known_classes(self) -> Self:
        unknown = [name for name in self.classes if name != "frontal" and name not in REASONS]
        if unknown or "frontal" not in self.classes or len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError("classes must be frontal and, once each, codes of reasons not to read a film")
        return self


class Golden(_Strict):
    """A film of the bundle's own (8-bit gray PNG) and the calibrated probability of every label on it."""

    file: str = GOLDEN_FILE
    sha256: Sha256
    probabilities: Mapping[str, Fraction]
    tolerance: Annotated[float, Field(gt=0, le=0.05)] = 0.01


class Steadiness(_Strict):
    """Of the ``looks`` of other machines ``passed`` changed the priority of at most ``limit`` of the films."""

    limit: Fraction
    looks: Annotated[int, Field(ge=1)]
    passed: int
    worst: Fraction
    worst_look: str


class Worth(_Strict):
    """A day at a station, out of PA films of adults that taught nothing: ``healthy`` of them, and ``abnormal``.

    ``films`` a day, ``share`` of them abnormal. Of these are ``flagged`` (any mark), ``falsely`` so, abnormal and
    ``missed``, ``urgent``. ``rang``: so many of the measured films were urgent, ``rang_healthy`` of them had nothing.
    ``refused``: share of all adults' frontal films that are not read. ``laterals``, and how many are read all the same.
    """

    healthy: int
    abnormal: int
    films: int
    share: Fraction
    flagged: float
    falsely: float
    missed: float
    urgent: float
    rang: int
    rang_healthy: int
    refused: Fraction
    laterals: int
    laterals_read: int
    steadiness: Steadiness | None = None


class Manifest(_Strict):
    """manifest.json. ``training`` is free: data, metrics, who and when; it ends up on the model's card."""

    format: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[str, Field(min_length=1, max_length=64)]
    licence: str
    model_sha256: Sha256
    input: InputSpec
    outputs: Outputs = Outputs()
    outlines: Outlines | None = None
    companion: Companion | None = None
    labels: Annotated[tuple[Label, ...], Field(min_length=1)]
    gate: Gate | None = None
    cardiothoracic: CardiothoracicError | None = None
    golden: Golden
    worth: Worth | None = None
    training: dict[str, Any] = {}

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        names = [label.name for label in self.labels]
        unknown = [name for name in names if name not in KINDS and name != ABNORMAL]
        if unknown:
            raise ValueError(f"unknown label {unknown[0]!r}; known: {', '.join(KINDS)}, {ABNORMAL}")
        if len(set(names)) < len(names):
            raise ValueError("a label stands twice")
        if set(self.golden.probabilities) != set(names):
            raise ValueError("golden.probabilities must name every label, and no other")
        if (self.gate is None) != (self.outputs.gate is None):
            raise ValueError("gate and outputs.gate need each other")
        if self.companion is not None and (self.gate or self.outputs.masks or self.outlines):
            raise ValueError("a bundle with a companion has no gate, outputs.masks or outlines of its own")
        if self.cardiothoracic is not None and self.outputs.masks is None and self.companion is None:
            raise ValueError("cardiothoracic needs outputs.masks, or a companion")
        if self.outlines is not None and self.outputs.masks is None:
            raise ValueError("outlines need outputs.masks")
        if not (32 <= self.input.size <= 2048 and self.input.channels in (1, 3) and self.input.std > 0):
            raise ValueError("input: size must be 32 to 2048, channels 1 or 3, std above 0")
        if not 0 <= self.input.percentiles[0] < self.input.percentiles[1] <= 100:
            raise ValueError("input.percentiles must rise, within 0 to 100")
        return self

    @property
    def proven(self) -> bool:
        """Whether it was measured how often ``abnormal`` is right. If not, its silence means nothing."""
        known = [label for label in self.labels if label.name == ABNORMAL and label.withheld is None]
        return any(label.sensitivity is not None and label.specificity is not None for label in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose files are there and whose hashes are right; those of its companion too, where it has one."""

    folder: Path
    manifest: Manifest
    companion: Self | None = None

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(name=self.manifest.name, version=self.manifest.version, sha256=self.manifest.model_sha256)

    @property
    def model_path(self) -> Path:
        return self.folder / MODEL_FILE

    @property
    def outlines_path(self) -> Path:
        return self.folder / OUTLINES_FILE

    @property
    def golden_path(self) -> Path:
        return self.folder / self.manifest.golden.file


def load_bundle(folder: Path) -> Bundle:
    """Read and check the bundle in ``folder``. Raises BundleError with one line; runs nothing."""
    if not folder.is_dir():
        raise BundleError(f"no model bundle at {folder}: there is no such folder")
    manifest = load_manifest(folder)
    bundle = Bundle(folder=folder, manifest=manifest, companion=_companion(folder, manifest.companion))
    if Path(manifest.golden.file).name != manifest.golden.file:
        raise BundleError(f"{folder / MANIFEST_FILE} is wrong: golden.file must be a plain file name")
    _check_hash(bundle.model_path, manifest.model_sha256)
    if manifest.outlines is not None:
        _check_hash(bundle.outlines_path, manifest.outlines.sha256)
    _check_hash(bundle.golden_path, manifest.golden.sha256)
    return bundle


def _companion(folder: Path, promised: Companion | None) -> Bundle | None:
    if promised is None:
        return None
    inside = folder / COMPANION_FOLDER
    manifest = load_manifest(inside)
    if manifest.companion or not manifest.gate or not manifest.outputs.masks:
        raise BundleError(f"{inside} is no companion: it must have a gate and masks, and no companion of its own")
    if manifest.model_sha256 != promised.model_sha256:
        raise BundleError(f"{inside} is not the companion that {folder / MANIFEST_FILE} names")
    return load_bundle(inside)


def load_manifest(folder: Path) -> Manifest:
    """What the bundle in ``folder`` says of itself. Raises BundleError."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder / MANIFEST_FILE} cannot be read: {error}") from error
    except ValidationError as error:
        raise BundleError(f"{folder / MANIFEST_FILE} is wrong: {_first_of(error)}") from error


def sha256_of(path: Path) -> str:
    """The hash of a file, in small hexadecimal letters."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_hash(path: Path, expected: str) -> None:
    try:
        found = sha256_of(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if found != expected:
        raise BundleError(f"{path} is damaged or from another version: sha256 is {found}, manifest says {expected}")


def _first_of(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
