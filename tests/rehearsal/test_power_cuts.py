"""Power cuts, replayed from the log of a disk: what was acknowledged before the cut is there after it."""

import os
import random
import threading
from pathlib import Path

from tests.factories import until
from tests.peers.station import StationPeer
from tests.rehearsal.disk import CutDisk
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.table import Row, Table

MEGABYTES = 400


def test_power_cuts_lose_nothing(tmp_path: Path, a_bundle: Path, table: Table, often: bool) -> None:
    films, cuts = (60, 64) if often else (6, 3)
    disk, chance = CutDisk(tmp_path, megabytes=MEGABYTES), random.Random(64)
    with disk.running() as folder:
        station = StationPeer(folder / "station", bundle=a_bundle)
        station.start()
        assert station.token  # before any cut
        os.sync()  # the configuration, too, was written before
        machine = FilmMachine(station.dicom_port)
        with machine.sending():
            until(lambda: len(machine.acknowledged) >= films)
            threading.Event().wait(chance.random())  # films are read after they are acknowledged
        station.kill()
    first, last = min(machine.answered_at.values()), max(machine.answered_at.values())
    moments = [chance.choice([*machine.answered_at.values()]) + 0.001 for _ in range(cuts // 2)]  # just answered
    moments += [chance.uniform(first, last + 1) for _ in range(cuts - len(moments))]
    proved, lost, back = 0, 0, []
    for at in moments:
        kept = {uid for uid, second in machine.answered_at.items() if second < at}
        with disk.after_cut(at, chance):
            seconds, missing = found_again(station, kept)
        proved, lost, back = proved + len(kept), lost + missing, [*back, seconds]
    table.add(Row(fault="power cut", times=cuts, proved=proved, lost=lost, doubled=0, back=tuple(back)))
    assert lost == 0

    at = last + 0.001
    with disk.after_cut(at, chance, lies_seconds=at - first + 0.1):  # a drive that lies loses films, and this sees it
        assert found_again(station, set(machine.acknowledged))[1] > 0


def found_again(station: StationPeer, kept: set[str]) -> tuple[float, int]:
    """Seconds until the station is back, and how many of ``kept`` are in no case when all is read."""
    try:
        seconds = station.start()
        until(station.is_done)
        read = {uid for uid, image in station.images().items() if image["status"] == "read"}
    finally:
        station.kill()
    return seconds, len(kept - read)
