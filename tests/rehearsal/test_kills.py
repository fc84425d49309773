"""``kill -9`` under load: both processes, the front, the reader, one that has only begun to start."""

import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.factories import until
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import StationPeer
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.proof import proved, settled
from tests.rehearsal.table import Table

BACK_SECONDS = 30.0  # on a machine that does other things too; the table tells what it was
QUESTION = "Bóng mờ đáy phổi phải, có cần chuyển viện không?"
REQUEST = "1.2.840.10008.5.1.4.1.1.88.59"


def wait(seconds: float) -> None:
    """Let the station work on for as long as chance says; a fault is to come at any moment of its work."""
    threading.Event().wait(seconds)


def kill_both(station: StationPeer, chance: random.Random) -> float:
    wait(chance.uniform(0, 1.5))
    station.kill()
    return station.start()


def kill_the_front(station: StationPeer, chance: random.Random) -> float:
    wait(chance.uniform(0, 1.5))
    station.process.kill()
    station.process.wait(60)
    return station.start()


def kill_the_reader(station: StationPeer, chance: random.Random) -> float:
    wait(chance.uniform(0, 1.5))
    readers = [process for process in station.processes() if "xray_triage.reader.process" in process.cmdline()]
    for process in readers:
        process.send_signal(signal.SIGKILL)
    started = time.monotonic()
    gone = {process.pid for process in readers}
    until(
        lambda: (
            {process.pid for process in station.processes()} - gone > {station.process.pid}
            and station.status("/readyz") == 200
        )
    )
    return time.monotonic() - started


def kill_at_its_start(station: StationPeer, chance: random.Random) -> float:
    station.kill()
    station.launch()
    wait(chance.uniform(0.05, 2))
    station.kill()
    return station.start()


@pytest.mark.parametrize("kill", [kill_both, kill_the_front, kill_the_reader, kill_at_its_start])
def test_kills_under_load_lose_and_double_nothing(
    kill: Callable[[StationPeer, random.Random], float],
    station: StationPeer,
    machine: FilmMachine,
    own_orthanc: OrthancPeer,
    table: Table,
    often: bool,
) -> None:
    chance, times, back = random.Random(kill.__name__), 50 if often else 2, []
    with machine.sending():
        for number in range(1, times + 1):
            until(lambda number=number: len(machine.acknowledged) >= number)  # type: ignore[misc]
            back.append(kill(station, chance))
    row = table.add(proved(kill.__name__.replace("_", " "), station, machine, own_orthanc, times=times, back=back))
    assert (row.lost, row.doubled) == (0, 0)
    assert max(row.back) < BACK_SECONDS


def test_questions_and_answers_outlive_kills(
    station: StationPeer, machine: FilmMachine, own_orthanc: OrthancPeer, table: Table, often: bool
) -> None:
    """Each is asked, and answered at the PACS, moments before the station is killed; each comes once."""
    chance, times, back = random.Random(7), 40 if often else 2, []
    for _ in range(times):
        machine.send()
    settled(station, machine)
    cases = station.get("/api/cases?limit=1000")
    for case in cases:
        station.post(f"/api/cases/{case['case_id']}/consultation", question=QUESTION)
        back.append(kill_both(station, chance))
        until(lambda case=case: consultation(station, case)["state"] == "sent")  # type: ignore[misc]
        assert station.cli("consult-reply", case["accession_number"], "--text", answer_to(case)).returncode == 0
        back.append(kill_both(station, chance))
    until(lambda: all(consultation(station, case)["answers"] for case in cases))
    requests = own_orthanc.find("Instance", SOPClassUID=REQUEST)
    heard = [[answer["text"] for answer in consultation(station, case)["answers"]] for case in cases]
    lost = sum(answer_to(case) not in "".join(texts) for case, texts in zip(cases, heard, strict=True))
    doubled = sum(len(texts) - 1 for texts in heard) + max(0, len(requests) - len(cases))
    row = proved("questions and answers", station, machine, own_orthanc, times=len(back), back=back)
    assert (lost, doubled, row.lost) == (0, 0, 0)
    assert len(requests) == len(cases)
    table.add(replace(row, doubled=doubled))  # each answer is one more object in its study than a film makes


def answer_to(case: dict[str, str]) -> str:
    return f"Trả lời cho {case['accession_number']}: không tràn khí."


def consultation(station: StationPeer, case: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    return dict(station.get(f"/api/cases/{case['case_id']}")["consultation"])
