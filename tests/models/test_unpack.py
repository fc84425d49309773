"""What is taken out of a bundle's graph answers as the graph did."""

from pathlib import Path

import onnx
import pytest
import torch

from models import data, unpack
from models.ensemble import as_stored
from models.network import Network
from models.segment import Thorax

pytestmark = pytest.mark.workshop
SIZE = 64


def graph_of(network: torch.nn.Module, path: Path) -> onnx.GraphProto:
    torch.onnx.export(network, (torch.zeros(1, 1, SIZE, SIZE),), path, opset_version=18, dynamo=True, verbose=False)
    return onnx.load(path).graph


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "efficientnet_lite0"])
def test_a_network_comes_back(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    labels, classes, films = len(data.LABELS), len(data.GATE_CLASSES), torch.randn(8, 1, SIZE, SIZE)
    network = Network(labels=labels, classes=classes, backbone=backbone)
    torch.nn.init.normal_(network.findings.weight, std=0.05)
    network.train()(films)  # so that the batch norms hold something
    as_stored(network)
    graph = graph_of(network, tmp_path / "model.onnx")
    again = Network(labels=labels, classes=classes, backbone=backbone)
    unpack.fill(again, unpack.weights_in(graph), iter(unpack.convolutions_in(graph)), films)
    with torch.no_grad():
        ours, theirs = network(films), again.eval()(films)
    assert all(torch.allclose(a, b, atol=1e-3, rtol=1e-3) for a, b in zip(ours, theirs, strict=True))


def test_the_outlines_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, films = Thorax(), torch.randn(4, 1, SIZE, SIZE)
    network.train()(films)  # so that the batch norms hold something
    as_stored(network)
    graph = graph_of(network, tmp_path / "outlines.onnx")
    again = Thorax()
    again.load_state_dict(unpack.outlines(unpack.weights_in(graph)))
    with torch.no_grad():
        assert torch.allclose(network(films), again.eval()(films), atol=1e-4)
