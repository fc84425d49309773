"""Builds, starts and stops what runs in the front: listener, deliveries, answer workers, page, the reader beside it.

Everything above this module (the command line) speaks to it; nothing below imports it.
"""

import fcntl
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TextIO

import structlog
from fastapi import FastAPI

from dicom_router.clock import Clock
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.scp.performed_step import PerformedSteps
from dicom_router.scp.storage import Storage
from dicom_router.store.ledger import Ledger
from dicom_router.upper_layer.gatekeeper import AllowedPeer, ListenerLimits
from xray_triage.config import Config
from xray_triage.health.checks import Health
from xray_triage.model.drift import ModelInUse, points_of, references_of
from xray_triage.model.limits import lacking
from xray_triage.model.selection import chosen_folder
from xray_triage.model.site import card_of
from xray_triage.orders.steps import Steps
from xray_triage.orders.worklist_entries import WorklistEntries
from xray_triage.reading.bundle import BundleError, load_manifest
from xray_triage.reading.findings import ModelIdentity
from xray_triage.rendering.renderer import Renderer
from xray_triage.station.answer_polling import AnswerWorkers
from xray_triage.station.delivery import DeliveryLanes
from xray_triage.station.self_check import check_apart, serving_probes
from xray_triage.station.supervisor import Supervisor
from xray_triage.stores import node_name, open_stores
from xray_triage.tls import server_tls
from xray_triage.web.app import create_app
from xray_triage.web.server import WebServer
from xray_triage.web.surroundings import Surroundings

log = structlog.get_logger()


class StationError(Exception):
    """The station cannot start; the message is one line that says what to do."""


class Station:
    """The front process: listener, deliveries, page, and the reader process beside them."""

    def __init__(self, config: Config, supervisor: Supervisor, *, clock: Clock) -> None:
        self._config = config
        self._supervisor = supervisor
        self._clock = clock
        self._lock = _only_one(config.station.data_dir)
        self.stores = open_stores(config, role="front", clock=self._clock, wake=self._ring_delivery)
        self._deliveries = DeliveryLanes(config, outbox=self.stores.outbox, spool=self.stores.spool, clock=self._clock)
        self._answers = AnswerWorkers(config, self.stores, clock=self._clock)
        self._listener = Listener(
            limits=ListenerLimits(
                ae_title=config.station.ae_title,
                allow=tuple(AllowedPeer(ae_title=p.ae_title, host=p.host) for p in config.listener.allow),
                max_associations=config.listener.max_associations,
            ),
            host=config.listener.host,
            port=config.listener.port,
            tls=server_tls(config.listener.tls) if config.listener.tls else None,
            providers=(
                Echo(),
                Storage(
                    spool=self.stores.spool,
                    inbox=self.stores.inbox,
                    on_kept=self._supervisor.ring,  # deliveries are woken once the film is read: its megabytes can wait
                ),
                Worklist(
                    WorklistEntries(
                        self.stores.orders,
                        ae_title=config.registration.station_ae_title,
                        station_name=config.station.name,
                    )
                ),
                PerformedSteps(Steps(self.stores.database, clock=self._clock)),
            ),
            clock=self._clock,
        )
        if config.web.tls:
            server_tls(config.web.tls)  # raises here, in words, what uvicorn would raise from its thread
        self._renderer = Renderer(self.stores.spool)
        self._web = WebServer(config.web, self._make_app())

    @property
    def dicom_port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return self._web.url

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self.start()
        stop.wait()
        log.info("stopping")
        self.stop()

    def start(self) -> None:
        """Take back what this station held when it last died, then open: listener, deliveries, page, reader."""
        self.stores.spool.clear_incoming()
        self.stores.ledger.free_leases(forgive=True)
        Ledger(self.stores.database, clock=self._clock, node=node_name(self._config, "reader")).free_leases(
            forgive=True
        )
        self._supervisor.open(self._ring_delivery)
        try:
            self._listener.start()
            self._web.start()
        except OSError as error:
            raise StationError(f"cannot listen: {error}; is another program using the port?") from error
        self._deliveries.start()
        self._answers.start()
        log.info(
            "station open",
            dicom=f"{self._config.station.ae_title}@{self._config.listener.host}:{self.dicom_port}",
            page=self.url,
            data=str(self._config.station.data_dir),
        )

    def stop(self) -> None:
        """Close the listener first, then let the others finish what they hold."""
        self._listener.stop()
        self._supervisor.stop()
        self._answers.stop()
        self._deliveries.stop()
        self._web.stop()
        self._renderer.close()
        self.stores.database.close()
        self._lock.close()

    def _ring_delivery(self) -> None:
        self._answers.ring()
        self._deliveries.ring()

    def _make_app(self) -> FastAPI:
        return create_app(
            self.stores,
            Surroundings(
                health=Health(serving_probes(self.stores, self._supervisor, clock=self._clock)),
                renderer=self._renderer,
                model_in_use=self._model_in_use,
                station_name=self._config.station.name,
                language=self._config.station.language,
                host_names=(self._config.web.host, *self._config.web.names),
                is_tls=self._config.web.tls is not None,
                self_check=partial(check_apart, self._supervisor.config_path),
                wake_delivery=self._ring_delivery,
            ),
        )

    def _model_in_use(self) -> ModelInUse | None:
        told = self._supervisor.state.model
        if told is None:
            return None
        in_use = ModelInUse(
            identity=ModelIdentity(name=told["name"], version=told["version"], sha256=told["sha256"]),
            runtime=told["runtime"],
            references={},
        )
        with suppress(BundleError):  # the bundle was taken away, or another one chosen for the next start
            manifest = load_manifest(chosen_folder(self._config))
            if manifest.model_sha256 == told["sha256"]:
                return replace(
                    in_use,
                    references=references_of(manifest),
                    points=points_of(manifest),
                    card=card_of(manifest, self._config.model.thresholds),
                    lacks=lacking(manifest),
                )
        return in_use


def _only_one(data_dir: Path) -> TextIO:
    """Hold the station's lock; the kernel lets go of it whatever way this process ends. Raises StationError."""
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = (data_dir / "station.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StationError(
            f"a station is running on {data_dir} already; stop it, or choose another data_dir"
        ) from error
    return lock
