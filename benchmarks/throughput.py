"""Throughput: films as fast as the station takes them, until the last result and the last original are in the PACS."""

import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.report import publish
from benchmarks.scene import STATION_TITLE, FilmRoll, XrayMachine, a_station, options

FREE_GB = 12
TARGETS = {"films_per_second": "1 or more"}


def measure(folder: Path, bundle: Path, *, films: int, pixels: int, seconds: float = 600) -> dict[str, float]:
    """Seconds until all were received and until all was in the PACS, films a second, longest answer.

    ``seconds`` bounds the wait. Raises SystemExit when that is not enough, or the disk is too small.
    """
    if shutil.disk_usage(folder).free < FREE_GB * 2**30:
        raise SystemExit(f"{folder} has less than {FREE_GB} GB free, which {films} films here and in the PACS may need")
    roll = FilmRoll(pixels)
    with a_station(folder, bundle) as (station, pacs):
        machine = XrayMachine(station.dicom_port, STATION_TITLE)
        machine.send(roll.next())
        station.wait_until_done(60)
        before = len(pacs.instances())
        started = time.monotonic()
        answers = [_seconds(*machine.send(roll.next())) for _ in range(films)]
        received = time.monotonic() - started
        unread = station.get("/api/queue")["unread"]
        machine.close()
        station.wait_until_done(seconds)
        complete = time.monotonic() - started
        objects = len(pacs.instances()) - before
    return {
        "received_seconds": received,
        "unread_when_received": unread,
        "longest_answer_seconds": max(answers),
        "complete_seconds": complete,
        "films_per_second": films / complete,
        "objects_in_pacs": objects,
    }


def _seconds(started: float, answered: float) -> float:
    return answered - started


def main() -> None:
    """Measure, print, write."""
    chosen = options(__doc__, films=200).parse_args()
    with tempfile.TemporaryDirectory(prefix="xray-triage-bench-") as folder:
        found = measure(Path(folder), chosen.bundle, films=chosen.films, pixels=chosen.pixels)
    rows = [{"measure": name, "value": value, "to reach": TARGETS.get(name)} for name, value in found.items()]
    publish("throughput", rows=rows, settings={"films": chosen.films, "pixels": chosen.pixels})


if __name__ == "__main__":
    main()
