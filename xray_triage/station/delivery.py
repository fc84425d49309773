"""The station's deliveries: for every destination two lanes, each with its own forwarder, transport and thread."""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from sqlalchemy.exc import OperationalError

from dicom_router.clock import Clock
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from dicom_router.transport.asking import AskingTransport
from dicom_router.transport.compression import Economy
from dicom_router.transport.forwarder import Forwarder, Reachable, Sender
from dicom_router.worker import Worker, stop_all
from xray_triage.config.destinations import Destination
from xray_triage.config.station import Config
from xray_triage.station.peers import make_archive, make_transport

POLL_SECONDS = 2.0


class Lane(Worker):
    """One forwarder in its thread. ``when_idle`` is called whenever it has nothing to send."""

    def __init__(
        self, forwarder: Sender[Any], transport: Reachable, name: str, *, when_idle: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(self._step, name=name, poll_seconds=POLL_SECONDS)
        self._forwarder = forwarder
        self._transport = transport
        self._when_idle = when_idle

    def wait(self) -> bool:
        """Let what is on the wire finish for some seconds; what does not is sent again after the next start."""
        has_ended = super().wait()
        if has_ended:
            self._transport.close()
        return has_ended

    def _step(self) -> bool:
        sent = self._forwarder.run_once()
        if not sent:
            self._when_idle()
        return sent


class DeliveryLanes:
    """All forwarders of the station, in threads of the front process."""

    def __init__(
        self, config: Config, *, outbox: Outbox, spool: Spool, clock: Clock, is_doubtful: Callable[[str], bool]
    ) -> None:
        """``is_doubtful``: whether a peer may have things of a study that this station does not know of."""
        self._config = config
        self._is_doubtful = is_doubtful
        self._outbox, self._spool, self._clock = outbox, spool, clock
        self._economies = {each.name: Economy(each.compression, clock=clock) for each in config.destination}
        self._bulk = [self._lane(destination, "bulk") for destination in config.destination]
        # On a fast link too the megabytes wait for the kilobytes of their film: the light lane wakes the bulk lane.
        self._light = [
            self._lane(destination, "light", when_idle=bulk.ring)
            for destination, bulk in zip(config.destination, self._bulk, strict=True)
        ]

    def _lane(self, destination: Destination, name: str, *, when_idle: Callable[[], None] = lambda: None) -> Lane:
        economy = self._economies[destination.name]  # one for both lanes: the results teach how fast the link is
        transport = make_transport(destination, self._config, clock=self._clock, economy=economy)
        if archive := make_archive(destination, self._config, clock=self._clock):
            transport = AskingTransport(transport, archive, is_doubtful=self._is_doubtful, clock=self._clock)
        forwarder = Forwarder(
            outbox=self._outbox,
            spool=self._spool,
            transport=transport,
            destination=destination.name,
            lane=name,
            clock=self._clock,
        )
        return Lane(forwarder, transport, f"delivery/{destination.name}/{name}", when_idle=when_idle)

    def start(self) -> None:
        settings = {each.name: sha256(each.model_dump_json().encode()).hexdigest() for each in self._config.destination}
        with suppress(OperationalError):  # a full disk: then at the next start
            self._outbox.declined.begin(settings)
        for lane in (*self._bulk, *self._light):
            lane.start()

    def ring(self) -> None:
        """There may be something to send: the light lanes first, and the bulk lanes when those are done."""
        for lane in self._light:
            lane.ring()

    def stop(self) -> None:
        stop_all((*self._bulk, *self._light))
