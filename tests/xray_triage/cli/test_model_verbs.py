"""The verbs of `model` as a script meets them: figures, consequences of a threshold, and the way back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.databases import open_in
from tests.factories import shared_folder
from tests.peers.verbs import run
from tests.xray_triage.bundles import make_bundle
from tests.xray_triage.desk import open_desk, reading
from xray_triage.reading.acquisition import Machine
from xray_triage.reading.bundle import MODEL_FILE, sha256_of
from xray_triage.reading.findings import ModelIdentity, Priority
from xray_triage.simulation import phantom

pytestmark = pytest.mark.slow  # a process for each verb

HEADER = "image,source,group,pneumothorax,abnormal\n"


@pytest.fixture
def station(tmp_path: Path) -> Path:
    """A folder with a configuration, a bundle of its own in use, and three labelled films."""
    make_bundle(tmp_path / "data" / "bundles" / "own")
    (tmp_path / "station.toml").write_text(
        '[station]\nlanguage = "en"\n[retention]\nreserve_gb = 0\n', encoding="utf-8"
    )
    (tmp_path / "data" / "active_bundle").write_text("own\n", encoding="utf-8")
    for seed in range(3):
        shown = (phantom.render(seed=seed, rows=260, columns=260).image * 255).astype(np.uint8)
        Image.fromarray(shown).save(tmp_path / f"{seed}.png")
    lines = "0.png,a,g0,1,1\n1.png,a,g1,0,1\n2.png,b,g2,0,0\n"
    (tmp_path / "labels.csv").write_text(HEADER + lines, encoding="utf-8")
    return tmp_path


def test_evaluate_prints_a_table_and_writes_figures_and_pictures(station: Path) -> None:
    said = run("model", "evaluate", "labels.csv", "--out", "out", folder=station)
    assert said.returncode == 0, said.stderr
    assert "1 / 3" in said.stdout
    assert "3 films, 3 of them read." in said.stdout
    assert {path.name for path in (station / "out").iterdir()} == {"figures.json", "table.md"}  # too few for pictures
    figures = json.loads((station / "out" / "figures.json").read_text(encoding="utf-8"))
    assert [(each["label"], each["films"]) for each in figures["figures"]] == [("pneumothorax", 3), ("abnormal", 3)]


def test_evaluate_json_takes_a_part_of_the_films_and_another_bundle(station: Path) -> None:
    make_bundle(station / "elsewhere", name="elsewhere")
    said = run(
        "model", "evaluate", "labels.csv", "--where", "source=a", "--bundle", "elsewhere", "--json", folder=station
    )  # fmt: skip
    told = json.loads(said.stdout)
    assert (told["films"], told["read"], told["model"]["name"]) == (2, 2, "elsewhere")


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("labels.csv", "--where", "source"), 2, "COLUMN=VALUE"),
        (("absent.csv",), 2, "absent.csv"),
        (("labels.csv", "--bundle", "none"), 1, "no bundle is called 'none'"),
        (("labels.csv", "--films", "data"), 1, "3 of 3 films are not in data: 0.png"),
        (("labels.csv", "--where", "wing=a"), 1, "has no column 'wing'"),
    ],
)
def test_evaluate_tells_a_mistake(station: Path, arguments: tuple[str, ...], status: int, why: str) -> None:
    said = run("model", "evaluate", *arguments, folder=station)
    assert (said.returncode, said.stdout) == (status, "")
    assert why in said.stderr
    assert status == 2 or said.stderr.count("\n") == 1


def test_evaluate_says_when_the_bundle_has_none_of_the_labels(station: Path) -> None:
    (station / "labels.csv").write_text("image,hernia\n0.png,1\n", encoding="utf-8")
    said = run("model", "evaluate", "labels.csv", folder=station)
    assert said.returncode == 1
    assert "says nothing of any label of test-bundle; it has pneumothorax" in said.stderr


def give_verdicts(station: Path, *, agrees: int, disagrees: int) -> None:
    """Cases that the station's bundle read as abnormal, and what the doctor said of them."""
    sha256 = sha256_of(station / "data" / "bundles" / "own" / MODEL_FILE)
    database = open_in(station / "data" / "station.db")
    desk = open_desk(database, station / "data")
    read = replace(reading(pneumothorax=0.9), model=ModelIdentity(name="own", version="1", sha256=sha256))
    for number in range(agrees + disagrees):
        case = desk.add(read, AccessionNumber=f"A{number}")
        desk.casebook.give_verdict(case.case_id, agrees=number < agrees, note="")
    database.close()


def test_threshold_by_verdicts_tells_what_they_carry(station: Path) -> None:
    give_verdicts(station, agrees=2, disagrees=1)
    said = run("model", "threshold", "abnormal", "--at", "0.95", "--json", folder=station)
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert (told["films"], told["positives"]) == (3, 2)
    in_use, higher = told["cut_offs"]
    assert (in_use["threshold"], in_use["mark"], in_use["found"], in_use["false_alarms"]) == (0.5, "in use", 2, 1)
    assert (higher["threshold"], higher["missed"], higher["sensitivity"]) == (0.95, 2, 0)
    assert any("too few to choose a threshold by" in note for note in told["notes"])
    shown = run("model", "threshold", "pneumothorax", folder=station)
    assert shown.returncode == 0, shown.stderr
    assert "No verdict tells a finding that the AI missed" in shown.stdout
    weighed = run("model", "threshold", "pneumothorax", "--prevalence", "0.02", folder=station)
    assert weighed.returncode == 1
    assert "see --truth" in weighed.stderr


def test_threshold_by_reference_reads_of_cases(station: Path) -> None:
    give_verdicts(station, agrees=1, disagrees=0)
    (station / "reads.csv").write_text("accession_number,pneumothorax\nA0,1\nA77,0\n", encoding="utf-8")
    said = run("model", "threshold", "pneumothorax", "--truth", "reads.csv", "--json", folder=station)
    assert json.loads(said.stdout)["left_out"] == {"no such case here": 1}, said.stderr


def test_threshold_by_labelled_films_at_the_sites_prevalence(station: Path) -> None:
    said = run(
        "model", "threshold", "pneumothorax", "--truth", "labels.csv", "--prevalence", "0.02", "--at", "0.04",
        folder=station, XRAY_TRIAGE__MODEL__THRESHOLDS='{"pneumothorax": 0.3}',
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert "2.0% of them with it" in said.stdout
    assert "in use" in said.stdout
    assert "bundle's" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("hernia",), 2, "not 'hernia'"),
        (("abnormal", "--at", "1.5"), 2, "between 0 and 1"),
        (("abnormal",), 1, "no film of known truth for abnormal (there is none)"),
    ],
)
def test_threshold_tells_a_mistake(station: Path, arguments: tuple[str, ...], status: int, why: str) -> None:
    said = run("model", "threshold", *arguments, folder=station)
    assert (said.returncode, said.stdout) == (status, "")
    assert why in " ".join(said.stderr.replace("│", " ").split())


def test_activate_goes_back_and_never_to_a_broken_bundle(station: Path) -> None:
    other = make_bundle(station / "data" / "bundles" / "other", name="other")
    assert run("model", "activate", "other", folder=station).returncode == 0
    marks = {line[2:].split()[0]: line[0] for line in run("model", "list", folder=station).stdout.splitlines()}
    assert (marks["other"], marks["own"]) == ("*", "-")
    back = run("model", "activate", "--previous", folder=station)
    assert (back.returncode, "test-bundle 1.0.0 reads from the next start on" in back.stdout) == (0, True)
    (other / "model.onnx").write_bytes(b"damaged")
    for broken in ("--previous", "other"):
        said = run("model", "activate", broken, folder=station)
        assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert (station / "data" / "active_bundle").read_text(encoding="utf-8") == "own\nother\n"


def test_activate_needs_a_name_or_a_bundle_before(station: Path) -> None:
    assert run("model", "activate", folder=station).returncode == 2
    assert run("model", "activate", "own", "--previous", folder=station).returncode == 2
    said = run("model", "activate", "--previous", folder=station)
    assert (said.returncode, said.stderr) == (
        1,
        "xray-triage: no bundle was in use before this one; name one of: xray-triage model list\n",
    )


def test_the_shared_films_are_measured_as_they_lie(tmp_path: Path) -> None:
    folder = shared_folder() / "data" / "cxr"
    said = run(
        "model", "evaluate", folder / "labels.csv", "--where", "source=nih_mass50_boxes", "--json", folder=tmp_path
    )
    told = json.loads(said.stdout)
    assert told["films"] == 38
    assert any(each["label"] == "mass" and each["auc"] is not None for each in told["figures"])


@pytest.mark.parametrize("verb", ["list", "show", "verify", "activate", "import", "evaluate", "threshold"])
def test_every_verb_of_model_has_help(tmp_path: Path, verb: str) -> None:
    said = run("model", verb, "--help", folder=tmp_path)
    assert said.returncode == 0
    assert "Usage" in said.stdout


def test_show_tells_what_a_bundle_is_and_what_it_lacks(station: Path) -> None:
    origin = {"checkpoint": "theirs.pt", "release": "unknown"}
    bundle = make_bundle(station / "old", name="old", licence="unknown", training={"origin": origin})
    said = run("model", "show", str(bundle), folder=station)
    assert said.returncode == 0, said.stderr
    for words in ("old 1.0.0, licence: unknown", "checkpoint: theirs.pt", "! It has no input gate", "! The licence"):
        assert words in said.stdout
    told = json.loads(run("model", "show", "--json", folder=station).stdout)
    lacks = ["gate", "masks", "energies", "worth", "shown", "ratio"]
    assert (told["name"], told["proven"], list(told["lacks"])) == ("test-bundle", True, lacks)
    assert told["labels"][0]["sensitivity"] == 0.8
    assert run("model", "show", "none", folder=station).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--films", "."), "needs --labels"),
        (("--where", "a=b"), "needs --labels"),
        (("--labels", "absent.csv"), "absent.csv"),
        (("--labels", "labels.csv", "--where", "source"), "COLUMN=VALUE"),
        (("--arch", "vgg"), "densenet121 or resnet50"),
        (("--name", "../x"), "letters, digits"),
    ],
)
def test_import_tells_wrong_usage_before_anything_is_made(station: Path, arguments: tuple[str, ...], why: str) -> None:
    (station / "theirs.pt").write_bytes(b"")
    said = run("model", "import", "theirs.pt", *arguments, folder=station)
    assert said.returncode == 2
    assert why in " ".join(said.stderr.replace("│", " ").split())
    assert [path.name for path in (station / "data" / "bundles").iterdir()] == ["own"]


@pytest.fixture
def a_site(station: Path) -> Path:
    """The station after 200 films of one machine and 3 of a nameless one."""
    sha256 = sha256_of(station / "data" / "bundles" / "own" / MODEL_FILE)
    database = open_in(station / "data" / "station.db")
    desk = open_desk(database, station / "data")
    own = ModelIdentity(name="own", version="1", sha256=sha256)
    chance = np.random.default_rng(0).uniform(0.2, 0.9, 200).tolist()
    films = [replace(reading(Priority.NORMAL, pneumothorax=p), model=own) for p in chance]
    films = [replace(one, findings=replace(one.findings, scores={"abnormal": p})) for one, p in zip(films, chance)]  # type: ignore[type-var]  # noqa: B905
    desk.put(films, Machine(manufacturer="GE", model="Definium"))
    desk.put(films[:3], Machine())
    desk.renderer.close()
    database.close()
    return station


def test_site_shows_the_machines_and_sets_one_and_sets_it_back(a_site: Path) -> None:
    said = run("model", "site", folder=a_site)
    assert "GE, Definium" in said.stdout
    assert "proposed" in said.stdout
    shown = run("model", "site", "--machine", "1", folder=a_site).stdout
    assert "abnormal of its newest 200 films" in shown
    assert "bundle's" in shown

    def states() -> list[str]:
        lines = run("model", "site", "--json", folder=a_site).stdout.splitlines()
        return [json.loads(line)["state"] for line in lines]

    assert states() == ["proposed", "learning"]
    for act, state in (("--accept", "set"), ("--reset", "proposed")):
        assert run("model", "site", act, "--machine", "1", folder=a_site).returncode == 0
        assert states() == [state, "learning"]
    trail = [json.loads(line) for line in run("audit", "--json", folder=a_site).stdout.splitlines()]
    assert [line["action"] for line in trail[:2]] == ["cut_offs_reset", "cut_offs_set"]


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("--accept",), 2, "say which machine"),
        (("--accept", "--reset", "--machine", "1"), 2, "not both"),
        (("--accept", "--machine", "2"), 1, "3 of 200 films"),
        (("--reset", "--machine", "9"), 1, "no machine has the number 9"),
    ],
)
def test_site_says_in_one_line_what_it_cannot_set(
    a_site: Path, arguments: tuple[str, ...], status: int, why: str
) -> None:
    said = run("model", "site", *arguments, folder=a_site)
    assert said.returncode == status
    assert why in " ".join(said.stderr.replace("│", " ").split())


def test_check_names_the_machine_that_waits_for_a_person(a_site: Path) -> None:
    lines = [json.loads(line) for line in run("check", "--json", folder=a_site).stdout.splitlines()]
    assert [(one["name"], one["state"]) for one in lines if one["name"].startswith("machine:")] == [
        ("machine:GE, Definium", "warning")
    ]
