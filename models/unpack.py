"""Take a bundle's networks out of its graph again, so that training can go on from them: ``python -m models.unpack``.

Leaves in ``work`` what train.py and segment.py would have left: a checkpoint for each recipe, thorax.pt, energies.json.
For a machine on which the bundle was not trained. It must never know labels of films.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from models import backbones, data
from models.network import Network
from models.recipes import RECIPES
from models.segment import Thorax
from models.sight import open_sight, write_energies
from xray_triage.reading.bundle import MODEL_FILE, OUTLINES_FILE, load_manifest

Array = NDArray[np.float32]
Weights = Mapping[str, Array]
SETTLED_ON = 192  # films that give the batch norms their statistics back


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    graph, manifest = onnx.load(options.bundle / MODEL_FILE).graph, load_manifest(options.bundle)
    weights, layers = weights_in(graph), iter(convolutions_in(graph))
    options.work.mkdir(parents=True, exist_ok=True)
    torch.save(outlines(outline_weights(options.bundle, weights)), options.work / "thorax.pt")
    look = None
    if manifest.outlines is not None:
        write_energies(manifest.outlines.energies, options.work / "energies.json")
        look = open_sight(options.work)
    films = [film for film in data.read_films(options.films) if film.split == "train" and film.gate == "frontal"]
    films = films[:: len(films) // SETTLED_ON]
    for index, name in enumerate(manifest.training["recipes"]):
        recipe = RECIPES[name]
        network = Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES), backbone=recipe.backbone)
        eaten = torch.from_numpy(data.served(options.films, films, data.served_spec(recipe.side)))
        fill(network, part(weights, f"ensemble.members.{index}."), layers, look(eaten)[0] if look else eaten)
        (options.work / name).mkdir(parents=True, exist_ok=True)
        averaged = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save({"averaged": averaged, "recipe": asdict(recipe)}, options.work / name / "checkpoint.pt")
        print(f"{name}: out of {options.bundle}")


def outline_weights(bundle: Path, weights: Weights) -> Weights:
    """Of a graph of its own, or, in a bundle of the old kind, out of the one graph's ``weights``."""
    path = bundle / OUTLINES_FILE
    return weights_in(onnx.load(path).graph) if path.exists() else part(weights, "ensemble.thorax.")


def weights_in(graph: onnx.GraphProto) -> Weights:
    """Every initializer of the graph by its name, in single precision."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {name.removesuffix("_half"): array.astype(np.float32) for name, array in found.items()}


def convolutions_in(graph: onnx.GraphProto) -> list[tuple[Array, Array]]:
    """Kernel and bias of every convolution in the graph's order; by name they would lack, for twins are stored once."""
    weights = weights_in(graph)
    return [(weights[node.input[1]], weights[node.input[2]]) for node in graph.node if node.op_type == "Conv"]


def part(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


@torch.no_grad()
def fill(network: Network, heads: Weights, layers: Iterator[tuple[Array, Array]], films: Tensor) -> None:
    """Put folded ``layers`` into ``network``; its batch norms come back from what ``films`` make each layer answer."""
    pairs = list(backbones.convolutions(network.features))
    backbones.unfold(network.features, list(islice(layers, len(pairs))), films)
    kernel, bias = next(layers)
    network.findings.weight.copy_(torch.from_numpy(kernel))
    network.findings.bias.copy_(torch.from_numpy(bias))
    for name, parameter in network.gate.named_parameters():
        parameter.copy_(torch.from_numpy(heads[f"gate.{name}"]))


@torch.no_grad()
def outlines(weights: Weights) -> dict[str, Tensor]:
    """The outline network's state; its batch norms only add, for the convolutions before them hold the rest."""
    network = Thorax()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(torch.from_numpy(weights[f"{name}.weight"]))
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            module.bias.copy_(torch.from_numpy(weights[f"{name}.bias"]))
        if isinstance(module, nn.BatchNorm2d):
            parent, place = name.rsplit(".", 1)
            module.bias.copy_(torch.from_numpy(weights[f"{parent}.{int(place) - 1}.bias"]))
            module.running_var.fill_(1 - module.eps)
    return network.state_dict()


if __name__ == "__main__":
    main()
