"""Everything a station keeps, opened the same way for the front, the reader process and the command line.

station.py and reader/process.py run them. Knows no page and no network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dicom_router.clock import Clock
from dicom_router.store.database import Database, migrate_router, open_database
from dicom_router.store.inbox import Inbox
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.audit import Action, AuditTrail
from xray_triage.cases.casebook import Casebook, migrate_cases
from xray_triage.cases.heat import HeatMaps
from xray_triage.cases.machines import Machines, Setting
from xray_triage.config import Config
from xray_triage.consultations.consultations import Consultations
from xray_triage.orders.orders import Orders

READ_WORK = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What stands on one database and one spool, joined the same way for every process and verb."""

    database: Database
    ledger: Ledger
    spool: Spool
    inbox: Inbox
    outbox: Outbox
    casebook: Casebook
    consultations: Consultations
    heat_maps: HeatMaps
    accounts: Accounts
    orders: Orders
    machines: Machines


def open_stores(config: Config, *, role: str, clock: Clock, wake: Callable[[], None] = lambda: None) -> Stores:
    """Open database and spool, bring the schema up to date, join what stands on them.

    ``role`` tells the processes of a station apart in the ledger; ``wake`` is called when a request is to be sent.
    """
    data_dir = config.station.data_dir
    data_dir.mkdir(parents=True, exist_ok=True)
    database = open_database(config.station.database or f"sqlite:///{data_dir / 'station.db'}")
    migrate_router(database)
    migrate_cases(database)
    ledger = Ledger(database, clock=clock, node=node_name(config, role))
    spool = Spool(data_dir / "spool", reserve_bytes=round(config.retention.reserve_gb * 1e9))
    outbox = Outbox(database, ledger, clock=clock)
    inbox = Inbox(
        database,
        ledger,
        outbox,
        clock=clock,
        work_kind=READ_WORK,
        destinations=config.destinations_for("originals"),
    )
    consultations = Consultations(
        database,
        clock=clock,
        inbox=inbox,
        outbox=outbox,
        spool=spool,
        destinations=config.destinations_for("requests"),
        station_name=config.station.name,
        wake=wake,
    )
    accounts = Accounts.of(database, clock=clock, idle_minutes=config.web.idle_minutes)
    return Stores(
        database=database,
        ledger=ledger,
        spool=spool,
        inbox=inbox,
        outbox=outbox,
        casebook=Casebook(database, clock=clock),
        consultations=consultations,
        heat_maps=HeatMaps(database),
        accounts=accounts,
        orders=Orders(database, clock=clock, prefix=config.registration.prefix),
        machines=Machines(database, clock=clock, note=partial(note_setting, accounts.audit)),
    )


def note_setting(audit: AuditTrail, machine: str, setting: Setting) -> None:
    """Add to the trail what was set for a machine, and by whom."""
    audit.note(Action(setting.kind.value), actor=setting.by, subject=machine, detail=setting.note)


def node_name(config: Config, role: str) -> str:
    """The name under which a process of this station holds leases."""
    return f"{config.station.ae_title}/{role}"
