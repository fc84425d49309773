"""Everything a station keeps, joined the same way for the front, the reader process, the verbs and the page.

Knows no page and no network.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from dicom_router.clock import Clock, SystemClock
from dicom_router.errors import DamagedFile, DatabaseDamaged, DatabaseLost
from dicom_router.store.commitments import Commitments
from dicom_router.store.database import Database, has_tables, migrate_router, open_database
from dicom_router.store.holdings import Holdings
from dicom_router.store.inbox import Inbox, apart
from dicom_router.store.ledger import Ledger
from dicom_router.store.marker import MARKER_FILE
from dicom_router.store.outbox import Outbox
from dicom_router.store.purges import Purges
from dicom_router.store.reconciliation import Reconciliation
from dicom_router.store.refusals import Refusals
from dicom_router.store.spool import Spool
from dicom_router.store.spools import bind_spool
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.audit import Action, AuditTrail
from xray_triage.cases import tables
from xray_triage.cases.case import Case
from xray_triage.cases.casebook import Casebook, migrate_cases
from xray_triage.cases.figures.figure_book import FigureBook
from xray_triage.cases.figures.gauges import Gauges
from xray_triage.cases.heat import HeatMaps, SmallPictures
from xray_triage.cases.machines import Machines, Setting
from xray_triage.cases.notices import Notices
from xray_triage.cases.rereading import Rereading
from xray_triage.cases.statements import Settled
from xray_triage.cases.studies import Studies
from xray_triage.config.loading import ConfigError, load_config
from xray_triage.config.station import Config
from xray_triage.consultations.consultations import Consultations
from xray_triage.consultations.follow_ups import FollowUps
from xray_triage.consultations.preparing import Preparer
from xray_triage.orders.orders import Orders
from xray_triage.records.book import ResultBook
from xray_triage.records.gathering import Gatherer, site_of
from xray_triage.records.outbox import RecordOutbox
from xray_triage.records.printing import Printer
from xray_triage.records.record import Ordered
from xray_triage.records.signing.pins import WrongPins
from xray_triage.records.signing.signatures import Signatures
from xray_triage.records.signing.signer import Signer
from xray_triage.records.signing.signing import ResultSigning
from xray_triage.rendering.renderer import NoPicture, Renderer, Rendering

READ_WORK = "read"
APART_WORK = apart(READ_WORK)  # on what is kept apart
DATABASE_FILE = "station.db"
SPOOL_FOLDER = "spool"
ON_PAPER = Rendering(viewport=(640, 640), quality=70)  # a film of 62 mm, about 25 kB
START = "start the station (xray-triage serve): it makes the database anew out of backup and spool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What stands on one database and one spool, and the clock by which it goes."""

    clock: Clock
    database: Database
    ledger: Ledger
    spool: Spool
    inbox: Inbox
    outbox: Outbox
    commitments: Commitments
    holdings: Holdings
    purges: Purges
    casebook: Casebook
    rereading: Rereading
    studies: Studies
    figures: FigureBook
    gauges: Gauges
    heat_maps: HeatMaps
    small_pictures: SmallPictures
    preparer: Preparer
    consultations: Consultations
    follow_ups: FollowUps
    orders: Orders
    results: ResultBook
    records: RecordOutbox
    gatherer: Gatherer
    signing: ResultSigning
    machines: Machines
    accounts: Accounts
    reconciliation: Reconciliation
    notices: Notices
    refusals: Refusals
    renderer: Renderer

    @property
    def audit(self) -> AuditTrail:
        """Where it is noted who saw and did what."""
        return self.accounts.audit


def open_stores(
    config: Config,
    *,
    role: str,
    clock: Clock,
    wake: Callable[[], None] = lambda: None,
    make: bool = False,
    thorough: bool = False,
) -> Stores:
    """Open the database, bring its schema up to date, join what stands on it. See ``join_stores``, ``open_database``.

    Raises DatabaseLost when there is none beside a spool that had one, unless told to ``make`` it; DatabaseDamaged.
    """
    data_dir = config.station.data_dir
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"[station] data_dir {str(data_dir)!r} cannot be made: {error.strerror}; name another folder"
        ) from error
    path, spool = data_dir / DATABASE_FILE, data_dir / SPOOL_FOLDER
    is_used = not make and _is_used(spool)
    if is_used and not config.station.database and not path.exists():
        raise DatabaseLost(f"{path} is gone, and its films are there: {START}")
    try:
        database = open_database(config.database_url, thorough=thorough)
    except DatabaseDamaged as error:
        raise type(error)(f"{error}: {START}") from error
    with ExitStack() as on_error:
        on_error.callback(database.close)
        if is_used and not has_tables(database):
            raise DatabaseLost(f"the database is empty, and {spool} is not: {START}")
        migrate_router(database)
        migrate_cases(database)
        stores = join_stores(database, config, role=role, clock=clock, wake=wake)
        on_error.pop_all()
    return stores


def _is_used(spool: Path) -> bool:
    """Whether a database was ever made beside this spool, or films lie in it."""
    return (spool / MARKER_FILE).exists() or (spool.is_dir() and any(Spool(spool).keys()))


def configured_stores(path: Path | None, *, role: str = "cli") -> Stores:
    """Those of the station that the file ``path`` configures, by the system's clock: for a verb. Raises ConfigError."""
    return open_stores(load_config(path), role=role, clock=SystemClock())


def join_stores(
    database: Database, config: Config, *, role: str, clock: Clock, wake: Callable[[], None] = lambda: None
) -> Stores:
    """The stores on ``database``, which has the tables.

    ``role`` tells the processes of a station apart in the ledger; ``wake`` is called when a request or a result is to
    be sent.
    """
    spool = open_spool(database, config, clock=clock)
    ledger = Ledger(database, clock=clock, node=node_name(spool, role), spool_id=spool.id)
    outbox = Outbox(database, ledger, clock=clock)
    accounts = Accounts.of(database, clock=clock, idle_minutes=config.web.idle_minutes)
    originals = config.destinations_for("originals")
    inbox = Inbox(database, ledger, outbox, clock=clock, work_kind=READ_WORK, destinations=originals)
    casebook = Casebook(database, clock=clock)
    preparer = Preparer(
        database,
        clock=clock,
        inbox=inbox,
        outbox=outbox,
        spool=spool,
        station_name=config.station.name,
        phone=config.station.phone,
    )
    consultations = Consultations(
        database,
        outbox=outbox,
        spool=spool,
        preparer=preparer,
        destinations=config.destinations_for("requests"),
        wake=wake,
    )
    renderer, small_pictures = Renderer(spool), SmallPictures(database)
    orders = Orders(database, clock=clock, prefix=config.registration.prefix)
    records = RecordOutbox(database, ledger, clock=clock, peers={each.name: each.send for each in config.record})
    signatures, pins = Signatures(database, records), WrongPins(database)
    results = ResultBook(
        database,
        clock=clock,
        inbox=inbox,
        outbox=outbox,
        records=records,
        signatures=signatures,
        spool=spool,
        header=preparer.header,
        printer=Printer(
            casebook,
            inbox,
            small_pictures,
            draw=partial(draw_for_paper, renderer),
            sent_by=partial(sent_by, orders),
            station_name=config.facility.name or config.station.name,
        ),
        destinations=config.destinations_for("results"),
        station_name=config.station.name,
        wake=wake,
    )
    signing = ResultSigning(results, signatures, Signer(config.signing, pins, clock=clock), pins)
    return Stores(
        clock=clock,
        database=database,
        ledger=ledger,
        spool=spool,
        inbox=inbox,
        outbox=outbox,
        commitments=Commitments(database, ledger, outbox, clock=clock),
        holdings=Holdings(database),
        purges=Purges(
            database,
            clock=clock,
            originals=originals,
            others=[each.name for each in config.destination if each.name not in originals],
            read_kind=READ_WORK,
            spool_id=spool.id,
        ),
        casebook=casebook,
        rereading=Rereading(casebook, inbox=inbox, spool=spool),
        studies=Studies(database),
        figures=FigureBook(database, clock=clock),
        gauges=Gauges(database),
        heat_maps=HeatMaps(database),
        small_pictures=small_pictures,
        preparer=preparer,
        consultations=consultations,
        follow_ups=FollowUps(database, clock=clock, consultations=consultations, preparer=preparer),
        results=results,
        signing=signing,
        records=records,
        gatherer=Gatherer(
            site_of(config),
            casebook=casebook,
            results=results,
            outbox=outbox,
            ordered=partial(ordered_of, orders),
            paper=signing.pdf,
        ),
        orders=orders,
        accounts=accounts,
        reconciliation=Reconciliation(
            spool=spool,
            database=database,
            inbox=inbox,
            others=[tables.image.c.picture_key, tables.answer.c.spool_key],
        ),
        machines=Machines(database, clock=clock, note=partial(note_setting, accounts.audit)),
        notices=Notices(database, ledger, clock=clock, wanted={each.name: each.on for each in config.notice}),
        refusals=Refusals(database, clock=clock, spool_id=spool.id),
        renderer=renderer,
    )


def ordered_of(orders: Orders, case: Case) -> Ordered:
    """What the order of a case says, where it has one beyond doubt."""
    said = orders.of_study(case.study_instance_uid)
    return Ordered(**{field.name: getattr(said, field.name) for field in fields(Ordered)}) if said else Ordered()


def draw_for_paper(renderer: Renderer, key: str, inverted: bool) -> bytes | None:
    """A film for the paper of a result; None where it cannot be drawn: that costs the picture, not the result."""
    try:
        return renderer.render(key, replace(ON_PAPER, inverted=inverted))
    except (NoPicture, DamagedFile, OSError):
        return None


def sent_by(orders: Orders, case: Case) -> tuple[str, str] | None:
    """Who ordered the film of a case and why, as it was registered here; None where it was not."""
    own, _ = orders.of_case(case)
    return (own.registration.referring_physician, own.registration.reason) if own else None


def note_setting(audit: AuditTrail, machine: str, setting: Setting) -> None:
    """Add to the trail what was set for a machine, and by whom."""
    audit.note(Action(setting.kind.value), actor=setting.by, subject=machine, detail=setting.note)


def note_patient(audit: AuditTrail, connection: Connection, case_id: str, settled: Settled, *, actor: str) -> None:
    """Add to the trail whom a case is called by from now on, and whom else its films name, in the caller's transaction.

    ``actor``: the machine whose film says so.
    """
    if settled.renamed is not None:
        detail = " → ".join(settled.renamed)
        audit.note_within(connection, Action.PATIENT_CORRECTED, actor=actor, subject=case_id, detail=detail)
    if settled.conflict is not None:
        detail = "; ".join(settled.conflict.values)
        audit.note_within(connection, Action.PATIENT_CONFLICT, actor=actor, subject=case_id, detail=detail)


def open_spool(database: Database, config: Config, *, clock: Clock) -> Spool:
    """The station's spool, bound to its database. Raises SpoolMismatch."""
    folder = config.station.data_dir / SPOOL_FOLDER
    spool = Spool(folder, reserve_bytes=round(config.retention.reserve_gb * 1e9))
    spool.id = bind_spool(
        database, folder, ae_title=config.station.ae_title, alone=not config.station.database, clock=clock
    )
    return spool


def node_name(spool: Spool, role: str) -> str:
    """The name under which a process of this station holds leases: one station at a time has the spool."""
    return f"{spool.id}/{role}"
