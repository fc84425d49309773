"""Latency: one film a second; from the first byte of the C-STORE to page and PACS, beside a peer in the same minutes.

The peer is an Orthanc with a Python plugin (peer_orthanc_plugin.py) that reads with the same network and stores into
itself; ours sends on to another Orthanc. Blocks of films alternate between the two, so that both meet the same noise.
"""

import os
import site
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from urllib.parse import quote

from benchmarks.report import Row, publish, summarise
from benchmarks.scene import POLL_SECONDS, STATION_TITLE, FilmRoll, Station, Watch, XrayMachine, a_station, options
from tests.peers.orthanc import OrthancPeer

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancPython.so")
ORIGINAL, CAPTURE = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7"
RESULTS = ("1.2.840.10008.5.1.4.1.1.88.33", CAPTURE, "1.2.840.10008.5.1.4.1.1.11.1")
BLOCK = 10
SETTLE_SECONDS = 15.0
TARGETS = {"case": 0.4, "results": 0.7, "original": 1.2}

Seconds = dict[str, list[float]]


def measure(folder: Path, bundle: Path, *, films: int, pixels: int, every_seconds: float = 1.0) -> dict[str, Seconds]:
    """Seconds by who ("station", "peer") and step ("answer", "case", "results", "original"), one for each film.

    The peer is left out where its plugin is not installed. Raises SystemExit when a film does not arrive.
    """
    roll = FilmRoll(pixels)
    with a_station(folder, bundle) as (station, pacs), a_peer(folder / "peer", bundle) as peer:
        ours, theirs = _new_times(), _new_times()
        _station_block(station, pacs, roll, _new_times(), 2, every_seconds)  # both have read before they are measured
        if peer is not None:
            _peer_block(peer, roll, _new_times(), 2, every_seconds)
        for first in range(0, films, BLOCK):
            block = min(BLOCK, films - first)
            _station_block(station, pacs, roll, ours, block, every_seconds)
            if peer is not None:
                _peer_block(peer, roll, theirs, block, every_seconds)
    return {"station": ours} | ({} if peer is None else {"peer": theirs})


@contextmanager
def a_peer(folder: Path, bundle: Path) -> Iterator[OrthancPeer | None]:
    """An Orthanc that reads films by a Python plugin with the station's network, or None where it is not installed."""
    if not PLUGIN.exists() or not (bundle / "model.onnx").exists():
        yield None
        return
    os.environ["BENCH_BUNDLE"], os.environ["BENCH_SITE_PACKAGES"] = str(bundle), site.getsitepackages()[0]
    script = Path(__file__).with_name("peer_orthanc_plugin.py")
    with OrthancPeer.start(folder, settings={"Plugins": [str(PLUGIN)], "PythonScript": str(script)}) as peer:
        yield peer


def _new_times() -> Seconds:
    return {"answer": [], "case": [], "results": [], "original": []}


def _station_block(
    station: Station, pacs: OrthancPeer, roll: FilmRoll, times: Seconds, films: int, every_seconds: float
) -> None:
    watch, page = Watch(pacs), PageWatch(station)
    sent = _send(roll, station.dicom_port, STATION_TITLE, films, every_seconds, times, page.expect)
    cases = page.stop()
    station.wait_until_done(SETTLE_SECONDS)
    objects = watch.stop()
    for study, started in sent.items():
        times["case"].append(cases[study] - started)
        times["results"].append(max(objects[study, sop_class] for sop_class in RESULTS) - started)
        times["original"].append(objects[study, ORIGINAL] - started)


def _peer_block(peer: OrthancPeer, roll: FilmRoll, times: Seconds, films: int, every_seconds: float) -> None:
    watch = Watch(peer)
    already = len(peer.instances())
    sent = _send(roll, peer.dicom_port, peer.ae_title, films, every_seconds, times, lambda _: None)
    deadline = time.monotonic() + SETTLE_SECONDS
    while len(peer.instances()) < already + 2 * films:
        if time.monotonic() > deadline:
            raise SystemExit(f"the peer did not read {films} films within {SETTLE_SECONDS} s")
        time.sleep(0.2)
    objects = watch.stop()
    for study, started in sent.items():
        times["results"].append(objects[study, CAPTURE] - started)
        times["original"].append(objects[study, ORIGINAL] - started)


def _send(
    roll: FilmRoll,
    port: int,
    called: str,
    films: int,
    every_seconds: float,
    times: Seconds,
    expect: Callable[[str], None],
) -> dict[str, float]:
    """Send at a steady pace, each film in its own association; by study, the monotonic time of the first byte."""
    ready = [roll.next() for _ in range(films)]
    sent = {}
    due = time.monotonic() + 0.5
    for film in ready:
        machine = XrayMachine(port, called)
        time.sleep(max(0.0, due - time.monotonic()))
        expect(film.study_instance_uid)
        started, answered = machine.send(film)
        machine.close()
        sent[film.study_instance_uid] = started
        times["answer"].append(answered - started)
        due = max(due + every_seconds, time.monotonic())
    return sent


class PageWatch:
    """When a case with its reading first stands in the answer of GET /api/cases; asks only while one is awaited."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._expected: dict[str, datetime] = {}
        self._seen: dict[str, float] = {}
        self._not_read: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="page", daemon=True)
        self._thread.start()

    def expect(self, study_instance_uid: str) -> None:
        """Look for this study from now on."""
        self._expected[study_instance_uid] = datetime.now(UTC)

    def stop(self) -> dict[str, float]:
        """By study, the monotonic time when it was first seen. Raises SystemExit when one never came."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._expected and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        self._stop.set()
        self._thread.join()
        if self._not_read:
            raise SystemExit(f"{len(self._not_read)} films were not read ({self._not_read[0]}): nothing to measure")
        if self._expected:
            raise SystemExit(f"{len(self._expected)} films never became a case with findings")
        return self._seen

    def _look(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            since = min(self._expected.copy().values(), default=None)
            if since is None:
                continue
            cases = self._station.get(f"/api/cases?limit=20&since={quote(since.isoformat())}")
            now = time.monotonic()
            for case in cases:
                study = case["study_instance_uid"]
                if study in self._expected:
                    self._not_read += [image["reason"] for image in case["images"] if image["status"] != "read"]
                    self._seen[study] = now
                    del self._expected[study]


def main() -> None:
    """Measure, print, write."""
    chosen = options(__doc__, films=50).parse_args()
    with tempfile.TemporaryDirectory(prefix="xray-triage-bench-") as folder:
        times = measure(Path(folder), chosen.bundle, films=chosen.films, pixels=chosen.pixels)
    rows: list[Row] = [
        {
            "who": who,
            "until": step,
            **summarise(seconds),
            "p95 to reach": TARGETS.get(step) if who == "station" else None,
        }
        for who, steps in times.items()
        for step, seconds in steps.items()
        if seconds
    ]
    publish("latency", rows=rows, settings={"films": chosen.films, "pixels": chosen.pixels}, notes=[_compare(times)])


def _compare(times: Mapping[str, Seconds]) -> str:
    if "peer" not in times:
        return f"No peer: {PLUGIN} or a model bundle is not there."
    ratio = median(times["station"]["results"]) / median(times["peer"]["results"])
    return f"Results in the PACS: {ratio:.2f} x the peer's median (to reach: 0.8)."


if __name__ == "__main__":
    main()
