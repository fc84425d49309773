"""The graph answers as PyTorch does, with the gate's sense of distance inside, and the bundle can be loaded."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models import calibrate, data, export
from models.ensemble import Ensemble, as_stored
from models.network import Network
from models.segment import Thorax
from models.sight import Sight
from xray_triage.reading.bundle import load_bundle
from xray_triage.reading.normalisation import Energies
from xray_triage.reading.onnx_classifier import OnnxClassifier, verify
from xray_triage.reading.runtime import Runtime, Session

pytestmark = pytest.mark.workshop
SIZE = 64
REFERENCE = {"edges": [n / 10 for n in range(1, 10)], "shares": [0.1] * 10}
ENERGIES = Energies(bands=(0.004, 0.014, 0.02, 0.027, 0.045), spread=0.09, level=0.5)
NO_MASKS = torch.zeros(1, 3, 192, 192)
LABEL = {"scale": 2.0, "offset": -1.0, "threshold": 0.26, "reference": REFERENCE}


def untrained(count: int) -> Ensemble:
    """Networks of random weights; the second and later ones see the film at half the side."""
    members = [Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES)) for _ in range(count)]
    for member in members:
        torch.nn.init.normal_(member.findings.weight, std=0.05)
    return as_stored(Ensemble(members, [SIZE] + [SIZE // 2] * (len(members) - 1)))


@pytest.fixture(scope="module")
def sight() -> Sight:
    torch.manual_seed(1)
    return Sight(as_stored(Thorax()), ENERGIES)


@pytest.fixture(scope="module")
def served(sight: Sight) -> export.Served:
    """Two untrained networks that know 300 random features as their films."""
    torch.manual_seed(0)
    ensemble = untrained(2)
    features = calibrate.answers(ensemble, sight.plain, torch.randn(360, 1, SIZE, SIZE))[2]
    near = calibrate.normal_features(features[:300])
    near["limit"] = np.float32(2 * calibrate.distance(features[300:], near).max())
    zero = np.full(len(data.LABELS), export.raw_threshold(LABEL))
    return export.Served(ensemble, near, zero).eval()


@pytest.fixture(scope="module")
def a_bundle(served: export.Served, sight: Sight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    export.write_graph(served, folder / "model.onnx", given(sight), export.ANSWERS)
    export.write_graph(sight.thorax, folder / "outlines.onnx", {"films": given(sight)["films"]}, ["masks"])
    found = {"side": SIZE, "recipes": [], "films": 0, "labels": dict.fromkeys(data.LABELS, LABEL)}
    export.write_manifest(folder, "0", data.served_spec(SIZE), found, sight.energies)
    return folder


def given(sight: Sight) -> dict[str, torch.Tensor]:
    """What the graph takes: drawn films as they are read, and their masks."""
    return dict(zip(("films", "masks"), sight(export.grainy(data.served_spec(SIZE))), strict=True))


def test_the_graphs_answer_as_pytorch_does(served: export.Served, sight: Sight, a_bundle: Path) -> None:
    export.check_parity(served, a_bundle / "model.onnx", given(sight))
    films = export.grainy(data.served_spec(SIZE))
    export.check_parity(sight.thorax, a_bundle / "outlines.onnx", {"films": films})


def test_a_station_reads_what_the_workshop_reads(sight: Sight, a_bundle: Path) -> None:
    films = export.grainy(data.served_spec(SIZE))
    read, masks = sight(films)
    session = Session(load_bundle(a_bundle), Runtime())
    for film, ours, drawn in zip(films, read, masks, strict=True):
        theirs, beside, _ = session.look(film[None].numpy())
        assert np.abs(theirs[0] - ours.numpy()).max() < 1e-3
        assert np.abs(beside["masks"][0] - drawn.numpy()).max() < 1e-4


def test_the_graph_tells_nothing_of_the_machine_it_was_made_on(a_bundle: Path) -> None:
    graph = (a_bundle / "model.onnx").read_bytes()
    assert str(Path(export.__file__).parent).encode() not in graph
    assert b"site-packages" not in graph


def test_a_graph_that_differs_is_refused(served: export.Served, sight: Sight, a_bundle: Path) -> None:
    zero = np.zeros(len(data.LABELS))
    other = export.Served(untrained(1), near_of(served), zero).eval()
    with pytest.raises(SystemExit, match="differ by"):
        export.check_parity(other, a_bundle / "model.onnx", given(sight))


def test_an_exported_bundle_loads_and_knows_its_golden_film(a_bundle: Path) -> None:
    bundle = load_bundle(a_bundle)
    verify(bundle, OnnxClassifier(bundle))


def test_weights_are_stored_in_a_quarter_of_the_size(a_bundle: Path, served: export.Served) -> None:
    numbers = sum(weights.numel() for weights in served.parameters())
    assert (a_bundle / "model.onnx").stat().st_size < 1.2 * numbers + 1.5e6


def test_several_films_at_once_are_answered_one_by_one(a_bundle: Path) -> None:
    session = onnxruntime.InferenceSession(a_bundle / "model.onnx", providers=["CPUExecutionProvider"])
    films = np.random.default_rng(0).normal(0, 1, (3, 1, SIZE, SIZE)).astype(np.float32)
    masks = np.random.default_rng(1).random((3, 3, 192, 192), np.float32)
    together = session.run(None, {"films": films, "masks": masks})
    for index in range(3):
        alone = session.run(None, {"films": films[index : index + 1], "masks": masks[index : index + 1]})
        assert all(np.allclose(a[0], t[index], atol=1e-4) for a, t in zip(alone, together, strict=True))


def test_a_picture_far_from_every_film_is_no_chest(served: export.Served) -> None:
    near = torch.randn(4, 1, SIZE, SIZE)
    with torch.no_grad():
        gates = [served(films, NO_MASKS)[2].softmax(1) for films in (near, torch.ones(1, 1, SIZE, SIZE) * 60)]
    frontal, not_a_chest = data.GATE_CLASSES.index("frontal"), data.GATE_CLASSES.index("not_a_chest")
    assert gates[1][0, not_a_chest] > gates[1][0, frontal]
    assert (gates[0][:, frontal] > 0.01).all()


def test_a_positive_film_is_hot_somewhere(served: export.Served) -> None:
    with torch.no_grad():
        logits, maps, _ = served(torch.randn(8, 1, SIZE, SIZE), NO_MASKS)
    positive = torch.sigmoid(LABEL["scale"] * logits + LABEL["offset"]) >= LABEL["threshold"]
    assert positive.any()
    assert (maps.amax(dim=(2, 3))[positive] >= 0).all()


def test_heat_lies_where_the_organ_is(served: export.Served) -> None:
    masks = torch.full((1, 3, 192, 192), 0.01)
    masks[:, 0, 60:120, 20:60] = 1  # a lung on the left, the heart in the middle
    masks[:, 2, 90:120, 90:100] = 1
    lung, heart = (served.regions(masks, 6)[0, data.LABELS.index(name)] for name in ("nodule", "cardiomegaly"))
    assert lung[2, 1] > 0.9
    assert lung[2, 5] < 0.1
    assert heart[3, 2] > 0.9
    assert heart[2, 0] < 0.1
    assert (served.regions(masks * 0, 6) == 1).all()


def near_of(served: export.Served) -> dict[str, np.ndarray]:
    names = ("middle", "directions", "variances", "rest", "limit")
    return {name: getattr(served, name).numpy() for name in names}
