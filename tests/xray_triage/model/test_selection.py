"""The choice of a bundle changes in one step and can be taken back; a broken one never comes into use unnoticed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.xray_triage.bundles import make_bundle
from xray_triage.config.station import Config
from xray_triage.health.checks import CheckState
from xray_triage.model.selection import (
    SHIPPED_DEFAULT,
    bundle_folders,
    choose,
    chosen_folder,
    find_folder,
    folder_before,
    way_back,
)
from xray_triage.station.self_check import check_station

CHOOSE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from xray_triage.config.station import Config
from xray_triage.model.selection import choose, own_folder
config = Config(station={"data_dir": sys.argv[1]})
for name in itertools.cycle(("a", "b")):
    choose(config, own_folder(config) / name)
    print(name, flush=True)
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A station with two bundles of its own, a and b."""
    for name in ("a", "b"):
        make_bundle(tmp_path / "data" / "bundles" / name)
    return Config(station={"data_dir": tmp_path / "data"}, retention={"reserve_gb": 0})  # type: ignore[arg-type]


def use(config: Config, *names: str) -> None:
    for name in names:
        choose(config, find_folder(config, name))


def test_the_shipped_bundle_is_in_use_until_another_is_chosen(config: Config) -> None:
    assert chosen_folder(config).name == SHIPPED_DEFAULT
    assert folder_before(config) is None
    use(config, "a")
    assert [chosen_folder(config).name, folder_before(config) and folder_before(config).name] == ["a", SHIPPED_DEFAULT]


def test_going_back_and_forth_ends_where_it_began(config: Config) -> None:
    use(config, "a", "b")
    for now, before in (("b", "a"), ("a", "b"), ("b", "a")):
        previous = folder_before(config)
        assert previous is not None
        assert (chosen_folder(config).name, previous.name) == (now, before)
        choose(config, previous)


def test_choosing_the_same_again_forgets_nothing(config: Config) -> None:
    use(config, "a", "b", "b")
    assert (chosen_folder(config).name, folder_before(config).name) == ("b", "a")  # type: ignore[union-attr]


def test_a_bundle_that_lies_elsewhere_is_remembered_by_its_path(config: Config, tmp_path: Path) -> None:
    elsewhere = make_bundle(tmp_path / "elsewhere")
    use(config, str(elsewhere), "a")
    assert folder_before(config) == elsewhere


def test_an_empty_choice_is_none(config: Config) -> None:
    (config.station.data_dir / "active_bundle").write_text("", encoding="utf-8")
    assert chosen_folder(config).name == SHIPPED_DEFAULT


def test_a_bundle_that_is_just_being_imported_is_not_on_the_shelf(config: Config) -> None:
    make_bundle(config.station.data_dir / "bundles" / ".importing-x1")
    assert {folder.name for folder in bundle_folders(config)} >= {"a", "b"}
    assert ".importing-x1" not in {folder.name for folder in bundle_folders(config)}


@pytest.mark.slow
def test_a_kill_while_choosing_leaves_the_old_choice_or_the_new(config: Config) -> None:
    use(config, "a", "b")
    for choices in range(1, 11):
        command = [sys.executable, "-c", CHOOSE_FOR_EVER, str(config.station.data_dir)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(choices):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        before = folder_before(config)
        assert before is not None
        assert {chosen_folder(config).name, before.name} == {"a", "b"}


def model_check(config: Config) -> tuple[CheckState, str]:
    return next((check.state, check.detail) for check in check_station(config) if check.name == "model")


def test_check_tells_how_to_go_back_when_the_bundle_in_use_is_damaged(config: Config) -> None:
    use(config, "a", "b")
    (chosen_folder(config) / "model.onnx").write_bytes(b"damaged")
    state, detail = model_check(config)
    assert state is CheckState.BAD
    assert "go back to the bundle before with: xray-triage model activate --previous" in detail
    assert chosen_folder(config).name == "b"  # nothing falls back by itself


def test_the_way_back_fits_how_the_bundle_was_chosen(config: Config) -> None:
    assert way_back(config) == "install the program again"
    config.station.data_dir.joinpath("active_bundle").write_text("a\n", encoding="utf-8")
    assert way_back(config).endswith(f"xray-triage model activate {SHIPPED_DEFAULT}")
    named = config.model_copy(update={"model": config.model.model_copy(update={"bundle": "/x"})})
    assert "[model] bundle" in way_back(named)
