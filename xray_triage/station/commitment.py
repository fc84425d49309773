"""The workers of Storage Commitment: those that prove what was acknowledged, and the one that calls machines back.

Knows no protocol.
"""

import threading
from dataclasses import dataclass

import structlog

from dicom_router.clock import Clock
from dicom_router.dicom.commitment import References
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.store.commitments import Commitments
from dicom_router.store.refusals import Machine, Reason, Refusals
from dicom_router.transport.backoff import delay
from dicom_router.transport.commitment import report_to
from dicom_router.upper_layer.connection import Endpoint
from dicom_router.worker import Worker, stop_all
from xray_triage.config.station import Config
from xray_triage.station.peers import make_committer

POLL_SECONDS = 10.0  # what is acknowledged meanwhile is asked about at once: a film and its results
CALL_POLL_SECONDS = 1.0
TOLD_AT, LAST_TRY = 3, 100  # of the tries; the last comes after some eight hours
MOST_CALLS = 1000

log = structlog.get_logger()


class CommitmentWorkers:
    """A thread for each destination with ``commitment = true``, for the others prove nothing; and one that calls back.

    ``call_back`` is what the listener is to ask, see CallBack.
    """

    def __init__(self, config: Config, book: Commitments, refusals: Refusals, *, clock: Clock) -> None:
        calls = CallBacks(config, refusals, clock=clock)
        self.call_back = calls.add
        self._workers = [
            calls,
            *(
                Worker(
                    make_committer(each, config, book, clock=clock).run_once,
                    name=f"commitment/{each.name}",
                    poll_seconds=POLL_SECONDS,
                )
                for each in config.destination
                if each.commitment
            ),
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Let what is on the wire finish for some seconds; what does not is asked again after the next start."""
        stop_all(self._workers)


def reporting_destinations(config: Config) -> dict[str, list[str]]:
    """The names of the destinations that may report what they keep, by AE title."""
    found: dict[str, list[str]] = {}
    for each in config.destination:
        if each.commitment and each.kind == "dimse":
            found.setdefault(each.ae_title, []).append(each.name)
    return found


@dataclass(slots=True, kw_only=True)
class _Call:
    machine: Endpoint
    told: References
    attempts: int = 0
    due_at: float = 0.0


class CallBacks(Worker):
    """Calls the machines that wait at a port of their own for what we keep, one after the other, until they answer.

    What is still to be told is in memory: a machine that hears nothing, because we died, asks again (PS3.4 J.3.3).
    """

    def __init__(self, config: Config, refusals: Refusals, *, clock: Clock) -> None:
        super().__init__(self.run_once, name="calling back", poll_seconds=CALL_POLL_SECONDS)
        self._ports = {each.ae_title: each.port for each in config.listener.allow if each.port}
        self._ae_title, self._refusals, self._clock = config.station.ae_title, refusals, clock
        self._lock, self._calls = threading.Lock(), list[_Call]()

    def add(self, ae_title: str, host: str, told: References) -> bool:
        """See CallBack. The machine is called where it called from."""
        port = self._ports.get(ae_title)
        if port is None:
            return False
        machine = Endpoint(host=host, port=port, ae_title=ae_title, calling_ae_title=self._ae_title)
        with self._lock:
            if len(self._calls) >= MOST_CALLS:
                return False
            self._calls.append(_Call(machine=machine, told=told))
        self.ring()
        return True

    def run_once(self) -> bool:
        """Make one call that is due; whether there was one."""
        with self._lock:
            due = [each for each in self._calls if each.due_at <= self._clock.monotonic()]
        if not due:
            return False
        call = min(due, key=lambda each: each.attempts)
        try:
            report_to(call.machine, call.told)
        except (PeerUnreachable, PeerRefused) as error:
            self._put_off(call, str(error))
        else:
            self._refusals.reached(_known(call.machine))
            self._end(call)
        return True

    def _put_off(self, call: _Call, problem: str) -> None:
        call.attempts += 1
        call.due_at = self._clock.monotonic() + delay(call.attempts, jitter=0)
        log.warning("machine not called back", machine=str(call.machine), attempts=call.attempts, error=problem)
        if call.attempts >= TOLD_AT:
            self._refusals.note(_known(call.machine), Reason.NOT_REACHED, detail=problem)
        if call.attempts >= LAST_TRY:
            self._end(call)

    def _end(self, call: _Call) -> None:
        with self._lock:
            self._calls.remove(call)


def _known(machine: Endpoint) -> Machine:
    return Machine(machine.ae_title, machine.host)
