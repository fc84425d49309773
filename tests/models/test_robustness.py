"""The gate counts what becomes of a film in other looks, and says where a bundle fails."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import data, looks, robustness
from models.robustness import Said
from tests.xray_triage.bundles import make_bundle
from xray_triage.reading.findings import KINDS, Finding, Findings, ModelIdentity, Priority
from xray_triage.reading.triage import Policy, decide
from xray_triage.simulation.phantom import render

pytestmark = pytest.mark.workshop


def said(priority: Priority, abnormal: float | None = None) -> Said:
    return Said(priority=priority, probabilities={} if abnormal is None else {data.ABNORMAL: abnormal})


def labels(*abnormal: float) -> np.ndarray:
    told = np.full((len(abnormal), len(data.LABELS)), np.nan, np.float32)
    told[:, data.LABELS.index(data.ABNORMAL)] = abnormal
    return told


def test_shares_are_of_the_films_that_they_speak_of() -> None:
    plain = [said(Priority.NORMAL, 0.1), said(Priority.NORMAL, 0.1), said(Priority.URGENT, 0.9)]
    now = [said(Priority.ABNORMAL, 0.6), said(Priority.NORMAL, 0.1), said(Priority.NOT_READ)]
    found = robustness.figures(now, plain, labels(0, 0, 1))
    assert found["changed"] == pytest.approx(2 / 3)
    assert found["healthy_flagged"] == 0.5
    assert found["abnormal_called_normal"] == 0
    assert found["refused"] == pytest.approx(1 / 3)


def test_an_area_needs_enough_films_that_were_read() -> None:
    few = [said(Priority.NORMAL, score) for score in (0.1, 0.9)]
    assert robustness.area(few, np.array([0, 1], np.float32), data.ABNORMAL) is None
    many = [said(Priority.NORMAL, score) for score in (0.1, 0.9)] * robustness.FEWEST + [said(Priority.NOT_READ)] * 9
    truth = np.array([0, 1] * robustness.FEWEST + [1] * 9, np.float32)
    assert robustness.area(many, truth, data.ABNORMAL) == 1


def read(score: float) -> Said:
    model = ModelIdentity(name="m", version="1", sha256="0")
    finding = Finding(kind=KINDS["edema"], probability=score, threshold=0.5)
    answer = Findings(findings=(finding,), scores={}, model=model)
    priority = decide(answer, Policy()).priority
    return Said(priority=priority, probabilities={"edema": score}, findings=answer)


def test_the_site_step_takes_back_what_moves_all_scores_and_not_what_moves_their_order() -> None:
    plain = [read(score) for score in (0.1, 0.2, 0.45, 0.6, 0.7)]
    higher = [read(score) for score in (0.3, 0.52, 0.6, 0.8, 0.9)]
    assert robustness.changed(higher, plain) == pytest.approx(2 / 5)
    assert robustness.changed(robustness.after_site_step(higher, plain), plain) == 0
    swapped = [read(score) for score in (0.8, 0.52, 0.6, 0.3, 0.9)]
    assert robustness.changed(robustness.after_site_step(swapped, plain), plain) == pytest.approx(2 / 5)


def test_a_film_that_was_refused_stays_so_after_the_site_step() -> None:
    plain = [read(0.1), read(0.9), read(0.8)]
    then = robustness.after_site_step([said(Priority.NOT_READ), read(0.7), read(0.2)], plain)
    assert [each.priority for each in then] == [Priority.NOT_READ, Priority.URGENT, Priority.NORMAL]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("image", "source", "group", "view", "age", "no_finding"))
        writer.writeheader()
        for number in range(6):
            picture = np.round(render(seed=number, rows=120, columns=100).image * 255).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / "images" / f"{number}.png")
            writer.writerow({"image": f"{number}.png", "source": "nih14_512", "group": number, "view": "PA", "age": 40})
    return tmp_path


def test_every_look_has_its_line_and_a_bundle_that_ignores_films_passes(tmp_path: Path, films: Path) -> None:
    with (films / "labels.csv").open() as file:
        lines = file.read().replace("PA,40,", "PA,40,1").splitlines()
    (films / "labels.csv").write_text("\n".join([*lines[:4], *(line[:-1] + "0" for line in lines[4:])]) + "\n")
    found = robustness.measure([make_bundle(tmp_path / "bundle")], films, data.read_films(films), at_most=6)
    assert set(found["looks"]) == {robustness.PLAIN, *looks.MEMBERS}
    assert found["films"] == 6
    assert found["passed"]
    assert found["looks"]["noise"]["healthy_flagged"] == 1
    assert robustness.rows(found)[-1].endswith("passed.")


def test_a_look_over_the_limit_is_named() -> None:
    row = {"changed": 0.5, "healthy_flagged": 0.1, "abnormal_called_normal": 0.1, "refused": 0.0}
    row |= {"auc_abnormal": None, "auc_labels": 0.8}
    found = {"films": 10, "limit": 0.1, "looks": {"noise": row, "blurred": row | {"changed": 0.1}}}
    assert "all but: noise; after" in robustness.rows(found)[-1]
