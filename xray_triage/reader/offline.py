"""Reading film files without a station: the verb ``read``. It reads as the reader does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydicom
from pydantic import AfterValidator, AliasPath, Field
from pydicom.dataset import Dataset

from dicom_router.clock import Clock, SystemClock
from dicom_router.dicom.instance import read_dataset
from dicom_router.errors import DamagedFile
from xray_triage.cases.shapes import FindingJson, JsonShape, ModelJson
from xray_triage.config.station import Config
from xray_triage.language import ENGLISH
from xray_triage.model.loading import load_classifier
from xray_triage.reader.film import unread
from xray_triage.reader.interpreting import classify
from xray_triage.reader.policy import SitePolicy
from xray_triage.reading.classifier import Classifier
from xray_triage.reading.findings import CARDIOTHORACIC_RATIO, REASONS, Finding, NotReadable, Priority, Reading
from xray_triage.reading.naming import listed, told_positive
from xray_triage.reading.patient import repair_text
from xray_triage.reading.radiograph import Radiograph, admit, glimpse, open_picture
from xray_triage.results.make import make_results
from xray_triage.results.wording import UNPROVEN, limit, value

PICTURES = frozenset({".png", ".jpg", ".jpeg"})


class FilmJson(JsonShape):
    """One line of ``read --json``. ``reason`` is the code why the film was not read.

    ``proven``: whether it is known how often the model is right; where it is not, `normal` says nothing.
    """

    file: Path = Field(validation_alias="path")
    status: str
    reason: str | None = Field(None, validation_alias=AliasPath("reading", "not_readable", "reason", "code"))
    priority: Priority = Field(validation_alias=AliasPath("reading", "decision", "priority"))
    findings: list[FindingJson] = Field(validation_alias="listed")
    scores: dict[str, float | None] = Field({}, validation_alias=AliasPath("reading", "findings", "scores"))
    flags: list[str] = Field(validation_alias=AliasPath("reading", "flags"))
    model: ModelJson | None = Field(validation_alias=AliasPath("reading", "model"))
    proven: bool | None = Field(None, validation_alias=AliasPath("reading", "findings", "proven"))
    seconds: Annotated[float, AfterValidator(lambda seconds: round(seconds, 4))]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmReading:
    """What came of one file. ``header`` is None for a picture that is no DICOM."""

    path: Path
    reading: Reading
    radiograph: Radiograph | None
    header: Dataset | None
    seconds: float

    @property
    def status(self) -> str:
        return "not_read" if self.reading.not_readable else "read"

    @property
    def listed(self) -> tuple[Finding, ...]:
        """Every label, and the groups."""
        return listed(self.reading.findings.findings) if self.reading.findings else ()

    def as_json(self) -> dict[str, Any]:
        """One line of ``read --json``."""
        return FilmJson.model_validate(self).model_dump(mode="json")

    def as_text(self) -> str:
        """Some lines for a person: the priority, every finding over its threshold, the heart's size."""
        priority = self.reading.decision.priority
        if self.reading.not_readable:
            why = self.reading.not_readable
            return f"{self.path}: {priority.value}: {why.reason.said(ENGLISH)} {why.detail}".rstrip()
        said = ENGLISH.translate(UNPROVEN) if self.reading.unproven else priority.value
        lines = [f"{self.path}: {said} ({self.seconds:.2f} s)"]
        for one in told_positive(self.reading.findings.findings if self.reading.findings else ()):
            name = ENGLISH.translate(one.kind.vi)
            lines.append(f"  {name:24} {value(one, ENGLISH):>6}  (threshold {limit(one, ENGLISH)})")
        ratio = self.reading.findings.scores.get(CARDIOTHORACIC_RATIO) if self.reading.findings else None
        lines += [] if ratio is None else [f"  {'cardiothoracic ratio':24} {ENGLISH.number(ratio, 2):>6}"]
        return "\n".join(lines)


class OfflineReader:
    """Reads files one by one. ``problem`` says why AI is off, or None."""

    def __init__(
        self, classifier: Classifier | None, policy: SitePolicy, *, clock: Clock, problem: str | None = None
    ) -> None:
        self._clock = clock
        self._classifier = classifier
        self._policy = policy
        self.problem = problem

    @classmethod
    def from_config(cls, config: Config) -> "OfflineReader":
        ai = load_classifier(config)
        return cls(ai.classifier, SitePolicy.from_config(config), clock=SystemClock(), problem=ai.problem)

    def read(self, path: Path) -> FilmReading:
        """Read one file; a bad one is `not_read` with its reason."""
        started = self._clock.monotonic()
        header: Dataset | None = None
        film: Radiograph | NotReadable
        today = self._clock.now().astimezone().date()
        if path.suffix.lower() in PICTURES:
            film = open_picture(path)
        else:
            try:
                with path.open("rb") as stream:
                    header = read_dataset(stream)
                repair_text(header)
                film = admit(header, self._policy.admission, arrived=today)
            except (DamagedFile, OSError, ValueError) as error:
                film = NotReadable(reason=REASONS["damaged_pixels"], detail=str(error))
        if isinstance(film, NotReadable):
            reading, radiograph = unread(film, header or Dataset(), today), None
        else:
            reading, radiograph = classify(film, self._classifier, self._policy, clock=self._clock), film
        seconds = self._clock.monotonic() - started
        return FilmReading(path=path, reading=reading, radiograph=radiograph, header=header, seconds=seconds)

    def write_results(self, film: FilmReading, folder: Path) -> list[Path]:
        """Write the result objects beside each other in ``folder``; none for a picture, which names no patient."""
        if film.header is None:
            return []
        shown = film.radiograph or glimpse(film.header, self._policy.admission)
        if "PixelData" in film.header:
            del film.header.PixelData
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        made = make_results(
            film.header,
            film.reading,
            shown,
            station_name=self._policy.station_name,
            at=self._clock.now(),
        )
        for result in made:
            path = _unused(folder / f"{film.path.stem}.{result.what}.dcm", result.dataset.SOPInstanceUID)
            path.write_bytes(result.encoded)
            written.append(path)
        return written


def _unused(path: Path, sop_instance_uid: str) -> Path:
    """``path``, or one beside it when that holds the result of another film of the same file name."""
    if path.exists() and pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID != sop_instance_uid:
        return path.with_name(f"{sop_instance_uid}.{path.name}")
    return path
