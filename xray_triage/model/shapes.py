"""The shape of the model in use in JSON: what reads, whether it drifts, whether the doctors agree. Knows no route."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from xray_triage.cases.shapes import JsonShape, ModelJson
from xray_triage.model.drift import Drift, ModelInUse, Verdicts
from xray_triage.reading.findings import Priority


class DriftJson(JsonShape):
    """Population stability index by label over the newest ``films`` films; null: not known, too few films yet."""

    films: int
    labels: Mapping[str, float | None] = Field(validation_alias="index")


class AgreementJson(JsonShape):
    """Verdicts that agree with the AI and that do not; ``share`` is 0..1, null without a verdict."""

    agree: int
    disagree: int
    share: float | None


class VerdictsJson(JsonShape):
    """Agreement, in all and by the priority that the AI gave."""

    total: AgreementJson
    by_priority: dict[Priority, AgreementJson]


class AgreementsJson(JsonShape):
    """Over all verdicts, and over the newest 200."""

    all: VerdictsJson
    recent: VerdictsJson


class ModelInUseJson(JsonShape):
    """``model``, ``runtime`` and ``drift`` are null while AI is off."""

    model: ModelJson | None
    runtime: str | None
    drift: DriftJson | None
    agreement: AgreementsJson

    @classmethod
    def of(cls, model: ModelInUse | None, drift: Drift | None, every: Verdicts, recent: Verdicts) -> Self:
        """What reads, and how well it does here."""
        told = {"model": model.identity, "runtime": model.runtime} if model else {"model": None, "runtime": None}
        return cls.model_validate(told | {"drift": drift, "agreement": {"all": every, "recent": recent}})
