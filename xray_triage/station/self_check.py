"""Which checks a station has: those that a page asks for at every request, and the full ones of ``check``."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dicom_router import child
from dicom_router.clock import Clock, SystemClock
from dicom_router.errors import DatabaseDamaged, DatabaseLost
from dicom_router.store.reconciliation import Missing
from xray_triage.accounts.users import Users
from xray_triage.config.station import Config
from xray_triage.consultations.answers import Answers
from xray_triage.health.checks import Check, CheckState, Probe, check
from xray_triage.health.computer import clock_check, reader_check
from xray_triage.health.his import his_check
from xray_triage.health.model import drift_check, machine_check, model_check, thresholds_check, urgency_check
from xray_triage.health.peers import asking_check, collector_check, commitment_check, left_out_check, notice_check
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.health.records import records_check
from xray_triage.health.refusals import refusal_check, refusals_check, stuck_check
from xray_triage.health.storage import (
    backup_check,
    database_check,
    days_left_check,
    disk_check,
    elsewhere_check,
    retention_check,
    spool_check,
)
from xray_triage.language import LANGUAGES, N_
from xray_triage.model.acquaintance import Site, Standing
from xray_triage.model.drift import drift, references_of
from xray_triage.model.limits import never_rings
from xray_triage.model.loading import idle_thresholds, prove_bundle
from xray_triage.model.selection import chosen_folder, way_back
from xray_triage.model.site import card_of, far_off
from xray_triage.orders.folder import unusable
from xray_triage.reading.bundle import BundleError, load_manifest
from xray_triage.reading.findings import MachineState
from xray_triage.station.audit_export.exporter import AuditExporter, deliver
from xray_triage.station.backups.daily import DailyBackup, standing_of
from xray_triage.station.peer_checks import answers_checks, ask_destination, ask_record_peer, station_certificates_check
from xray_triage.station.retention import Outlook, Retention, RetentionWorker, near_bytes
from xray_triage.station.supervisor import Supervisor
from xray_triage.stores import Stores, open_stores

CHECK_SECONDS = 180.0
MOST_REFUSALS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Who knows how a running station does. ``missing``: files that were not in the spool at the last look;
    ``his_problem``: why the orders of the HIS do not come in, or empty.
    """

    supervisor: Supervisor
    retention: RetentionWorker
    backup: DailyBackup | None
    exporter: AuditExporter | None
    his_problem: Callable[[], str]
    rebuilt: Rebuilt
    missing: Callable[[], Missing]


def serving_probes(config: Config, stores: Stores, serving: Serving, *, clock: Clock) -> list[Probe]:
    """Checks of the running station: what the processes know already; none asks the network (the page
    shows what the queue knows of the destinations) or runs the model."""
    supervisor, retention, exporter = serving.supervisor, serving.retention, serving.exporter

    def the_model_in_use() -> str:
        state = supervisor.state
        if state.problem:
            raise BundleError(state.problem)
        return state.model["name"] if state.model else "…"

    def the_backup(daily: DailyBackup) -> Check:
        return backup_check(daily.standing.made_at, daily.standing.problem, clock.now())

    return [
        partial(_disk_check, stores),
        lambda: days_left_check(retention.outlook.days_left),
        lambda: _retention_check(config, retention.outlook),
        lambda: database_check(serving.rebuilt.events(), stores.database.damage),
        lambda: _spool_check(serving.missing(), stores),
        partial(_clock_check, config, stores),
        *([partial(the_backup, serving.backup)] if serving.backup else []),
        *([lambda: collector_check(exporter.problem)] if exporter else []),
        *([lambda: _his_check(config, stores, serving.his_problem())] if _his_ways(config) else []),
        *(partial(_notice_check, each.name, stores) for each in config.notice),
        partial(reader_check, lambda: supervisor.state.ready, is_held_up=lambda: supervisor.state.damaged),
        partial(model_check, the_model_in_use, BundleError),
        partial(asking_check, Answers(stores.database, clock=clock, notices=stores.notices).problems),
        partial(elsewhere_check, stores.ledger.elsewhere),
        _commitment(config, stores),
        partial(left_out_check, stores.outbox.declined.all, stores.clock),
        lambda: stuck_check(stores.outbox.stuck()),
        *_records_check(config, stores),
        lambda: refusals_check(len({each.machine for each in stores.refusals.standing() if each.is_told})),
    ]


def check_station(config: Config) -> list[Check]:
    """The self-check: runs the model on its golden film, and asks every destination for an echo and for answers."""
    clock = SystemClock()
    try:
        stores = open_stores(config, role="check", clock=clock)
    except (DatabaseDamaged, DatabaseLost) as error:
        return [database_check([], str(error))]
    outlook = Retention(stores, keep_days=config.retention.keep_days).outlook()
    rebuilt = Rebuilt(config.station.data_dir)
    probes: list[Probe] = [
        partial(_disk_check, stores),
        lambda: days_left_check(outlook.days_left),
        lambda: _retention_check(config, outlook),
        lambda: database_check(rebuilt.events(), stores.database.damage),
        lambda: _spool_check(stores.reconciliation.missing(), stores),
        partial(_clock_check, config, stores),
        partial(model_check, partial(_proven_name, config), BundleError),
        *_manifest_checks(config, stores),
        partial(station_certificates_check, config, clock),
        partial(_backup_check, config, clock),
        *([lambda: collector_check(deliver((), config.audit))] if config.audit.syslog else []),
        *([lambda: _his_check(config, stores, _folder_problem(config))] if _his_ways(config) else []),
        *(partial(_notice_check, each.name, stores) for each in config.notice),
        partial(_users_check, stores.accounts.users),
        partial(elsewhere_check, stores.ledger.elsewhere),
        *(partial(ask_destination, config, each, stores) for each in config.destination),
        *answers_checks(config, clock),
        _commitment(config, stores),
        partial(left_out_check, stores.outbox.declined.all, stores.clock),
        lambda: stuck_check(stores.outbox.stuck()),
        *_records_check(config, stores),
        *(partial(ask_record_peer, config, each, clock) for each in config.record),
        *(
            partial(refusal_check, each.caller, each.reason, each.line)
            for each in stores.refusals.standing()[:MOST_REFUSALS]
        ),
    ]
    if not config.destination:
        probes.append(_nowhere_to_send)
    return [probe() for probe in probes]


def check_apart(config_path: Path) -> list[Check]:
    """``check_station`` in a process of its own: the front loads no model. Empty when it could not be done."""
    words = ("check", "--json", "--config", str(config_path))
    try:
        told = child.run("xray_triage.cli", *words, environment={}, seconds=CHECK_SECONDS).stdout
        lines = [json.loads(line) for line in told.splitlines()]
    except (OSError, ValueError):
        return []
    return [
        Check(
            name=line["name"],
            state=CheckState(line["state"]),
            said={code: line[code] for code in LANGUAGES},
            detail=line["detail"],
        )
        for line in lines
    ]


def _disk_check(stores: Stores) -> Check:
    """Films go before they are old where room is near its end: to warn at the same line would be to warn always."""
    return disk_check(stores.spool.free_bytes, warn_bytes=near_bytes(stores.spool) // 2)


def _clock_check(config: Config, stores: Stores) -> Check:
    ahead = stores.gauges.exposed_ahead_seconds()
    return clock_check(stores.clock, zone=config.station.timezone, ahead_seconds=ahead)


def _retention_check(config: Config, outlook: Outlook) -> Check:
    takers = config.destinations_for("originals")
    unproved = [each.name for each in config.destination if each.name in takers and not each.commitment]
    return retention_check(config.retention.keep_days, outlook.purged, unproved=unproved, takers=takers)


def _proven_name(config: Config) -> str:
    try:
        classifier = prove_bundle(config, chosen_folder(config))
    except BundleError as error:
        raise BundleError(f"{error}; {way_back(config)}") from error
    return f"{classifier.identity.name} ({classifier.runtime})"


def _manifest_checks(config: Config, stores: Stores) -> list[Probe]:
    """What the site's settings and films are to the model; nothing where there is none, which another check says."""
    try:
        manifest = load_manifest(chosen_folder(config))
    except BundleError:
        return []
    probes: list[Probe] = [
        partial(thresholds_check, idle_thresholds(config, manifest), far_off(manifest, config.model.thresholds)),
        partial(urgency_check, [kind.vi for kind in never_rings(manifest, config.policy.urgent)]),
    ]
    if references := references_of(manifest):
        seen = drift(stores.gauges, manifest.model_sha256, references)
        probes.append(partial(drift_check, seen.films, seen.drifted))
    site = Site(stores.machines)
    machines = (_machine_check(one) for one in site.standings(card_of(manifest, config.model.thresholds)))
    return [*probes, *(partial(lambda check: check, check) for check in machines if check is not None)]


def _machine_check(standing: Standing) -> Check | None:
    return machine_check(
        str(standing.machine) or "–",
        standing.films,
        waits=standing.state is MachineState.PROPOSED,
        changed=standing.changed,
        strange=standing.strange,
    )


def _commitment(config: Config, stores: Stores) -> Probe:
    proving = [each.name for each in config.destination if each.commitment]
    return partial(commitment_check, partial(stores.commitments.standings, proving))


def _notice_check(name: str, stores: Stores) -> Check:
    return notice_check(name, stores.notices.problem(name))


def _spool_check(missing: Missing, stores: Stores) -> Check:
    return spool_check(missing.arrivals, missing.others, stores.spool.apart())


def _records_check(config: Config, stores: Stores) -> list[Probe]:
    return [lambda: records_check(stores.records.summary())] if config.record else []


def _backup_check(config: Config, clock: Clock) -> Check:
    folder = config.backup.folder
    if folder is None:
        message = N_("Chưa khai báo nơi sao lưu. Hãy thêm [backup] folder vào station.toml, trên một ổ đĩa khác.")
        return check("backup", CheckState.WARNING, message)
    standing = standing_of(config)
    found = backup_check(standing.made_at, standing.problem, clock.now())
    if found.state is CheckState.OK and folder.stat().st_dev == config.station.data_dir.stat().st_dev:
        message = N_("Bản sao lưu nằm cùng ổ đĩa với dữ liệu; ổ hỏng thì mất cả hai. Hãy dùng một ổ đĩa khác.")
        return check("backup", CheckState.WARNING, message)
    return found


def _his_check(config: Config, stores: Stores, problem: str) -> Check:
    return his_check(", ".join(_his_ways(config)), stores.orders.last_message_at(), problem)


def _his_ways(config: Config) -> list[str]:
    """Where orders of the HIS come in."""
    hl7, folder = config.orders.hl7, config.orders.folder
    return [*([f"MLLP {hl7.host}:{hl7.port}"] if hl7 else []), *([str(folder.path)] if folder else [])]


def _folder_problem(config: Config) -> str:
    return unusable(config.orders.folder.path) if config.orders.folder else ""


def _users_check(users: Users) -> Check:
    if users.has_active_admin():
        return check("users", CheckState.OK, N_("Có người quản trị."))
    message = N_(
        "Chưa có người quản trị nào, nên không ai mở được trang. Hãy thêm: xray-triage user add TÊN --role admin."
    )
    return check("users", CheckState.WARNING, message)


def _nowhere_to_send() -> Check:
    message = N_("Chưa khai báo PACS nào; phim chỉ được lưu tại trạm. Hãy thêm [[destination]] vào station.toml.")
    return check("destination", CheckState.WARNING, message)
