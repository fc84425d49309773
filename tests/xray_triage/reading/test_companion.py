"""A bundle whose network only names findings, with a companion of ours that guards it and outlines lungs and heart."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xray_triage.bundles import ENERGIES, give_companion, make_bundle
from xray_triage.reading.bundle import BundleError, load_bundle
from xray_triage.reading.findings import Findings, NotReadable
from xray_triage.reading.onnx_classifier import OnnxClassifier, verify
from xray_triage.reading.pixels import InputSpec, moved, prepare
from xray_triage.reading.radiograph import Radiograph

CROP = {"size": 64, "mean": 0.0, "std": 1.0, "fit": "crop", "trim": False}
SQUASH = CROP | {"fit": "squash"}
FRONTAL, CHILD = {"frontal": 2.0, "child": -2.0}, {"frontal": -2.0, "child": 2.0}


def a_chest() -> np.ndarray:
    """Masks of 64 x 64: lungs from column 8 to 56, a heart from 22 to 46."""
    masks = np.zeros((3, 64, 64), np.float32)
    masks[0, 8:56, 8:28], masks[1, 8:56, 36:56], masks[2, 30:50, 22:46] = 1, 1, 1
    return masks


def a_film() -> Radiograph:
    """2000 x 1600, dark at the top and bright at the bottom."""
    image = np.broadcast_to(np.linspace(0, 1, 500, dtype=np.float32)[:, None], (500, 400)).copy()
    return Radiograph(image=image, rows=2000, columns=1600)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """It sees the middle square of the film, its companion all of it."""
    folder = make_bundle(tmp_path / "bundle", input=CROP)
    return give_companion(folder, gate=FRONTAL, masks=a_chest(), input=SQUASH)


def classifier(folder: Path) -> OnnxClassifier:
    return OnnxClassifier(load_bundle(folder))


def test_the_ratio_is_the_companions_and_its_lines_lie_where_the_companion_saw_them(bundle: Path) -> None:
    findings = classifier(bundle).classify(a_film())
    assert isinstance(findings, Findings)
    assert findings.scores["cardiothoracic_ratio"] == 0.5
    assert findings.flags == ("view_not_stated",)
    assert findings.cardiothoracic is not None
    heart = findings.cardiothoracic.heart
    assert (heart.left, heart.right, heart.row) == (1600 * 22 / 64, 1600 * 46 / 64, 2000 * 40 / 64)


def test_the_companions_gate_refuses_for_it(tmp_path: Path) -> None:
    folder = give_companion(make_bundle(tmp_path), gate=CHILD, masks=a_chest())
    refused = classifier(folder).classify(a_film())
    assert isinstance(refused, NotReadable)
    assert refused.reason.code == "child"


def test_findings_are_its_own_not_the_companions(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path, logits={"nodule": 3.0, "abnormal": -3.0})
    findings = classifier(give_companion(folder, gate=FRONTAL, masks=a_chest())).classify(a_film())
    assert isinstance(findings, Findings)
    assert [finding.kind.name for finding in findings.findings if finding.positive] == ["nodule"]
    assert findings.scores["abnormal"] is not None
    assert findings.scores["abnormal"] < 0.5


def test_its_film_is_brought_to_one_look_by_the_companions_lungs(tmp_path: Path) -> None:
    plain, steady = (
        classifier(
            give_companion(
                make_bundle(tmp_path / str(energies is None), input=CROP),
                energies=energies, gate=FRONTAL, masks=a_chest(), input=SQUASH,
            )
        )
        for energies in (None, ENERGIES)
    )  # fmt: skip
    film = a_film().image
    shift = [one.probabilities(film)["abnormal"] - one.probabilities(film**0.5)["abnormal"] for one in (plain, steady)]
    assert abs(shift[1]) < abs(shift[0]) / 2


def test_its_golden_film_and_the_companions_are_both_proven(bundle: Path) -> None:
    verify(load_bundle(bundle), classifier(bundle))
    change(bundle / "companion", lambda manifest: manifest["golden"]["probabilities"].update(abnormal=0.1))
    with pytest.raises(BundleError, match="companion: on the golden film abnormal"):
        verify(load_bundle(bundle), classifier(bundle))


def change(folder: Path, act: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    act(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def without_companion(bundle: Path) -> None:
    shutil.rmtree(bundle / "companion")


def another_companion(bundle: Path) -> None:
    make_bundle(bundle / "companion", logits={"mass": 1.0}, gate=FRONTAL, masks=a_chest())


def a_flipped_bit(bundle: Path) -> None:
    content = bytearray((bundle / "companion" / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "companion" / "model.onnx").write_bytes(content)


def no_gate(bundle: Path) -> None:
    make_bundle(bundle / "companion", masks=a_chest())


def no_masks(bundle: Path) -> None:
    make_bundle(bundle / "companion", gate=FRONTAL)


def a_companion_of_its_own(bundle: Path) -> None:
    def give(manifest: dict[str, Any]) -> None:
        manifest |= {"gate": None, "companion": {"model_sha256": manifest["model_sha256"]}}
        manifest["outputs"] |= {"gate": None, "masks": None}

    change(bundle / "companion", give)


def its_own_gate_too(bundle: Path) -> None:
    change(bundle, lambda manifest: manifest["outputs"].update(masks="masks"))


def mad_energies(bundle: Path) -> None:
    change(bundle, lambda manifest: manifest["companion"].update(energies=asdict(ENERGIES) | {"level": 2}))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (without_companion, "companion/manifest.json cannot be read"),
        (another_companion, "is not the companion that"),
        (a_flipped_bit, "companion/model.onnx is damaged"),
        (no_gate, "must have a gate and masks"),
        (no_masks, "must have a gate and masks"),
        (a_companion_of_its_own, "no companion of its own"),
        (its_own_gate_too, "has no gate, outputs.masks or outlines of its own"),
        (mad_energies, "level must be 0 to 1"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_companion_that_cannot_be_trusted_is_named_in_one_line(
    bundle: Path, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(bundle)
    with pytest.raises(BundleError) as raised:
        load_bundle(bundle)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


@given(
    rows=st.integers(200, 500),
    columns=st.integers(200, 500),
    before=st.sampled_from(["squash", "crop", "letterbox"]),
    after=st.sampled_from(["squash", "crop", "letterbox"]),
)
def test_masks_lie_on_the_same_part_of_the_film_however_it_was_fitted(
    rows: int, columns: int, before: Any, after: Any
) -> None:
    """A bright disc in the middle of the film, which every fit shows, is its own mask."""
    down, across = np.ogrid[:rows, :columns]
    film = ((down - rows / 2) ** 2 + (across - columns / 2) ** 2 < (min(rows, columns) / 3) ** 2).astype(np.float32)
    old, new = (
        InputSpec(size=size, mean=0, std=1, fit=fit, trim=False, percentiles=(0, 100))
        for size, fit in ((96, before), (64, after))
    )
    seen, wanted = prepare(film, old)[0], prepare(film, new)[0, 0]
    found = moved(seen, film, old, new)[0]
    places = np.arange(96) * 64 // 96
    assert np.abs(found - wanted[np.ix_(places, places)]).mean() < 0.05


def test_what_the_first_network_did_not_see_is_no_lung() -> None:
    film = np.linspace(0, 1, 200 * 400, dtype=np.float32).reshape(200, 400)
    spec = InputSpec(size=64, fit="crop", trim=False)
    masks = moved(np.ones((3, 64, 64), np.float32), film, spec, InputSpec(size=64, fit="squash", trim=False))
    assert masks[:, :, 16:48].min() == 1
    assert masks[:, :, :15].max() == masks[:, :, 49:].max() == 0
