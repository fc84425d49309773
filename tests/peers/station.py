"""The station itself as tests and benchmarks meet it: ``xray-triage serve`` in its own process, over DICOM and HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from email.message import Message
from pathlib import Path
from typing import Any, Self

import psutil

from tests.peers.orthanc import OrthancPeer, free_port
from tests.peers.verbs import run
from xray_triage.accounts.roles import Role
from xray_triage.accounts.users import AccountError
from xray_triage.stores import configured_stores

AE_TITLE = "XRAY_TRIAGE"
START_SECONDS = 120.0
STOP_SECONDS = 60.0
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.02


class StationPeer:
    """One station in ``folder``; ports and data stay the same over ``kill`` and a new ``start``.

    ``more`` is appended to its station.toml, e.g. a [policy]; ``environment`` goes over that of the tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pacs: OrthancPeer | None = None,
        bundle: Path | None = None,
        more: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = environment or {}
        self.folder = folder
        self.dicom_port, self.web_port = free_port(), free_port()
        self.config_path = folder / "station.toml"
        self.log_path = folder / "station.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        folder.mkdir(parents=True, exist_ok=True)
        text = (
            f'[station]\nname = "Trạm y tế"\nae_title = "{AE_TITLE}"\ndata_dir = "data"\n'
            f"[listener]\nport = {self.dicom_port}\n[web]\nport = {self.web_port}\n[retention]\nreserve_gb = 0.1\n"
            f"[model]\nbundle = {json.dumps(str(bundle or ''))}\n{more}\n"
        )
        if pacs is not None:
            text += f'[[destination]]\nname = "pacs"\nhost = "{pacs.host}"\nport = {pacs.dicom_port}\n'
            text += f'ae_title = "{pacs.ae_title}"\n'
        self.config_path.write_text(text, encoding="utf-8")

    def launch(self) -> Self:
        """Start the process and do not wait."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("XRAY_TRIAGE_")}
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "xray_triage.cli", "serve", "--config", str(self.config_path)],
                stdout=log,
                stderr=log,
                env=environment | dict(self._environment),
            )
        return self

    def start(self, *, until: str = "/readyz") -> float:
        """Start, wait until ``until`` answers 200; the seconds that took."""
        started = time.monotonic()
        self.launch()
        while self.status(until) != 200:
            if self.process.poll() is not None or time.monotonic() - started > START_SECONDS:
                self.stop()
                raise RuntimeError(f"the station did not get ready:\n{self.log()[-3000:]}")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - started

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def processes(self) -> list[psutil.Process]:
        """The front process and its children: the reader."""
        front = psutil.Process(self.process.pid)
        return [front, *front.children(recursive=True)]

    def kill(self) -> None:
        """``kill -9``, the front and its reader, as a power cut would; nothing where nothing runs."""
        if self._process is None or self._process.poll() is not None:
            return
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # a reader ends by itself when its front is gone
                process.kill()
        self.process.wait(STOP_SECONDS)
        psutil.wait_procs(processes, STOP_SECONDS)

    def stop(self) -> int:
        """Ask it to stop, as systemd does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    def status(self, path: str) -> int:
        """The HTTP status of ``path`` for a stranger; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self._url(path), timeout=ANSWER_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def get(self, path: str) -> Any:
        """The JSON that ``path`` answers a doctor's program, whatever its status."""
        request = urllib.request.Request(self._url(path), headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)

    def post(self, path: str, **body: Any) -> Any:
        """The JSON that ``path`` answers to the JSON ``body`` of a doctor's program."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url(path), data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)

    def fetch(self, path: str) -> tuple[Message, bytes]:
        """Headers and body that ``path`` answers a doctor's program."""
        request = urllib.request.Request(self._url(path), headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.headers, answer.read()

    @property
    def token(self) -> str:
        """A bearer token of a doctor, who is added when it is first asked for."""
        if not self._token:
            stores = configured_stores(self.config_path, role="test")
            with suppress(AccountError):  # another peer on this folder has added it
                stores.accounts.users.add("peer", role=Role.DOCTOR)
            self._token = stores.accounts.tokens.make(stores.accounts.users.find("peer"), label="test")
            stores.database.close()
        return self._token

    def forget_token(self) -> None:
        """The database that knew it is gone."""
        self._token = ""

    def is_done(self) -> bool:
        """Whether nothing is left to read or to send."""
        queue = self.get("/api/queue")
        return not (queue["unread"] or queue["waiting"] or queue["sending"])

    def images(self) -> dict[str, dict[str, Any]]:
        """Every film of every case, by SOP Instance UID."""
        return {
            image["sop_instance_uid"]: image for case in self.get("/api/cases?limit=1000") for image in case["images"]
        }

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A verb of the command line on this station's configuration."""
        return run(*arguments, "--config", self.config_path, folder=Path())

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.web_port}{path}"
