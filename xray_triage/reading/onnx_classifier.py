"""Reads films with a bundle: what its graph answers becomes findings. It must never know DICOM, queues or pages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from xray_triage.language import rounded
from xray_triage.reading.bundle import Bundle, BundleError, Label, Manifest
from xray_triage.reading.classifier import ModelFailed
from xray_triage.reading.findings import (
    ABNORMAL,
    CARDIOTHORACIC_RATIO,
    KINDS,
    REASONS,
    Cardiothoracic,
    Finding,
    Findings,
    Measured,
    ModelIdentity,
    NotReadable,
    with_site,
)
from xray_triage.reading.heat import box_of, over_film
from xray_triage.reading.naming import group_of, is_shown, speakers
from xray_triage.reading.normalisation import Energies, as_read
from xray_triage.reading.pixels import Image, Placement, as_image, moved, place, prepare
from xray_triage.reading.radiograph import Radiograph
from xray_triage.reading.runtime import Runtime, Session
from xray_triage.reading.thorax import look

__all__ = ["ModelFailed", "OnnxClassifier", "golden_film", "verify"]

ROUNDING = 1e-3  # by which a probability may leave 0..1, in half precision or int8
# A picture far from all films that taught the gate is ``not_a_chest`` by so much that its share tells nothing. Another
# class that is e times as likely as ``frontal`` is the better reason: so are called, by station-2, 24 of 24 lateral
# films, 60 of 60 turned ones, 59 of 61 of children; of 200 drawn limbs, teeth and pages 9, of 26 photographs none.
FAR = "not_a_chest"
LIKELIER = 2.718


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the graph said of one film: logits (L,), activation maps (L, h, w), gate logits (G,), masks (3, h, w) 0..1.

    ``came``: the energies that the film came with. All but the logits may be None.
    """

    logits: NDArray[np.float64]
    activation_maps: Image | None
    gate: NDArray[np.float64] | None
    masks: Image | None = None
    came: Energies | None = None


class OnnxClassifier:
    """A bundle at work. ``thresholds`` are the site's, by label, over the bundle's; a withheld one has none.

    Raises BundleError.
    """

    def __init__(
        self, bundle: Bundle, *, thresholds: Mapping[str, float] | None = None, runtime: Runtime | None = None
    ) -> None:
        self._bundle = bundle
        self._thresholds = _thresholds(bundle, thresholds or {})
        self._own = thresholds or {}
        self._session = Session(bundle, runtime or Runtime())
        self.companion = OnnxClassifier(bundle.companion, runtime=runtime) if bundle.companion else None
        self._guide = (bundle.companion or bundle).manifest  # of the gate and the masks

    @property
    def identity(self) -> ModelIdentity:
        return self._bundle.identity

    @property
    def runtime(self) -> str:
        """What computes, for people: ``CPUExecutionProvider, 2 threads, 14 ms``."""
        return str(self._session.runtime)

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    def classify(self, radiograph: Radiograph, cut_offs: Mapping[str, float] | None = None) -> Findings | NotReadable:
        placement = place(radiograph.image, self.manifest.input)
        answer = self.see(radiograph.image, placement)
        refused = radiograph.doubt if self._guide.gate is None else self.refusal(answer)
        if refused is not None and radiograph.doubt is not None:  # the pixels refuse it, and the header knows why
            refused = replace(refused, reason=radiograph.doubt.reason, detail=_both(refused, radiograph.doubt))
        thresholds = with_site(self._thresholds, cut_offs or {}, fixed=self._own)
        return refused if refused is not None else self._findings(answer, radiograph, placement, thresholds)

    def probabilities(self, image: Image) -> dict[str, float]:
        """The calibrated probability of every label, withheld ones too, whatever the gate says of the image."""
        return self._calibrated(self.see(image))

    def see(self, image: Image, placement: Placement | None = None) -> Output:
        """What the graph says of an image (h, w) 0..1, with the companion's gate and masks where there is one.

        ``placement`` is that of pixels.place, for who has asked already. Raises ModelFailed.
        """
        beside = self.companion.see(image) if self.companion else None
        answer = self._run(self._prepared(image, placement, beside.masks if beside else None))
        return replace(answer, gate=beside.gate, masks=beside.masks, came=beside.came) if beside else answer

    def _prepared(self, image: Image, placement: Placement | None, masks: Image | None) -> Image:
        """The film for the network of this bundle; ``masks`` are the companion's."""
        spec, companion = self._bundle.manifest.input, self._bundle.manifest.companion
        film = prepare(image, spec, placement)
        if companion is None or companion.energies is None or masks is None:
            return film
        return as_read(film, moved(masks, image, self._guide.input, spec), spec, companion.energies)[0]

    def _run(self, film: Image) -> Output:
        manifest = self._bundle.manifest
        named, came = self._session.run(film)
        gate, maps, masks = manifest.outputs.gate, manifest.outputs.activation_maps, manifest.outputs.masks
        return Output(
            logits=_checked(named[manifest.outputs.logits], (len(manifest.labels),)),
            activation_maps=as_image(_checked(named[maps], (len(manifest.labels), None, None))) if maps else None,
            gate=_checked(named[gate], (len(manifest.gate.classes),)) if gate and manifest.gate else None,
            masks=_shares(_checked(named[masks], (3, None, None))) if masks else None,
            came=came,
        )

    def _calibrated(self, answer: Output) -> dict[str, float]:
        found = {}
        for label, logit in zip(self._bundle.manifest.labels, answer.logits, strict=True):
            margin = label.calibration.scale * float(logit) + label.calibration.offset
            found[label.name] = float(1 / (1 + np.exp(-np.clip(margin, -60, 60))))
        return found

    def refusal(self, answer: Output) -> NotReadable | None:
        """Why the input gate would not have the film read, or None."""
        gate = self._guide.gate
        if gate is None or answer.gate is None:
            return None
        shares = np.exp(answer.gate - answer.gate.max())
        said = dict(zip(gate.classes, (shares / shares.sum()).tolist(), strict=True))
        if said["frontal"] >= gate.minimum_frontal:
            return None
        reason = _reason(said)
        detail = ", ".join(f"{name} {share:.2f}" for name, share in said.items())
        return NotReadable(reason=REASONS[reason], detail=f"input gate: {detail}", by="pixels")

    def _findings(
        self, answer: Output, radiograph: Radiograph, placement: Placement, thresholds: Mapping[str, float]
    ) -> Findings:
        probabilities, size = self._calibrated(answer), self.manifest.input.size
        heart, flags = (None, ()) if answer.masks is None else self._look(answer.masks, radiograph, placement)
        findings: list[Finding] = []
        places: dict[str, Image] = {}
        for index, label in enumerate(self._bundle.manifest.labels):
            if not _is_told(label):
                continue
            finding = self._finding(label, probabilities[label.name], thresholds[label.name], heart)
            if finding.positive and finding.probability >= finding.threshold and answer.activation_maps is not None:
                warm = over_film(answer.activation_maps[index], radiograph.image.shape, placement, size)
                if warm is not None:
                    finding = replace(finding, box=box_of(warm, radiograph.rows, radiograph.columns))
                    places[label.name] = warm
            findings.append(finding)
        findings.sort(key=lambda finding: (finding.positive, finding.strength), reverse=True)
        spoken = [places[one.kind.name] for one in speakers(findings) if one.kind.name in places]
        return Findings(
            findings=tuple(findings),
            scores=self._scores(probabilities) | {CARDIOTHORACIC_RATIO: heart.ratio if heart else None},
            model=self.identity,
            heat_map=np.max(spoken, axis=0) if spoken else None,
            abnormal_threshold=thresholds.get(ABNORMAL),
            cardiothoracic=heart,
            flags=(*flags, "against_its_tags") if radiograph.doubt else flags,
            proven=self._bundle.manifest.proven,
            detail=(*answer.came.bands, answer.came.spread, answer.came.level) if answer.came else (),
        )

    def _look(
        self, masks: Image, radiograph: Radiograph, placement: Placement
    ) -> tuple[Cardiothoracic | None, tuple[str, ...]]:
        """See thorax.look; ``placement`` is in the input of this bundle, the masks are in that of the companion."""
        spec = self._guide.input
        return look(masks, radiograph, place(radiograph.image, spec) if self.companion else placement, spec)

    def _finding(self, label: Label, probability: float, threshold: float, heart: Cardiothoracic | None) -> Finding:
        shown = is_shown(label.name, label.shown)
        return Finding(
            kind=KINDS[label.name],
            probability=probability,
            threshold=threshold,
            shown=shown,
            group=group_of(label.name, shown=shown),
            measured=measured(label.name, heart.ratio if heart else None, self.manifest),
        )

    def _scores(self, probabilities: Mapping[str, float]) -> dict[str, float | None]:
        scores: dict[str, float | None] = {ABNORMAL: None}
        for label in self._bundle.manifest.labels:
            if not _is_told(label):
                scores[label.name] = probabilities[label.name]
        return scores


def _both(refused: NotReadable, doubt: NotReadable) -> str:
    return doubt.detail if refused is doubt else f"{refused.detail}; {doubt.detail}"


def golden_film(bundle: Bundle) -> Image:
    """The bundle's golden film, 0..1. Raises BundleError."""
    try:
        with Picture.open(bundle.golden_path, formats=("PNG",)) as picture:
            return as_image(np.asarray(picture.convert("L"), np.float32) / 255)
    except (OSError, ValueError, SyntaxError) as error:
        raise BundleError(f"{bundle.golden_path} is no readable picture: {error}") from error


def verify(bundle: Bundle, classifier: OnnxClassifier) -> None:
    """Read the bundle's golden film and compare. Raises BundleError when an answer is off, ModelFailed when none comes.

    A right hash does not show that this machine's runtime computes what the workshop's did.
    """
    golden, found = bundle.manifest.golden, classifier.probabilities(golden_film(bundle))
    off = {name: abs(found[name] - expected) for name, expected in golden.probabilities.items()}
    worst = max(off, key=off.__getitem__)
    if not off[worst] <= golden.tolerance:
        raise BundleError(
            f"{bundle.folder}: on the golden film {worst} is {found[worst]:.3f}, "
            f"should be {golden.probabilities[worst]:.3f}"
        )
    if bundle.companion and classifier.companion:
        verify(bundle.companion, classifier.companion)


def measured(label: str, ratio: float | None, manifest: Manifest) -> Measured | None:
    """The measure that decides on this label before its probability, judged as it is written, or None."""
    limit = manifest.cardiothoracic.marked_above if manifest.cardiothoracic else None
    if label != "cardiomegaly" or ratio is None or limit is None:
        return None
    return Measured(float(rounded(ratio, 2)), limit)


def _reason(said: Mapping[str, float]) -> str:
    """The class that is the reason, of the shares of all."""
    others = {name: share for name, share in said.items() if name != "frontal"}
    near = {name: share for name, share in others.items() if name != FAR and share > LIKELIER * said["frontal"]}
    return max(near or others, key=others.__getitem__)


def _is_told(label: Label) -> bool:
    return label.name in KINDS and label.withheld is None


def _thresholds(bundle: Bundle, wanted: Mapping[str, float]) -> dict[str, float]:
    labels = bundle.manifest.labels
    thresholds = {label.name: label.threshold for label in labels if label.withheld is None}
    for name, value in wanted.items():
        if all(label.name != name for label in labels):
            known = ", ".join(label.name for label in labels)
            raise BundleError(f"[model] thresholds: this bundle has no label {name!r}; it has {known}")
        if not 0 < value < 1:
            raise BundleError(f"[model] thresholds: {name} = {value} must lie between 0 and 1")
    return thresholds | {name: value for name, value in wanted.items() if name in thresholds}


def _shares(array: NDArray[np.float64]) -> Image:
    if array.min() < -ROUNDING or array.max() > 1 + ROUNDING:
        raise ModelFailed(f"the model's masks lie between {array.min():.3g} and {array.max():.3g}, expected 0 to 1")
    return as_image(array)


def _checked(value: object, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """One film's part of an output; ModelFailed when it is not finite or not of the promised shape."""
    array = np.asarray(value, np.float64)
    expected = (1, *shape)
    fits = array.ndim == len(expected) and all(
        want in (None, have) for want, have in zip(expected, array.shape, strict=True)
    )
    if not fits:
        raise ModelFailed(f"the model answered an array of {array.shape}, expected {expected}")
    if not np.isfinite(array).all():
        raise ModelFailed("the model answered something that is no number")
    first: NDArray[np.float64] = array[0]
    return first
