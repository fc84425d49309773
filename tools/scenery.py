"""Two stations with something to see, out of phantoms and the real program: a morning's work, and a month of figures.

It must never know how a page looks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import years
from dicom_router.clock import SystemClock
from dicom_router.store import tables as router
from dicom_router.transport.sending import parse_address, send_files
from tests.factories import until
from tests.peers.station import AE_TITLE, StationPeer
from xray_triage.accounts.roles import Role
from xray_triage.config.loading import load_config
from xray_triage.simulation import phantom
from xray_triage.simulation.pacs import PACS_TITLE, StandInPacs
from xray_triage.stores import Stores, open_stores

PASSWORD = "anh-chup-man-hinh"  # noqa: S105 -- of every user, for as long as the pictures take
USERS = {
    "ha": (Role.DOCTOR, "BS. Nguyễn Thu Hà"),
    "nam": (Role.TECHNICIAN, "KTV. Lê Văn Nam"),
    "quantri": (Role.ADMIN, "Quản trị trạm"),
    "peer": (Role.DOCTOR, "Phần mềm bệnh án"),  # StationPeer's own, which asks by a token
}
POLICY = '[policy]\nurgent = ["pleural_effusion"]\nauto_request = "never"\n[consultation]\npoll_seconds = 1\n'
PIXELS = 2000
SEEN_SECONDS = 120
MONTH = timedelta(days=31)
LICENCE = "004711/HCM-CCHN"
CASES = 640  # of a month
OUTAGES = ((25, 3.5), (17, 0.4), (9, 7), (3, 1.2))  # (days ago, hours)


class Late(SystemClock):
    """A clock that is behind, to have done something then."""

    def __init__(self, minutes: float) -> None:
        self._behind = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return super().now() - self._behind


class Morning:
    """A station at work, and the PACS it sends to, which can go away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._films = 0
        self.pacs = StandInPacs(folder)
        self.pacs.start()
        destination = (
            f'[[destination]]\nname = "pacs"\nhost = "127.0.0.1"\nport = {self.pacs.port}\nae_title = "{PACS_TITLE}"\n'
            f'url = "{self.pacs.url}"\n'
        )
        self.station = StationPeer(folder / "station", more=POLICY + destination)
        _add_users(self.station)
        self.station.start()

    def film(self, *findings: str, seed: int = 1, patient: int = 0, minutes: float = 0, limb: bool = False) -> str:
        """A film exposed so many minutes ago comes in and is read; the id of its case."""
        self._films += 1
        path = self._folder / f"{self._films}.dcm"
        made = (
            phantom.non_chest("limb")
            if limb
            else phantom.render(seed=seed, findings=findings, rows=PIXELS, columns=phantom.columns_of(PIXELS))
        )
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        uid = str(phantom.write(path, made, seed=patient, at=at).SOPInstanceUID)
        (sent,) = send_files([path], parse_address(f"{AE_TITLE}@127.0.0.1:{self.station.dicom_port}"))
        if not sent.ok:
            raise SystemExit(f"the film was not taken: {sent.status} {sent.comment}")
        until(lambda: uid in self.station.images(), seconds=SEEN_SECONDS)
        return next(case["case_id"] for case in self._cases() if uid in str(case["images"]))

    def ask(self, case_id: str, question: str, *, minutes: float = 0, priority: str = "urgent") -> None:
        """A doctor asked so many minutes ago, and the question is at the PACS."""
        with _rooms(self.station, minutes) as stores:
            doctor = USERS["ha"][1]
            stores.consultations.request(case_id, question=question, priority=priority, requested_by=doctor)
        self.wait_for(case_id, "overdue" if minutes > 30 else "sent")

    def answer(self, case_id: str, text: str) -> None:
        """A specialist answers at the PACS, and the answer is found."""
        told = self.station.cli("consult-reply", case_id, "--text", text, "--author", "BS. Trần Văn Đức", "--verified")
        if told.returncode:
            raise SystemExit(told.stderr)
        self.wait_for(case_id, "answered")

    def wait_for(self, case_id: str, state: str) -> None:
        until(lambda: self.station.get(f"/api/cases/{case_id}")["consultation"]["state"] == state, seconds=SEEN_SECONDS)

    def wait_until_sent(self) -> None:
        until(self.station.is_done, seconds=SEEN_SECONDS)

    def stop(self) -> None:
        self.station.stop()

    def _cases(self) -> Sequence[dict[str, Any]]:
        cases: Sequence[dict[str, Any]] = self.station.get("/api/cases?limit=1000")
        return cases


def a_month(folder: Path) -> StationPeer:
    """A station with the figures of a month, and nobody to send to."""
    station = StationPeer(folder / "month")
    _add_users(station)
    with _rooms(station) as stores:
        now = SystemClock().now()
        years.fill(stores.database, CASES, now=now, span=MONTH, waiting=0)
        changes = [
            {
                "destination": "pacs",
                "reachable": back,
                "at": now - timedelta(days=days, hours=-hours * back),
                "error": None,
            }
            for days, hours in OUTAGES
            for back in (False, True)
        ]
        with stores.database.write() as connection:
            connection.execute(router.link_change.insert(), changes)
    station.start()
    return station


def _add_users(station: StationPeer) -> None:
    with _rooms(station) as stores:
        for name, (role, full_name) in USERS.items():
            licence = LICENCE if role is Role.DOCTOR else ""
            stores.accounts.users.add(name, role=role, full_name=full_name, licence=licence, password=PASSWORD)


@contextmanager
def _rooms(station: StationPeer, minutes: float = 0) -> Iterator[Stores]:
    stores = open_stores(load_config(station.config_path), role="pictures", clock=Late(minutes))
    yield stores
    stores.database.close()
