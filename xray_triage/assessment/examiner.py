"""A model before people's judgement: joins bundle, labelled films and the casebook for the verbs that measure.

Everything it does reads; nothing at the station changes. It must never know the command line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from dicom_router.clock import SystemClock
from xray_triage.assessment.cutoffs import Judged, judged_by_films, judged_by_reads, judged_by_verdicts
from xray_triage.assessment.labels import IMAGE, STUDY_KEYS, AssessmentError, LabelledFilm, find_pictures, read_labels
from xray_triage.assessment.predictions import Prediction, answers
from xray_triage.cases.case import Case
from xray_triage.cases.casebook import Casebook
from xray_triage.config.station import Config
from xray_triage.model.loading import prove_bundle
from xray_triage.model.selection import chosen_folder, find_folder
from xray_triage.reader.offline import FilmReading, OfflineReader
from xray_triage.reader.policy import SitePolicy
from xray_triage.reading.bundle import Manifest, load_bundle
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.stores import open_stores

Watch = Callable[
    [Iterator[Prediction], int], Iterator[Prediction]
]  # passes answers on, of so many, and shows how far it is


class Examiner:
    """One bundle, proven, with the site's thresholds. ``watch`` sees every answer go by."""

    def __init__(self, manifest: Manifest, classifier: OnnxClassifier, config: Config, *, watch: Watch) -> None:
        self.manifest = manifest
        self.identity = classifier.identity
        self._classifier = classifier
        self._config = config
        self._watch = watch

    @classmethod
    def from_config(cls, config: Config, bundle: str = "", *, watch: Watch) -> "Examiner":
        """Of the bundle called ``bundle``, or the one in use. Raises BundleError."""
        folder = find_folder(config, bundle) if bundle else chosen_folder(config)
        return cls(load_bundle(folder).manifest, prove_bundle(config, folder), config, watch=watch)

    @property
    def thresholds(self) -> dict[str, float]:
        """As the classifier takes them: the site's over the bundle's, but for what is withheld."""
        site = self._config.model.thresholds
        return {
            label.name: label.threshold if label.withheld else site.get(label.name, label.threshold)
            for label in self.manifest.labels
        }

    def answers(self, labels: Path, films: Sequence[LabelledFilm], folder: Path | None) -> list[Prediction]:
        """Read the ``films`` of the CSV ``labels``, all or, when one file is missing, none (AssessmentError)."""
        if not any(label.name in film.labels for label in self.manifest.labels for film in films):
            known = ", ".join(label.name for label in self.manifest.labels)
            raise AssessmentError(f"{labels} says nothing of any label of {self.manifest.name}; it has {known}")
        pairs = list(zip(films, find_pictures(labels, films, folder), strict=True))
        reader = OfflineReader(self._classifier, SitePolicy.from_config(self._config), clock=SystemClock())
        return list(self._watch(answers(pairs, reader.read, self._classifier.probabilities), len(pairs)))

    def judged_by_verdicts(self, label: str) -> Judged:
        """What the doctors of this station said."""
        return judged_by_verdicts(label, self._casebook().judged(), self.identity.sha256)

    def judged_by_reads(
        self,
        label: str,
        truth: Path,
        folder: Path | None,
        *,
        where: Mapping[str, str],
        ignore: Sequence[str],
    ) -> Judged:
        """What the reference reads in the CSV ``truth`` say, of pictures or of this station's cases."""
        key, reads = read_labels(truth, keys=(IMAGE, *STUDY_KEYS), where=where, ignore=ignore)
        if key == IMAGE:
            wanted = [read for read in reads if label in read.labels]
            return judged_by_films(label, self.answers(truth, wanted, folder) if wanted else ())
        casebook = self._casebook()
        cases: dict[str, Case] = {}
        for read in reads:
            found = _cases(casebook, key, read.key)
            if len(found) > 1:
                raise AssessmentError(
                    f"{truth} line {read.line}: {len(found)} cases have this {key}; use study_instance_uid"
                )
            if found:
                cases[read.key] = found[0]
        return judged_by_reads(label, reads, cases, self.identity.sha256)

    def _casebook(self) -> Casebook:
        return open_stores(self._config, role="cli", clock=SystemClock()).casebook


def without_model(config: Config) -> Callable[[Path], FilmReading]:
    """The station's way from a file up to the model: what it would ask a model about has a radiograph."""
    return OfflineReader(None, SitePolicy.from_config(config), clock=SystemClock()).read


def _cases(casebook: Casebook, key: str, value: str) -> list[Case]:
    if key == "accession_number":
        return casebook.with_accession(value)
    found = casebook.case_of_study(value)
    return [found] if found else []
