"""What our upper layer costs beside pynetdicom's: sending, idle associations, peers that never finish a PDU.

How films are received stands in receive.py; what either does not do, in tests/dicom_router/scp.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, _config

from benchmarks.receive import TITLE, a_station, a_storescp, make_films, processor_seconds
from benchmarks.report import Row, publish, summarise
from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import Parcel, reference_to
from dicom_router.transport.dimse import DimseTransport
from tests.peers.machine import Machine, association_request

IDLE, HALF_OPEN = 3, 30


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--films", type=int, default=20, help="films of 18 MB in one run")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--seconds", type=float, default=10, help="how long idle associations are looked at")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="upper-") as name:
        folder = Path(name)
        files = make_films(folder / "films", chosen.films)
        sent = senders(folder, files, chosen.runs)
        rows = [{"upper layer": who} | sent[who] | strain(folder / who, who, chosen.seconds) for who in sent]
    publish("upper_layer", rows=rows, settings={"films": chosen.films, "megabytes": 18, "runs": chosen.runs})


def senders(folder: Path, files: Sequence[Path], runs: int) -> dict[str, Row]:
    """What a film costs whom sends it to storescp: processor, and time on the clock. In turns."""
    spent: dict[str, list[float]] = {"ours": [], "pynetdicom": []}
    passed: dict[str, list[float]] = {"ours": [], "pynetdicom": []}
    for run in range(runs):
        for name, send in (("ours", send_by_ours), ("pynetdicom", send_by_pynetdicom)):
            place = folder / f"{name}-{run}"
            place.mkdir()
            with a_storescp(place) as peer:
                begin, begin_spent = time.perf_counter(), time.process_time()
                send(peer.port, files)
                spent[name].append((time.process_time() - begin_spent) / len(files) * 1000)
                passed[name].append((time.perf_counter() - begin) / len(files) * 1000)
    return {
        name: {
            "runs": len(spent[name]),
            "sending_processor_ms_a_film": summarise(spent[name], 1)["median"],
            "sending_ms_a_film": summarise(passed[name], 1)["median"],
        }
        for name in spent
    }


def send_by_ours(port: int, files: Sequence[Path]) -> None:
    """By the transport of the product."""
    transport = DimseTransport("127.0.0.1", port, TITLE, "BENCH", clock=SystemClock(), compression="none")
    for path in files:
        instance = reference_to(dcmread(path, stop_before_pixels=True))
        transport.send(Parcel(instance=instance, size_bytes=path.stat().st_size, open=opener(path)))
    transport.close()


def send_by_pynetdicom(port: int, files: Sequence[Path]) -> None:
    """By its SCU, in pieces, over one association."""
    _config.STORE_SEND_CHUNKED_DATASET, _config.LOG_HANDLER_LEVEL = True, "none"
    ae = AE("BENCH")
    ae.requested_contexts = AllStoragePresentationContexts[:128]
    association = ae.associate("127.0.0.1", port, ae_title=TITLE, max_pdu=131_072)
    for path in files:
        assert association.send_c_store(path).Status == 0, path
    association.release()


def opener(path: Path) -> Callable[[], io.BufferedReader]:
    """Opens the film anew each time."""
    return lambda: path.open("rb")


def strain(folder: Path, acceptor: str, seconds: float) -> Row:
    """What idle associations cost, and what a listener is after a header of 4 GiB and half-open connections."""
    folder.mkdir()
    with a_station(folder, acceptor=acceptor) as receiver, ExitStack() as peers:
        process = psutil.Process(receiver.pid)
        for _ in range(IDLE):
            peers.enter_context(machine := Machine(receiver.port)).associate(called=TITLE)
        before = processor_seconds(receiver.pid)
        machine.socket.settimeout(seconds)
        try:
            machine.socket.recv(1)
        except TimeoutError:
            idle = (processor_seconds(receiver.pid) - before) / seconds * 100
        memory = process.memory_info().rss
        for number in range(HALF_OPEN):
            peers.enter_context(half := Machine(receiver.port, source=f"127.0.0.{2 + number % 2}"))
            half.say(b"\x01\x00\xff\xff\xff\xff" if number % 2 else association_request()[:50])
        with Machine(receiver.port) as other:
            served = other.associate(called=TITLE)[:1] == b"\x02"
        grown = (process.memory_info().rss - memory) / 1e6
    return {
        f"idle_{IDLE}_percent_of_a_core": round(idle, 1),
        f"after_{HALF_OPEN}_half_open_served": served,
        "and_grown_mb": round(grown, 1),
    }


if __name__ == "__main__":
    main()
