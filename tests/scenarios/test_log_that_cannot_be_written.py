"""A station whose log cannot be written goes on taking, reading and sending films, and starts its reader again."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factories import film_file, until
from tests.peers.dcmtk import storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE
from tests.scenarios.conftest import MakeStation
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom


def _full_disk(_: Path) -> tuple[Path, Callable[[], None]]:
    return Path("/dev/full"), lambda: None


def _dead_pipe(folder: Path) -> tuple[Path, Callable[[], None]]:
    """A named pipe that is read until the station runs, and by nobody afterwards."""
    path = folder / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return path, lambda: os.close(reader)


@pytest.mark.parametrize("make_log", [_full_disk, _dead_pipe])
def test_the_station_goes_on_without_a_log(
    make_log: Callable[[Path], tuple[Path, Callable[[], None]]],
    make_station: MakeStation,
    own_orthanc: OrthancPeer,
    tmp_path: Path,
) -> None:
    station = make_station(pacs=own_orthanc, bundle=make_bundle(tmp_path / "bundle"))
    station.log_path, break_it = make_log(tmp_path)
    films = [phantom.dataset(phantom.render(seed=seed, rows=600, columns=500)) for seed in (1, 2)]
    station.start()
    break_it()
    for count, film in enumerate(films, 1):
        path = film_file(tmp_path / f"{count}.dcm", film)
        assert storescu(station.dicom_port, path, called=AE_TITLE).returncode == 0
        until(lambda so_far=count: len(station.images()) == so_far and station.is_done())
        assert len(own_orthanc.of_study(film.StudyInstanceUID)) >= 2  # the film and what was made of it
        _front, reader = station.processes()
        reader.kill()  # which its supervisor tells the log, and starts another one
        until(lambda dead=reader.pid: dead not in {process.pid for process in station.processes()})
        until(lambda: station.status("/readyz") == 200 and len(station.processes()) == 2)
    assert station.stop() == 0
