"""Runs the web application in a thread of the front process, on a socket that is bound before anything is promised."""

import socket
import ssl
import threading
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from dicom_router.clock import Clock
from xray_triage.config.sections import WebSection
from xray_triage.web.security.connections import LimitedSocket
from xray_triage.web.security.slow_clients import DeadlineProtocol

STOP_SECONDS = 5.0
HEAD_SECONDS = 10.0
IDLE_SECONDS = 30


class WebServer:
    """One uvicorn server on one address, from ``start`` to ``stop``."""

    def __init__(self, web: WebSection, app: FastAPI, *, head_seconds: float = HEAD_SECONDS) -> None:
        self._web = web
        protocol: Any = partial(DeadlineProtocol, head_seconds=head_seconds)
        tls = web.tls
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=protocol,
                loop="asyncio",  # which asks the door itself who may come in
                log_config=None,
                log_level="error",  # not a warning for each line of noise that a stranger sends
                access_log=False,
                server_header=False,
                proxy_headers=False,  # an address that the other side makes up is not believed
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=2,
                ssl_certfile=tls.cert if tls else None,
                ssl_keyfile=tls.key if tls else None,
                ssl_ca_certs=str(tls.ca) if tls and tls.ca else None,
                ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.ca else ssl.CERT_NONE,
            )
        )
        self._clock: Clock = app.state.stores.clock
        app.state.is_ending = lambda: self._server.should_exit  # streams do not end by themselves
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the page is, known after ``start``."""
        assert self._socket is not None, "the web server has not been started"
        host, port = self._socket.getsockname()[:2]
        return f"{'https' if self._web.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        """Bind and serve. Raises OSError when the address is taken."""
        family = socket.AF_INET6 if ":" in self._web.host else socket.AF_INET
        self._socket = LimitedSocket(
            socket.create_server((self._web.host, self._web.port), family=family), clock=self._clock
        )
        # asyncio leaves this out for a socket made here, and every answer would wait 40 ms for a delayed ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arguments = {"sockets": [self._socket]}
        self._thread = threading.Thread(target=self._server.run, kwargs=arguments, name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests under way, then close."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
