"""What the site decided about reading: who is read, what is urgent, when a specialist is asked. Knows no film."""

from dataclasses import dataclass
from typing import Literal

from xray_triage.config.station import Config
from xray_triage.reading.radiograph import Admission
from xray_triage.reading.triage import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePolicy:
    """What the site decided: who is read, what is urgent, when a consultation is asked for without a click.

    ``site_cut_offs``: who takes the cut-offs that are proposed for a machine. ``urgent_share``: of its films, the
    gravest so many are urgent.
    """

    admission: Admission
    triage: Policy
    auto_request: Literal["urgent", "abnormal", "never"] = "urgent"
    station_name: str = ""
    site_cut_offs: Literal["ask", "auto"] = "ask"
    urgent_share: float = 0.0

    @classmethod
    def from_config(cls, config: Config) -> "SitePolicy":
        return cls(
            admission=Admission(minimum_age_years=config.policy.minimum_age_years),
            triage=Policy(urgent=config.policy.urgent),
            auto_request=config.policy.auto_request,
            station_name=config.station.name,
            site_cut_offs=config.model.site,
            urgent_share=config.policy.urgent_share,
        )
