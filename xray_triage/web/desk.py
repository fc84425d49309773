"""What the page and the API have at hand. Joins nothing: station.py fills it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dicom_router.clock import Clock
from dicom_router.store.holdings import Holdings
from dicom_router.store.inbox import Inbox
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.audit import AuditTrail
from xray_triage.cases.casebook import Casebook
from xray_triage.cases.figures import FigureBook
from xray_triage.cases.heat import HeatMaps
from xray_triage.cases.studies import Studies
from xray_triage.consultations.consultations import Consultations
from xray_triage.health.checks import Check, Health
from xray_triage.model.acquaintance import Site, Standing
from xray_triage.model.drift import ModelInUse
from xray_triage.orders.orders import Orders
from xray_triage.rendering.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The rooms behind the page."""

    casebook: Casebook
    consultations: Consultations
    inbox: Inbox
    outbox: Outbox
    spool: Spool
    holdings: Holdings
    studies: Studies
    heat_maps: HeatMaps
    figures: FigureBook
    renderer: Renderer
    health: Health
    accounts: Accounts
    orders: Orders
    model_in_use: Callable[[], ModelInUse | None]
    site: Site
    clock: Clock
    station_name: str
    language: str = "vi"
    host_names: tuple[str, ...] = ()
    is_tls: bool = False
    self_check: Callable[[], Sequence[Check]] = tuple
    wake_delivery: Callable[[], object] = tuple

    def machines(self) -> list[Standing]:
        """Where the site's machines stand under the model in use; none while AI is off."""
        model = self.model_in_use()
        return self.site.standings(model.card) if model and model.card else []

    @property
    def audit(self) -> AuditTrail:
        """Where it is noted who saw and did what."""
        return self.accounts.audit
