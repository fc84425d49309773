"""What may be said to the page before any route runs, and how every answer is secured. Knows no user and no case.

A Host header check stops DNS rebinding; an Origin check stops other sites' pages, also from signing somebody in; bodies
are small and come soon. Who may do what is the visitor's matter.
"""

import asyncio
import re
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xray_triage.web.security.head import as_get

HOST = re.compile(r"(?P<name>[^][:/?#@\\\s]+|\[[0-9A-Fa-f:.]+])(:[0-9]{1,5})?")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
BODY_TYPES = ("application/json", "application/x-www-form-urlencoded")
READ_ONLY = "/dicom-web"
POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; img-src 'self'{images}; connect-src 'self'; "
    "{workers}base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
CASE_POLICY = POLICY.format(  # the viewer decodes films by WebAssembly in workers
    scripts=" 'wasm-unsafe-eval'", images=" blob: data:", workers="worker-src 'self' blob:; "
)
PAGE_POLICY = POLICY.format(scripts="", images="", workers="")
FILE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"  # a specialist's PDF: another's content
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a browser sends our own forms with Origin: null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Refusal(Exception):
    """This request is not answered. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, names: Sequence[str] = (), body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._names = {*LOOPBACK_NAMES, *(name.lower() for name in names)}
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers["Content-Security-Policy"] = policy_of(scope["path"])
                # our own files may be kept, and are asked for again by their tag
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        try:
            if scope["path"].startswith(READ_ONLY) and scope["method"] not in ("GET", "HEAD"):
                raise Refusal(405, "films come by C-STORE: this is read-only")
            self._check_headers(scope, Headers(scope=scope))
            if scope["method"] not in ("GET", "HEAD"):
                receive = await self._read_body(receive)
        except Refusal as refusal:
            answer = JSONResponse({"detail": str(refusal)}, refusal.status, {"Connection": "close"})
            await answer(scope, receive, send_secured)
            return
        if scope["method"] == "HEAD":
            await self._app(*as_get(scope, send_secured))
        else:
            await self._app(scope, receive, send_secured)

    def _check_headers(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        named = HOST.fullmatch(host)
        if named is None or named["name"].strip("[]").lower() not in self._names:
            raise Refusal(421, "the page has another name; other names are listed in station.toml: [web] names")
        if scope["method"] in ("GET", "HEAD"):
            return
        # Without TLS of ours a proxy on this computer may have some.
        ours = {f"https://{host}"} if scope["scheme"] == "https" else {f"https://{host}", f"http://{host}"}
        if headers.get("origin") not in (None, *ours):
            raise Refusal(403, "a page of another site may not do this")
        if headers.get("content-type", "").partition(";")[0].strip().lower() not in BODY_TYPES:
            raise Refusal(415, f"send {' or '.join(BODY_TYPES)}")

    async def _read_body(self, receive: Receive) -> Receive:
        """Read the whole body, which is small and comes soon, and give it to the application in one piece."""
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await _bounded_body(receive)
        except TimeoutError:
            raise Refusal(408, f"the body must come within {self._body_seconds:g} s") from None
        pieces = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(pieces, None) or await receive()

        return replay


def policy_of(path: str) -> str:
    """The Content-Security-Policy of what is at ``path``; a worker obeys its own script's, not the page's."""
    if path.startswith("/cases/") and path.endswith("/file"):
        return FILE_POLICY
    return CASE_POLICY if path.startswith(("/cases/", "/static/viewer/")) else PAGE_POLICY


async def _bounded_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(413, f"the body may have at most {MAX_BODY_BYTES} bytes")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return bytes(body)
