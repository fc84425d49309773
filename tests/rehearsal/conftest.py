"""Fixtures of the rehearsal; without ``--rehearse`` each fault is done a few times only, as every test run can bear."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.orthanc import OrthancPeer
from tests.peers.station import StationPeer
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.table import Table
from tests.xray_triage.bundles import make_bundle

QUIET = {"pneumothorax": -3.0, "pleural_effusion": -3.0, "abnormal": -2.0}
HOURS_SECONDS = 4 * 3600
TABLE = Table()


@pytest.fixture
def often(request: pytest.FixtureRequest) -> bool:
    """Whether each fault is done as often as a release asks."""
    return bool(request.config.getoption("--rehearse"))


@pytest.fixture
def table() -> Table:
    return TABLE


@pytest.fixture(scope="session")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "quiet", logits=QUIET)


@pytest.fixture
def station(tmp_path: Path, own_orthanc: OrthancPeer, a_bundle: Path) -> Iterator[StationPeer]:
    """A running station that sends to ``own_orthanc`` and asks it for answers every second."""
    peer = StationPeer(
        tmp_path / "station", pacs=own_orthanc, bundle=a_bundle, more="[consultation]\npoll_seconds = 1\n"
    )
    peer.start()
    yield peer
    peer.kill()


@pytest.fixture
def machine(station: StationPeer) -> FilmMachine:
    return FilmMachine(station.dicom_port)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--rehearse"):
        for item in items:
            item.add_marker(pytest.mark.timeout(HOURS_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE.rows:
        terminalreporter.section("the rehearsal")
        terminalreporter.write_line(TABLE.text())
