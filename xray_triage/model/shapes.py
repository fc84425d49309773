"""The shape of the model in use in JSON: what reads, whether it drifts, whether the doctors agree. Knows no route."""

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import AliasPath, Field

from xray_triage.cases.shapes import JsonShape, ModelJson
from xray_triage.model.acquaintance import Standing
from xray_triage.model.drift import Drift, ModelInUse, Verdicts
from xray_triage.reading.findings import MachineState, Priority


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


class MachineJson(JsonShape):
    """An X-ray machine and how well its own cut-offs are known, also for the command line.

    ``films`` were read since it is learned; ``psi``: how far its scores lie from what the model should say of a
    station's films, null: too few; ``flagged_share`` of its newest films with the cut-offs in use, null: no film.
    """

    manufacturer: str = Field(validation_alias=AliasPath("machine", "manufacturer"))
    model: str = Field(validation_alias=AliasPath("machine", "model"))
    station: str = Field(validation_alias=AliasPath("machine", "station"))
    films: int
    psi: float | None
    state: MachineState
    changed: bool
    flagged_share: float | None
    cut_offs: Mapping[str, float]


class ModelInUseJson(JsonShape):
    """``model``, ``runtime`` and ``drift`` are null while AI is off, and no machine is known."""

    model: ModelJson | None
    runtime: str | None
    drift: DriftJson | None
    agreement: AgreementsJson
    machines: list[MachineJson]

    @classmethod
    def of(
        cls,
        model: ModelInUse | None,
        drift: Drift | None,
        every: Verdicts,
        recent: Verdicts,
        machines: Sequence[Standing],
    ) -> Self:
        """What reads, and how well it does here."""
        told = {"model": model.identity, "runtime": model.runtime} if model else {"model": None, "runtime": None}
        agreement = {"all": every, "recent": recent}
        return cls.model_validate(told | {"drift": drift, "agreement": agreement, "machines": list(machines)})
