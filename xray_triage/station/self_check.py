"""Which checks a station has: those that a page asks for at every request, and the full ones of ``check``."""

import json
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from dicom_router import child
from dicom_router.clock import Clock, SystemClock
from dicom_router.errors import DatabaseDamaged, DatabaseLost
from dicom_router.store.reconciliation import Missing
from xray_triage.accounts.users import Users
from xray_triage.config import Config, ConfigError
from xray_triage.consultations.answers import Answers
from xray_triage.health.checks import (
    Check,
    CheckState,
    Probe,
    answers_check,
    asking_check,
    check,
    clock_check,
    database_check,
    destination_check,
    disk_check,
    drift_check,
    machine_check,
    model_check,
    reader_check,
    spool_check,
    thresholds_check,
)
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.language import LANGUAGES, N_
from xray_triage.model.acquaintance import Site, Standing
from xray_triage.model.drift import drift, references_of
from xray_triage.model.loading import idle_thresholds, prove_bundle
from xray_triage.model.selection import chosen_folder, way_back
from xray_triage.model.site import card_of
from xray_triage.reading.bundle import BundleError, load_manifest
from xray_triage.reading.findings import MachineState
from xray_triage.station.peers import make_archives, make_transport
from xray_triage.station.supervisor import Supervisor
from xray_triage.stores import Stores, open_stores
from xray_triage.tls import server_tls

CHECK_SECONDS = 180.0


def serving_probes(
    stores: Stores, supervisor: Supervisor, *, clock: Clock, rebuilt: Rebuilt, missing: Callable[[], Missing]
) -> list[Probe]:
    """Checks of the running station: what the processes know already; none asks the network (the page
    shows what the queue knows of the destinations) or runs the model. ``missing``: at the last look."""

    def the_model_in_use() -> str:
        state = supervisor.state
        if state.problem:
            raise BundleError(state.problem)
        return state.model["name"] if state.model else "…"

    return [
        partial(disk_check, stores.spool.free_bytes),
        lambda: database_check(rebuilt.events(), stores.database.damage),
        lambda: _spool_check(missing(), stores),
        partial(clock_check, clock),
        partial(reader_check, lambda: supervisor.state.ready, is_held_up=lambda: supervisor.state.damaged),
        partial(model_check, the_model_in_use, BundleError),
        partial(asking_check, Answers(stores.database, clock=clock).problems),
    ]


def check_station(config: Config) -> list[Check]:
    """The self-check: runs the model on its golden film, and asks every destination for an echo and for answers."""
    clock = SystemClock()
    try:
        stores = open_stores(config, role="check", clock=clock)
    except (DatabaseDamaged, DatabaseLost) as error:
        return [database_check([], str(error))]
    rebuilt = Rebuilt(config.station.data_dir)
    probes: list[Probe] = [
        partial(disk_check, stores.spool.free_bytes),
        lambda: database_check(rebuilt.events(), stores.database.damage),
        lambda: _spool_check(stores.reconciliation.missing(), stores),
        partial(clock_check, clock),
        partial(model_check, partial(_proven_name, config), BundleError),
        *_manifest_checks(config, stores),
        partial(_certificates_check, config),
        partial(_users_check, stores.accounts.users),
        *(partial(_ask, config, index, clock) for index in range(len(config.destination))),
        *_answers_checks(config, clock),
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
    probes: list[Probe] = [partial(thresholds_check, idle_thresholds(config, manifest))]
    if references := references_of(manifest):
        seen = drift(stores.casebook, manifest.model_sha256, references)
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


def _spool_check(missing: Missing, stores: Stores) -> Check:
    return spool_check(missing.arrivals, missing.others, stores.spool.apart())


def _ask(config: Config, index: int, clock: Clock) -> Check:
    destination = config.destination[index]
    try:
        transport = make_transport(destination, config, clock=clock)
    except ConfigError as error:
        return _bad(f"destination:{destination.name}", str(error))
    try:
        return destination_check(destination.name, transport)
    finally:
        transport.close()


def _answers_checks(config: Config, clock: Clock) -> list[Probe]:
    """Whether those that get questions can be asked for the answers; nothing where another check says what is wrong."""
    try:
        archives = make_archives(config, clock=clock)
    except ConfigError:
        return []

    def ask(name: str) -> Check:
        with closing(archives[name]):
            return answers_check(name, archives[name])

    return [partial(ask, name) for name in archives]


def _certificates_check(config: Config) -> Check:
    try:
        if config.listener.tls:
            server_tls(config.listener.tls)
        if config.web.tls:
            server_tls(config.web.tls)
    except ConfigError as error:
        return _bad("certificates", str(error))
    return check("certificates", CheckState.OK, N_("Chứng thư đọc được."))


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


def _bad(name: str, problem: str) -> Check:
    return check(name, CheckState.BAD, N_("Cần sửa: %(problem)s"), problem=problem)
