"""The far end of the demonstration: a stand-in PACS, and a specialist who answers there.

The PACS is our own listener with a spool of its own, and as much of QIDO-RS and WADO-RS as a station asks for.
"""

import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import Arrival
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.storage import Storage
from dicom_router.store.database import migrate_router, open_database
from dicom_router.store.inbox import Inbox
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from xray_triage.config.loading import load_config
from xray_triage.simulation.specialist import make_text_answer, store
from xray_triage.station.peers import make_transport
from xray_triage.stores import configured_stores, open_stores

PACS_TITLE = "DEMO_PACS"
AUTHOR = "BS. Trần Văn Đức"
ANSWER = "Đồng ý với nhận định của trạm.\nChuyển người bệnh lên tuyến trên để chụp cắt lớp vi tính."
QUESTION = "Nhờ tuyến trên xem giúp phim này."
BOUNDARY = "part"
_STUDY = re.compile(r"/dicom-web/studies/([0-9.]+)/(?:series/[0-9.]+/)?instances(?:/([0-9.]+))?\Z")


class StandInPacs:
    """A PACS that keeps what it is sent and gives it back, on free ports of loopback."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        self._database = open_database(f"sqlite:///{folder / 'pacs.db'}")
        migrate_router(self._database)
        ledger = Ledger(self._database, clock=clock, node="pacs")
        self.inbox = Inbox(self._database, ledger, Outbox(self._database, ledger, clock=clock), clock=clock)
        self.spool = Spool(folder / "spool")
        self._listener = Listener(
            limits=ListenerLimits(ae_title=PACS_TITLE),
            host="127.0.0.1",
            port=0,
            providers=(Echo(), Storage(spool=self.spool, inbox=self.inbox, on_kept=lambda: None)),
            clock=clock,
        )
        self._web = ThreadingHTTPServer(("127.0.0.1", 0), type("PacsPages", (_Pages,), {"pacs": self}))
        self._thread = threading.Thread(target=self._web.serve_forever, name="pacs", daemon=True)

    @property
    def port(self) -> int:
        """Where it takes C-STORE, once started."""
        return self._listener.port

    @property
    def url(self) -> str:
        """Its DICOMweb root."""
        return f"http://127.0.0.1:{self._web.server_port}/dicom-web"

    def start(self) -> None:
        self._listener.start()
        self._thread.start()

    def stop(self) -> None:
        self._web.shutdown()
        self._web.server_close()
        self._listener.stop()
        self._database.close()

    def uids(self, study_instance_uid: str) -> set[str]:
        """SOP Instance UIDs of all it has of a study."""
        return {arrival.instance.sop_instance_uid for arrival in self.inbox.of_study(study_instance_uid)}


class _Pages(BaseHTTPRequestHandler):
    """QIDO-RS for the instances of a study, and WADO-RS for one of them."""

    pacs: StandInPacs
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = _STUDY.match(self.path.partition("?")[0])
        kept = self.pacs.inbox.of_study(found[1]) if found else []
        if found and found[2] is None:
            self._answer("application/dicom+json", json.dumps([_match(one) for one in kept]).encode())
            return
        wanted = [one for one in kept if found and one.instance.sop_instance_uid == found[2]]
        if wanted:
            self._give(wanted[0])
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Nothing: the demonstration has a table of its own."""

    def _give(self, arrival: Arrival) -> None:
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        self._begin(
            f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
            len(head) + arrival.spooled.size_bytes + len(tail),
        )
        self.wfile.write(head)
        with self.pacs.spool.open(arrival.spooled.key) as stream:
            shutil.copyfileobj(stream, self.wfile)
        self.wfile.write(tail)

    def _answer(self, content_type: str, body: bytes) -> None:
        self._begin(content_type, len(body))
        self.wfile.write(body)

    def _begin(self, content_type: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _match(arrival: Arrival) -> dict[str, object]:
    instance = arrival.instance
    uids = {
        "00080016": instance.sop_class_uid,
        "00080018": instance.sop_instance_uid,
        "0020000D": instance.study_instance_uid,
        "0020000E": instance.series_instance_uid,
    }
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids.items()}


def ask_if_nobody_did(config_path: Path, case_id: str) -> None:
    """Act the doctor where the site's policy asked for nothing."""
    stores = configured_stores(config_path, role="demo")
    case = stores.casebook.case(case_id)
    if case is not None and case.consultation is None:
        stores.consultations.request(case_id, question=QUESTION, priority="routine", requested_by="BS. Trình Diễn")
    stores.database.close()


def answer(config_path: Path, case_id: str) -> None:
    """Act the specialist: store a signed report about a case of the station into its PACS."""
    config, clock = load_config(config_path), SystemClock()
    stores = open_stores(config, role="demo", clock=clock)
    case = stores.casebook.case(case_id)
    if case is not None:
        source = stores.preparer.header(case.study_instance_uid)
        transport = make_transport(config.destination[0], config, clock=clock)
        store([make_text_answer(source, ANSWER, author=AUTHOR, verified=True, at=clock.now())], transport)
        transport.close()
    stores.database.close()
