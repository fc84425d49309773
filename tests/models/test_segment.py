"""Masks keep their side, lie over the film they belong to, and only outlines that agree teach again."""

import csv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from models import data, segment
from tests.factories import shared_folder

pytestmark = pytest.mark.workshop
SIDE = segment.SIDE


@pytest.fixture
def network() -> segment.Thorax:
    torch.manual_seed(0)
    return segment.Thorax().eval()


def masks(*, left: float = 0.3) -> torch.Tensor:
    """(1, 3, SIDE, SIDE): two lungs and a heart as ellipses."""
    rows, columns = torch.meshgrid(*[torch.linspace(0, 1, SIDE)] * 2, indexing="ij")
    places = ((left, 0.45, 0.15, 0.3), (0.7, 0.45, 0.15, 0.3), (0.52, 0.62, 0.14, 0.12))
    return torch.stack([(((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1).float() for x, y, a, b in places])[None]


@pytest.mark.parametrize("side", [224, 288, 320])
@torch.no_grad()
def test_masks_are_probabilities_of_one_size_whatever_the_film_has(network: segment.Thorax, side: int) -> None:
    answer = network(torch.rand(2, 1, side, side) * 2 - 1)
    assert answer.shape == (2, 3, SIDE, SIDE)
    assert 0 <= answer.min() <= answer.max() <= 1


def test_the_network_is_small() -> None:
    assert sum(parameter.numel() for parameter in segment.Thorax().parameters()) <= 700_000


@torch.no_grad()
def test_onnx_says_the_same(network: segment.Thorax, tmp_path: Path) -> None:
    films = torch.rand(2, 1, 224, 224) * 2 - 1
    program = torch.onnx.export(
        network, (films,), dynamo=True, opset_version=18, verbose=False,
        input_names=["films"], dynamic_shapes={"films": {0: torch.export.Dim("n")}},
    )  # fmt: skip
    program.save(tmp_path / "thorax.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "thorax.onnx", providers=["CPUExecutionProvider"])
    answer = session.run(None, {"films": films[:1].numpy()})[0]
    assert np.abs(answer - network(films[:1]).numpy()).max() < 1e-4


def test_a_stored_network_opens_as_it_was(network: segment.Thorax, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "thorax.pt")
    opened, film = segment.open_thorax(tmp_path / "thorax.pt"), torch.zeros(1, 1, 224, 224)
    assert not opened.training
    assert torch.equal(opened(film), network(film))


def test_drawn_masks_are_cut_where_the_film_is_and_told_by_their_place(tmp_path: Path) -> None:
    """A film with a black border on its left, then three stripes, heart and one lung with each other's number."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    film, classes = np.zeros((190, 190), np.uint8), np.zeros((190, 190), np.uint8)
    film[:, 40:] = np.random.default_rng(0).integers(40, 255, (190, 150), np.uint8)
    classes[:, 40:90], classes[:, 90:140], classes[:, 140:] = 1, 2, 3
    Image.fromarray(film).save(tmp_path / "images" / "1.png")
    Image.fromarray(classes).save(tmp_path / "masks" / "1.png")
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "source", "group", "view", "age", "no_finding"])
        writer.writerow(["1.png", segment.DRAWN, "1", "", "", ""])
    (one,) = data.read_films(tmp_path)
    films, drawn = segment.drawn(tmp_path, [one])
    assert films.shape == (1, 1, segment.SOURCE_SIDE, segment.SOURCE_SIDE)
    left, right, heart = drawn[0, :, SIDE // 2].round().nonzero(as_tuple=True)[1].reshape(3, -1).tolist()
    third = SIDE // 3
    assert (left, heart, right) == tuple(list(range(k * third, (k + 1) * third)) for k in range(3))


def test_a_mirror_image_swaps_the_lungs() -> None:
    """However a film is moved, the first mask is the lung on the picture's left."""
    torch.manual_seed(0)
    films, moved = segment.moved(torch.zeros(24, 1, 256, 256), masks().repeat(24, 1, 1, 1))
    columns = torch.arange(SIDE).float()
    middles = (moved.sum(dim=2) * columns).sum(dim=2) / moved.sum(dim=(2, 3))
    assert (middles[:, 0] < middles[:, 1]).all()
    assert len(films) == 24
    assert (middles[:, 2] > middles[:, :2].mean(1)).float().mean() not in (0, 1), "some are mirrored"


def test_varied_films_stay_in_range_and_at_the_masks_size() -> None:
    torch.manual_seed(1)
    films, varied = segment.vary(torch.rand(4, 1, 256, 256) * 2 - 1, masks().repeat(4, 1, 1, 1))
    assert films.shape == (4, 1, SIDE, SIDE)
    assert varied.shape == (4, 3, SIDE, SIDE)
    assert -1 <= films.min() <= films.max() <= 1
    assert torch.isfinite(films).all()


class Remembering(segment.Thorax):
    """Answers with masks that fit the film it sees: mirrored and cropped as that is."""

    def __init__(self, wobble: float = 0.0) -> None:
        super().__init__()
        self.wobble, self.looks = wobble, 0

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        self.looks += 1
        drawn = masks(left=0.3 + self.wobble * self.looks)
        if self.looks == 2:
            drawn = drawn[:, segment.SWAPPED].flip(3)
        rim = SIDE // 16
        return drawn if self.looks < 4 else segment.resized(drawn[..., rim:-rim, rim:-rim], SIDE)


def test_outlines_that_agree_teach_and_others_do_not() -> None:
    film = torch.zeros(1, 1, 256, 256)
    assert segment.look(Remembering(), film)[1].tolist() == [True]
    assert segment.look(Remembering(wobble=0.03), film)[1].tolist() == [False]


def test_an_outline_of_nothing_does_not_teach() -> None:
    class Blind(segment.Thorax):
        def forward(self, films: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(films), 3, SIDE, SIDE)

    assert segment.look(Blind(), torch.zeros(1, 1, 256, 256))[1].tolist() == [False]


def test_the_loss_is_least_where_masks_fit() -> None:
    wanted = masks()
    fits, nothing = segment.outline_loss(wanted * 20 - 10, wanted), segment.outline_loss(-10 * wanted, wanted)
    assert fits < 0.01 < nothing


def test_perfect_masks_measure_perfect() -> None:
    class Perfect(segment.Thorax):
        def forward(self, films: torch.Tensor) -> torch.Tensor:
            return masks()

    found = segment.measure(Perfect(), torch.zeros(1, 1, 256, 256), masks())
    assert found["dice_heart"] == 1
    assert found["ratio_error"] == 0
    assert found["without_ratio"] == 0


def test_a_heart_that_is_answered_too_wide_is_trimmed() -> None:
    class Wide(segment.Thorax):
        """Sure within the heart as drawn, less sure farther out."""

        def logits(self, films: torch.Tensor) -> torch.Tensor:
            rows, columns = torch.meshgrid(*[torch.linspace(0, 1, SIDE)] * 2, indexing="ij")
            heart = 8 - 7.4 * torch.hypot((columns - 0.52) / 0.14, (rows - 0.62) / 0.12)
            lungs = masks()[0, :2] * 20 - 10
            return torch.cat([lungs, heart[None] + self.last.bias[2]])[None]

    wide, film = Wide(), torch.zeros(1, 1, 256, 256)
    with torch.no_grad():
        wide.last.bias[2] = 0
    before = segment.measure(wide, film, masks())["ratio_error"]
    segment.trim_heart(wide, film, masks())
    assert wide.last.bias[2].item() in (-0.5, -0.75)
    assert segment.measure(wide, film, masks())["ratio_error"] < before / 2


def test_every_drawn_film_has_both_lungs_and_a_heart_on_their_sides() -> None:
    folder = shared_folder() / "data/cxr"
    if not (folder / "masks").exists():
        pytest.skip("needs ../shared/data/cxr/masks")
    _, drawn = segment.drawn(folder, data.judging(data.read_films(folder)))
    columns = torch.arange(SIDE).float()
    middles = (drawn.sum(dim=2) * columns).sum(dim=2) / drawn.sum(dim=(2, 3))
    assert (middles[:, 0] < middles[:, 2]).all()
    assert (middles[:, 2] < middles[:, 1]).all()
