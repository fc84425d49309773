"""Sends the audit trail to its collector, again and again until it takes it. Writes no line of the trail."""

import socket
import ssl

import structlog

from dicom_router.clock import Clock
from dicom_router.transport.backoff import delay
from dicom_router.worker import Worker
from xray_triage.config.loading import ConfigError
from xray_triage.config.sections import AuditSection
from xray_triage.config.station import Config
from xray_triage.station.audit_export.message import Source
from xray_triage.station.audit_export.outlet import Outlet
from xray_triage.station.audit_export.syslog import send
from xray_triage.stores import Stores
from xray_triage.tls import client_tls

TICK_SECONDS = 5.0

log = structlog.get_logger()


def deliver(frames: tuple[bytes, ...], audit: AuditSection) -> str:
    """Why the collector did not take them, or nothing. Without any it is only asked whether it is there."""
    try:
        tls = client_tls(audit.tls)
        tls.maximum_version = ssl.TLSVersion.TLSv1_2  # TLS 1.3 tells that it refuses our certificate when all is sent
        send(frames, audit.address, tls)
    except (OSError, ConfigError) as error:
        return f"{audit.syslog}: {error}"
    return ""


class AuditExporter(Worker):
    """``[audit] syslog`` is set. A batch under way at the stop is sent again after the next start."""

    def __init__(self, config: Config, stores: Stores, *, clock: Clock) -> None:
        super().__init__(self.run_once, name="audit", poll_seconds=TICK_SECONDS)
        self._audit, self._clock = config.audit, clock
        source = Source(ae_title=config.station.ae_title, name=config.station.name)
        self._outlet = Outlet(stores, source, host=socket.gethostname())
        self._problem, self._failures, self._due_at = "", 0, 0.0

    @property
    def problem(self) -> str:
        """Why the collector did not take the last batch; nothing when it did."""
        return self._problem

    def run_once(self) -> bool:
        """Send one batch, if there is one and its time has come; whether the collector took one."""
        if self._clock.monotonic() < self._due_at:
            return False
        batch = self._outlet.next()
        if batch is None:
            return False
        self._note(deliver(batch.frames, self._audit))
        if self._problem:
            return False
        self._outlet.done(batch)
        return True

    def _note(self, problem: str) -> None:
        if problem and not self._problem:
            log.warning("audit trail not sent", problem=problem)
        if self._problem and not problem:
            log.info("audit trail sent again")
        self._problem = problem
        self._failures = self._failures + 1 if problem else 0
        self._due_at = self._clock.monotonic() + (delay(self._failures, jitter=0) if problem else 0)
