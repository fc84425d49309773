"""A card can be written again of what was measured, and tells how steady the bundle is."""

import json
from pathlib import Path

import pytest

from models import card
from xray_triage.model.selection import SHIPPED_FOLDER
from xray_triage.reading.bundle import load_manifest

pytestmark = pytest.mark.workshop
FOLDERS = sorted(path.parent for path in SHIPPED_FOLDER.glob("*/manifest.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_card_of_a_bundle_is_what_its_figures_say(folder: Path) -> None:
    measured = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    told = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.write(load_manifest(folder), measured) == told
    assert "priority changes" in told


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_was_not_measured_is_said_to_be_so(folder: Path) -> None:
    measured = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    del measured["robustness"]
    assert "On films of another machine" in card.write(load_manifest(folder), measured)
