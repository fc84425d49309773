"""Labelled films before a network: each read as a station reads it, its answers kept. It must never know figures."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from xray_triage.assessment.examiner import without_model
from xray_triage.assessment.labels import LabelledFilm
from xray_triage.config.station import Config
from xray_triage.reading.normalisation import Energies, as_read, measure
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.reading.pixels import Image, InputSpec, moved, prepare

Say = Callable[[int, int, str], None]  # so many done, of so many, of what
Lot = Sequence[tuple[LabelledFilm, Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of labelled films: of those that were read, one row of ``answers`` and one of ``energies`` each.

    ``refused`` counts the others by the reason's code.
    """

    films: list[LabelledFilm] = field(default_factory=list)
    rows: list[Image] = field(default_factory=list)
    energies: list[Energies] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def answers(self) -> Image:
        return np.stack(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """``network`` answers films prepared by ``spec``; ``companion`` decides which are read, and outlines the lungs."""

    network: nn.Module
    spec: InputSpec
    companion: OnnxClassifier

    def ask(self, lot: Lot, say: Say, *, wanted: Energies | None = None) -> Answered:
        """All films of the ``lot``; where energies are ``wanted``, brought to them first."""
        answered, what = Answered(), "reading films in one look" if wanted else "reading films"
        config = Config()
        youngest = config.policy.minimum_age_years
        read = without_model(config)
        for done, (film, path) in enumerate(lot, start=1):
            came = read(path)
            if film.age_years is not None and film.age_years < youngest:
                answered.refused["child"] += 1
            elif came.radiograph is None:
                answered.refused[came.reading.not_readable.reason.code if came.reading.not_readable else ""] += 1
            else:
                self._ask(film, came.radiograph.image, answered, wanted)
            say(done, len(lot), what)
        return answered

    def _ask(self, film: LabelledFilm, image: Image, answered: Answered, wanted: Energies | None) -> None:
        seen = self.companion.see(image)
        refused = self.companion.refusal(seen)
        if refused or seen.masks is None:
            answered.refused[refused.reason.code if refused else "model_failed"] += 1
            return
        masks = moved(seen.masks, image, self.companion.manifest.input, self.spec)
        prepared = prepare(image, self.spec)
        read = as_read(prepared, masks, self.spec, wanted)[0] if wanted else prepared
        with torch.inference_mode():
            answered.rows.append(self.network(torch.from_numpy(read)).numpy()[0])
        answered.energies.append(measure(prepared[0, 0] * self.spec.std + self.spec.mean, masks[:2].max(axis=0)))
        answered.films.append(film)
