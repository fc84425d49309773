"""How fast films of 18 MB are taken, every one fsynced and committed, beside pynetdicom, storescp and Orthanc.

The sender is dcmtk's storescu for all; the receivers take turns, so that a busy minute hurts each of them. The peers
answer Success before the film is on disk: ``on_disk`` is when it is there, after a sync.
"""

import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from os import sync
from pathlib import Path

import psutil
import structlog

from benchmarks.peer_pynetdicom import PynetdicomListener
from benchmarks.report import publish, summarise
from dicom_router.clock import SystemClock
from dicom_router.scp.listener import Listener
from dicom_router.scp.storage import Storage
from dicom_router.store.database import migrate_router, open_database
from dicom_router.store.inbox import Inbox
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.factories import film, film_bytes
from tests.peers.dcmtk import free_port, stop, wait_for_port
from tests.peers.orthanc import OrthancPeer, orthanc_program

ROWS = COLUMNS = 3000
ASSOCIATIONS = (1, 4)
PDU = ("-pdu", "131072")
TITLE = "STATION"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who takes films; ``pid`` is its process, for its memory."""

    name: str
    port: int
    pid: int


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100, help="films in one run")
    options.add_argument("--runs", type=int, default=3, help="runs of each receiver")
    options.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--acceptor", default="ours", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        serve(chosen.serve, chosen.acceptor)
        return
    with tempfile.TemporaryDirectory(prefix="receive-") as name:
        folder = Path(name)
        files = make_films(folder / "films", chosen.count)
        rows = [row for associations in ASSOCIATIONS for row in compare(folder, files, associations, chosen.runs)]
    publish("receive", rows=rows, settings={"films": chosen.count, "megabytes": 18, "runs": chosen.runs})


def make_films(folder: Path, count: int) -> list[Path]:
    """Films that differ in their UIDs."""
    folder.mkdir()
    pattern = film_bytes(film(rows=ROWS, columns=COLUMNS, sop_instance_uid=uid(0)))
    files = [folder / f"{number}.dcm" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(pattern.replace(uid(0).encode(), uid(number).encode()))
    return files


def uid(number: int) -> str:
    """UIDs of one length, so that one film is made from another by replacement."""
    return f"2.25.{10**30 + number}"


def compare(
    folder: Path, files: Sequence[Path], associations: int, runs: int
) -> Iterator[dict[str, str | int | float]]:
    """One row for each receiver, from runs in turn."""
    starters: dict[str, Callable[[Path], object]] = {
        "xray-triage": a_station,
        "pynetdicom": partial(a_station, acceptor="pynetdicom"),
        "storescp": a_storescp,
    }
    if orthanc_program():
        starters["orthanc"] = an_orthanc
    seconds: dict[str, list[float]] = {name: [] for name in starters}
    on_disk: dict[str, list[float]] = {name: [] for name in starters}
    memory: dict[str, float] = {}
    processor: dict[str, list[float]] = {name: [] for name in starters}
    for _ in range(runs):
        for name, start in starters.items():
            place = folder / name
            place.mkdir()
            with start(place) as receiver:  # type: ignore[attr-defined]
                sync()
                begin, spent = time.perf_counter(), processor_seconds(receiver.pid)
                seconds[name].append(send(receiver.port, files, associations))
                processor[name].append(processor_seconds(receiver.pid) - spent)
                sync()
                on_disk[name].append(time.perf_counter() - begin)
                memory[name] = psutil.Process(receiver.pid).memory_info().rss / 1e6
            shutil.rmtree(place)
    ours, ours_on_disk = (summarise(measured["xray-triage"])["median"] for measured in (seconds, on_disk))
    for name, measured in seconds.items():
        summary, until_on_disk = summarise(measured), summarise(on_disk[name])["median"]
        yield {
            "receiver": name,
            "associations": associations,
            "runs": summary["n"],
            "seconds_median": summary["median"],
            "seconds_p95": summary["p95"],
            "films_per_second": round(len(files) / summary["median"], 1),
            "processor_ms_a_film": round(summarise(processor[name])["median"] / len(files) * 1000, 1),
            "rss_mb": round(memory[name], 1),
            "we_are_times_faster": round(summary["median"] / ours, 2),
            "on_disk_median": until_on_disk,
            "times_faster_on_disk": round(until_on_disk / ours_on_disk, 2),
        }


def processor_seconds(pid: int) -> float:
    """What a process and all that it started have cost, in user and in kernel mode."""
    process = psutil.Process(pid)
    spent = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(times.user + times.system + times.children_user + times.children_system for times in spent)


def send(port: int, files: Sequence[Path], associations: int) -> float:
    """Seconds until the last of so many senders at once has its last Success."""
    shares = [files[start::associations] for start in range(associations)]
    begin = time.perf_counter()
    command = ["storescu", "-R", *PDU, "--max-send-pdu", "131072", "-aec", TITLE, "127.0.0.1", str(port)]
    senders = [subprocess.Popen([*command, *map(str, share)]) for share in shares if share]
    codes = [sender.wait() for sender in senders]
    seconds = time.perf_counter() - begin
    if any(codes):
        raise SystemExit(f"storescu ended with {codes}: not every film was taken")
    return seconds


@contextmanager
def a_station(folder: Path, *, acceptor: str = "ours") -> Iterator[Receiver]:
    """The spool and the database of this project behind its own listener or pynetdicom's, alone in a process."""
    command = [sys.executable, "-m", "benchmarks.receive", "--serve", str(folder), "--acceptor", acceptor]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Receiver(acceptor, port, process.pid)
        stop(process)


@contextmanager
def a_storescp(folder: Path) -> Iterator[Receiver]:
    """dcmtk, one process for each association, as it must be to take more than one."""
    port = free_port()
    process = subprocess.Popen(["storescp", "--fork", *PDU, "-aet", TITLE, "-od", str(folder), str(port)])
    wait_for_port(port)
    yield Receiver("storescp", port, process.pid)
    stop(process)


@contextmanager
def an_orthanc(folder: Path) -> Iterator[Receiver]:
    """Orthanc with its own settings."""
    with OrthancPeer.start(folder / "orthanc", settings={"MaximumPduLength": 131_072}) as peer:
        yield Receiver("orthanc", peer.dicom_port, peer.pid)


def serve(folder: Path, acceptor: str) -> None:
    """Be the station until killed; print the port."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clock = SystemClock()
    database = open_database(f"sqlite:///{folder}/station.db")
    migrate_router(database)
    ledger = Ledger(database, clock=clock, node="bench/front")
    inbox = Inbox(database, ledger, Outbox(database, ledger, clock=clock), clock=clock)
    limits, spool = ListenerLimits(ae_title=TITLE), Spool(folder / "spool")
    listener: Listener | PynetdicomListener
    if acceptor == "ours":
        storage = Storage(spool=spool, inbox=inbox, on_kept=lambda: None)
        listener = Listener(limits=limits, host="127.0.0.1", port=0, providers=(storage,))
    else:
        listener = PynetdicomListener(
            limits=limits, spool=spool, folder=folder / "spool", inbox=inbox, on_kept=lambda: None
        )
    listener.start()
    sys.stdout.write(f"{listener.port}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
