"""What the model says of labelled films, each read as the station reads it. It must never know figures."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xray_triage.assessment.labels import LabelledFilm
from xray_triage.reader.offline import FilmReading
from xray_triage.reading.classifier import ModelFailed
from xray_triage.reading.findings import CARDIOTHORACIC_RATIO, Findings
from xray_triage.reading.pixels import Image

Probabilities = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One film and what came of it. ``refused`` is the code of the reason when the station would not read it.

    ``probabilities`` are of every label, withheld ones too; None when there was no picture to ask the model about,
    so a film that only the input gate refuses has both.
    """

    film: LabelledFilm
    refused: str | None
    probabilities: Probabilities | None
    cardiothoracic_ratio: float | None = None


def answers(
    films: Iterable[tuple[LabelledFilm, Path]],
    read: Callable[[Path], FilmReading],
    probabilities: Callable[[Image], Probabilities],
) -> Iterator[Prediction]:
    """``read`` is the station's way from a file to a reading, ``probabilities`` the same model past its gate."""
    for film, path in films:
        came = read(path)
        findings, why = came.reading.findings, came.reading.not_readable
        if findings is not None:
            yield Prediction(
                film=film,
                refused=None,
                probabilities=probabilities_in(findings),
                cardiothoracic_ratio=findings.scores.get(CARDIOTHORACIC_RATIO),
            )
            continue
        past_the_gate = None
        if came.radiograph is not None:
            with suppress(ModelFailed):  # ``refused`` says so already
                past_the_gate = probabilities(came.radiograph.image)
        yield Prediction(film=film, refused=why.reason.code if why else "no_model", probabilities=past_the_gate)


def probabilities_in(findings: Findings) -> dict[str, float]:
    """Every label's probability: those shown to the doctor and those that go into the scores. The ratio is none."""
    scores = {name: score for name, score in findings.scores.items() if name != CARDIOTHORACIC_RATIO}
    shown = {finding.kind.name: finding.probability for finding in findings.findings}
    return shown | {name: score for name, score in scores.items() if score is not None}
