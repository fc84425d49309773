"""The OHIF viewer on loopback before a DICOMweb server, as behind a reverse proxy. Knows no package of ours."""

import http.client
import json
import mimetypes
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

DIST = Path(sys.prefix) / "ohif/package/dist"  # where tools/fetch-ohif puts it
PREFIX = "/dicom-web"
SOURCE = {
    "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
    "sourceName": "peer",
    "configuration": {
        "friendlyName": "peer",
        "name": "peer",
        "qidoRoot": PREFIX,
        "wadoRoot": PREFIX,
        "qidoSupportsIncludeField": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "thumbnail",
        "enableStudyLazyLoad": True,
        "supportsFuzzyMatching": True,
        "supportsWildcard": True,
        "omitQuotationForMultipartRequest": True,
        "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
        "singlepart": "bulkdata,video,pdf",
    },
}
CONFIGURATION = {
    "routerBasename": None,
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": True,
    "maxNumberOfWebWorkers": 1,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "peer",
    "dataSources": [SOURCE],
}


class OhifPeer:
    """OHIF's own files at ``url``; below /dicom-web what ``dicomweb_url`` answers, asked with ``headers``."""

    def __init__(self, dicomweb_url: str, headers: Mapping[str, str]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.upstream = urlsplit(dicomweb_url)  # type: ignore[attr-defined]
        self._server.added = dict(headers)  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "OhifPeer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith(PREFIX):
            self._pass_on()
        elif path == "/app-config.js":
            self._answer(200, "text/javascript", f"window.config = {json.dumps(CONFIGURATION)};".encode())
        else:
            file = (DIST / path.lstrip("/")).resolve()
            if not (file.is_relative_to(DIST.resolve()) and file.is_file()):
                file = DIST / "index.html"  # a page of the application, which finds its way itself
            self._answer(200, mimetypes.guess_type(file.name)[0] or "application/octet-stream", file.read_bytes())

    def _pass_on(self) -> None:
        root = self.server.upstream  # type: ignore[attr-defined]
        headers = {"Accept": self.headers["Accept"], "Host": self.headers["Host"], **self.server.added}  # type: ignore[attr-defined]
        link = http.client.HTTPConnection(root.hostname, root.port, timeout=30)
        try:
            link.request("GET", root.path + self.path.removeprefix(PREFIX), headers=headers)
            answer = link.getresponse()
            self._answer(answer.status, answer.headers["Content-Type"], answer.read())
        finally:
            link.close()

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return
