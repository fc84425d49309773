"""What the page and the API need beside what is stored: how the station is, what it is called. Joins nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xray_triage.health.checks import Check, Health
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.model.drift import ModelInUse
from xray_triage.rendering.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The running station around the page. ``host_names``: those under which a browser may call it."""

    health: Health
    renderer: Renderer
    model_in_use: Callable[[], ModelInUse | None]
    station_name: str
    language: str = "vi"
    host_names: tuple[str, ...] = ()
    is_tls: bool = False
    self_check: Callable[[], Sequence[Check]] = tuple
    wake_delivery: Callable[[], object] = tuple
    rebuilt: Rebuilt | None = None
