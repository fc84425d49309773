"""Builds, starts and stops what runs in the front: listener, deliveries, answer workers, page, the reader beside it.

Everything above this module (the command line) speaks to it; nothing below imports it.
"""

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

import structlog
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.errors import DamagedFile
from dicom_router.scp.commitment import StorageCommitment
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.scp.performed_step import PerformedSteps
from dicom_router.scp.storage import Storage
from dicom_router.store.ledger import Ledger
from dicom_router.store.spools import sole_holder
from dicom_router.upper_layer.gatekeeper import AllowedPeer, ListenerLimits
from dicom_router.worker import Worker
from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Image
from xray_triage.config.station import Config
from xray_triage.health.checks import Health
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.model.drift import ModelInUse, points_of, references_of
from xray_triage.model.limits import never_rings
from xray_triage.model.selection import chosen_folder
from xray_triage.model.site import card_of
from xray_triage.orders.steps import Steps
from xray_triage.orders.worklist_entries import WorklistEntries
from xray_triage.reading.bundle import BundleError, load_manifest
from xray_triage.reading.findings import ModelIdentity
from xray_triage.rendering.renderer import NoPicture, Rendering
from xray_triage.station import ballast
from xray_triage.station.answer_polling import AnswerWorkers
from xray_triage.station.audit_export.exporter import AuditExporter
from xray_triage.station.backups.daily import DailyBackup
from xray_triage.station.backups.restoring import put_newest
from xray_triage.station.commitment import CommitmentWorkers, reporting_destinations
from xray_triage.station.delivery import DeliveryLanes, Lane
from xray_triage.station.his import HisWorkers
from xray_triage.station.lock import StationError, hold_station
from xray_triage.station.notices.notifier import Notifier
from xray_triage.station.peers import make_sources
from xray_triage.station.rebuilding import open_or_rebuild
from xray_triage.station.recall import Recall
from xray_triage.station.reconciling import Reconciler
from xray_triage.station.records import record_lanes
from xray_triage.station.retention import Retention, RetentionWorker
from xray_triage.station.self_check import Serving, check_apart, serving_probes
from xray_triage.station.supervisor import Supervisor
from xray_triage.stores import SPOOL_FOLDER, Stores, node_name
from xray_triage.tls import server_tls
from xray_triage.web.app import create_app
from xray_triage.web.server import WebServer
from xray_triage.web.surroundings import Surroundings

SMALL = Rendering(viewport=(640, 640), quality=60)  # what stays of a film that was purged, about 25 kB

log = structlog.get_logger()


class Station:
    """The front process: listener, deliveries, page, and the reader process beside them.

    ``suspect``: the station before this one, in the same process, met damage in the database.
    """

    def __init__(self, config: Config, supervisor: Supervisor, *, clock: Clock, suspect: bool = False) -> None:
        self._config = config
        self._supervisor = supervisor
        self._clock = clock
        self._stop, self._damage = threading.Event(), ""
        with ExitStack() as held:
            held.enter_context(hold_station(config.station.data_dir))
            held.enter_context(hold_station(config.station.data_dir / SPOOL_FOLDER))  # which two of these may lead to
            self.stores = self._open_stores(suspect=suspect)
            held.callback(self.stores.database.close)
            if not held.enter_context(sole_holder(self.stores.database, str(self.stores.spool.id))):
                raise StationError(
                    "a station with a copy of this spool is running on the same database; stop it, or give this one a "
                    "database of its own and an empty data_dir"
                )
            self._held = held.pop_all()
        self.stores.database.tell_damage(self._heed_damage)
        self._rebuilt = Rebuilt(config.station.data_dir)
        self._reconciler = Reconciler(self.stores, self._rebuilt, clock=self._clock, on_film=self._supervisor.ring)
        self._deliveries = DeliveryLanes(
            config,
            outbox=self.stores.outbox,
            spool=self.stores.spool,
            clock=self._clock,
            is_doubtful=self.stores.reconciliation.took_back,
        )
        self._records = record_lanes(config, self.stores, clock=self._clock)
        self._commitments = CommitmentWorkers(config, self.stores.commitments, self.stores.refusals, clock=self._clock)
        self._answers = AnswerWorkers(config, self.stores, clock=self._clock)
        self._backup = DailyBackup(config, supervisor.config_path, clock=clock) if config.backup.folder else None
        self._exporter = AuditExporter(config, self.stores, clock=clock) if config.audit.syslog else None
        self._his = HisWorkers(config, self.stores, clock=clock)
        self._notifiers = [Notifier(config, each, self.stores.notices, clock=clock) for each in config.notice]
        self._listener = Listener(
            limits=ListenerLimits(
                ae_title=config.station.ae_title,
                allow=allowed_peers(config),
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
                StorageCommitment(
                    spool=self.stores.spool,
                    inbox=self.stores.inbox,
                    book=self.stores.commitments,
                    destinations=reporting_destinations(config),
                    call_back=self._commitments.call_back,
                ),
            ),
            clock=self._clock,
            refusals=self.stores.refusals,
        )
        if config.web.tls:
            server_tls(config.web.tls)  # raises here, in words, what uvicorn would raise from its thread
        retention = Retention(self.stores, keep_days=config.retention.keep_days, draw=self._draw_small)
        self._retention = RetentionWorker(retention)
        sources = make_sources(config, clock=self._clock)
        self._recall = Recall(self.stores.spool, sources) if sources else None
        self._web = WebServer(config.web, self._make_app())

    def _open_stores(self, *, suspect: bool) -> Stores:
        data_dir, wake, restore = self._config.station.data_dir, self._ring_delivery, partial(put_newest, self._config)
        try:
            stores = open_or_rebuild(self._config, clock=self._clock, wake=wake, restore=restore, suspect=suspect)
        except OperationalError as error:
            if not ballast.give_up(data_dir):
                raise
            log.error("disk full, ballast given up", error=str(error.orig))
            stores = open_or_rebuild(self._config, clock=self._clock, wake=wake, restore=restore, suspect=suspect)
        ballast.lay(data_dir)
        return stores

    @property
    def dicom_port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return self._web.url

    def run(self) -> bool:
        """Serve until SIGTERM or SIGINT, or until somebody meets damage in the database. True: it was damage."""
        asked = threading.Event()

        def end(*_: object) -> None:
            asked.set()
            self._stop.set()

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        self.start()
        self._stop.wait()
        log.info("stopping")
        self.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
        return bool(self._damage) and not asked.is_set()

    def start(self) -> None:
        """Take back what this station held when it last died, then open: listener, deliveries, page, reader."""
        self._collect_incoming()
        self.stores.ledger.free_leases(forgive=True)
        Ledger(self.stores.database, clock=self._clock, node=node_name(self.stores.spool, "reader")).free_leases(
            forgive=True
        )
        self._supervisor.open(self._ring_delivery, self._heed_damage)
        listener, web = self._config.listener, self._config.web
        _open("listener", listener.host, listener.port, self._listener.start)
        _open("web", web.host, web.port, self._web.start)
        for where, orders in self._his.servers:
            _open("orders.hl7", where.host, where.port, orders.start)
        self._deliveries.start()
        self._answers.start()
        self._reconciler.start()
        self._retention.start()
        self._say_what_is_kept()
        self._say_what_never_rings()
        self._commitments.start()
        for worker in self._by_config():
            worker.start()
        self._note(Action.STARTED)
        log.info(
            "station open",
            dicom=f"{self._config.station.ae_title}@{self._config.listener.host}:{self.dicom_port}",
            page=self.url,
            data=str(self._config.station.data_dir),
        )

    def _collect_incoming(self) -> None:
        try:
            if count := self.stores.spool.collect_incoming():
                log.warning("half-received files set apart", count=count)
        except OSError as error:  # the disk is full: the next start has another go
            log.warning("half-received files not set apart", error=str(error))

    def stop(self) -> None:
        """Close the listener first, then let the others finish what they hold."""
        self._listener.stop()
        self._reconciler.stop()
        self._supervisor.stop()
        self._retention.stop()
        self._answers.stop()
        self._commitments.stop()
        self._note(Action.STOPPED)
        for worker in self._by_config():
            worker.stop()
        self._deliveries.stop()
        self._web.stop()
        self.stores.renderer.close()
        self.stores.refusals.flush()
        self._held.close()

    def _by_config(self) -> list[DailyBackup | Worker | HisWorkers | Lane]:
        """The workers that only some stations have."""
        single = (self._his, self._backup, self._exporter)
        return [*(worker for worker in single if worker is not None), *self._records, *self._notifiers]

    def _note(self, action: Action) -> None:
        """For the trail. A disk that is full or a database that is away costs this line, and nothing else."""
        try:
            self.stores.audit.note(action, actor="")
        except SQLAlchemyError as error:
            log.warning("not noted in the audit trail", action=action.value, problem=str(error))

    def _heed_damage(self, problem: str) -> None:
        """End this station, that the next one in this process sets the database aside. A server's is not ours."""
        log.error("database damaged", detail=problem)
        if self.stores.database.is_sqlite:
            self._damage = problem
            self._stop.set()

    def _ring_delivery(self) -> None:
        self._answers.ring()
        self._deliveries.ring()
        for lane in self._records:
            lane.ring()

    def _say_what_is_kept(self) -> None:
        """Where nothing is ever purged, somebody must know it before the disk is full."""
        takers = self._config.destinations_for("originals")
        proving = [each.name for each in self._config.destination if each.name in takers and each.commitment]
        if len(proving) < len(takers) or not takers:
            log.warning("no film is ever purged: no destination takes originals, or one proves nothing", takers=takers)

    def _say_what_never_rings(self) -> None:
        """Nobody should rely on a bell for what the model does not judge."""
        with suppress(BundleError):  # which the model's own check says
            never = never_rings(load_manifest(chosen_folder(self._config)), self._config.policy.urgent)
            if never:
                log.warning("no film is ever urgent for these: the model withholds them", names=[k.name for k in never])

    def _draw_small(self, image: Image, key: str) -> bytes | None:
        inverted = image.picture_key is None and "inverted" in image.flags  # the picture with the findings never is
        try:
            return self.stores.renderer.render(key, replace(SMALL, inverted=inverted))
        except (NoPicture, DamagedFile, OSError) as error:
            log.warning("no small picture kept", sop_instance_uid=image.sop_instance_uid, error=str(error))
            return None

    def _make_app(self) -> FastAPI:
        return create_app(
            self.stores,
            Surroundings(
                health=Health(
                    serving_probes(
                        self._config,
                        self.stores,
                        Serving(
                            supervisor=self._supervisor,
                            retention=self._retention,
                            backup=self._backup,
                            exporter=self._exporter,
                            his_problem=lambda: self._his.problem,
                            rebuilt=self._rebuilt,
                            missing=lambda: self._reconciler.missing,
                        ),
                        clock=self._clock,
                    )
                ),
                renderer=self.stores.renderer,
                model_in_use=self._model_in_use,
                station_name=self._config.station.name,
                language=self._config.station.language,
                host_names=(self._config.web.host, *self._config.web.names),
                is_tls=self._config.web.tls is not None,
                self_check=partial(check_apart, self._supervisor.config_path),
                wake_delivery=self._ring_delivery,
                fetch=self._recall.fetch if self._recall else None,
                days_left=lambda: self._retention.outlook.days_left,
                rebuilt=self._rebuilt,
                urgent=self._config.policy.urgent,
            ),
        )

    def _model_in_use(self) -> ModelInUse | None:
        told = self._supervisor.state.model
        if told is None:
            return None
        identity = ModelIdentity(name=told["name"], version=told["version"], sha256=told["sha256"])
        in_use = ModelInUse(identity=identity, runtime=told["runtime"], references={})
        with suppress(BundleError):  # the bundle was taken away, or another one chosen for the next start
            manifest = load_manifest(chosen_folder(self._config))
            if manifest.model_sha256 == told["sha256"]:
                return replace(
                    in_use,
                    references=references_of(manifest),
                    points=points_of(manifest),
                    card=card_of(manifest, self._config.model.thresholds),
                    manifest=manifest,
                )
        return in_use


def _open(section: str, host: str, port: int, start: Callable[[], None]) -> None:
    """Listen there. Raises StationError."""
    try:
        start()
    except OSError as error:
        raise StationError(
            f"[{section}] port {port} on host {host!r} cannot be had: {error.strerror}; end the other program, or "
            "write another number there"
        ) from error


def allowed_peers(config: Config) -> tuple[AllowedPeer, ...]:
    """Who may speak to the listener: the machines, and each PACS that may report what it keeps."""
    if not config.listener.allow:
        return ()
    machines = [AllowedPeer(ae_title=each.ae_title, host=each.host) for each in config.listener.allow]
    reporting = reporting_destinations(config)
    return (
        *machines,
        *(
            AllowedPeer(ae_title=each.ae_title, host=each.host)
            for each in config.destination
            if each.name in reporting.get(each.ae_title, ())
        ),
    )
