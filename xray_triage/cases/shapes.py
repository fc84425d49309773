"""The JSON shapes of a finding and of a model, as types and as functions to them. Knows no route and no verb."""

# pydantic, which turns these types into the OpenAPI document, wants this TypedDict before Python 3.12.
from typing_extensions import TypedDict

from xray_triage.reading.findings import Finding, ModelIdentity


class FindingJson(TypedDict):
    """``box`` is [x, y, width, height] in pixels of the film."""

    code: str
    scheme: str
    name: str
    probability: float
    threshold: float
    positive: bool
    box: list[int] | None


class ModelJson(TypedDict):
    """Which model read: ``sha256`` is that of its model.onnx."""

    name: str
    version: str
    sha256: str


def finding_json(finding: Finding) -> FindingJson:
    """A finding, also for the command line."""
    box = finding.box
    return {
        "code": finding.kind.code.value,
        "scheme": finding.kind.code.scheme,
        "name": finding.kind.name,
        "probability": finding.probability,
        "threshold": finding.threshold,
        "positive": finding.positive,
        "box": [box.x, box.y, box.width, box.height] if box else None,
    }


def model_json(model: ModelIdentity | None) -> ModelJson | None:
    """A model, also for the command line."""
    return {"name": model.name, "version": model.version, "sha256": model.sha256} if model else None
