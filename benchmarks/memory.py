"""Memory and start: resident memory of front and reader, idle and at work; seconds from ``serve`` to /readyz 200."""

import tempfile
import threading
from pathlib import Path
from statistics import median

import psutil

from benchmarks.report import Row, publish
from benchmarks.scene import STATION_TITLE, FilmRoll, Station, XrayMachine, a_station, options

SAMPLE_SECONDS = 0.05
MB = 1e6
TARGETS = {"start_seconds": "4 or less", "peak_mb": "600 or less"}


def measure(folder: Path, bundle: Path, *, films: int, pixels: int, starts: int) -> dict[str, float]:
    """RSS in MB, front and reader added up: before the first film, at the peak, after the last. Seconds to start."""
    roll = FilmRoll(pixels, pictures=3)
    seconds = []
    for number in range(starts - 1):
        with a_station(folder / f"start-{number}", bundle) as (station, _):
            seconds.append(station.ready_seconds)
    with a_station(folder / "work", bundle) as (station, _):
        seconds.append(station.ready_seconds)
        idle = _resident(station)
        gauge = PeakGauge(station)
        machine = XrayMachine(station.dicom_port, STATION_TITLE)
        for _film in range(films):
            machine.send(roll.next())
        machine.close()
        station.wait_until_done(300)
        peak = gauge.stop()
        steady = _resident(station)
        front, *others = (process.memory_info().rss / MB for process in station.processes())
    return {
        "start_seconds": median(seconds),
        "idle_mb": idle,
        "peak_mb": peak,
        "steady_mb": steady,
        "front_mb": front,
        "reader_mb": sum(others),
    }


def _resident(station: Station) -> float:
    total = 0.0
    for process in station.processes():
        try:
            total += process.memory_info().rss / MB
        except psutil.NoSuchProcess:  # a child may end between listing and asking
            continue
    return total


class PeakGauge:
    """The largest resident memory of a station since this was made."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._peak = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="gauge", daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, _resident(self._station))


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, films=30)
    parser.add_argument("--starts", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xray-triage-bench-") as folder:
        found = measure(Path(folder), chosen.bundle, films=chosen.films, pixels=chosen.pixels, starts=chosen.starts)
    rows = [{"measure": name, "value": value, "to reach": TARGETS.get(name)} for name, value in found.items()]
    settings: Row = {"films": chosen.films, "pixels": chosen.pixels, "starts": chosen.starts}
    publish("memory", rows=rows, settings=settings)


if __name__ == "__main__":
    main()
