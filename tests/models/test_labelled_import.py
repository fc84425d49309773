"""A checkpoint imported with labelled films: calibrated and measured on those that the station would read."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models import torchxrayvision
from models.labelled import Asker
from models.releases import OUTPUTS
from tests.models.test_torchxrayvision import options
from xray_triage.assessment.labels import AssessmentError, LabelledFilm
from xray_triage.model.limits import lacking
from xray_triage.model.selection import SHIPPED_DEFAULT, SHIPPED_FOLDER
from xray_triage.model.site import card_of
from xray_triage.reading.bundle import Bundle, load_bundle
from xray_triage.reading.onnx_classifier import OnnxClassifier, verify
from xray_triage.reading.pixels import InputSpec
from xray_triage.simulation import phantom

pytestmark = pytest.mark.workshop
OF_EACH, SIDE = 16, 64  # of films of each kind; of the network's input, to be quick
Row = dict[str, object]


def draw(folder: Path, count: int) -> list[Row]:
    """So many films of a darker exposure, called abnormal, and as many plain ones: a sign that any network sees."""
    rows: list[Row] = []
    for seed in range(8, 8 + 2 * count):  # 6 is taken for a child
        image, is_abnormal = phantom.render(seed=seed, rows=300, columns=phantom.columns_of(300)).image, seed % 2
        name = f"{seed}.png"
        Image.fromarray((255 * np.clip(image, 0, 1) ** (2.2 if is_abnormal else 1)).astype(np.uint8)).save(
            folder / name
        )
        rows.append({"image": name, "patient": seed, "no_finding": 1 - is_abnormal, "mass": "", "age": 50})
    return rows


def write(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of labelled films, and three that no station reads: upside down, a child's, damaged."""
    folder = tmp_path_factory.mktemp("films")
    rows = draw(folder, OF_EACH)
    Image.open(folder / "8.png").rotate(180).save(folder / "turned.png")
    Image.open(folder / "8.png").save(folder / "child.png")
    (folder / "damaged.dcm").write_bytes(b"no film")
    odd = [("turned.png", 50), ("child.png", 3), ("damaged.dcm", 50)]
    rows += [rows[0] | {"image": name, "patient": name, "age": age} for name, age in odd]
    write(folder / "labels.csv", rows)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = torchxrayvision.foreign.torchvision.models.densenet121(num_classes=len(OUTPUTS))
    network.features.conv0 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    path = tmp_path_factory.mktemp("checkpoint") / "kaggle-densenet121-mine.pt"
    torch.save(network.eval().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def imported(checkpoint: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles") / "measured"
    torchxrayvision.make_bundle(options(checkpoint, folder, labels=films / "labels.csv", size=SIDE))
    return load_bundle(folder)


def test_it_is_proven_on_the_films_that_a_station_reads(imported: Bundle) -> None:
    verify(imported, OnnxClassifier(imported))
    manifest = imported.manifest
    told = manifest.training["labelled_films"]
    assert (told["films"], told["read"]) == (2 * OF_EACH + 3, 2 * OF_EACH)
    assert told["refused"].keys() > {"child", "damaged_pixels"}
    assert sum(told["refused"].values()) == 3
    assert manifest.proven
    assert card_of(manifest, {}).movable == ("abnormal",)
    abnormal = manifest.labels[-1]
    assert abnormal.name == "abnormal"
    assert abnormal.auc is not None
    assert abnormal.auc > 0.8
    assert abnormal.reference is not None


def test_labels_that_the_films_or_its_training_do_not_show_are_withheld(imported: Bundle) -> None:
    withheld = {label.name: label.withheld for label in imported.manifest.labels}
    assert withheld["pneumonia"] == "only 0 of the labelled films show it: too few to say how good the answer is"
    assert withheld["mass"] == torchxrayvision.foreign.NO_THRESHOLD  # of this release, whatever the films say


def test_the_station_reads_the_films_as_they_were_measured(imported: Bundle, films: Path) -> None:
    classifier, abnormal = OnnxClassifier(imported), imported.manifest.labels[-1]
    calls = []
    for seed in range(8, 20):
        image = np.asarray(Image.open(films / f"{seed}.png"), np.float32) / 255
        calls.append((classifier.probabilities(image)["abnormal"] >= abnormal.threshold) == bool(seed % 2))
    assert sum(calls) >= 9


def test_one_look_is_taken_unless_it_costs_too_much(imported: Bundle) -> None:
    told = imported.manifest.training["labelled_films"]
    costs = told["mean_auc"]["as_they_come"] - told["mean_auc"]["in_one_look"]
    assert told["is_in_one_look"] is (costs <= torchxrayvision.WORTH)
    assert imported.manifest.companion is not None
    assert (imported.manifest.companion.energies is not None) is told["is_in_one_look"]
    assert ("energies" in lacking(imported.manifest)) is not told["is_in_one_look"]


def test_the_card_and_the_manifest_say_where_it_comes_from_and_what_it_is_worth(imported: Bundle) -> None:
    card = (imported.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Measured on 32 of 35 labelled films" in card
    assert "child 1" in card
    assert "Nothing was measured" not in card
    assert "Not proven" not in card
    origin = imported.manifest.training["origin"]
    assert origin["release"] == "TorchXRayVision densenet121-res224-rsna"
    assert "Apache-2.0 as TorchXRayVision" in imported.manifest.licence


def test_a_film_in_one_look_is_asked_as_the_station_will_ask(imported: Bundle, films: Path) -> None:
    """The workshop's way to a prepared film and the station's are the same, to the last logit."""
    companion = OnnxClassifier(load_bundle(SHIPPED_FOLDER / SHIPPED_DEFAULT))
    spec = InputSpec(size=64, mean=0.5, std=0.5 / 1024, fit="crop", trim=False, percentiles=(0.0, 100.0))
    network = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten())
    lot = [(LabelledFilm(line=n, key="", labels={}), films / f"{n}.png") for n in range(8, 11)]
    asker = Asker(network=network, spec=spec, companion=companion)
    plain = asker.ask(lot, lambda done, total, what: None)
    wanted = plain.energies[0]
    steady = asker.ask(lot, lambda done, total, what: None, wanted=wanted)
    assert plain.answers.shape == steady.answers.shape == (3, 9)
    apart = [np.abs(each.answers[1] - each.answers[0]).mean() for each in (plain, steady)]
    assert apart[1] < apart[0] / 2


def bad_folders(films: Path, folder: Path) -> list[tuple[Path, str]]:
    with (films / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows: list[Row] = list(csv.DictReader(stream))
    healthy = [row for row in rows if row["no_finding"] == "1"]
    silent = [{"image": row["image"], "mass": 1} for row in rows]
    unknown = [row | {"cancer": 1} for row in rows]
    absent = [row | {"image": f"x{row['image']}"} for row in rows]
    return [
        (write(folder / "three.csv", rows[:3]), "3 labelled films, 1 of them abnormal and 2 not"),
        (write(folder / "healthy.csv", healthy), "0 of them abnormal"),
        (write(folder / "silent.csv", silent), "no column abnormal or no_finding"),
        (write(folder / "unknown.csv", unknown), "unknown column 'cancer'"),
        (write(folder / "absent.csv", absent), "35 of 35 films are not in"),
    ]


def test_labelled_films_that_will_not_do_are_told_before_the_checkpoint_is_opened(films: Path, tmp_path: Path) -> None:
    for labels, why in bad_folders(films, tmp_path):
        with pytest.raises(AssessmentError, match=why):
            torchxrayvision.make_bundle(
                options(tmp_path / "absent.pt", tmp_path / "bundles" / "x", labels=labels, films=films)
            )
    assert not (tmp_path / "bundles").exists()


def test_films_that_no_station_reads_do_not_count(checkpoint: Path, films: Path, tmp_path: Path) -> None:
    rows = []
    for n in range(30):
        (tmp_path / f"{n}.dcm").write_bytes(b"damaged")
        rows.append({"image": f"{n}.dcm", "no_finding": n % 2})
    with pytest.raises(AssessmentError, match=r"0 of 30 labelled films were read \(damaged_pixels: 30\)"):
        torchxrayvision.make_bundle(
            options(checkpoint, tmp_path / "bundles" / "x", labels=write(tmp_path / "l.csv", rows))
        )
    assert list((tmp_path / "bundles").iterdir()) == []


def test_what_is_told_of_the_films_is_json(imported: Bundle) -> None:
    assert json.loads(json.dumps(imported.manifest.training)) == imported.manifest.training
