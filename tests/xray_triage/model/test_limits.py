"""What a bundle cannot promise is said before anybody relies on it, in both languages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.xray_triage.bundles import ENERGIES, LOGITS, give_companion, make_bundle
from xray_triage.config.station import Config
from xray_triage.language import ENGLISH
from xray_triage.model.limits import LACKS, lacking
from xray_triage.model.selection import SHIPPED_DEFAULT, SHIPPED_FOLDER
from xray_triage.model.site import card_of
from xray_triage.reader.offline import OfflineReader
from xray_triage.reading.bundle import load_bundle, load_manifest
from xray_triage.reading.findings import Priority
from xray_triage.results.wording import UNPROVEN_MODEL, summary
from xray_triage.simulation import phantom

MASKS = np.full((3, 8, 8), 0.5, np.float32)
QUIET = dict.fromkeys(LOGITS, -5.0)


def unproven(folder: Path, **made: Any) -> Path:
    """A bundle of which nobody knows how often it is right."""
    labels = [{"name": name, "threshold": 0.5} for name in made.get("logits", LOGITS)]
    return make_bundle(folder, labels=labels, **made)


def test_a_bundle_of_the_old_kind_is_read_and_lacks_all(tmp_path: Path) -> None:
    bundle = unproven(tmp_path, logits={"mass": 1.0}, licence="unknown")
    assert lacking(load_bundle(bundle).manifest) == list(LACKS)


def test_a_companion_lends_what_the_network_has_not(tmp_path: Path) -> None:
    for energies, lacks in ((None, ["energies"]), (ENERGIES, [])):
        folder = make_bundle(tmp_path / str(lacks))
        give_companion(folder, energies=energies, gate={"frontal": 1.0, "child": 0.0}, masks=MASKS)
        assert lacking(load_bundle(folder).manifest) == [*lacks, "worth", "shown", "ratio"]


def test_the_bundle_that_ships_is_proven_and_guarded() -> None:
    assert not {"proven", "abnormal", "gate", "masks", "licence"} & {
        *lacking(load_manifest(SHIPPED_FOLDER / SHIPPED_DEFAULT))
    }


@pytest.mark.parametrize("sentence", [*LACKS.values(), UNPROVEN_MODEL])
def test_every_lack_has_english_words(sentence: str) -> None:
    assert ENGLISH.translate(sentence) != sentence


def test_where_abnormal_was_not_measured_no_machine_gets_cut_offs_of_its_own(tmp_path: Path) -> None:
    manifest = load_bundle(make_bundle(tmp_path, withheld=["abnormal"])).manifest
    assert any(label.sensitivity is not None for label in manifest.labels)
    assert card_of(manifest, {}).movable == ()
    assert card_of(load_bundle(make_bundle(tmp_path)).manifest, {}).movable


@pytest.mark.parametrize(("is_proven", "said"), [(True, "AI KHÔNG THẤY DẤU HIỆU"), (False, "AI CHƯA KẾT LUẬN")])
def test_an_unproven_model_calls_no_film_normal(tmp_path: Path, is_proven: bool, said: str) -> None:
    film = tmp_path / "film.dcm"
    phantom.write(film, phantom.render(seed=0, rows=400, columns=400))
    make = make_bundle if is_proven else unproven
    bundle = make(tmp_path / "bundle", logits=QUIET)
    came = OfflineReader.from_config(Config.model_validate({"model": {"bundle": str(bundle)}})).read(film)
    assert came.reading.decision.priority is Priority.NORMAL
    assert summary(came.reading)[0] == f"Ưu tiên: {said}"
    assert (UNPROVEN_MODEL in summary(came.reading)) is not is_proven
    assert came.as_json()["proven"] is is_proven
    assert ("not concluded" in came.as_text()) is not is_proven
