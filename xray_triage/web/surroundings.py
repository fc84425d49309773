"""What the page and the API need beside what is stored: how the station is, what it is called. Joins nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dicom_router.dicom.instance import InstanceRef
from xray_triage.health.checks import Check, Health
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.model.drift import ModelInUse
from xray_triage.rendering.renderer import Renderer

Fetch = Callable[[InstanceRef, str], object]  # raises PeerUnreachable, PeerRefused or SpoolFull


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The running station around the page. ``host_names``: those under which a browser may call it.

    ``fetch``: takes a purged instance back from a PACS under its key in the spool; None where none gives it.
    ``days_left``: until the disk is full, as far as it is known. ``urgent``: findings that the site's policy calls so.
    """

    health: Health
    renderer: Renderer
    model_in_use: Callable[[], ModelInUse | None]
    station_name: str
    language: str = "vi"
    host_names: tuple[str, ...] = ()
    is_tls: bool = False
    self_check: Callable[[], Sequence[Check]] = tuple
    wake_delivery: Callable[[], object] = tuple
    fetch: Fetch | None = None
    days_left: Callable[[], float | None] = lambda: None
    rebuilt: Rebuilt | None = None
    urgent: tuple[str, ...] = ()
