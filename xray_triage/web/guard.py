"""Who may speak to the page before any route runs: this computer's own browser and programs, in small bodies.

The page has no accounts yet, so it answers loopback names only. A Host header check stops DNS rebinding; a JSON content
type and an Origin check stop forms of other sites (CSRF). Knows no case.
"""

import asyncio
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
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

    def __init__(self, app: ASGIApp, *, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            _check_headers(scope["method"], Headers(scope=scope))
            if scope["method"] not in ("GET", "HEAD"):
                receive = await self._read_body(receive)
        except Refusal as refusal:
            answer = JSONResponse({"detail": str(refusal)}, refusal.status, {"Connection": "close"})
            await answer(scope, receive, send_secured)
            return
        await self._app(scope, receive, send_secured)

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


def _check_headers(method: str, headers: Headers) -> None:
    host = headers.get("host", "")
    if _host_name(host) not in LOOPBACK_NAMES:
        raise Refusal(421, "this page answers only on this computer: use http://127.0.0.1 or http://localhost")
    if method in ("GET", "HEAD"):
        return
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Refusal(403, "a page of another site may not do this")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "send application/json")


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


async def _bounded_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(413, f"the body may have at most {MAX_BODY_BYTES} bytes")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return bytes(body)
