import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.xray_triage.bundles import make_bundle
from xray_triage.model.site import DETAILS
from xray_triage.reading.bundle import BundleError, load_bundle, sha256_of
from xray_triage.reading.findings import Finding, Findings, Measured, NotReadable
from xray_triage.reading.onnx_classifier import ModelFailed, OnnxClassifier, verify
from xray_triage.reading.radiograph import Radiograph


def radiograph(rows: int = 2000, columns: int = 1600) -> Radiograph:
    """A dark film of 500 x 400 pixels (of ``rows`` x ``columns``) with one bright spot in its lower right."""
    image = np.random.default_rng(0).random((500, 400), np.float32) * 0.2
    image[300:400, 240:320] += 0.7
    return Radiograph(image=image, rows=rows, columns=columns)


def classifier(folder: Path, **options: object) -> OnnxClassifier:
    return OnnxClassifier(load_bundle(folder), **options)  # type: ignore[arg-type]


def read(folder: Path, **options: object) -> Findings:
    findings = classifier(folder, **options).classify(radiograph())
    assert isinstance(findings, Findings)
    return findings


def marked(findings: Findings) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings.findings if finding.positive)


def test_the_detail_that_a_film_came_with_is_told_where_outlines_say_where_the_lungs_are(tmp_path: Path) -> None:
    masks = np.full((3, 8, 8), 0.5, np.float32)
    outlined = classifier(make_bundle(tmp_path / "outlined", masks=masks, normalised=True))
    plain, striped = radiograph(), radiograph()
    striped.image[np.arange(500) // 12 % 2 == 0] += 0.2
    told = [outlined.classify(each) for each in (plain, striped)]
    details = [each.detail for each in told if isinstance(each, Findings)]
    assert [len(each) for each in details] == [len(DETAILS)] * 2
    assert details[1][1] > 2 * details[0][1]  # a band as fine as the stripes
    assert read(make_bundle(tmp_path / "plain")).detail == ()


def test_findings_come_calibrated_with_threshold_and_model(tmp_path: Path) -> None:
    findings = read(make_bundle(tmp_path))
    assert findings.findings[0].kind.name == "cardiomegaly"
    assert [finding.kind.name for finding in marked(findings)] == ["cardiomegaly"]
    assert marked(findings)[0].probability == pytest.approx(0.95, abs=0.02)
    assert findings.scores["abnormal"] == pytest.approx(0.88, abs=0.02)
    assert findings.scores["cardiothoracic_ratio"] is None
    assert findings.abnormal_threshold == 0.5
    assert findings.model.sha256 == sha256_of(tmp_path / "model.onnx")


def test_the_box_lies_where_the_film_made_the_network_speak(tmp_path: Path) -> None:
    box = marked(read(make_bundle(tmp_path)))[0].box
    assert box is not None
    assert box.x == pytest.approx(960, abs=150)
    assert box.y == pytest.approx(1200, abs=150)
    assert box.x + box.width == pytest.approx(1280, abs=150)
    assert box.y + box.height == pytest.approx(1600, abs=150)


def test_the_heat_map_covers_the_whole_film(tmp_path: Path) -> None:
    heat = read(make_bundle(tmp_path)).heat_map
    assert heat is not None
    assert heat.shape == (128, 102)
    assert heat.max() == pytest.approx(1)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert (row / 128, column / 102) == (pytest.approx(0.7, abs=0.1), pytest.approx(0.7, abs=0.1))


def test_a_film_without_findings_has_no_heat(tmp_path: Path) -> None:
    findings = read(make_bundle(tmp_path, logits={"nodule": -3.0}))
    assert findings.heat_map is None
    assert findings.findings[0].box is None
    assert findings.scores["abnormal"] is None


def test_a_bundle_without_activation_maps_gives_findings_without_place(tmp_path: Path) -> None:
    findings = read(make_bundle(tmp_path, activation_maps=False))
    assert marked(findings)[0].box is None
    assert findings.heat_map is None


def test_a_withheld_label_is_a_score_and_no_finding(tmp_path: Path) -> None:
    findings = read(make_bundle(tmp_path, withheld=["cardiomegaly", "abnormal"]))
    assert not marked(findings)
    assert findings.scores["cardiomegaly"] == pytest.approx(0.95, abs=0.02)
    assert findings.abnormal_threshold is None


def test_the_sites_threshold_goes_over_the_bundles(tmp_path: Path) -> None:
    findings = read(make_bundle(tmp_path), thresholds={"cardiomegaly": 0.99, "pneumothorax": 0.01, "abnormal": 0.7})
    assert [finding.kind.name for finding in marked(findings)] == ["pneumothorax"]
    assert findings.abnormal_threshold == 0.7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"thresholds": {"headache": 0.5}}, "headache"),
        ({"thresholds": {"cardiomegaly": 1.5}}, "between 0 and 1"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        classifier(make_bundle(tmp_path), **options)


def a_chest() -> np.ndarray:
    """Masks of 64 x 64: lungs from column 8 to 56, a heart from 22 to 46."""
    masks = np.zeros((3, 64, 64), np.float32)
    masks[0, 8:56, 8:28], masks[1, 8:56, 36:56], masks[2, 30:50, 22:46] = 1, 1, 1
    return masks


def test_masks_give_the_cardiothoracic_ratio_and_its_lines_on_the_original(tmp_path: Path) -> None:
    squash = {"size": 64, "mean": 0.0, "std": 1.0, "fit": "squash", "trim": False}
    findings = read(make_bundle(tmp_path, masks=a_chest(), input=squash))
    assert findings.scores["cardiothoracic_ratio"] == 0.5
    assert findings.flags == ("view_not_stated",)
    assert findings.cardiothoracic is not None
    heart, thorax = findings.cardiothoracic.heart, findings.cardiothoracic.thorax
    assert (thorax.left, thorax.right) == (1600 * 8 / 64, 1600 * 56 / 64)
    assert (heart.left, heart.right, heart.row) == (1600 * 22 / 64, 1600 * 46 / 64, 2000 * 40 / 64)


def test_a_film_is_normalised_before_it_is_read(tmp_path: Path) -> None:
    """Its logit here is a tenth of the brightness of what is read, so gray values that moved must leave no trace."""
    plain, normal = (
        classifier(make_bundle(tmp_path / str(normalised), masks=a_chest(), normalised=normalised))
        for normalised in (False, True)
    )
    film = radiograph().image
    moved = [one.probabilities(film)["abnormal"] - one.probabilities(film**0.5)["abnormal"] for one in (plain, normal)]
    assert abs(moved[1]) < abs(moved[0]) / 2


def test_a_normalised_film_is_measured_and_marked_like_any_other(tmp_path: Path) -> None:
    squash = {"size": 64, "mean": 0.0, "std": 1.0, "fit": "squash", "trim": False}
    bundle = load_bundle(make_bundle(tmp_path, masks=a_chest(), normalised=True, gate={"frontal": 2.0, "child": -2.0}))
    verify(bundle, OnnxClassifier(bundle))
    findings = read(make_bundle(tmp_path, masks=a_chest(), normalised=True, input=squash))
    assert findings.scores["cardiothoracic_ratio"] == 0.5
    assert [finding.kind.name for finding in marked(findings)] == ["cardiomegaly"]
    assert marked(findings)[0].box is not None


@pytest.mark.parametrize(("limit", "is_marked"), [(0.49, True), (0.5, False), (None, True)])
def test_a_heart_is_marked_by_its_measured_ratio_before_its_score(
    tmp_path: Path, limit: float | None, *, is_marked: bool
) -> None:
    error = {"mean_absolute_error": 0.02, "films": 58, "marked_above": limit}
    squash = {"size": 64, "mean": 0.0, "std": 1.0, "fit": "squash", "trim": False}
    findings = read(make_bundle(tmp_path, masks=a_chest(), cardiothoracic=error, input=squash))
    (heart,) = (one for one in findings.findings if one.kind.name == "cardiomegaly")
    assert heart.probability > heart.threshold
    assert heart.measured == (None if limit is None else Measured(0.5, limit))
    assert (heart in marked(findings)) is is_marked
    assert (heart.box is not None) is is_marked


def test_score_mark_and_lines_go_by_one_number(tmp_path: Path) -> None:
    error = {"mean_absolute_error": 0.02, "films": 58, "marked_above": 0.55}
    masks = a_chest()
    masks[2] = 0
    masks[2, 30:50, 19:51] = 1  # 32 of 48 columns
    squash = {"size": 64, "mean": 0.0, "std": 1.0, "fit": "squash", "trim": False}
    findings = read(make_bundle(tmp_path, masks=masks, cardiothoracic=error, input=squash))
    (heart,) = (one for one in findings.findings if one.kind.name == "cardiomegaly")
    assert findings.cardiothoracic is not None
    assert findings.cardiothoracic.ratio == findings.scores["cardiothoracic_ratio"] == 0.667
    assert heart.measured == Measured(0.67, 0.55)


def test_a_heart_that_cannot_be_measured_is_marked_by_its_score(tmp_path: Path) -> None:
    error = {"mean_absolute_error": 0.02, "films": 58, "marked_above": 0.55}
    no_chest = np.zeros((3, 64, 64), np.float32)
    findings = read(make_bundle(tmp_path, masks=no_chest, cardiothoracic=error))
    assert [(one.kind.name, one.measured) for one in marked(findings)] == [("cardiomegaly", None)]


def test_a_bundle_says_which_findings_are_told_by_name(tmp_path: Path) -> None:
    logits = {"pneumonia": 3.0, "mass": 2.0, "emphysema": 1.0, "edema": 3.0, "abnormal": 2.0}
    folder = make_bundle(tmp_path, logits=logits)
    assert {one.kind.name: one.group for one in read(folder).findings} == {
        "pneumonia": "opacity", "mass": "other", "emphysema": "other", "edema": None,
    }  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    for label in manifest["labels"]:
        label["shown"] = label["name"] in ("mass", "pneumonia")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert {one.kind.name: one.group for one in read(folder).findings} == {
        "pneumonia": None, "mass": None, "emphysema": "other", "edema": "other",
    }  # fmt: skip


def test_masks_of_no_chest_give_no_ratio_and_take_nothing_from_the_findings(tmp_path: Path) -> None:
    findings = read(make_bundle(tmp_path, masks=np.zeros((3, 64, 64), np.float32)))
    assert findings.scores["cardiothoracic_ratio"] is None
    assert findings.cardiothoracic is None
    assert [finding.kind.name for finding in marked(findings)] == ["cardiomegaly"]


def test_the_gate_refuses_with_the_most_probable_reason(tmp_path: Path) -> None:
    gate = {"frontal": 0.0, "not_a_chest": 1.0, "rotated": 3.0}
    refused = classifier(make_bundle(tmp_path, gate=gate)).classify(radiograph())
    assert isinstance(refused, NotReadable)
    assert refused.reason.code == "rotated"
    assert "rotated 0.84" in refused.detail


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ({"frontal": -2.0, "not_frontal": 5.0, "rotated": -4.0, "not_a_chest": 18.0, "child": -4.0}, "not_frontal"),
        ({"frontal": -3.0, "not_frontal": -5.0, "rotated": 4.0, "not_a_chest": 17.0, "child": -6.0}, "rotated"),
        ({"frontal": -3.0, "not_frontal": -5.0, "rotated": -6.0, "not_a_chest": 17.0, "child": 2.0}, "child"),
        ({"frontal": -3.0, "not_frontal": -2.5, "rotated": -6.0, "not_a_chest": 17.0, "child": -7.0}, "not_a_chest"),
        ({"frontal": -3.0, "not_a_chest": 17.0}, "not_a_chest"),
    ],
)
def test_a_film_far_from_all_others_is_called_what_it_looks_like_if_it_looks_like_anything(
    tmp_path: Path, gate: dict[str, float], reason: str
) -> None:
    refused = classifier(make_bundle(tmp_path, gate=gate)).classify(radiograph())
    assert isinstance(refused, NotReadable)
    assert refused.reason.code == reason


def test_a_film_that_the_gate_lets_pass_is_read(tmp_path: Path) -> None:
    assert read(make_bundle(tmp_path, gate={"frontal": 1.0, "not_a_chest": -1.0}))


def test_an_answer_that_is_no_number_is_no_reading(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match="no number"):
        read(make_bundle(tmp_path, logits={"nodule": float("nan")}, golden=golden(tmp_path, {"nodule": 0.5})))


def golden(folder: Path, probabilities: dict[str, float]) -> dict[str, object]:
    make_bundle(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    return {**manifest["golden"], "probabilities": probabilities}


def test_an_answer_of_another_shape_is_no_reading(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["labels"].pop()
    del manifest["golden"]["probabilities"]["abnormal"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelFailed, match="expected"):
        read(folder)


def test_a_manifest_that_names_a_missing_output_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path, outputs={"logits": "answers"})
    with pytest.raises(BundleError, match="answers"):
        classifier(folder)


def test_a_model_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "model.onnx").write_bytes(b"junk")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model_sha256"] = sha256_of(folder / "model.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="cannot be loaded"):
        classifier(folder)


def test_the_golden_film_proves_a_good_bundle(tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(tmp_path, gate={"frontal": -2.0, "not_a_chest": 2.0}))
    verify(bundle, OnnxClassifier(bundle))


def test_other_weights_under_a_right_hash_are_found_by_the_golden_film(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    model = onnx.load(folder / "model.onnx")
    model.graph.node.append(helper.make_node("Neg", ["raw"], ["logits"]))
    model.graph.node[4].output[0] = "raw"
    onnx.save(model, folder / "model.onnx")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model_sha256"] = sha256_of(folder / "model.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    bundle = load_bundle(folder)
    with pytest.raises(BundleError, match="golden film"):
        verify(bundle, OnnxClassifier(bundle))
