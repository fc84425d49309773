"""A real Orthanc on loopback as the central PACS of tests, benchmarks and the demo. Knows nothing of our packages.

Outside pytest: ``with OrthancPeer.start(folder, dicomweb=True) as pacs: ...``
"""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories import free_port

PLUGINS = (Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"), Path("/usr/lib/orthanc/libOrthancDicomWeb.so"))
START_SECONDS = 60.0


def orthanc_program() -> str | None:
    """Where Orthanc is installed, or None."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")


def dicomweb_plugin() -> Path | None:
    """Where Orthanc's DICOMweb plugin is installed, or None."""
    return next((path for path in PLUGINS if path.exists()), None)


class OrthancPeer:
    """One Orthanc with its own storage folder. ``stop`` and ``restart`` keep ports and storage.

    ``settings`` go over ours in Orthanc's own configuration, e.g. ``{"DicomCheckCalledAet": True}``.
    """

    ae_title = "ORTHANC"
    host = "127.0.0.1"

    def __init__(self, folder: Path, *, dicomweb: bool = False, settings: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.dicom_port = free_port()
        self.http_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        configuration = self._configuration(dicomweb) | (settings or {})
        (folder / "orthanc.json").write_text(json.dumps(configuration, indent=1))

    @classmethod
    def start(cls, folder: Path, *, dicomweb: bool = False, settings: dict[str, Any] | None = None) -> "OrthancPeer":
        """Start one and return when it answers on both ports; on other ports when somebody was quicker to take them."""
        for _ in range(2):
            with contextlib.suppress(AssertionError):
                peer = cls(folder, dicomweb=dicomweb, settings=settings)
                peer.restart()
                return peer
        peer = cls(folder, dicomweb=dicomweb, settings=settings)
        peer.restart()
        return peer

    def __enter__(self) -> "OrthancPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Root of Orthanc's own REST interface."""
        return f"http://{self.host}:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Root of the DICOMweb services; there only when started with ``dicomweb=True``."""
        return f"{self.url}/dicom-web"

    @property
    def pid(self) -> int:
        """Process id, for measuring and for cutting it down."""
        assert self._process is not None, "Orthanc is not running"
        return self._process.pid

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same ports and storage."""
        self.stop()
        program = orthanc_program()
        assert program, "Orthanc is not installed: apt-get install orthanc orthanc-dicomweb"
        with (self.folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen([program, str(self.folder / "orthanc.json")], stdout=log, stderr=log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Let it end in order; kill it after ten seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)

    def kill(self) -> None:
        """As a power cut does; at once, where ``stop`` takes Orthanc seconds. ``restart`` works after either."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=10)

    def instances(self) -> list[str]:
        """Orthanc's own identifiers of all instances it has."""
        return list(self.get_json("/instances"))

    def sop_instance_uids(self) -> list[str]:
        """SOP Instance UIDs of all instances it has, sorted."""
        return sorted(entry["MainDicomTags"]["SOPInstanceUID"] for entry in self.get_json("/instances?expand"))

    def of_study(self, study_instance_uid: str) -> list[str]:
        """Orthanc's identifiers of the instances of one study."""
        return self.find("Instance", StudyInstanceUID=study_instance_uid)

    def find(self, level: str = "Instance", **keys: str) -> list[str]:
        """Orthanc's identifiers at ``level`` (Patient, Study, Series, Instance) that match the keys."""
        return list(self.post_json("/tools/find", {"Level": level, "Query": keys}))

    def tags(self, instance: str) -> dict[str, Any]:
        """Simplified tags of one instance, by keyword."""
        return dict(self.get_json(f"/instances/{instance}/simplified-tags"))

    def download(self, instance: str) -> bytes:
        """The Part 10 file of one instance, by Orthanc's identifier."""
        return self._request(f"/instances/{instance}/file")

    def preview(self, instance: str) -> bytes:
        """Its picture as Orthanc draws it. Raises HTTPError when it cannot."""
        return self._request(f"/instances/{instance}/preview")

    def download_by_uid(self, sop_instance_uid: str) -> bytes:
        """The Part 10 file of one instance, by its SOP Instance UID."""
        (instance,) = self.find("Instance", SOPInstanceUID=sop_instance_uid)
        return self.download(instance)

    def upload(self, part10: bytes) -> str:
        """Store a Part 10 file through REST; returns Orthanc's identifier."""
        return str(json.loads(self._request("/instances", part10))["ID"])

    def clear(self) -> None:
        """Delete everything it has."""
        for patient in self.get_json("/patients"):
            self._request(f"/patients/{patient}", method="DELETE")

    def introduce(self, ae_title: str, port: int) -> None:
        """Let it know a peer on loopback, to which it reports what it commits to."""
        peer = {"AET": ae_title, "Host": self.host, "Port": port, "AllowStorageCommitment": True}
        self._request("/modalities/peer", json.dumps(peer).encode(), method="PUT")

    def get_json(self, path: str) -> Any:
        """GET of Orthanc's REST interface."""
        return json.loads(self._request(path))

    def post_json(self, path: str, body: Any) -> Any:
        """POST of Orthanc's REST interface."""
        return json.loads(self._request(path, json.dumps(body).encode()))

    def _request(self, path: str, body: bytes | None = None, *, method: str | None = None) -> bytes:
        request = urllib.request.Request(self.url + path, data=body, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            with contextlib.suppress(urllib.error.URLError, OSError):
                self.get_json("/system")
                with socket.create_connection((self.host, self.dicom_port), timeout=1):
                    return
            time.sleep(0.02)
        self.stop()
        log = (self.folder / "orthanc.log").read_text(errors="replace")
        raise AssertionError(f"Orthanc did not start:\n{log[-3000:]}")

    def _configuration(self, dicomweb: bool) -> dict[str, Any]:
        configuration: dict[str, Any] = {
            "Name": "test",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "DicomServerEnabled": True,
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "UnknownSopClassAccepted": False,
            "HttpPort": self.http_port,
            "HttpServerEnabled": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "SslEnabled": False,
            "OverwriteInstances": False,
            "StableAge": 1,
            "JobsHistorySize": 10,
            "SaveJobs": False,
            "DefaultEncoding": "Utf8",
            "Plugins": [],
        }
        if dicomweb:
            plugin = dicomweb_plugin()
            assert plugin, "Orthanc's DICOMweb plugin is not installed: apt-get install orthanc-dicomweb"
            configuration["Plugins"] = [str(plugin)]
            configuration["DicomWeb"] = {"Enable": True, "Root": "/dicom-web/", "EnableWado": False, "Ssl": False}
        return configuration


def _required() -> None:
    if orthanc_program() is None:
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")


@pytest.fixture(scope="session")
def _shared_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancPeer]:
    _required()
    with OrthancPeer.start(tmp_path_factory.mktemp("orthanc"), dicomweb=dicomweb_plugin() is not None) as peer:
        yield peer


@pytest.fixture
def orthanc(_shared_orthanc: OrthancPeer) -> OrthancPeer:
    """A running, empty Orthanc with DICOMweb. One process for the whole run: do not stop it (see ``own_orthanc``)."""
    _shared_orthanc.clear()
    return _shared_orthanc


@pytest.fixture
def own_orthanc(tmp_path: Path) -> Iterator[OrthancPeer]:
    """A running, empty Orthanc of this test alone, that it may stop, restart and cut down."""
    _required()
    with OrthancPeer.start(tmp_path / "orthanc", dicomweb=False) as peer:
        yield peer
