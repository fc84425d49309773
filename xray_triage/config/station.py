"""The whole of station.toml as one value, and what its tables must have in common."""

import os

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from xray_triage.config.destinations import RESULTS, ConsultationSection, Destination, Sent
from xray_triage.config.notices import NoticePeer
from xray_triage.config.records import CodesSection, FacilitySection, OrdersSection, RecordPeer
from xray_triage.config.sections import (
    AuditSection,
    BackupSection,
    ListenerSection,
    ModelSection,
    PolicySection,
    RegistrationSection,
    RetentionSection,
    StationSection,
    WebSection,
)
from xray_triage.config.signing import SigningSection

ENVIRONMENT_PREFIX = "XRAY_TRIAGE__"


class Config(BaseSettings):
    """The whole of station.toml."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    station: StationSection = StationSection()
    listener: ListenerSection = ListenerSection()
    web: WebSection = WebSection()
    model: ModelSection = ModelSection()
    policy: PolicySection = PolicySection()
    registration: RegistrationSection = RegistrationSection()
    destination: tuple[Destination, ...] = ()
    consultation: ConsultationSection = ConsultationSection()
    retention: RetentionSection = RetentionSection()
    backup: BackupSection = BackupSection()
    audit: AuditSection = AuditSection()
    facility: FacilitySection = FacilitySection()
    codes: CodesSection = CodesSection()
    orders: OrdersSection = OrdersSection()
    record: tuple[RecordPeer, ...] = ()
    notice: tuple[NoticePeer, ...] = ()
    signing: SigningSection = SigningSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @model_validator(mode="after")
    def _destinations_fit_together(self) -> "Config":
        names = [destination.name for destination in self.destination]
        records, notices = [each.name for each in self.record], [each.name for each in self.notice]
        for what, called in (("destinations", names), ("records", records), ("notices", notices)):
            twice = {name for name in called if called.count(name) > 1}
            if twice:
                raise ValueError(f"two {what} are called {min(twice)!r}; give each its own name")
        if self.consultation.destination and self.consultation.destination not in names:
            raise ValueError(f"consultation.destination {self.consultation.destination!r} is no [[destination]] name")
        return self

    @model_validator(mode="after")
    def _no_result_comes_back_as_an_order(self) -> "Config":
        orders = self.orders.folder
        for each in self.record:
            if orders and each.path and os.path.normpath(each.path) == os.path.normpath(orders.path):
                raise ValueError(
                    f"record {each.name!r} and orders.folder have one path: the station would take its own results "
                    "for orders, and away; give each its own folder"
                )
        return self

    @property
    def database_url(self) -> str:
        """That of PostgreSQL, or of the SQLite file in ``data_dir``."""
        return self.station.database or f"sqlite:///{self.station.data_dir / 'station.db'}"

    def destinations_for(self, what: Sent) -> tuple[str, ...]:
        """Names of the destinations that get this kind of object."""
        if what == "requests" and self.consultation.destination:
            return (self.consultation.destination,)
        return tuple(destination.name for destination in self.destination if destination.takes(what))

    @property
    def result_destinations(self) -> dict[str, tuple[str, ...]]:
        """Who gets which kind of result: sr, sc and gsps."""
        return {what: self.destinations_for(what) for what in RESULTS}
