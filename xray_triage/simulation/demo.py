"""The demonstration: a real station, a stand-in PACS and films on this computer, and what came of each in a table.

The station is ``xray-triage serve`` in its own process, spoken to as everybody does: DICOM and HTTP over loopback.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.table import Table
from rich.text import Text

from dicom_router.dicom.instance import read_header
from dicom_router.errors import RouterError
from dicom_router.transport.sending import parse_address, send_files
from xray_triage.accounts.roles import Role
from xray_triage.accounts.users import one_time_password
from xray_triage.console import out as console
from xray_triage.language import VIETNAMESE
from xray_triage.log import log_to_stderr
from xray_triage.reading.findings import Priority
from xray_triage.reading.naming import TOLD
from xray_triage.results.wording import UNPROVEN, percent
from xray_triage.simulation.films import gather
from xray_triage.simulation.pacs import PACS_TITLE, StandInPacs, answer, ask_if_nobody_did
from xray_triage.stores import configured_stores

USER, PROGRAM = "demo", "demo-table"
START_SECONDS = 120.0
FILM_SECONDS = 60.0
STEP_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one film; the seconds count from the start of its C-STORE. None: it did not come in time."""

    film: str
    priority: str = ""
    findings: str = ""
    page_seconds: float | None = None
    pacs_seconds: float | None = None
    objects: str = ""
    problem: str = ""


class RunningStation:
    """``xray-triage serve`` in a process of its own, and its page."""

    def __init__(self, folder: Path, pacs: StandInPacs) -> None:
        self.dicom_port, web_port = _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{web_port}"
        self.config_path = folder / "station.toml"
        self.config_path.write_text(
            f'[station]\nname = "Trạm y tế (trình diễn)"\nae_title = "DEMO"\ndata_dir = "station"\n'
            f"[listener]\nport = {self.dicom_port}\n[web]\nport = {web_port}\n[retention]\nreserve_gb = 0.5\n"
            '[policy]\nauto_request = "abnormal"\nurgent = ["edema", "pleural_effusion"]\n'  # so that one rings
            "[consultation]\npoll_seconds = 1\n"
            f'[[destination]]\nname = "pacs"\nhost = "127.0.0.1"\nport = {pacs.port}\nae_title = "{PACS_TITLE}"\n'
            f'url = "{pacs.url}"\ncompression = "none"\n',
            encoding="utf-8",
        )
        self.password, self._token = self._let_in()
        self._log = (folder / "station.log").open("wb")
        self._process = subprocess.Popen(  # noqa: S603 (ourselves)
            [sys.executable, "-m", "xray_triage.cli", "serve", "--config", str(self.config_path)],
            stderr=self._log,
        )

    def _let_in(self) -> tuple[str, str]:
        """A user whom the page shows everything, with a password to keep, and a token for this program."""
        stores = configured_stores(self.config_path, role="demo")
        accounts = stores.accounts
        password = accounts.users.add(USER, role=Role.ADMIN, full_name="BS. Trình Diễn", password=one_time_password())
        accounts.users.add(PROGRAM, role=Role.TECHNICIAN)
        token = accounts.tokens.make(accounts.users.find(PROGRAM), label="demo")
        stores.database.close()
        return password, token

    def wait_until_ready(self) -> None:
        """Raises OSError when the station does not open its page in time."""
        if _until(lambda: self._is_ready() or self._process.poll() is not None, START_SECONDS) and self._is_ready():
            return
        raise OSError(f"the station did not get ready:\n{Path(self._log.name).read_text(encoding='utf-8')}")

    def cases(self) -> list[dict[str, Any]]:
        cases: list[dict[str, Any]] = self._get("/api/cases?limit=1000")
        return cases

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_SECONDS)
        self._log.close()

    def _is_ready(self) -> bool:
        try:
            return bool(self._get("/readyz"))
        except OSError:
            return False

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 (our own loopback URL)
            self.url + path, headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)


def run_demo(films: Sequence[Path], *, stay: bool) -> bool:
    """Run the whole demonstration; whether every step worked. ``stay`` leaves the page open until Ctrl-C."""
    log_to_stderr(logging.WARNING)
    for key in [key for key in os.environ if key.startswith("XRAY_TRIAGE_")]:
        del os.environ[key]  # what a site has set is not for this station
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end: take the station along
    with tempfile.TemporaryDirectory(prefix="xray-triage-demo-") as name:
        folder = Path(name)
        with console.status("gathering films" if films else "making synthetic films"):
            paths = gather(films, folder / "films")
        pacs = StandInPacs(folder)
        pacs.start()
        with _running(RunningStation(folder, pacs)) as station:
            outcomes = [_follow(path, station, pacs) for path in track(paths, "films", console=console, transient=True)]
            console.print(_table(outcomes))
            worked = bool(outcomes) and not any(outcome.problem for outcome in outcomes)
            worked = _consult(station) and worked
            if stay:
                console.print(f"The doctor's page: {station.url} (user {USER}, password {station.password}).")
                console.print("Ctrl-C ends.")
                _wait_for_interrupt()
        pacs.stop()
    return worked


@contextmanager
def _running(station: RunningStation) -> Iterator[RunningStation]:
    try:
        with console.status("starting the station"):
            station.wait_until_ready()
        yield station
    finally:
        station.stop()


def _follow(path: Path, station: RunningStation, pacs: StandInPacs) -> Outcome:
    """Send one film and watch it come out on the page and in the PACS."""
    try:
        with path.open("rb") as stream:
            header = read_header(stream)
    except RouterError as error:
        return Outcome(film=path.name, problem=str(error))
    uid = str(header.get("SOPInstanceUID", ""))
    address = parse_address(f"DEMO@127.0.0.1:{station.dicom_port}")
    started = time.monotonic()
    for sent in send_files([path], address, calling_ae_title="MODALITY"):
        if not sent.ok:
            return Outcome(film=path.name, problem=f"not taken: {sent.status} {sent.comment}")
    case = _until(lambda: _case_of(station.cases(), uid), FILM_SECONDS)
    if not case:
        return Outcome(film=path.name, problem="no case on the page")
    page_seconds = time.monotonic() - started
    complete = _until(lambda: _is_complete(case, uid, pacs), FILM_SECONDS)
    pacs_seconds = time.monotonic() - started if complete else None
    (image,) = (image for image in case["images"] if image["sop_instance_uid"] == uid)
    return Outcome(
        film=path.name,
        priority=_told(image),
        findings=image["reason_text"]
        or ", ".join(_say(finding) for finding in image["findings"] if finding["positive"] and finding["shown"]),
        page_seconds=page_seconds,
        pacs_seconds=pacs_seconds,
        objects=" ".join(sorted(delivery["what"] for delivery in case["deliveries"])),
        problem="" if pacs_seconds is not None else "not everything reached the PACS",
    )


def _consult(station: RunningStation) -> bool:
    """Let a specialist answer about the first case that one is asked about; whether the answer came to the page."""
    cases = station.cases()
    case = next((one for one in cases if one["consultation"]), cases[0] if cases else None)
    if case is None:
        return False

    def now() -> dict[str, Any]:
        return next(one for one in station.cases() if one["case_id"] == case["case_id"])["consultation"] or {}

    with console.status("a specialist answers"):
        ask_if_nobody_did(station.config_path, case["case_id"])
        _until(lambda: now().get("state") == "sent", FILM_SECONDS)
        answer(station.config_path, case["case_id"])
        started = time.monotonic()
        found = _until(lambda: now().get("answers"), FILM_SECONDS)
    if not found:
        console.print("The specialist's answer did not come to the page.")
        return False
    seconds = time.monotonic() - started
    console.print(f"Specialist's answer about {case['patient']['name']}: on the page after {seconds:.2f} s.")
    return True


def _case_of(cases: Sequence[dict[str, Any]], sop_instance_uid: str) -> dict[str, Any] | None:
    for case in cases:
        if any(image["sop_instance_uid"] == sop_instance_uid for image in case["images"]):
            return case
    return None


def _is_complete(case: dict[str, Any], sop_instance_uid: str, pacs: StandInPacs) -> bool:
    wanted = {delivery["sop_instance_uid"] for delivery in case["deliveries"]}
    return sop_instance_uid in wanted and wanted <= pacs.uids(case["study_instance_uid"])


def _told(image: dict[str, Any]) -> str:
    """The film's priority; not "normal" while its machine is not known to the model."""
    priority = Priority(image["priority"])
    return UNPROVEN if priority is Priority.NORMAL and not image["calibrated"] else priority.vi


def _say(finding: dict[str, Any]) -> str:
    measured = finding["measured"]
    said = VIETNAMESE.number(measured["value"], 2) if measured else percent(finding["probability"])
    return f"{TOLD[finding['name']].vi} {said}"


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("film", "priority", "findings", "on the page", "in the PACS", "objects", "")
    for outcome in outcomes:
        table.add_row(
            outcome.film,
            outcome.priority,
            outcome.findings,
            _seconds(outcome.page_seconds),
            _seconds(outcome.pacs_seconds),
            outcome.objects,
            Text(outcome.problem, style="red"),
        )
    return table


def _seconds(seconds: float | None) -> str:
    return f"{seconds:.2f} s" if seconds is not None else "-"


def _until(condition: Callable[[], Any], seconds: float) -> Any:
    """The first true answer of ``condition``, or the last one when ``seconds`` are over."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
    return answer


def _wait_for_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("ending")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
